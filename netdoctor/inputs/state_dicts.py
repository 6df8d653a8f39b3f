"""Finds the state dicts inside what a checkpoint file holds, wherever its trainer put them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdoctor.inputs.inert_values import Known, NumpyArray, Opaque

_DEEPEST = 12
_WIDEST_LIST = 1000
_AUXILIARY = re.compile(r"optim|sched|scaler|rng|random|callback|loops|metric|hyper_param", re.I)
_HARMLESS = (
    "argparse.Namespace",
    "builtins.",
    "collections.",
    "datetime.",
    "decimal.Decimal",
    "enum.",
    "functools.partial",
    "numpy.",
    "pathlib.",
    "torch.",
    "types.SimpleNamespace",
    "uuid.UUID",
    "zoneinfo.",
)


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
    return [one for one in found if not _AUXILIARY.search(one.key)] or found


def not_read(content: Any, chosen: str) -> list[str]:
    """What stays unread, as `key (class)`: objects of classes that are neither known nor inert.

    Args:
        content: what the file holds.
        chosen: the key of the state dict that was read; the objects around it are not listed.
    """
    return list(_opaque(content, "", chosen, 0, set()))


def _search(value: Any, key: str, depth: int, seen: set[int]) -> Iterator[Candidate]:
    if depth > _DEEPEST or id(value) in seen or isinstance(value, (str, bytes, Tensor)):
        return
    seen.add(id(value))
    whole = _whole_module(value, key)
    if whole is not None:
        yield whole
        return
    inner = [
        candidate
        for name, child in _children(value)
        for candidate in _search(child, _join(key, name), depth + 1, seen)
    ]
    if inner:
        yield from inner
        return
    entries = _entries(value)
    if entries is not None and not {"param_groups", "state"} <= set(entries):
        yield from _mostly_tensors(entries, key, getattr(value, "_metadata", None))


def _whole_module(value: Any, key: str) -> Candidate | None:
    if isinstance(value, nn.Module):
        state = value.state_dict()
        tensors, extras = _split(state)
        of_class = type(value).__qualname__
        return Candidate(key, tensors, extras, getattr(state, "_metadata", None), of_class)
    if isinstance(value, Opaque) and _is_module(value):
        tensors, extras = _split(dict(_module_entries(value, "", 0)))
        return Candidate(key, tensors, extras, None, value.origin) if tensors else None
    return None


def _is_module(value: Any) -> bool:
    return (
        isinstance(value, Opaque)
        and isinstance(value.state, Mapping)
        and ({"_parameters", "_buffers", "_modules"} <= value.state.keys())
    )


def _module_entries(module: Opaque, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """What the state dict of a module that was pickled whole would hold."""
    if depth > 100:
        return
    state = module.state
    unsaved = state.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in (_entries(state[kind]) or {}).items():
            if value is not None and name not in unsaved:
                yield f"{prefix}{name}", value
    for name, child in (_entries(state["_modules"]) or {}).items():
        if _is_module(child):
            yield from _module_entries(child, f"{prefix}{name}.", depth + 1)


def _mostly_tensors(
    entries: Mapping[Any, Any], key: str, metadata: Mapping[str, Any] | None
) -> Iterator[Candidate]:
    named = {name: value for name, value in entries.items() if isinstance(name, str)}
    tensors, extras = _split(named)
    enough = 2 * len(tensors) > len(entries)
    if enough and any(tensor.dim() > 0 for tensor in tensors.values()):
        yield Candidate(key, tensors, extras, metadata)


def _split(entries: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors = {name: _as_tensor(value) for name, value in entries.items()}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    extras = {
        name: value
        for name, value in entries.items()
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


def _entries(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    return value.items if isinstance(value, Opaque) and value.items else None


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((_key_text(name), child) for name, child in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(place), child) for place, child in enumerate(value[:_WIDEST_LIST]))
    elif isinstance(value, Opaque):
        for part in (value.items, value.state, value.args, value.elements):
            yield from [("state", part)] if isinstance(part, Opaque) else _children(part)


def _opaque(value: Any, key: str, chosen: str, depth: int, seen: set[int]) -> Iterator[str]:
    if depth > _DEEPEST or id(value) in seen or isinstance(value, (str, bytes, Tensor)):
        return
    seen.add(id(value))
    around = f"{chosen}.".startswith(f"{key}.") or not key
    unknown = isinstance(value, (Opaque, Known)) and not value.origin.startswith(_HARMLESS)
    if unknown and not around:
        yield f"{key} ({value.origin})"
        return
    if not (key == chosen and _is_module(value)):
        for name, child in _children(value):
            yield from _opaque(child, _join(key, name), chosen, depth + 1, seen)


def _key_text(key: Any) -> str:
    """The key as text; a hostile one could be too large to write out."""
    small = isinstance(key, str) or (isinstance(key, int) and key.bit_length() <= 64)
    return str(key) if small else type(key).__name__


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name
