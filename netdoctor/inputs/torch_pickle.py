"""What the pickle of a torch.save file says of its tensors; nothing runs, no torch is needed."""

from __future__ import annotations

import dataclasses
import math
import pickle
from collections.abc import Callable
from typing import Any

from netdoctor.inputs.inert_objects import FUNCTIONS, Known, Opaque, sizes
from netdoctor.inputs.inert_reader import Unpickler, refuse_attack
from netdoctor.inputs.stored import ITEM_BYTES

_STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Byte": "uint8", "Char": "int8", "Short": "int16", "Int": "int32", "Long": "int64",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
    "QInt8": "qint8", "QUInt8": "quint8", "QInt32": "qint32", "QUInt4x2": "quint4x2",
    "QUInt2x4": "quint2x4",
}  # fmt: skip
_UNTYPED = "uint8"
_DTYPES = {
    "float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64",
    "short": "int16", "cfloat": "complex64", "cdouble": "complex128", "chalf": "complex32",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Storage:
    """A block of values in the file, by its key there; `dtype` says how it was declared."""

    key: str
    dtype: str
    values: int

    @property
    def bytes(self) -> int:
        """Its declared length; quantised types have the length of the integers they are."""
        width = {"qint32": 4}.get(self.dtype, 1)
        return self.values * ITEM_BYTES.get(self.dtype, width)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class View:
    """A tensor over a storage: `offset` and `strides` in values of its `dtype`."""

    storage: Storage
    dtype: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Unread:
    """A tensor of a kind that is not examined, and why."""

    reason: str
    shape: tuple[int, ...] = ()
    dtype: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Dtype:
    """A torch.dtype that the file names."""

    name: str


def read_pickle(file: Any, storages: dict[str, Storage] | None = None) -> Any:
    """What one pickle of the file holds, with `View` and `Unread` for its tensors.

    Args:
        file: open at the start of the pickle; it is left behind its end.
        storages: takes every storage that the pickle names, by its key.
    """
    reader = _Unpickler(file, encoding="utf-8")
    reader.storages = {} if storages is None else storages
    return reader.load()


class _Unpickler(Unpickler):
    storages: dict[str, Storage]

    def named(self, module: str, name: str) -> Any:
        refuse_attack(module, name)
        origin = f"{module}.{name}"
        if origin in _FUNCTIONS:
            return Known(origin, _FUNCTIONS[origin])
        if module == "torch":
            dtype = _DTYPES.get(name, name)
            if dtype in ITEM_BYTES:
                return Dtype(dtype)
        return Opaque(origin)

    def persistent_load(self, saved: Any) -> Any:
        """The storage that a persistent id names.

        Raises:
            UnpicklingError: it names something else.
        """
        if not (isinstance(saved, tuple) and len(saved) >= 5 and saved[0] == "storage"):
            if isinstance(saved, tuple) and len(saved) > 1 and saved[0] == "module":
                return saved[1]  # the class of a module, beside its source
            raise pickle.UnpicklingError("a persistent id that is no storage")
        kind, key, values = saved[1], saved[2], saved[4]
        if not isinstance(kind, Opaque) or type(values) is not int or values < 0:
            raise pickle.UnpicklingError("a storage without a type or size")
        name = kind.origin.rpartition(".")[2].removesuffix("Storage")
        dtype = _UNTYPED if name == "Untyped" else _STORAGES.get(name)
        if dtype is None:
            raise pickle.UnpicklingError(f"a storage of the unknown type {name[:40]!r}")
        storage = self.storages.setdefault(str(key), Storage(str(key), dtype, values))
        if storage != Storage(str(key), dtype, values):
            raise pickle.UnpicklingError("a storage of two types or sizes")
        if len(saved) > 5 and saved[5] is not None:
            return Unread("it is a view of a storage, as torch saved before 0.4")
        return storage


def _view(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> View | Unread:
    if isinstance(storage, Unread):
        return storage
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    return _checked(storage, storage.dtype, offset, size, stride)


def _view_of_type(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> View | Unread:
    if not isinstance(storage, Storage):
        raise ValueError("a tensor without a storage")
    if not isinstance(dtype, Dtype):
        named = dtype.origin if isinstance(dtype, Opaque) else "its type"
        return Unread(f"{named} is not known", sizes(size))
    return _checked(storage, dtype.name, offset, size, stride)


def _checked(storage: Storage, dtype: str, offset: Any, size: Any, stride: Any) -> View | Unread:
    shape, strides = sizes(size), sizes(stride)
    if type(offset) is not int or offset < 0 or len(shape) != len(strides) or len(shape) > 64:
        raise ValueError("a tensor whose shape and strides disagree")
    if dtype not in ITEM_BYTES:
        return Unread("it is quantised", shape, dtype)
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and (last + 1) * ITEM_BYTES[dtype] > storage.bytes:
        raise ValueError("a tensor that reaches beyond its storage")
    return View(storage, dtype, offset, shape, strides)


def _not_read(reason: str) -> Callable[..., Unread]:
    def unread(*_args: Any) -> Unread:
        return Unread(reason)

    return unread


def _wrapped(function: Any, _type: Any, args: Any, *_state: Any) -> Any:
    """A tensor of a subclass: what it is built of, where that is a plain tensor."""
    if isinstance(function, Known) and isinstance(args, tuple):
        return function.function(*args)
    return Unread("it is of a subclass of torch.Tensor")


_REASONS = {
    "torch._utils._rebuild_qtensor": "it is quantised",
    "torch._utils._rebuild_sparse_tensor": "it is sparse",
    "torch._utils._rebuild_sparse_csr_tensor": "it is sparse",
    "torch._utils._rebuild_meta_tensor_no_storage": "it is a meta tensor, without values",
    "torch._utils._rebuild_nested_tensor": "it is a nested tensor",
    "torch._utils._rebuild_wrapper_subclass": "it is of a subclass of torch.Tensor",
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **FUNCTIONS,
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_tensor_v3": _view_of_type,
    "torch._tensor._rebuild_from_type_v2": _wrapped,
    "torch._tensor._rebuild_from_type": _wrapped,
    **{name: _not_read(reason) for name, reason in _REASONS.items()},
}
