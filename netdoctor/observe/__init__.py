"""observe(): sees every call of a live model as it happens. The only code that touches one."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext

import torch
from torch import Tensor, nn

from netdoctor.facts.site import Site
from netdoctor.observe.kinds import Kind
from netdoctor.observe.observer import Observer
from netdoctor.observe.preserve import preserved, restored
from netdoctor.observe.seen import Call, Observation, Watch, users_line
from netdoctor.observe.tapping import add_taps
from netdoctor.observe.tracing import tensors_in

__all__ = [
    "Call",
    "Kind",
    "Observation",
    "Watch",
    "observe",
    "preserved",
    "tap",
    "tensors_in",
    "trained_for_a_while",
    "unwrap",
    "users_line",
]


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
    Whatever `torch.compile` made runs eagerly inside the block. What activation checkpointing
    runs again during backward is not reported again.

    Args:
        model: the unwrapped model (see `unwrap`).
        on_call: gets each call right after it ran; torch functions inside it are not observed.
        watch: `activation` for activation functions in module, functional and in-place form,
            `module` for the output of every other module, `operation` for every torch function
            that returns a floating-point tensor, `complex` also for those of the two that return
            complex numbers alone.
        on_gradient: gets the gradient of each watched call's output during backward.
    """
    with restored(model) as guard, _never_compiled(), torch.enable_grad():
        _unwrap_children(model)
        observation = Observation(model)
        observer = Observer(model, observation, guard, on_call, frozenset(watch), on_gradient)
        with closing(observer), observer:
            yield observation


@contextmanager
def tap(
    model: nn.Module, sites: Collection[Site], on_output: Callable[[Site, Tensor], None]
) -> Iterator[None]:
    """A block in which the outputs of a few calls are told: what `observe` does, for less.

    Args:
        model: the unwrapped model.
        sites: the calls.
        on_output: gets the site and the live main tensor of at least these calls.
    """
    paths = {site.path for site in sites}
    scripted = any(isinstance(each, torch.jit.ScriptModule) for each in model.modules())
    if scripted or any(site.operation for site in sites):
        with observe(
            model, lambda call: on_output(call.site, call.output), watch=("activation", "module")
        ):
            yield
        return
    with preserved(model), _never_compiled():
        _unwrap_children(model)
        add_taps(model, paths, on_output)
        yield


@contextmanager
def trained_for_a_while(model: nn.Module) -> Iterator[None]:
    """A block in which the model may be trained; on leaving it is as it was found.

    Restores what `preserved` does. Everything is copied at the start and no call is watched, so
    that a training loop costs no more inside the block than outside. Whatever `torch.compile`
    made runs eagerly inside it.
    """
    with restored(model) as guard, _never_compiled(), torch.enable_grad():
        _unwrap_children(model)
        guard.keep_all()
        yield


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


def _unwrap_children(model: nn.Module) -> None:
    """Puts the originals in place of wrapped submodules; `restored` puts them back."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if unwrap(child) is not child:
                module._modules[name] = unwrap(child)
        if getattr(module, "_compiled_call_impl", None) is not None:
            module._compiled_call_impl = None


def _never_compiled() -> AbstractContextManager[object]:
    """Runs compiled functions eagerly, if there can be any."""
    if "torch._dynamo.eval_frame" not in sys.modules:
        return nullcontext()
    eagerly: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return eagerly
