"""The observer itself: a function mode and module hooks that keep track of one model's passes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_forward_hook,
    register_module_forward_pre_hook,
)
from torch.overrides import TorchFunctionMode
from torch.utils.hooks import RemovableHandle

from netdoctor.facts.site import Site
from netdoctor.observe.kinds import (
    ACTIVATIONS,
    LARGER_OF_TWO,
    NEEDS_LAYER,
    Kind,
    kind_of_function,
    kind_of_module,
    operation_name,
)
from netdoctor.observe.outputs import (
    main_or_complex,
    main_tensor,
    numbers_in,
    same_size,
    shape_of,
)
from netdoctor.observe.preserve import WriteGuard
from netdoctor.observe.seen import Call, Observation, Watch
from netdoctor.observe.tracing import MULTIPLICATIONS, Trace, Traces, tensors_in, trace_operation

_UNSEEN = Trace()
_MODEL_INPUT = Trace(calls=frozenset({""}))
_HOPS = 3  # activations between a signal and the gate that is computed from it
_PROPERTIES = {
    "T": "t", "H": "t", "mT": "transpose", "mH": "transpose", "data": "detach", "real": "real",
    "imag": "imag",
}  # fmt: skip


class _Frame:
    """A module whose forward is running."""

    __slots__ = ("kind", "module", "path")

    def __init__(self, path: str, module: nn.Module) -> None:
        self.path = path
        self.module = module
        self.kind = kind_of_module(module)


class Observer(TorchFunctionMode):
    """Sees functions as a mode and modules through hooks, and tells the callback."""

    def __init__(
        self,
        model: nn.Module,
        observation: Observation,
        guard: WriteGuard,
        on_call: Callable[[Call], None],
        watch: frozenset[Watch],
        on_gradient: Callable[[Site, Tensor], None] | None,
    ) -> None:
        super().__init__()
        self.model = model
        self.seen = observation
        self.guard = guard
        self.on_call = on_call
        self.on_gradient = on_gradient
        self.every_activation = "activation" in watch
        self.every_module = "module" in watch
        self.main_tensor = main_or_complex if "complex" in watch else main_tensor
        self.numbered_names = None if "operation" in watch else ACTIVATIONS
        self.traces = Traces()
        self.numbers: dict[str, int] = {}  # calls so far, by the name of their site
        self.stack: list[_Frame] = []
        self.suppressed = 0  # how many of the running modules are activations themselves
        self.gating: set[str] = set()  # calls whose function would be a gate if it multiplied
        self.parameters = {id(each) for each in model.parameters()}
        self.model_inputs: set[int] = set()
        self.being_handled: BaseException | None = None  # when the pass began
        self.leaf_hooks: list[RemovableHandle] = []
        self.global_hooks: list[RemovableHandle] = []
        for path, module in model.named_modules():
            self._add_hooks(_Frame(path, module))

    def close(self) -> None:
        """Lets go of all that it knows and of hooks on tensors that may be the user's."""
        for handle in (*self.leaf_hooks, *self.global_hooks):
            handle.remove()
        self.stack.clear()
        self.traces.clear()

    def _add_hooks(self, frame: _Frame) -> None:
        root = frame.module is self.model
        quiet = not root and frame.kind is None and not self.every_module

        def before(module: nn.Module, args: Any, kwargs: Any) -> None:
            if in_backward():
                return
            if root and frame not in self.stack:
                self.being_handled = sys.exc_info()[1]
                self._begin((args, kwargs))
            self.stack.append(frame)
            self.seen.running = frame.path
            self.suppressed += frame.kind is not None

        def after(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if in_backward() or not self._leave(frame):
                return
            error = sys.exc_info()[1] if output is None else None
            if error is not None and error is not self.being_handled:
                self._raised(error, frame, _class_of(module), (args, kwargs))
            if quiet and isinstance(output, Tensor) and self.traces.get(output) is not None:
                self.seen.called.add(id(module))
                return
            with torch._C.DisableTorchFunction():
                self._module_call(frame, (args, kwargs), output)
                if root and frame not in self.stack and error in (None, self.being_handled):
                    self._end(output)

        try:
            frame.module.register_forward_pre_hook(before, with_kwargs=True)
            frame.module.register_forward_hook(after, with_kwargs=True, always_call=True)
        except RuntimeError:  # scripted modules take no hooks of their own
            self._add_global_hooks(frame.module, before, after)

    def _add_global_hooks(self, scripted: nn.Module, before: Any, after: Any) -> None:
        """Hooks on every module, which pass over all but one."""

        def before_one(module: nn.Module, args: Any) -> None:
            if module is scripted:
                before(module, args, {})

        def after_one(module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            if module is scripted:
                after(module, args, kwargs, output)

        self.global_hooks += [
            register_module_forward_pre_hook(before_one),
            register_module_forward_hook(after_one, with_kwargs=True, always_call=True),
        ]

    def _begin(self, inputs: Any) -> None:
        self.stack.clear()
        self.suppressed = 0
        self.numbers.clear()
        self.traces.clear()
        given = tensors_in(inputs)
        self.model_inputs = {id(each) for each in given}
        for each in given:
            if id(each) not in self.parameters:
                self.traces.set(each, _MODEL_INPUT)

    def _leave(self, frame: _Frame) -> bool:
        left = self._unwound(frame)
        self.seen.running = self.stack[-1].path if self.stack else ""
        return left

    def _unwound(self, frame: _Frame) -> bool:
        if self.stack and self.stack[-1] is frame:
            self.stack.pop()
            self.suppressed -= frame.kind is not None
            return True
        if frame not in self.stack:
            return False
        while True:  # an exception left frames behind
            left = self.stack.pop()
            self.suppressed -= left.kind is not None
            if left is frame:
                return True

    def _end(self, output: Any) -> None:
        for tensor in tensors_in(output):
            trace = self.traces.get(tensor)
            if trace is not None:
                self.seen.reached_output |= trace.upstream
                self.seen.copied_to_output |= trace.copy_of
        self.seen.settle_roles()
        self.seen.passes += 1
        self.traces.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = operation_name(func)
        if name == "get":
            output = func(*args, **kwargs)
            if self.stack and isinstance(output, Tensor):
                self._property(func, args, output)
            return output
        if not self.stack:
            self.guard.before(func, args, kwargs)
            return func(*args, **kwargs)
        self.guard.before(func, args, kwargs)
        inputs = [*tensors_in(args), *tensors_in(kwargs)] if kwargs else tensors_in(args)
        activation = None
        if name in ACTIVATIONS and not self.suppressed:
            with torch._C.DisableTorchFunction():
                activation = self._activation(name, args, kwargs, inputs)
        try:
            output = func(*args, **kwargs)
        except Exception as error:
            self._raised(error, self.stack[-1], name, (args, kwargs))
            raise
        with torch._C.DisableTorchFunction():
            self._function_call(name, args, kwargs, inputs, output, activation)
        return output

    def _raised(self, error: BaseException, frame: _Frame, name: str, given: Any) -> None:
        """Writes on an exception where in the model it was raised, if that is not known yet."""
        if getattr(error, "raised_in", None) is None and isinstance(error, Exception):
            with torch._C.DisableTorchFunction():
                names = {id(each): name for name, each in self.model.named_parameters()}
                shapes = [shape_of(each, names.get(id(each))) for each in tensors_in(given)]
            kind = _class_of(frame.module)
            layer = f"{frame.path or '(model)'} ({kind})"
            what = f"{name} of " if name != kind else "called with "
            told = f", in {layer}" + (f", {what}{', '.join(shapes)}" if shapes else "")
            with contextlib.suppress(AttributeError):
                error.raised_in = told  # type: ignore[attr-defined]

    def _property(self, func: Callable[..., Any], args: Sequence[Any], output: Tensor) -> None:
        name = _PROPERTIES.get(getattr(getattr(func, "__self__", None), "__name__", ""))
        if name is not None:
            self._note_parameters(args)
            with torch._C.DisableTorchFunction():
                axes = (-2, -1) if name == "transpose" else ()
                frame, given = self.stack[-1], (*args[:1], *axes)
                trace_operation(self.traces, name, given, {}, args[:1], output, frame.path)
                main = self.main_tensor(output) if self.numbered_names is None else None
                if main is not None:
                    site = self._numbered(frame.path, name)
                    self._tell("operation", site, name, main, args[:1], frame.module)

    def _activation(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], inputs: Sequence[Tensor]
    ) -> tuple[Kind, Trace] | None:
        """The kind of an activation about to run and the trace of what it is given."""
        traces = [trace for each in inputs if (trace := self.traces.get(each))]
        if name in NEEDS_LAYER and not (traces and traces[0].whole and traces[0].axis is not None):
            return None
        if name in LARGER_OF_TWO:
            args = [each for each in inputs if self.traces.get(each) is None]
            if len(inputs) != 2 or len(args) != 1:
                return None
        kind = kind_of_function(name, args, kwargs)
        return (kind, traces[0] if traces else _UNSEEN) if kind else None

    def _function_call(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        inputs: Sequence[Tensor],
        output: Any,
        activation: tuple[Kind, Trace] | None,
    ) -> None:
        frame = self.stack[-1]
        if name == "setitem":
            output = args[0]
        if name in MULTIPLICATIONS:
            self._mark_gates(inputs)
        self._note_parameters(inputs)
        trace_operation(self.traces, name, args, kwargs, inputs, output, frame.path)
        if self.numbered_names is not None and name not in self.numbered_names:
            return
        main = self.main_tensor(output)
        if main is None:
            return
        site = self._numbered(frame.path, name)
        if activation is not None:
            self._activation_call(site, *activation, main, inputs, frame.module)
        if self.numbered_names is None:
            given = (args, kwargs)
            self._tell("operation", site, name, main, inputs, frame.module, None, output, given)

    def _note_parameters(self, inputs: Sequence[Any]) -> None:
        for each in inputs:
            if id(each) in self.parameters:
                self.seen.used_parameters.setdefault(id(each), self.stack[-1].path)

    def _module_call(self, frame: _Frame, inputs: Any, output: Any) -> None:
        self.seen.called.add(id(frame.module))
        main = self.main_tensor(output)
        if main is None:
            return
        given = tensors_in(inputs)
        if (
            self.traces.get(main) is None
        ):  # made by code that cannot be seen, as a custom autograd.Function
            trace_operation(self.traces, "", (), {}, given, main, frame.path)
        site = self._numbered(frame.path, "")
        if frame.kind is not None and not self.suppressed and same_size(given, main):
            trace = self.traces.get(main) or _UNSEEN
            self._activation_call(site, frame.kind, trace, main, given, frame.module)
        elif self.every_module:
            name = _class_of(frame.module)
            self._tell("module", site, name, main, given, frame.module, None, output, inputs)

    def _activation_call(
        self,
        site: Site,
        kind: Kind,
        given: Trace,
        output: Tensor,
        inputs: Sequence[Tensor],
        module: nn.Module,
    ) -> None:
        name = str(site)
        if kind.gate:
            self.gating.add(name)
        self.seen.after[name] = given.layer
        self.seen.upstream[name] = given.upstream
        only = frozenset({name})
        self.traces.set(output, Trace(given.axis, given.layer, only, frozenset(), only))
        if self.every_activation:
            self._tell("activation", site, kind.name, output, inputs, module, kind)

    def _numbered(self, path: str, operation: str) -> Site:
        name = f"{path}/{operation}" if operation else path
        number = self.numbers.get(name, 0) + 1
        self.numbers[name] = number
        return Site(path, operation, number)

    def _tell(
        self,
        watch: Watch,
        site: Site,
        name: str,
        output: Tensor,
        inputs: Sequence[Tensor],
        module: nn.Module | None,
        kind: Kind | None = None,
        returned: Any = None,
        given: tuple[Sequence[Any], Mapping[str, Any]] = ((), {}),
    ) -> None:
        if torch._C._functorch.is_functorch_wrapped_tensor(output):
            return  # inside vmap or grad it has no values yet
        trace = self.traces.get(output) or _UNSEEN
        outputs = (output,) if returned is output or returned is None else numbers_in(returned)
        call = Call(site, watch, name, output, tuple(inputs), kind, module, trace, outputs, given)
        self.on_call(call)
        if self.on_gradient is not None and output.requires_grad:
            tell = self.on_gradient
            hook: Callable[..., RemovableHandle] = output.register_hook
            handle = hook(lambda gradient: tell(site, gradient))
            if output.is_leaf:
                self.leaf_hooks.append(handle)

    def _mark_gates(self, inputs: Sequence[Tensor]) -> None:
        """A bounded activation that multiplies another signal is a gate."""
        factors = [(each, trace) for each in inputs if (trace := self.traces.get(each))]
        if len(factors) < 2:
            return
        for factor, trace in factors:
            for call in trace.copy_of & self.gating - self.seen.gates:
                if any(
                    not self._comes_from(other, call) and not self._may_be_mask(tensor, factor)
                    for tensor, other in factors
                    if tensor is not factor
                ):
                    self.seen.gates.add(call)

    def _comes_from(self, trace: Trace, call: str) -> bool:
        """Whether a tensor depends on a call, directly or through a few other calls."""
        behind = set(trace.upstream)
        for _ in range(_HOPS):
            behind |= {far for near in behind for far in self.seen.upstream.get(near, ())}
        return call in behind

    def _may_be_mask(self, tensor: Tensor, factor: Tensor) -> bool:
        """Whether it is an input of the model that is no signal as large as the factor."""
        small = not tensor.is_floating_point() or tensor.numel() < factor.numel()
        return id(tensor) in self.model_inputs and small


def in_backward() -> bool:
    """Whether autograd is running, as when checkpointing runs a module again."""
    return bool(torch._C._current_graph_task_id() != -1)


def _class_of(module: nn.Module) -> str:
    """The class's name; of a scripted module that of the class that was scripted."""
    return str(getattr(module, "original_name", type(module).__name__))
