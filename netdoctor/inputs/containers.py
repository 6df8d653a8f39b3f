"""How what a pickle holds is walked through: mappings, lists, unmade objects. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from netdoctor.inputs.inert_objects import Opaque

DEEPEST = 12
_WIDEST_LIST = 1000
AUXILIARY = re.compile(r"optim|sched|scaler|rng|random|callback|loops|metric|hyper_param", re.I)
HARMLESS = (
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


def is_module(value: Any) -> bool:
    """Whether it stands for an nn.Module that was pickled whole."""
    return (
        isinstance(value, Opaque)
        and isinstance(value.state, Mapping)
        and ({"_parameters", "_buffers", "_modules"} <= value.state.keys())
    )


def module_entries(module: Opaque, prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    """What the state dict of a module that was pickled whole would hold."""
    if depth > 100:
        return
    state = module.state
    unsaved = state.get("_non_persistent_buffers_set") or ()
    for kind in ("_parameters", "_buffers"):
        for name, value in (entries(state[kind]) or {}).items():
            if value is not None and name not in unsaved:
                yield f"{prefix}{name}", value
    for name, child in (entries(state["_modules"]) or {}).items():
        if is_module(child):
            yield from module_entries(child, f"{prefix}{name}.", depth + 1)


def entries(value: Any) -> Mapping[Any, Any] | None:
    """The entries of a mapping, or of what was a subclass of dict."""
    if isinstance(value, Mapping):
        return value
    return value.items if isinstance(value, Opaque) and value.items else None


def children(value: Any) -> Iterator[tuple[str, Any]]:
    """What a container holds, with its key or place."""
    if isinstance(value, Mapping):
        yield from ((key_text(name), child) for name, child in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((str(place), child) for place, child in enumerate(value[:_WIDEST_LIST]))
    elif isinstance(value, Opaque):
        for part in (value.items, value.state, value.args, value.elements):
            yield from [("state", part)] if isinstance(part, Opaque) else children(part)


def key_text(key: Any) -> str:
    """The key as text; a hostile one could be too large to write out."""
    small = isinstance(key, str) or (isinstance(key, int) and key.bit_length() <= 64)
    return str(key) if small else type(key).__name__


def join(key: str, name: str) -> str:
    """The path to an entry."""
    return f"{key}.{name}" if key else name
