"""Finds the state dicts inside what a checkpoint file holds, wherever its trainer put them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdoctor.inputs.containers import (
    AUXILIARY,
    DEEPEST,
    HARMLESS,
    children,
    entries,
    is_module,
    join,
    module_entries,
)  # fmt: skip
from netdoctor.inputs.inert_objects import Known, NumpyArray, Opaque


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    """A state dict in a file.

    Attributes:
        key: the keys that lead to it, joined by dots; empty at the top.
        tensors: its tensors by name.
        extras: its entries that are no tensors, such as the packed parameters of quantised layers.
        metadata: the versions of the modules that wrote it, where the file has them.
        of_class: the class of the module that was saved whole, else empty.
    """

    key: str
    tensors: dict[str, Tensor]
    extras: dict[str, Any] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None
    of_class: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """The tensors of one state dict in a file, on the CPU.

    Attributes:
        tensors: the tensors by the names that the file gives them.
        source: the file.
        key: the keys that lead to the state dict in the file, joined by dots; empty at the top.
        not_read: what else the file holds and nobody looked at, as `key (class)`.
        notes: one line each on how it was read.
        extras: entries of the state dict that are no tensors.
        metadata: the versions of the modules that wrote it, where the file has them.
    """

    tensors: Mapping[str, Tensor]
    source: Path
    key: str = ""
    not_read: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    extras: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    metadata: Mapping[str, Any] | None = None


def find_state_dicts(content: Any) -> list[Candidate]:
    """The mappings whose values are mostly tensors, innermost first, those of optimizers left out.

    Args:
        content: what the file holds; opaque objects are looked into.
    """
    found = list(_search(content, "", 0, set()))
    return [one for one in found if not AUXILIARY.search(one.key)] or found


def not_read(content: Any, chosen: str) -> list[str]:
    """What stays unread, as `key (class)`: objects of classes that are neither known nor inert.

    Args:
        content: what the file holds.
        chosen: the key of the state dict that was read; the objects around it are not listed.
    """
    return list(_opaque(content, "", chosen, 0, set()))


def _search(value: Any, key: str, depth: int, seen: set[int]) -> Iterator[Candidate]:
    if depth > DEEPEST or id(value) in seen or isinstance(value, (str, bytes, Tensor)):
        return
    seen.add(id(value))
    whole = _whole_module(value, key)
    if whole is not None:
        yield whole
        return
    inner = [
        candidate
        for name, child in children(value)
        for candidate in _search(child, join(key, name), depth + 1, seen)
    ]
    if inner:
        yield from inner
        return
    found = entries(value)
    if found is not None and not {"param_groups", "state"} <= set(found):
        yield from _mostly_tensors(found, key, getattr(value, "_metadata", None))


def _whole_module(value: Any, key: str) -> Candidate | None:
    if isinstance(value, nn.Module):
        state = value.state_dict()
        tensors, extras = _split(state)
        of_class = type(value).__qualname__
        return Candidate(key, tensors, extras, getattr(state, "_metadata", None), of_class)
    if isinstance(value, Opaque) and is_module(value):
        tensors, extras = _split(dict(module_entries(value, "", 0)))
        return Candidate(key, tensors, extras, None, value.origin) if tensors else None
    return None


def _mostly_tensors(
    held: Mapping[Any, Any], key: str, metadata: Mapping[str, Any] | None
) -> Iterator[Candidate]:
    named = {name: value for name, value in held.items() if isinstance(name, str)}
    tensors, extras = _split(named)
    enough = 2 * len(tensors) > len(held)
    if enough and any(tensor.dim() > 0 for tensor in tensors.values()):
        yield Candidate(key, tensors, extras, metadata)


def _split(held: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {name: _as_tensor(value) for name, value in held.items()}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    extras = {
        name: value
        for name, value in held.items()
        if name not in kept and not isinstance(value, (Opaque, Known, NumpyArray))
    }
    return kept, extras


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, NumpyArray):
        value = value.value
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(np.array(value))
        except TypeError:
            return None
    usable = isinstance(value, Tensor) and value.layout is torch.strided and not value.is_meta
    return value.detach() if usable else None


def _opaque(value: Any, key: str, chosen: str, depth: int, seen: set[int]) -> Iterator[str]:
    if depth > DEEPEST or id(value) in seen or isinstance(value, (str, bytes, Tensor)):
        return
    seen.add(id(value))
    around = f"{chosen}.".startswith(f"{key}.") or not key
    unknown = isinstance(value, (Opaque, Known)) and not value.origin.startswith(HARMLESS)
    if unknown and not around:
        yield f"{key} ({value.origin})"
        return
    if not (key == chosen and is_module(value)):
        for name, child in children(value):
            yield from _opaque(child, join(key, name), chosen, depth + 1, seen)
