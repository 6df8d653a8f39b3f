"""The stand-ins for what a pickle names, and the functions without tensors that it may call."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np


@dataclasses.dataclass(slots=True, eq=False)
class Opaque:
    """Stands for an object of a class that was not imported.

    Attributes:
        origin: module and name as the file gives them, `my_package.Config`.
        called: whether it stands for an object and not for the class or function itself.
        args: what the class was to be called with.
        state: what its attributes were to be.
        items: its entries, for a subclass of dict.
        elements: its elements, for a subclass of list or set.
    """

    origin: str
    called: bool = False
    args: tuple[Any, ...] = ()
    state: Any = None
    items: dict[Any, Any] = dataclasses.field(default_factory=dict)
    elements: list[Any] = dataclasses.field(default_factory=list)

    @property
    def __name__(self) -> str:
        return self.origin.rpartition(".")[2]


@dataclasses.dataclass(frozen=True, slots=True)
class Known:
    """A function that a file may call, one of the few that we wrote."""

    origin: str
    function: Callable[..., Any]


@dataclasses.dataclass(slots=True, eq=False)
class NumpyType:
    """A dtype: its code, `f4`, and its byte order."""

    code: str
    order: str = "="

    def dtype(self) -> np.dtype[Any]:
        found = np.dtype(self.code)
        if found.kind not in "biufc":
            raise ValueError(f"arrays of {self.code!r} are not read")
        return found.newbyteorder(">") if self.order == ">" else found


@dataclasses.dataclass(slots=True, eq=False)
class NumpyArray:
    """An array; None where its elements are not numbers."""

    value: np.ndarray[Any, Any] | None = None

    def fill(self, state: Any) -> None:
        if not (isinstance(state, tuple) and len(state) == 5):
            return
        _, shape, kind, fortran, raw = state
        if isinstance(kind, NumpyType) and isinstance(raw, (bytes, bytearray)):
            self.value = _array(raw, kind, shape, "F" if fortran else "C")


def _array(raw: Any, kind: NumpyType, shape: Any, order: Any) -> np.ndarray[Any, Any] | None:
    try:
        dtype = kind.dtype()
    except (TypeError, ValueError):
        return None
    flat = np.frombuffer(bytes(raw), dtype=dtype).astype(dtype.newbyteorder("="))
    return flat.reshape(sizes(shape), order="F" if order == "F" else "C")


def _from_buffer(raw: Any, kind: Any, shape: Any, order: Any) -> NumpyArray:
    return NumpyArray(_array(raw, kind, shape, order) if isinstance(kind, NumpyType) else None)


def sizes(value: Any) -> tuple[int, ...]:
    found = tuple(value)
    if not all(type(size) is int and size >= 0 for size in found):
        raise ValueError("what stands for a shape is none")
    return found


_PLAIN = (str, int, float, complex, bytes, bool, type(None))


def plain_key(value: Any) -> Any:
    """The value where hashing it is cheap, else a stand-in: shared tuples can nest without end."""
    if type(value) in _PLAIN or isinstance(value, (Opaque, Known)):
        return value
    if type(value) is tuple and all(type(each) in _PLAIN for each in value):
        return value
    return Opaque(type(value).__name__, called=True)


def _hashable_pairs(items: Any) -> list[tuple[Any, Any]]:
    pairs = items.items() if isinstance(items, dict) else items
    return [(plain_key(key), value) for key, value in pairs]


def _rebuilt(function: Any, _type: Any, args: Any, *_state: Any) -> Any:
    return function.function(*args) if isinstance(function, Known) else Opaque("torch.Tensor", True)


def _reconstructed(kind: Any, *_rest: Any) -> Any:
    return Opaque(kind.origin, called=True) if isinstance(kind, Opaque) else Opaque("object", True)


def _latin1(text: str, _encoding: str = "latin1") -> bytes:
    return text.encode("latin1")


def _first(value: Any, *_rest: Any) -> Any:
    return value


def _numpy_type(code: Any, *_rest: Any) -> NumpyType:
    return NumpyType(str(code))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": lambda items=(): OrderedDict(_hashable_pairs(items)),
    "collections.defaultdict": lambda *_factory: {},
    "builtins.set": lambda items=(): set(map(plain_key, items)),
    "builtins.frozenset": lambda items=(): frozenset(map(plain_key, items)),
    "_codecs.encode": _latin1,
    "copyreg._reconstructor": _reconstructed,
    "torch.Size": lambda sizes=(): tuple(sizes),
    "torch._utils._rebuild_parameter": _first,
    "torch._utils._rebuild_parameter_with_state": _first,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
    "torch._tensor._rebuild_from_type_v2": _rebuilt,
    "numpy.dtype": _numpy_type,
    "numpy.core.multiarray._reconstruct": lambda *_: NumpyArray(),
    "numpy._core.multiarray._reconstruct": lambda *_: NumpyArray(),
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
}
"""What a file may call that makes no tensor, by the name that it gives."""
