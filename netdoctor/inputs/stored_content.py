"""The tensors anywhere in what a pickle holds, named as their state dict has them. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from netdoctor.errors import CheckpointError
from netdoctor.inputs.containers import (
    DEEPEST,
    HARMLESS,
    children,
    entries,
    is_module,
    join,
    module_entries,
)  # fmt: skip
from netdoctor.inputs.groups import group_of, group_of_key
from netdoctor.inputs.inert_objects import Known, NumpyArray, Opaque
from netdoctor.inputs.torch_pickle import Unread, View

Found = View | Unread | np.ndarray
_MOST_NAME_CHARACTERS = 2**26
_LEAVES = (str, bytes, bytearray, int, float, View, Unread, NumpyArray)


@dataclasses.dataclass(frozen=True, slots=True)
class NamedTensor:
    """A tensor, the key of the state dict around it, and its name there."""

    key: str
    name: str
    tensor: Found

    @property
    def group(self) -> str:
        """Empty for weights, else `optimizer`, `ema` or the key it stands under."""
        return group_of_key(self.key) or group_of(self.name)


def tensors_in(content: Any) -> list[NamedTensor]:
    """Every tensor of a file once, with names that are unique within their group.

    Raises:
        CheckpointError: the names together are longer than any checkpoint's.
    """
    found: list[NamedTensor] = []
    characters = 0
    for each in _search(content, "", 0, set()):
        characters += len(each.key) + len(each.name)
        if characters > _MOST_NAME_CHARACTERS:
            raise CheckpointError("The names of its tensors take more than 64 MiB: refused.")
        found.append(each)
    return _unique(found)


def opaque_in(content: Any) -> list[str]:
    """The objects of classes that are not known, as `key (class)`; the first hundred."""
    found: list[str] = []
    for each in _opaque(content, "", 0, set()):
        found.append(each)
        if len(found) == 100:
            break
    return found


def _unique(found: list[NamedTensor]) -> list[NamedTensor]:
    """With the key in front of the name where one group has several state dicts."""
    keys: dict[str, set[str]] = {}
    for each in found:
        keys.setdefault(each.group, set()).add(each.key)
    return [
        dataclasses.replace(each, name=join(each.key, each.name))
        if len(keys[each.group]) > 1
        else each
        for each in found
    ]


def _search(value: Any, key: str, depth: int, seen: set[int]) -> Iterator[NamedTensor]:
    if depth > DEEPEST or id(value) in seen or isinstance(value, _LEAVES):
        return
    seen.add(id(value))
    if isinstance(value, Opaque) and is_module(value):
        for name, entry in module_entries(value, "", 0):
            tensor = _as_tensor(entry)
            if tensor is not None:
                yield NamedTensor(key, name, tensor)
        return
    held = entries(value)
    optimizer = held is not None and {"param_groups", "state"} <= held.keys()
    for name, child in children(value):
        tensor = _as_tensor(child)
        if tensor is not None:
            yield NamedTensor(key, name, tensor)
        else:
            within = join("optimizer", name) if optimizer and not group_of_key(key) else name
            yield from _search(child, join(key, within), depth + 1, seen)


def _as_tensor(value: Any) -> Found | None:
    if isinstance(value, NumpyArray):
        return value.value
    if isinstance(value, (View, Unread)):
        return value
    # What wrapped a tensor, such as a parameter of a subclass.
    if isinstance(value, Opaque) and not isinstance(value.state, Mapping):
        inner = [each for each in value.args if isinstance(each, (View, Unread))]
        return inner[0] if len(inner) == 1 else None
    return None


def _opaque(value: Any, key: str, depth: int, seen: set[int]) -> Iterator[str]:
    if depth > DEEPEST or id(value) in seen or isinstance(value, _LEAVES):
        return
    seen.add(id(value))
    unknown = isinstance(value, (Opaque, Known)) and not value.origin.startswith(HARMLESS)
    if unknown and not is_module(value):
        yield f"{key or 'the file'} ({value.origin})"
        return
    if not is_module(value):
        for name, child in children(value):
            yield from _opaque(child, join(key, name), depth + 1, seen)
