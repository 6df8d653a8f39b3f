"""observe(): sees every call of a live model as it happens. The only code that touches one."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from netdoctor.facts.activations import Role
from netdoctor.facts.site import Site
from netdoctor.observe.kinds import (
    LARGER_OF_TWO,
    NEEDS_LAYER,
    Kind,
    kind_of_function,
    kind_of_module,
    operation_name,
)
from netdoctor.observe.preserve import preserved
from netdoctor.observe.tracing import MULTIPLICATIONS, Trace, Traces, tensors_in, trace_operation
from netdoctor.report import NotExamined

__all__ = ["Call", "Kind", "Observation", "observe", "preserved", "unwrap"]

Watch = Literal["activation", "module", "operation"]
_UNSEEN = Trace()


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One call, given to the callback right after it happened and before the next operation.

    The tensors are the live ones: reduce or clone them inside the callback, for an in-place
    operation may overwrite them next.

    Attributes:
        site: the call's unique name in this forward pass.
        watch: what was watched for.
        name: `relu` for an activation, the operation's name, or the module's class.
        output: its main tensor.
        inputs: tensors that went in (after the call: an in-place operation has overwritten them).
        kind: the activation function; None for others.
        module: the module that is the call, or in whose forward it ran; None outside of modules.
        trace: where the output comes from.
    """

    site: Site
    watch: Watch
    name: str
    output: Tensor
    inputs: tuple[Tensor, ...]
    kind: Kind | None
    module: nn.Module | None
    trace: Trace

    def source(self) -> str:
        """`file.py:12` of the user's line that made the call; only while the callback runs."""
        return _user_line()


@dataclasses.dataclass(slots=True)
class _Frame:
    """A module whose forward is running."""

    path: str
    module: nn.Module
    kind: Kind | None


class Observation:
    """What an `observe` block has seen so far.

    Attributes:
        passes: forward passes that ended.
        roles: by call, where an activation stands; filled in at the end of each pass.
        after: by call, the path of the layer whose output an activation was given.
        upstream: by call, the activation calls that feed it.
    """

    def __init__(self, model: nn.Module) -> None:
        self.passes = 0
        self.roles: dict[str, Role] = {}
        self.after: dict[str, str] = {}
        self.upstream: dict[str, frozenset[str]] = {}
        self.reached_output: set[str] = set()
        self.copied_to_output: set[str] = set()
        self.gates: set[str] = set()
        self.called: set[int] = set()
        self.used_parameters: dict[int, str] = {}
        self._model = model

    def not_examined(self) -> list[NotExamined]:
        """Leaf modules with parameters or an activation that never ran, each with the reason."""
        found = []
        for path, module in self._model.named_modules():
            if id(module) in self.called or next(module.children(), None) is not None:
                continue
            parameters = [*module.parameters(recurse=False)]
            if not parameters and kind_of_module(module) is None:
                continue
            user = next(
                (self.used_parameters[id(p)] for p in parameters if id(p) in self.used_parameters),
                None,
            )
            if user is None:
                reason = "never called in these forward passes"
            else:
                reason = f"never called: its weights were used directly inside {user or 'the model'}"
            found.append(NotExamined(path or type(module).__name__, reason))
        return found

    def settle_roles(self) -> None:
        """Works out the roles from the flow that the pass has shown."""
        consumers: dict[str, set[str]] = {call: set() for call in self.upstream}
        for call, feeders in self.upstream.items():
            for feeder in feeders:
                consumers.setdefault(feeder, set()).add(call)
        for call in reversed(list(self.upstream)):
            if call in self.gates:
                self.roles[call] = "gate"
            elif call in self.copied_to_output and not consumers[call]:
                self.roles[call] = "output"
            elif (
                consumers[call]
                and call not in self.reached_output
                and all(self.roles.get(each) in ("gate", "gate-input") for each in consumers[call])
            ):
                self.roles[call] = "gate-input"
            else:
                self.roles[call] = "hidden"


@contextmanager
def observe(
    model: nn.Module,
    on_call: Callable[[Call], None],
    *,
    watch: Sequence[Watch] = ("activation",),
    on_gradient: Callable[[Site, Tensor], None] | None = None,
) -> Iterator[Observation]:
    """A block in which every watched call of the model is reported as it happens.

    On leaving, also by an exception or Ctrl-C, the model is as it was found (see `preserved`).
    Compiled submodules run eagerly inside the block.

    Args:
        model: the unwrapped model (see `unwrap`).
        on_call: gets each call right after it ran; torch functions inside it are not observed.
        watch: `activation` for activation functions in module, functional and in-place form,
            `module` for the output of every other module, `operation` for every torch function
            that returns a floating-point tensor.
        on_gradient: gets the gradient of each watched call's output during backward.
    """
    with preserved(model):
        _run_eagerly(model)
        observation = Observation(model)
        observer = _Observer(model, observation, on_call, frozenset(watch), on_gradient)
        with observer:
            yield observation


class _Observer(TorchFunctionMode):
    """Sees functions as a mode and modules through hooks, and tells the callback."""

    def __init__(
        self,
        model: nn.Module,
        observation: Observation,
        on_call: Callable[[Call], None],
        watch: frozenset[Watch],
        on_gradient: Callable[[Site, Tensor], None] | None,
    ) -> None:
        super().__init__()
        self.model = model
        self.seen = observation
        self.on_call = on_call
        self.on_gradient = on_gradient
        self.watch = watch
        self.traces = Traces()
        self.numbers: Counter[tuple[str, str]] = Counter()
        self.stack: list[_Frame] = []
        self.suppressed = 0  # how many of the running modules are activations themselves
        self.gating: set[str] = set()  # calls whose function would be a gate if it multiplied
        for path, module in model.named_modules():
            self._add_hooks(path, module)

    def _add_hooks(self, path: str, module: nn.Module) -> None:
        frame = _Frame(path, module, kind_of_module(module))

        def before(module: nn.Module, inputs: Any) -> None:
            if module is self.model:
                self._begin()
            self.stack.append(frame)
            self.suppressed += frame.kind is not None

        def after(module: nn.Module, inputs: Any, output: Any) -> None:
            self._leave(frame)
            with torch._C.DisableTorchFunction():
                self._module_call(frame, inputs, output)
                if module is self.model:
                    self._end(output)

        try:
            module.register_forward_pre_hook(before)
            module.register_forward_hook(after)
        except RuntimeError:  # some scripted modules take no hooks: they stay `never called`
            return

    def _begin(self) -> None:
        self.stack.clear()
        self.suppressed = 0
        self.numbers.clear()
        self.traces.clear()

    def _leave(self, frame: _Frame) -> None:
        while self.stack:  # an exception that the user's forward caught leaves frames behind
            left = self.stack.pop()
            self.suppressed -= left.kind is not None
            if left is frame:
                return

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
        if name == "get" or not self.stack:
            return func(*args, **kwargs)
        before = self._activation_input(name, args, kwargs)
        output = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            self._function_call(name, args, kwargs, output, before)
        return output

    def _activation_input(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[Kind, Trace] | None:
        """The kind of an activation about to run and the trace of what it is given."""
        if self.suppressed:
            return None
        with torch._C.DisableTorchFunction():
            given = [*tensors_in(args), *tensors_in(kwargs)]
            traces = [trace for each in given if (trace := self.traces.get(each))]
            if name in NEEDS_LAYER and (not traces or traces[0].axis is None):
                return None
            if name in LARGER_OF_TWO:
                args = [each for each in given if self.traces.get(each) is None]
                if len(given) != 2 or len(args) != 1:
                    return None
            kind = kind_of_function(name, args, kwargs)
            return (kind, traces[0] if traces else _UNSEEN) if kind else None

    def _function_call(
        self,
        name: str,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        output: Any,
        activation: tuple[Kind, Trace] | None,
    ) -> None:
        path = self.stack[-1].path
        if name in MULTIPLICATIONS:
            self._mark_gates(args, kwargs)
        self._note_parameters(args, kwargs, path)
        trace_operation(self.traces, name, args, kwargs, output, path)
        main = _main_tensor(output)
        if main is None:
            return
        site = self._numbered(path, name)
        module = self.stack[-1].module
        if activation is not None:
            self._activation_call(site, *activation, main, args, module)
        if "operation" in self.watch:
            self._tell("operation", site, name, main, (args, kwargs), module)

    def _module_call(self, frame: _Frame, inputs: Any, output: Any) -> None:
        self.seen.called.add(id(frame.module))
        main = _main_tensor(output)
        if main is None:
            return
        site = self._numbered(frame.path, "")
        if frame.kind is not None and not self.suppressed and _same_size(inputs, main):
            trace = self.traces.get(main) or _UNSEEN
            self._activation_call(site, frame.kind, trace, main, inputs, frame.module)
        elif "module" in self.watch:
            self._tell("module", site, type(frame.module).__name__, main, inputs, frame.module)

    def _activation_call(
        self, site: Site, kind: Kind, given: Trace, output: Tensor, inputs: Any, module: nn.Module
    ) -> None:
        name = str(site)
        if kind.gate:
            self.gating.add(name)
        self.seen.after[name] = given.layer
        self.seen.upstream[name] = given.upstream
        only = frozenset({name})
        self.traces.set(output, Trace(given.axis, given.layer, only, frozenset(), only))
        if "activation" in self.watch:
            self._tell("activation", site, kind.name, output, inputs, module, kind)

    def _numbered(self, path: str, operation: str) -> Site:
        self.numbers[path, operation] += 1
        return Site(path, operation, self.numbers[path, operation])

    def _tell(
        self,
        watch: Watch,
        site: Site,
        name: str,
        output: Tensor,
        inputs: Any,
        module: nn.Module | None,
        kind: Kind | None = None,
    ) -> None:
        trace = self.traces.get(output) or _UNSEEN
        self.on_call(
            Call(site, watch, name, output, tuple(tensors_in(inputs)), kind, module, trace)
        )
        if self.on_gradient is not None and output.requires_grad:
            tell = self.on_gradient
            output.register_hook(lambda gradient: tell(site, gradient))

    def _mark_gates(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        """A bounded activation that multiplies another signal is a gate."""
        factors = [trace for each in tensors_in([args, kwargs]) if (trace := self.traces.get(each))]
        for factor in factors:
            for call in factor.copy_of:
                others = [other for other in factors if other is not factor]
                if call in self.gating and any(call not in other.calls for other in others):
                    self.seen.gates.add(call)

    def _note_parameters(
        self, args: Sequence[Any], kwargs: Mapping[str, Any], path: str
    ) -> None:
        for each in (*args, *kwargs.values()):
            if isinstance(each, nn.Parameter):
                self.seen.used_parameters.setdefault(id(each), path)


def unwrap(module: nn.Module) -> nn.Module:
    """The model inside `torch.compile`, DataParallel and DistributedDataParallel wrappers."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(
            module, (nn.DataParallel, nn.parallel.DistributedDataParallel)
        ):
            inner = module.module
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def _run_eagerly(model: nn.Module) -> None:
    """Puts the originals in place of compiled submodules; `preserved` puts them back."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if unwrap(child) is not child:
                module._modules[name] = unwrap(child)
        if getattr(module, "_compiled_call_impl", None) is not None:
            module._compiled_call_impl = None


def _main_tensor(output: Any) -> Tensor | None:
    """The first floating-point tensor of an output."""
    return next((each for each in tensors_in(output) if each.is_floating_point()), None)


def _same_size(inputs: Any, output: Tensor) -> bool:
    return any(each.numel() == output.numel() for each in tensors_in(inputs))


def _user_line() -> str:
    """The innermost frame that belongs neither to torch nor to netdoctor."""
    own = tuple(f"{Path(file).parent}/" for file in (torch.__file__, str(Path(__file__).parent)))
    frame = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(own):
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        if frame.f_back is None:
            break
        frame = frame.f_back
    return "unknown"
