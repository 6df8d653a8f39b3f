"""Measures the tensors of a checkpoint file in one pass over its bytes. No torch."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from netdoctor.facts.weight_files import FileFacts
from netdoctor.facts.weights import Role, TensorFacts, WeightFacts
from netdoctor.inputs.stored import ITEM_BYTES, StoredFile, StoredTensor, by_place
from netdoctor.probes.initial_values import MOST, MOST_COARSE, random_distribution
from netdoctor.probes.weight_reading import Reader, check_unchanged, layout_of
from netdoctor.probes.weight_roles import role_by_name
from netdoctor.probes.weight_rows import Sample, Sums
from netdoctor.probes.weight_values import Extremes, bits_of, decoded, extremes, format_of

THOROUGH_BYTES = 2**29
_SMALL_BYTES = 2**16
_CLOSE_CHUNK = 2**18
_WITH_FILTERS = ("convolution", "linear", "embedding", "recurrent")
_GAPS = "it is a view of values that lie far apart, and larger than 16 MiB"
Progress = Callable[[int], None]


def measure(
    file: StoredFile, *, thorough: bool | None = None, progress: Progress | None = None
) -> FileFacts:
    """What every tensor of a file is like.

    Args:
        file: where the tensors lie.
        thorough: whether to measure moments, zeros and filters of large tensors as well; None for
            files of up to 512 MiB, where it costs no more than a second or two.
        progress: told the bytes of each chunk that was read.

    Raises:
        CheckpointError: the file was written to meanwhile.
    """
    closely = file.size <= THOROUGH_BYTES if thorough is None else thorough
    names = names_by_group(file.tensors)
    by_number: dict[int, TensorFacts] = {}
    left_out: list[tuple[str, str]] = []
    places: dict[tuple[object, ...], TensorFacts] = {}
    with Reader(progress) as reader:
        for number in by_place(file.tensors):
            tensor = file.tensors[number]
            reason = tensor.reason or (_GAPS if layout_of(tensor) == "sparse" else "")
            if reason:
                left_out.append((_full_name(tensor), reason))
                continue
            first = places.get(_place(tensor)) if tensor.length else None
            if first is not None:
                facts = _renamed(first, tensor, names)
            else:
                close = closely or tensor.length <= _SMALL_BYTES
                facts = _measure(reader, tensor, names, close=close)
                places[_place(tensor)] = facts
            by_number[number] = facts
        measured = _with_copies(reader, file.tensors, [by_number[n] for n in sorted(by_number)])
    check_unchanged(file)
    fresh, evidence = _freshness(measured)
    source = str(file.path)
    weights = WeightFacts(source, tuple(measured), fresh, evidence)
    return FileFacts(
        source, file.format, file.size, weights, tuple(left_out), file.not_read, closely
    )


def _full_name(tensor: StoredTensor) -> str:
    return f"{tensor.group}: {tensor.name}" if tensor.group else tensor.name


def _place(tensor: StoredTensor) -> tuple[object, ...]:
    inside = (tensor.group, tensor.name) if tensor.data is not None else ()
    return (tensor.path, tensor.offset, tensor.length, tensor.dtype, tensor.shape, *inside)


def _renamed(
    first: TensorFacts, tensor: StoredTensor, names: Mapping[str, Collection[str]]
) -> TensorFacts:
    tied = first.name if first.group == tensor.group else _labelled(first)
    return dataclasses.replace(
        first,
        name=tensor.name,
        group=tensor.group,
        tied=tied,
        role=role_of(tensor, names),
    )


def _labelled(facts: TensorFacts) -> str:
    return f"{facts.group}: {facts.name}" if facts.group else facts.name


def names_by_group(tensors: Iterable[StoredTensor]) -> dict[str, set[str]]:
    """The names of each group, by which the roles of its tensors are told."""
    names: dict[str, set[str]] = {}
    for each in tensors:
        names.setdefault(each.group, set()).add(each.name)
    return names


def role_of(tensor: StoredTensor, names: Mapping[str, Collection[str]]) -> Role:
    """What a tensor is to its layer; integers are weights of nothing that is judged."""
    role = role_by_name(tensor.name, tensor.shape, names.get(tensor.group, ()))
    whole = format_of(tensor.dtype)[0].kind in "ui" if not tensor.reason else True
    return role if not whole or role == "counter" else "other"


def _measure(
    reader: Reader, tensor: StoredTensor, names: Mapping[str, Collection[str]], *, close: bool
) -> TensorFacts:
    role = role_of(tensor, names)
    form, parts = format_of(tensor.dtype)
    layout = layout_of(tensor)
    values = math.prod(tensor.shape)
    row = values // tensor.shape[0] if tensor.shape and tensor.shape[0] else 0
    wide = row * ITEM_BYTES[tensor.dtype]
    rows = role in _WITH_FILTERS and layout != "block" and parts == 1
    rows = rows and 0 < wide <= _CLOSE_CHUNK and form.kind not in "ui"
    sums = Sums((tensor.shape[0], row) if rows else None) if close and parts == 1 else None
    judged = role in _WITH_FILTERS and form.kind in "fz"
    most = (MOST if form.bytes > 2 else MOST_COARSE) if judged else 0
    sample = Sample(values, most) if sums is not None else Sample(values, 0)
    found, total = Extremes(), 0
    chunks = [reader.whole(tensor)] if layout == "gaps" else reader.chunks(tensor, wide)
    for chunk in chunks:
        bits = bits_of(chunk, form, swapped=tensor.swapped)
        seen = extremes(bits, tensor.dtype)
        found = seen if not total else found.merged(seen)
        total += len(bits)
        if sums is not None:
            step = _CLOSE_CHUNK // wide * row if rows else _CLOSE_CHUNK // form.bytes
            for start in range(0, len(bits), step):
                piece = decoded(bits[start : start + step], form)
                sums.add(piece)
                sample.add(piece)
    facts = _facts(tensor, role, values, found, sums)
    if facts.nan or facts.inf:
        return dataclasses.replace(facts, filters=None)
    drawn = random_distribution(sample.values()) if sums is not None and judged else None
    return dataclasses.replace(facts, initialisation=drawn)


def _facts(
    tensor: StoredTensor, role: Role, values: int, found: Extremes, sums: Sums | None
) -> TensorFacts:
    flat = found.minimum == found.maximum and not (found.nan or found.inf)
    facts = TensorFacts(
        name=tensor.name, dtype=tensor.dtype, shape=tensor.shape, role=role, values=values,
        group=tensor.group, nan=found.nan, inf=found.inf, negative_inf=found.negative_inf,
        minimum=found.minimum, maximum=found.maximum, constant=flat and values > 1,
    )  # fmt: skip
    if sums is None:
        return facts
    mean, std, norm = sums.moments()
    return dataclasses.replace(
        facts, zeros=sums.zeros, tiny=sums.tiny, mean=mean, std=std, norm=norm,
        filters=sums.filters(),
    )  # fmt: skip


def _with_copies(
    reader: Reader, stored: Sequence[StoredTensor], measured: list[TensorFacts]
) -> list[TensorFacts]:
    """The facts with `copy_of` filled in: what agrees in type, shape and range is read again."""
    by_name = {(each.group, each.name): each for each in stored}
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, each in enumerate(measured):
        if each.values > 1 and not each.constant and not each.tied and not each.group:
            key = (each.dtype, each.shape, each.minimum, each.maximum, each.nan, each.norm)
            alike.setdefault(tuple(map(repr, key)), []).append(number)
    result = list(measured)
    for numbers in alike.values():
        first = measured[numbers[0]]
        for number in numbers[1:]:
            other = measured[number]
            if _same(reader, by_name["", first.name], by_name["", other.name]):
                result[number] = dataclasses.replace(other, copy_of=first.name)
    return result


def _same(reader: Reader, one: StoredTensor, other: StoredTensor) -> bool:
    if one.strides != other.strides or one.swapped != other.swapped or one.length != other.length:
        return False
    with Reader() as second:
        pairs = zip(reader.chunks(one), second.chunks(other), strict=True)
        return all(np.array_equal(a, b) for a, b in pairs)


def _freshness(measured: Sequence[TensorFacts]) -> tuple[bool | None, str]:
    """Whether the norm layers' memory tells that the weights are just made, or are not."""
    weights = [each for each in measured if not each.group]
    means = [each for each in weights if each.role == "running mean" and each.values]
    counts = [each for each in weights if each.name.endswith("num_batches_tracked")]
    for each in means:
        if not each.all_zero and math.isfinite(each.minimum):
            return None, ""  # the rules weigh it against what the weights look like
    if means and counts and all(each.maximum == 0 for each in counts):
        return True, "no norm layer has seen a batch (num_batches_tracked is 0)"
    return None, ""
