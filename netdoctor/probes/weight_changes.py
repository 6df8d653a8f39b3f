"""How the tensors of one file differ from those of an earlier one, a buffer at a time. No torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

import numpy as np

from netdoctor.facts.weight_files import ChangeFacts, TensorChange
from netdoctor.inputs.stored import ITEM_BYTES, StoredFile, StoredTensor, by_place
from netdoctor.inputs.wrappers import without_wrappers
from netdoctor.probes.weight_files import names_by_group, role_of
from netdoctor.probes.weight_reading import Raw, Reader, check_unchanged, layout_of
from netdoctor.probes.weight_values import bits_of, decoded, format_of

_VALUES = 2**16
_LARGEST_REORDERED = 2**24


def compare(
    file: StoredFile, earlier: StoredFile, progress: Callable[[int], None] | None = None
) -> ChangeFacts:
    """What became of each weight since the earlier file was written.

    Args:
        file: the file.
        earlier: the one that it is held against; names match without what wrappers put into them.
        progress: told the bytes of each chunk that was read.

    Raises:
        CheckpointError: one of them was written to meanwhile.
    """
    before = _weights(earlier.tensors)
    now = _weights(file.tensors)
    names = names_by_group(file.tensors)
    changes: dict[str, TensorChange] = {}
    with Reader(progress) as one, Reader(progress) as other:
        for number in by_place(file.tensors):
            tensor = file.tensors[number]
            if not tensor.group:
                old = before.get(without_wrappers(tensor.name))
                changes[tensor.name] = _change(one, other, tensor, old, names)
    check_unchanged(file)
    check_unchanged(earlier)
    listed = [changes[each.name] for each in file.tensors if not each.group]
    lost = [each for name, each in before.items() if name not in now]
    listed += [TensorChange(each.name, role_of(each, names), "missing") for each in lost]
    return ChangeFacts(str(file.path), str(earlier.path), tuple(listed))


def _weights(tensors: Iterable[StoredTensor]) -> Mapping[str, StoredTensor]:
    return {without_wrappers(each.name): each for each in tensors if not each.group}


def _change(
    one: Reader,
    other: Reader,
    now: StoredTensor,
    old: StoredTensor | None,
    names: Mapping[str, Collection[str]],
) -> TensorChange:
    role = role_of(now, names)
    if old is None:
        return TensorChange(now.name, role, "new")
    if old.shape != now.shape:
        return TensorChange(now.name, role, "shape")
    if now.reason or old.reason or "sparse" in (layout_of(now), layout_of(old)):
        return TensorChange(now.name, role, "unknown")
    if now.strides != old.strides and max(now.length, old.length) > _LARGEST_REORDERED:
        return TensorChange(now.name, role, "unknown")
    return _measured(one, other, now, old, role)


def _measured(
    one: Reader, other: Reader, now: StoredTensor, old: StoredTensor, role: str
) -> TensorChange:
    moved, before, largest, broken, same = 0.0, 0.0, 0.0, 0, True
    of_now, of_old = format_of(now.dtype)[0], format_of(old.dtype)[0]
    for new_raw, old_raw in _pairs(one, other, now, old):
        if now.dtype == old.dtype and np.array_equal(new_raw, old_raw):
            values = decoded(bits_of(old_raw, of_old, swapped=old.swapped), of_old)
            before += _squares(values)
            continue
        new = decoded(bits_of(new_raw, of_now, swapped=now.swapped), of_now)
        last = decoded(bits_of(old_raw, of_old, swapped=old.swapped), of_old)
        with np.errstate(invalid="ignore", over="ignore"):
            difference = new - last
            finite = np.isfinite(difference)
            broken += int((np.isfinite(last) & ~np.isfinite(new)).sum())
            same = same and bool(((new == last) | (np.isnan(new) & np.isnan(last))).all())
        if finite.any():
            largest = max(largest, float(np.abs(difference[finite]).max()))
        moved += _squares(difference)
        before += _squares(last)
    relative = math.sqrt(moved / before) if before else (math.inf if moved else 0.0)
    dtype = old.dtype if old.dtype != now.dtype else ""
    word = "identical" if same else "changed"
    return TensorChange(now.name, role, word, largest, relative, broken, dtype)


def _squares(values: np.ndarray) -> float:
    held = values[np.isfinite(values)]
    with np.errstate(over="ignore"):
        return float(held @ held)


def _pairs(
    one: Reader, other: Reader, now: StoredTensor, old: StoredTensor
) -> Iterable[tuple[Raw, Raw]]:
    """The bytes of the same values of both, in pieces."""
    if now.strides == old.strides:
        widths = ITEM_BYTES[now.dtype], ITEM_BYTES[old.dtype]
        pieces = [
            reader.chunks(tensor, width, _VALUES * width)
            for reader, tensor, width in zip((one, other), (now, old), widths, strict=True)
        ]
        yield from zip(*pieces, strict=True)
    else:
        yield one.whole(now), other.whole(old)
