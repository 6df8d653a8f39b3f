"""Finds the backward operation that first made a NaN or infinite gradient."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import checkpoint

from netdoctor.errors import ModelError
from netdoctor.facts.backward import BackwardFacts, GradientOrigin, OriginKind
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.user_code import guarded
from netdoctor.observe import Call, observe
from netdoctor.observe.tracing import tensors_in
from netdoctor.probes.backward_graph import Calls, FirstBad, Made, Watched, all_finite

Objective = Callable[[Any, Batch], Tensor]
Progress = Callable[[int], None]


def first_bad_gradient(
    model: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    *,
    progress: Progress | None = None,
) -> BackwardFacts:
    """Where the first NaN or infinite gradient comes from, in evaluation mode.

    Of every batch only the gradients of the parameters, and of inputs that already require one,
    are looked at. A batch with one that is not finite runs again with every operation watched.
    Each batch finds the model as it was given. What is checkpointed reentrantly is checkpointed
    the other way meanwhile: so its operations stand in the graph.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device.
        objective: gives the scalar loss of an output and its batch.
        progress: told the number of batches done.

    Raises:
        ModelError: the model raised, or the backward pass did, or the output has no main tensor.
        DataError: the loss does not take the target.
        UsageError: the user's own loss raised.
    """
    examined, notes, reasons = 0, [], []
    for number, batch in enumerate(batches):
        checked = _checked(model, batch, objective)
        if isinstance(checked, str):
            reasons.append(checked)
            notes.append(f"batch {number}: {checked}")
        else:
            examined += 1
            if checked.sick:
                origin = _origin(model, batch, objective, checked, number)
                return BackwardFacts(origin, examined, notes=tuple(notes))
        if progress is not None:
            progress(number + 1)
    reason = "" if examined else next(iter(reasons), "there was no batch")
    return BackwardFacts(None, examined, reason, tuple(notes) if examined else ())


@dataclasses.dataclass(frozen=True, slots=True)
class _Checked:
    """Which gradients of one batch are not finite.

    Attributes:
        loss: of the batch.
        sick: names of the parameters and inputs whose gradient is not finite.
        nan: whether some of those are NaN.
        count: how many gradients there are.
    """

    loss: float
    sick: tuple[str, ...]
    nan: bool
    count: int


_FROZEN = "no parameter requires a gradient: there is no backward pass to examine"
_DETACHED = (
    "the loss does not depend on any parameter that requires a gradient: "
    "the output is detached, made under no_grad, or does not use them"
)


def _checked(model: nn.Module, batch: Batch, objective: Objective) -> _Checked | str:
    """The batch's gradients; a sentence where it has none that could be judged."""
    with _training_pass(model, lambda call: None, ()):
        loss = objective(batch.call(model), batch)
        if not _wanted(model, batch):
            return _FROZEN
        if not loss.requires_grad:
            return _DETACHED
        value = float(loss.detach())
        if not math.isfinite(value):
            return f"the loss is {value}: what made that in the forward pass comes first"
        checked = _gradients(model, batch, loss)
        return checked if checked.count else _DETACHED


def _wanted(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """By name, the parameters and inputs that require gradients: `fc.weight`, `input 0`."""
    given = {f"input {place}": each for place, each in enumerate(batch.args)}
    given |= {f"input {name}": each for name, each in batch.kwargs.items()}
    inputs = {
        name if len(inside) == 1 else f"{name} [{place}]": each
        for name, value in given.items()
        for inside in [tensors_in(value)]
        for place, each in enumerate(inside)
    }
    wanted = {**inputs, **dict(model.named_parameters())}
    return {name: each for name, each in wanted.items() if each.requires_grad}


def _gradients(model: nn.Module, batch: Batch, loss: Tensor) -> _Checked:
    """Runs the backward pass, by which no tensor's `.grad` is written."""
    wanted = _wanted(model, batch)
    with guarded("The backward pass", ModelError, hint=lambda _: _BACKWARD_HINT):
        gradients = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True)
    found = {
        name: gradient
        for name, gradient in zip(wanted, gradients, strict=True)
        if gradient is not None
    }
    sick: tuple[str, ...] = ()
    if not all_finite(found.values()):
        sick = tuple(name for name, each in found.items() if not all_finite([each]))
    nan = any(bool(found[name].isnan().any()) for name in sick)
    return _Checked(float(loss.detach()), sick, nan, len(found))


_BACKWARD_HINT = (
    "The forward pass ran, so training would stop here too; torch.autograd.set_detect_anomaly(True)"
    " names the forward line that it belongs to."
)


def _origin(
    model: nn.Module, batch: Batch, objective: Objective, checked: _Checked, number: int
) -> GradientOrigin:
    """Runs the batch again from the same state, with every operation and every node watched."""
    calls = Calls()
    with _training_pass(model, calls.note, ("operation", "module", "complex")):
        with torch.autograd.set_detect_anomaly(True, check_nan=False):
            output = batch.call(model)
            calls.end_of_model()
            loss = objective(output, batch)
        with Watched(loss, calls, batch.size) as watched:
            again = _gradients(model, batch, loss)
    names = {name for name, _ in model.named_parameters()}
    first = watched.first or _at_a_leaf(again.sick)
    return GradientOrigin(
        batch=number,
        loss=checked.loss,
        kind=_kind(first),
        site=first.made.site,
        path=first.made.path,
        operation=first.made.operation,
        node=first.node,
        source=first.made.source,
        line=first.made.line,
        backward_source=first.made.backward_source,
        incoming=first.incoming,
        outgoing=first.outgoing,
        inputs=first.made.inputs,
        samples=first.samples,
        parameters=tuple(name for name in checked.sick if name in names),
        model_inputs=tuple(name for name in checked.sick if name not in names),
        nan=checked.nan,
        examined=checked.count,
    )


def _at_a_leaf(sick: tuple[str, ...]) -> FirstBad:
    """Every node made finite gradients only: at best a parameter's own sum of them is not."""
    path, _, name = sick[0].rpartition(".") if sick else ("", "", "")
    node = "AccumulateGrad" if sick else ""
    return FirstBad(node, Made(True, None, path, name, (), "", "", ""), True, (), (), None)


def _kind(first: FirstBad) -> OriginKind:
    if not first.node:
        return "unknown"
    if first.given:
        return "sum"
    return "operation" if first.made.in_model else "loss"


@contextmanager
def _training_pass(
    model: nn.Module, on_call: Callable[[Call], None], watch: Sequence[Any]
) -> Iterator[None]:
    """A block with gradients on and the model in evaluation mode."""
    with (
        observe(model, on_call, watch=watch),
        torch.inference_mode(False),
        torch.enable_grad(),
        _no_reentrant_checkpoints(),
    ):
        model.eval()
        for module in model.modules():
            if isinstance(module, nn.RNNBase):  # cuDNN has no backward pass of these in evaluation
                module.train()
                module.dropout = 0.0
        yield


@contextmanager
def _no_reentrant_checkpoints() -> Iterator[None]:
    """A block in which a reentrant checkpoint keeps its operations in the graph."""

    def apply(function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        return checkpoint.checkpoint(
            function, *args, use_reentrant=False, preserve_rng_state=preserve
        )

    reentrant: Any = checkpoint.CheckpointFunction
    before = vars(reentrant).get("apply")
    reentrant.apply = staticmethod(apply)
    try:
        yield
    finally:
        if before is None:
            del reentrant.apply
        else:
            reentrant.apply = before
