"""A pickle reader that runs nothing: what it does not know becomes an inert stand-in.

`torch.load(weights_only=True)` refuses a whole file for one object of an unknown class. This
reader takes the tensors from such a file. A pickle can only name things; every name that the file
holds becomes a `Known` (one of the few functions of this module), a constant, or an `Opaque` that
remembers what was to be done with it. Nothing is ever imported for the file, and no attribute of
any real object is ever set.
"""

from __future__ import annotations

import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

import torch

from netdoctor.errors import CheckpointError
from netdoctor.inputs.inert_values import FUNCTIONS, Known, NumpyArray, NumpyType, Opaque

_ATTACKS = {"os", "posix", "nt", "sys", "subprocess", "pty", "runpy", "importlib", "socket"}
_ATTACKS |= {"ctypes", "shutil", "webbrowser", "pdb", "timeit", "bdb"}
_BUILTINS = {"builtins", "io", "_io"}
_ATTACKING_BUILTINS = {"eval", "exec", "compile", "open", "__import__", "input", "breakpoint"}


class HostileCheckpointError(CheckpointError):
    """A file that asks to run a program when it is read."""


def _named(module: str, name: str) -> Any:
    origin = f"{module}.{name}"
    root = module.partition(".")[0]
    if root in _ATTACKS or (root in _BUILTINS and name in _ATTACKING_BUILTINS):
        raise HostileCheckpointError(
            f"It asks to call {origin} when it is read, as an attack does and no checkpoint needs. "
            "Nothing of it was run.",
            hint="Do not use this file unless you know who made it and why.",
        )
    if origin in FUNCTIONS:
        return Known(origin, FUNCTIONS[origin])
    if module == "torch":
        constant = getattr(torch, name, None)
        if isinstance(constant, (torch.dtype, torch.qscheme)):
            return constant
    if origin == "torch.storage.UntypedStorage":
        return torch.UntypedStorage
    return Opaque(origin)


def _of_python_3(module: str, name: str) -> tuple[str, str]:
    """Pickles of protocol 2, which torch.save writes, name modules as Python 2 did."""
    return NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))


def _call(function: Any, args: Any) -> Any:
    if isinstance(function, Known) and isinstance(args, tuple):
        return function.function(*args)
    origin = function.origin if isinstance(function, Opaque) else type(function).__name__
    return Opaque(origin, called=True, args=args if isinstance(args, tuple) else ())


def _reduce(reader: Any) -> None:
    args = reader.stack.pop()
    reader.stack[-1] = _call(reader.stack[-1], args)


def _new_with_keywords(reader: Any) -> None:
    reader.stack.pop()
    _reduce(reader)


def _build(reader: Any) -> None:
    state = reader.stack.pop()
    target = reader.stack[-1]
    if isinstance(target, Opaque):
        target.state = state
    elif isinstance(target, NumpyArray):
        target.fill(state)
    elif isinstance(target, NumpyType) and isinstance(state, tuple) and len(state) > 1:
        target.order = str(state[1])


def _add(target: Any, items: list[Any]) -> None:
    if type(target) is list:
        target.extend(items)
    elif type(target) is set:
        target.update(items)
    elif isinstance(target, Opaque):
        target.elements.extend(items)
    else:
        raise pickle.UnpicklingError(f"elements for {type(target).__name__}")


def _append(reader: Any) -> None:
    item = reader.stack.pop()
    _add(reader.stack[-1], [item])


def _append_many(reader: Any) -> None:
    items = reader.pop_mark()
    _add(reader.stack[-1], items)


def _set(target: Any, items: list[Any]) -> None:
    entries = target.items if isinstance(target, Opaque) else target
    if type(entries) not in (dict, OrderedDict):
        raise pickle.UnpicklingError(f"entries for {type(target).__name__}")
    entries.update(zip(items[::2], items[1::2], strict=True))


def _set_item(reader: Any) -> None:
    value = reader.stack.pop()
    key = reader.stack.pop()
    _set(reader.stack[-1], [key, value])


def _set_items(reader: Any) -> None:
    items = reader.pop_mark()
    _set(reader.stack[-1], items)


class Unpickler(pickle._Unpickler):
    """Reads a pickle without importing or running what it names.

    Every operation that could touch a real object is replaced; the rest only moves plain values.
    """

    append: Callable[[Any], None]
    proto: int
    dispatch: ClassVar = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _reduce,
        pickle.NEWOBJ_EX[0]: _new_with_keywords,
        pickle.BUILD[0]: _build,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: _append_many,
        pickle.ADDITEMS[0]: _append_many,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
    }

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The stand-in for a name in the file."""
        if self.proto < 3:
            module_name, global_name = _of_python_3(module_name, global_name)
        return _named(module_name, global_name)

    def get_extension(self, code: int) -> None:
        """Refuses names that only this process could resolve."""
        raise pickle.UnpicklingError(f"extension code {code}")

    def _instantiate(self, function: Any, args: Any) -> None:
        self.append(_call(function, tuple(args)))


def load(file: Any, **options: Any) -> Any:
    """What the pickle in an open file holds, in stand-ins; the counterpart of `pickle.load`."""
    return Unpickler(file, **options).load()
