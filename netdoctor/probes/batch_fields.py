"""A loader's batch as named fields: which tensors are inputs, and which is the target."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.inputs.batches import TARGET_NAMES

Role = Literal["input", "target"]
_MORE_TARGETS = ("y", "mask", "masks", "label_ids", "class", "classes", "category", "segmentation")
_LARGEST_SPARSE = 2**27
_WIDE: dict[str, type[np.generic]] = {
    "uint16": np.int32, "uint32": np.int64, "uint64": np.int64, "longdouble": np.float64,
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One named part of a batch.

    Attributes:
        name: `input`, `input[1]`, `input_ids`, `target`, `target.boxes`.
        role: whether the network or the loss gets it.
        values: (N, …) on the CPU; a list of N tensors of their own shapes; a list of N texts; or
            None for what is neither.
        kind: the type's name.
    """

    name: str
    role: Role
    values: Tensor | list[Tensor] | list[str] | None
    kind: str


@dataclasses.dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a batch and how many samples it has."""

    fields: tuple[Field, ...]
    size: int

    @property
    def tensors(self) -> tuple[Field, ...]:
        """Those that hold numbers."""
        return tuple(each for each in self.fields if _numbers(each.values) is not None)


def fields_of(raw: Any, indices: Sequence[Hashable] | None) -> Fields:
    """The fields of a batch.

    Args:
        raw: as the loader gave it.
        indices: of its samples, by which a field that only repeats them is known.
    """
    if hasattr(raw, "args") and hasattr(raw, "kwargs") and hasattr(raw, "target"):
        raw = {**{f"input[{n}]": each for n, each in enumerate(raw.args)}, "target": raw.target}
    raw = _opened(raw)
    if _is_uncollated(raw):
        raw = tuple(list(part) for part in zip(*raw, strict=True))
    if isinstance(raw, (tuple, list)) and len(raw) > 1 and not _is_list_of_samples(raw):
        raw = tuple(map(_opened, raw))
    parts = list(_parts(raw))
    size = _graphs_in(raw) or _size([value for _, _, value in parts])
    found = [_field(name, role, value, size) for name, role, value in parts]
    return Fields(tuple(_with_target(found, indices)), size)


class _Opened(dict[str, Any]):
    """What a batch object holds; a graph's has more nodes than samples."""

    num_graphs = 0


def _opened(raw: Any) -> Any:
    """An object that holds tensors by name, such as a batch of graphs, as a mapping of them."""
    if isinstance(raw, Mapping) and "edge_index" in raw and "num_graphs" not in raw:
        found = _Opened(raw)
        found.num_graphs = _graphs(raw, found)
        return found
    if isinstance(raw, (Tensor, Mapping, list, tuple)):
        return raw
    if dataclasses.is_dataclass(raw):
        return {each.name: getattr(raw, each.name) for each in dataclasses.fields(raw)}
    if not hasattr(raw, "to"):
        return raw
    made = getattr(raw, "to_dict", None)
    held = made() if callable(made) else getattr(raw, "__dict__", {})
    found = _Opened({str(key): each for key, each in held.items() if as_tensor(each) is not None})
    found.num_graphs = _graphs(raw, found)
    return found or raw


def _graphs(raw: Any, found: Mapping[str, Any]) -> int:
    said = getattr(raw, "num_graphs", None)
    target = found.get("y")
    if isinstance(said, int):
        return said
    return len(target) if isinstance(target, Tensor) and target.ndim else 0


def _graphs_in(raw: Any) -> int:
    """How many graphs the samples are; 0 where they are no graphs."""
    if not isinstance(raw, tuple):
        return int(getattr(raw, "num_graphs", 0))
    graphs = [each for each in raw if isinstance(each, _Opened)]
    said = max((each.num_graphs for each in graphs), default=0)
    target = raw[-1]
    beside = len(target) if graphs and isinstance(target, Tensor) and target.ndim else 0
    return said or beside


def _parts(raw: Any) -> Iterator[tuple[str, Role, Any]]:
    """The leaves with their names; the last of several, or what is called so, is the target."""
    if isinstance(raw, Mapping):
        known = [*TARGET_NAMES, *_MORE_TARGETS]
        named = next((each for each in known if each in raw), None)
        for name, value in raw.items():
            role: Role = "target" if name == named else "input"
            yield from _leaves(value, str(name), role)
    elif isinstance(raw, (tuple, list)) and raw and not _is_list_of_samples(raw):
        *inputs, last = raw if len(raw) > 1 else (*raw, None)
        for number, value in enumerate(inputs):
            yield from _leaves(value, f"input[{number}]" if len(inputs) > 1 else "input", "input")
        if last is not None:
            yield from _leaves(last, "target", "target")
    else:
        yield from _leaves(raw, "input", "input")


def _leaves(value: Any, name: str, role: Role) -> Iterator[tuple[str, Role, Any]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{name}.{key}", role)
    elif (
        isinstance(value, (tuple, list))
        and value
        and all(isinstance(each, Mapping) for each in value)
    ):
        for key in value[0]:  # the targets of a detector: one mapping a sample
            same = [each.get(key) for each in value]
            yield (f"{name}.{key}", role, same)
    elif isinstance(value, (tuple, list)) and not _is_list_of_samples(value):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{name}[{number}]", role)
    else:
        yield (name, role, value)


def _is_list_of_samples(value: Any) -> bool:
    """Whether a list holds one thing a sample: texts, numbers, or tensors of several shapes."""
    if not value:
        return True
    if all(isinstance(each, (str, bytes, int, float, bool, np.generic)) for each in value):
        return True
    if not all(isinstance(each, (Tensor, np.ndarray)) for each in value):
        return not any(
            isinstance(each, (Tensor, np.ndarray, Mapping, tuple, list)) for each in value
        )
    if len({each.dtype for each in value}) > 1:
        return False
    images = all(each.ndim == 3 and each.shape[0] in (1, 3) for each in value)
    if images and (isinstance(value, list) or len({each.shape for each in value}) > 1):
        return True  # images of several sizes
    return isinstance(value, list) and len({tuple(each.shape[:1]) for each in value}) > 1


def _is_uncollated(raw: Any) -> bool:
    """A list of samples as (inputs, target) pairs, which nothing has put together."""
    return (
        isinstance(raw, list)
        and len(raw) > 0
        and all(isinstance(each, tuple) and len(each) == len(raw[0]) for each in raw)
    )


def _size(values: list[Any]) -> int:
    for value in values:
        if isinstance(value, (Tensor, np.ndarray)) and value.ndim:
            return int(value.shape[0])
        if isinstance(value, (list, tuple)) and value:
            return len(value)
    return 1 if values else 0


def _field(name: str, role: Role, value: Any, size: int) -> Field:
    kind = type(value).__name__
    if isinstance(value, (list, tuple)):
        found = _of_list(list(value))
        kind = type(value[0]).__name__ if value else kind
        return Field(name, role, found, kind)
    tensor = as_tensor(value)
    if tensor is None:
        return Field(name, role, None, kind)
    if tensor.ndim == 0 and size == 1:
        tensor = tensor.view(1)
    return Field(name, role, tensor, str(tensor.dtype).removeprefix("torch."))


def _of_list(values: list[Any]) -> Tensor | list[Tensor] | list[str] | None:
    if values and all(isinstance(each, str) for each in values):
        return values
    if values and all(isinstance(each, (int, float, bool, np.generic)) for each in values):
        return as_tensor(np.asarray(values))
    tensors = [as_tensor(each) for each in values]
    kept = [each for each in tensors if each is not None]
    if not kept or len(kept) != len(tensors):
        return None
    if len({(each.shape, each.dtype) for each in kept}) == 1:
        return torch.stack(kept)
    return kept


def as_tensor(value: Any) -> Tensor | None:
    """The numbers of a tensor or array on the CPU, dense and without a graph; else None."""
    tensor = _from_array(value) if isinstance(value, np.ndarray) else value
    if not isinstance(tensor, Tensor) or tensor.is_meta or tensor.is_nested:
        return None
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        if tensor.numel() > _LARGEST_SPARSE:
            return None
        tensor = tensor.to_dense()
    if tensor.is_quantized:
        tensor = tensor.dequantize()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.cpu()


def _from_array(array: NDArray[Any]) -> Tensor | None:
    if array.dtype.kind not in "biuf":
        return None
    kind = _WIDE.get(array.dtype.name)
    native = array.astype(kind) if kind else array.astype(array.dtype.newbyteorder("="))
    return torch.from_numpy(np.ascontiguousarray(native))


def _numbers(values: Any) -> Any:
    if isinstance(values, Tensor):
        return values
    if isinstance(values, list) and values and isinstance(values[0], Tensor):
        return values
    return None


def _with_target(fields: list[Field], indices: Sequence[Hashable] | None) -> list[Field]:
    """Moves the target's role from a field of indices or file names to the one before it."""
    target = next((each for each in fields if each.role == "target"), None)
    if target is None or len(fields) < 3 or not _only_names(target, indices):
        if target is not None and _only_names(target, indices):
            return [each for each in fields if each is not target]
        return fields
    before = next(
        (each for each in fields[::-1] if each.role == "input" and _could_be_label(each)), None
    )
    moved = []
    for each in fields:
        if each is before:
            moved.append(dataclasses.replace(each, role="target", name="target"))
        elif each is not target:
            moved.append(each)
    return moved


def _only_names(field: Field, indices: Sequence[Hashable] | None) -> bool:
    """Whether a field only tells the samples apart: their indices, or a text for each."""
    values = field.values
    if isinstance(values, list) and values and isinstance(values[0], str):
        return len(set(map(str, values))) > max(len(values) // 2, 1) or "." in str(values[0])
    if indices is None or not isinstance(values, Tensor) or values.ndim != 1 or len(values) < 4:
        return False
    return list(indices) == values.tolist() and values.tolist() != list(range(len(values)))


def _could_be_label(field: Field) -> bool:
    return isinstance(field.values, Tensor) and field.values.ndim <= 1
