"""Follows one forward pass: which call made each tensor, and which calls took it."""

from __future__ import annotations

import contextlib
import dataclasses
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode

from netdoctor.facts.site import Site
from netdoctor.observe.kinds import operation_name
from netdoctor.observe.outputs import main_tensor
from netdoctor.observe.tracing import tensors_in

# Of their argument they take only the shape, and of their second one these.
_SHAPE_ONLY = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like",
     "randint_like", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor"}
)  # fmt: skip
_LIKE = frozenset({"expand_as", "view_as", "reshape_as", "type_as"})
_TO_NUMPY = frozenset({"numpy", "array"})
Value = tuple[int, tuple[int, ...], str]
"""A tensor that went in: the step that made it, its shape and its type."""


@dataclasses.dataclass(slots=True)
class Step:
    """One call of a function, or of a module in which none was seen.

    Attributes:
        site: its name, numbered as `observe` numbers it.
        operation: the function's name or the module's class.
        scope: the number of the innermost module call around it; its own where it is one.
        taken: the tensors that it took and that a step made, in their order.
        shape, dtype: of the first tensor that it gave.
        weights: of the model's parameters that it took, the numbers of values by identity.
        same: whether it gave back what it took, unchanged.
        opaque: whether something ran inside that was not seen.
    """

    site: Site
    operation: str
    scope: int
    taken: list[Value]
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    weights: dict[int, int] = dataclasses.field(default_factory=dict)
    same: bool = False
    opaque: bool = False


@dataclasses.dataclass(slots=True)
class Scope:
    """One call of a module of the model.

    Attributes:
        site: its name; without a number until it has ended.
        module: which.
        parent: the number of the module call around it; -1 for none.
        first, last: of the steps inside it, the number of the first and the one after the last.
    """

    site: Site
    module: nn.Module
    parent: int
    first: int
    last: int = -1
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    same: bool = False


class Flow(TorchFunctionMode):
    """Sees the functions and modules of a pass; to be used inside an `observe` block.

    Tensors are known by identity for as long as they live, what was written into memory that
    several of them share by that memory.

    Attributes:
        steps: what ran, in its order.
        scopes: the module calls, each after the one that it is in.
        left: paths of the modules in which values were handed to numpy, each once.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.scopes: list[Scope] = []
        self.left: dict[str, None] = {}
        self._paths = {id(module): path for path, module in model.named_modules()}
        self._parameters = {id(each): each.numel() for each in model.parameters()}
        self._open: list[int] = []
        self._numbers: dict[str, int] = {}
        self._made: dict[int, tuple[weakref.ref[Tensor], int]] = {}
        self._written: dict[int, tuple[StorageWeakRef, int]] = {}

    @contextlib.contextmanager
    def following(self) -> Iterator[Flow]:
        """A block in which modules and functions are seen."""
        before = register_module_forward_pre_hook(self._enter)
        after = register_module_forward_hook(self._leave, with_kwargs=True)
        try:
            with self:
                yield self
        finally:
            before.remove()
            after.remove()
            self._made.clear()
            self._written.clear()

    def give(self, name: str, value: Any) -> int:
        """Takes in an input of the model as a step of that name, and returns its number."""
        tensors = tensors_in([value])
        self._append(Step(Site(name), "input", -1, []), tensors)
        return len(self.steps) - 1

    def origins(self, value: Any) -> list[Value]:
        """The steps that made the tensors in a value; of unknown ones nothing."""
        return [origin for each in tensors_in([value]) for origin in self._origins(each)]

    def _enter(self, module: nn.Module, args: Any) -> None:
        path = self._paths.get(id(module))
        if path is None:
            return
        parent = self._open[-1] if self._open else -1
        self._open.append(len(self.scopes))
        self.scopes.append(Scope(Site(path), module, parent, len(self.steps)))

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        number = next((at for at in reversed(self._open) if self.scopes[at].module is module), None)
        if number is None:
            return
        while (left := self._open.pop()) != number:  # an exception left some behind
            self.scopes[left].last = len(self.steps)
        with torch._C.DisableTorchFunction():
            self._end(number, (args, kwargs), output)

    def _end(self, number: int, given: Any, output: Any) -> None:
        scope = self.scopes[number]
        inputs, tensors = tensors_in(given), tensors_in([output])
        if main_tensor(output) is not None:
            scope.site = self._numbered(scope.site.path, "")
        unseen = [each for each in tensors if not self._is_known(each)]
        passed = all(any(each is one for one in inputs) for each in tensors)
        if tensors and (unseen or len(self.steps) == scope.first):
            step = Step(scope.site, _class_of(scope.module), number, self.origins(inputs))
            scripted = isinstance(scope.module, torch.jit.ScriptModule)
            step.same = passed and not scripted
            step.opaque = bool(unseen) or scripted
            self._append(step, unseen or tensors)
        scope.last = len(self.steps)
        if tensors:
            scope.shape, scope.dtype = tuple(tensors[0].shape), _dtype(tensors[0])
        scope.same = passed and len(tensors) > 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not self._open:
            return func(*args, **kwargs)
        name = operation_name(func)
        with torch._C.DisableTorchFunction():
            given = [*tensors_in(args), *tensors_in(kwargs)]
            taken = [each for tensor in given for each in self._origins(tensor)]
            versions = [_version(each) for each in given]
        output = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            made = tensors_in(args[0] if name == "setitem" else [output])
            if name == "get":
                self._alias(given, made)
            elif name in _TO_NUMPY and taken:
                self.left[self.scopes[self._open[-1]].site.path] = None
            elif made:
                self._call(name, given, taken, versions, made)
        return output

    def _call(
        self,
        name: str,
        given: list[Tensor],
        taken: list[Value],
        versions: list[int],
        made: list[Tensor],
    ) -> None:
        written = [
            each for each, version in zip(given, versions, strict=True) if _version(each) != version
        ]
        if name in _SHAPE_ONLY:
            taken = []
        elif name in _LIKE:
            taken = [origin for each in given[:1] for origin in self._origins(each)]
        path = self.scopes[self._open[-1]].site.path
        counted = name if main_tensor(made) is not None else f"{name}:{_dtype(made[0])}"
        step = Step(self._numbered(path, counted), name, self._open[-1], taken)
        step.weights = {
            id(each): self._parameters[id(each)] for each in given if id(each) in self._parameters
        }
        unchanged = not written and all(version >= 0 for version in versions)
        step.same = unchanged and all(any(each is one for one in given) for each in made)
        self._append(step, made)
        for each in written:
            self._note_write(each)

    def _alias(self, given: list[Tensor], made: list[Tensor]) -> None:
        """Another view of the same values, as `x.T` is."""
        entry = self._made.get(id(given[0])) if given else None
        if entry is not None and entry[0]() is given[0]:
            for each in made:
                if not self._is_known(each):
                    self._made[id(each)] = (weakref.ref(each), entry[1])

    def _append(self, step: Step, made: Sequence[Tensor]) -> None:
        self.steps.append(step)
        if made:
            step.shape, step.dtype = tuple(made[0].shape), _dtype(made[0])
        for each in made:
            if id(each) not in self._parameters:
                self._made[id(each)] = (weakref.ref(each), len(self.steps) - 1)

    def _note_write(self, tensor: Tensor) -> None:
        number = len(self.steps) - 1
        if id(tensor) not in self._parameters:
            self._made[id(tensor)] = (weakref.ref(tensor), number)
        with contextlib.suppress(RuntimeError, NotImplementedError):
            memory = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]
            self._written[memory.cdata] = (memory, number)

    def _is_known(self, tensor: Tensor) -> bool:
        entry = self._made.get(id(tensor))
        return (entry is not None and entry[0]() is tensor) or id(tensor) in self._parameters

    def _origins(self, tensor: Tensor) -> list[Value]:
        """The step that made it, and the one that last wrote to its memory through another."""
        entry = self._made.get(id(tensor))
        steps = [entry[1]] if entry is not None and entry[0]() is tensor else []
        if self._written:
            with contextlib.suppress(RuntimeError, NotImplementedError):
                writer = self._written.get(tensor.untyped_storage()._cdata)
                if writer is not None and writer[1] > max(steps, default=-1):
                    steps.append(writer[1])
        return [(step, tuple(tensor.shape), _dtype(tensor)) for step in steps]

    def _numbered(self, path: str, operation: str) -> Site:
        name = f"{path}/{operation}" if operation else path
        number = self._numbers.get(name, 0) + 1
        self._numbers[name] = number
        return Site(path, operation, number)


def _version(tensor: Tensor) -> int:
    """Goes up whenever something is written to it; inference tensors have none."""
    try:
        return tensor._version
    except RuntimeError:
        return -1


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _class_of(module: nn.Module) -> str:
    return str(getattr(module, "original_name", type(module).__name__))
