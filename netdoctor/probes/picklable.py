"""What of a loader a freshly started process cannot be given, by name."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

from netdoctor.facts.workers import Unpicklable

_MOST = 256 * 2**20
_DEEPEST = 6
_PARTS = ("dataset", "collate_fn", "worker_init_fn", "sampler", "batch_sampler")


class _EnoughError(Exception):
    """So much was pickled that the rest is taken to be data."""


class _Sink(io.RawIOBase):
    def __init__(self) -> None:
        self.written = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes  # a large array comes as a buffer without a length
        self.written += size
        if self.written > _MOST:
            raise _EnoughError
        return size


def unpicklable(source: Any) -> tuple[Unpicklable, ...]:
    """The innermost attributes of a loader or data set that cannot be pickled."""
    parts = {"dataset": source}
    if hasattr(source, "dataset"):
        parts = {name: getattr(source, name, None) for name in _PARTS[:3]}
    found = []
    for name, part in parts.items():
        if part is not None and (reason := _refusal(part)):
            found.append(_innermost(name, part, reason, _DEEPEST))
    return tuple(found)


def _refusal(value: Any) -> str:
    """What pickle says against the value; empty when nothing."""
    try:
        pickle.Pickler(_Sink(), protocol=5).dump(value)
    except _EnoughError:
        return ""
    except Exception as error:  # pickle raises what the object's own methods raise
        return f"{type(error).__name__}: {error}"
    return ""


def _innermost(name: str, value: Any, reason: str, depth: int) -> Unpicklable:
    for part, inner in _parts(value) if depth else ():
        if refused := _refusal(inner):
            return _innermost(f"{name}{part}", inner, refused, depth - 1)
    return Unpicklable(name, _kind(value), reason)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((f"[{key!r}]", each) for key, each in value.items())
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{number}]", each) for number, each in enumerate(value))
    elif hasattr(value, "__dict__") and not isinstance(value, type) and not _is_function(value):
        yield from ((f".{key}", each) for key, each in vars(value).items())


def _is_function(value: Any) -> bool:
    return hasattr(value, "__code__")


def _kind(value: Any) -> str:
    if _is_function(value):
        return "lambda" if value.__name__ == "<lambda>" else "function inside a function"
    return type(value).__qualname__
