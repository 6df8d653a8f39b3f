"""A pickle reader that runs nothing: what it does not know becomes an inert stand-in. No torch.

A pickle can only name things; every name that the file holds becomes a `Known` (one of a few
functions of ours), a constant, or an `Opaque` that remembers what was to be done with it. Nothing
is ever imported for the file, and no attribute of any real object is ever set. What a small file
could make large is bounded: operations, bytes copied by calls, keys that take for ever to hash.
"""

from __future__ import annotations

import pickle
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, ClassVar

from netdoctor.errors import CheckpointError
from netdoctor.inputs.inert_objects import Known, NumpyArray, NumpyType, Opaque, plain_key

_ATTACKS = {"os", "posix", "nt", "sys", "subprocess", "pty", "runpy", "importlib", "socket"}
_ATTACKS |= {"ctypes", "shutil", "webbrowser", "pdb", "timeit", "bdb"}
_BUILTINS = {"builtins", "io", "_io"}
_ATTACKING_BUILTINS = {"eval", "exec", "compile", "open", "__import__", "input", "breakpoint"}
_MOST_OPERATIONS = 10_000_000
_MOST_ELEMENTS_PASSED = 2**28
_LONGEST_LINE = 2**20


class HostileCheckpointError(CheckpointError):
    """A file that asks to run a program when it is read."""


def refuse_attack(module: str, name: str) -> None:
    """Refuses what no checkpoint needs and only an attack names.

    Raises:
        HostileCheckpointError: it is such a name.
    """
    root = module.partition(".")[0]
    if root in _ATTACKS or (root in _BUILTINS and name in _ATTACKING_BUILTINS):
        raise HostileCheckpointError(
            f"It asks to call {module}.{name} when it is read, as an attack does and no checkpoint "
            "needs. Nothing of it was run.",
            hint="Do not use this file unless you know who made it and why.",
        )


def _of_python_3(module: str, name: str) -> tuple[str, str]:
    """Pickles of protocol 2, which torch.save writes, name modules as Python 2 did."""
    return NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))


def _call(reader: Any, function: Any, args: Any) -> Any:
    if isinstance(function, Known) and isinstance(args, tuple):
        _spend(reader, args)
        return function.function(*args)
    origin = function.origin if isinstance(function, Opaque) else type(function).__name__
    return Opaque(origin, called=True, args=args if isinstance(args, tuple) else ())


def _spend(reader: Any, args: tuple[Any, ...]) -> None:
    """Bounds what calls may copy: one long text could be encoded a thousand times."""
    sized = (str, bytes, bytearray, tuple, list, dict, OrderedDict)
    reader.passed += sum(len(each) for each in args if type(each) in sized)
    if reader.passed > _MOST_ELEMENTS_PASSED:
        raise pickle.UnpicklingError("it copies far more than it holds")


def _reduce(reader: Any) -> None:
    args = reader.stack.pop()
    reader.stack[-1] = _call(reader, reader.stack[-1], args)


def _new_with_keywords(reader: Any) -> None:
    reader.stack.pop()
    _reduce(reader)


def _build(reader: Any) -> None:
    state = reader.stack.pop()
    target = reader.stack[-1]
    if isinstance(target, Opaque):
        target.state = state
    elif isinstance(target, NumpyArray):
        _spend(reader, state if isinstance(state, tuple) else ())
        target.fill(state)
    elif isinstance(target, NumpyType) and isinstance(state, tuple) and len(state) > 1:
        target.order = str(state[1])


def _add(target: Any, items: list[Any]) -> None:
    if type(target) is list:
        target.extend(items)
    elif type(target) is set:
        target.update(map(plain_key, items))
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
    entries.update(zip(map(plain_key, items[::2]), items[1::2], strict=True))


def _set_item(reader: Any) -> None:
    value = reader.stack.pop()
    key = reader.stack.pop()
    _set(reader.stack[-1], [key, value])


def _set_items(reader: Any) -> None:
    items = reader.pop_mark()
    _set(reader.stack[-1], items)


def _dictionary(reader: Any) -> None:
    items = reader.pop_mark()
    reader.append(dict(zip(map(plain_key, items[::2]), items[1::2], strict=True)))


def _frozen_set(reader: Any) -> None:
    reader.append(frozenset(map(plain_key, reader.pop_mark())))


def _byte_array(reader: Any) -> None:
    length = int.from_bytes(reader.read(8), "little")
    reader.append(bytearray(reader.read(length)))


class _Metered:
    """A file of which only so much is read: a pickle's length bounds what reading it may cost."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._reads = 0

    def readline(self) -> bytes:
        line: bytes = self._file.readline(_LONGEST_LINE)
        if len(line) == _LONGEST_LINE:
            raise pickle.UnpicklingError("it has a line that does not end")
        return line

    def read(self, size: int) -> bytes:
        self._reads += 1
        if self._reads > _MOST_OPERATIONS:
            raise pickle.UnpicklingError("it has too many operations")
        if size > 2**16:
            return self._read_long(size)
        found: bytes = self._file.read(size)
        return found

    def _read_long(self, size: int) -> bytes:
        parts = []
        while size > 0 and (part := self._file.read(min(size, 2**20))):
            parts.append(part)
            size -= len(part)
        if size:
            raise EOFError("it ends inside a value")
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


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
        pickle.DICT[0]: _dictionary,
        pickle.FROZENSET[0]: _frozen_set,
        pickle.BYTEARRAY8[0]: _byte_array,
    }

    def __init__(self, file: Any, **options: Any) -> None:
        super().__init__(_Metered(file), **options)
        self.passed = 0

    def named(self, module: str, name: str) -> Any:
        """The stand-in for a name, by the names of Python 3."""
        raise NotImplementedError

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """The stand-in for a name in the file."""
        if self.proto < 3:
            module_name, global_name = _of_python_3(module_name, global_name)
        return self.named(module_name, global_name)

    def get_extension(self, code: int) -> None:
        """Refuses names that only this process could resolve."""
        raise pickle.UnpicklingError(f"extension code {code}")

    def _instantiate(self, function: Any, args: Any) -> None:
        self.append(_call(self, function, tuple(args)))
