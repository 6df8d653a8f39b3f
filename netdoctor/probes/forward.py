"""Measures every call of the forward passes, and finds where values first go wrong."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.forward import ForwardFacts, Origin
from netdoctor.facts.site import Site
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective, TargetError
from netdoctor.inputs.outputs import own_loss
from netdoctor.observe import observe, tensors_in
from netdoctor.probes.call_rows import EVERYTHING, CallRows
from netdoctor.probes.fused import Closed, confirmed
from netdoctor.probes.nonfinite import Detective
from netdoctor.probes.state import is_finite, sick_state, state_faults

_MOST_ORIGINS = 20


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    objective: Objective | None = None,
    wanted: Callable[[Site], bool] = lambda site: True,
    depth: int | None = None,
    samples: Sequence[str] = (),
    judged_as: str = "",
    synthetic: bool = False,
    fresh: bool | None = None,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ForwardFacts:
    """Every call's values over all batches, in evaluation mode and without gradients.

    A layer of PyTorch's own is one call, and so is each function that computes something outside
    of one; what only moves values (`view`, indexing) is followed and not listed.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device.
        objective: the loss to look at too; None for the model alone.
        wanted: which calls to list; all are watched.
        depth: lists modules down to this depth, and not what runs inside deeper ones.
        samples: the names of the samples in their order, where they have names.
        judged_as: the type whose range the values are judged for; for the facts.
        synthetic: whether the batches are random; for the facts.
        fresh: whether the weights are known to be untrained; for the facts.
        seed: of the data; for the facts.
        progress: told the number of batches done.

    Raises:
        ModelError: the model raised, or raised by the batch.
    """
    state = sick_state(model)
    detective = Detective(state)
    rows = CallRows(detective, wanted, depth)
    losses: list[float] = []
    refused: list[TargetFacts] = []
    suspect: list[tuple[int, Batch, Closed]] = []
    seen = count = 0
    with observe(model, rows.add, watch=EVERYTHING) as observation, torch.no_grad():
        model.eval()
        for batch in batches:
            detective.begin(count, batch.size, samples[seen : seen + batch.size])
            rows.begin(batch.size, count)
            _take_inputs(detective, batch)
            output = batch.call(model)
            detective.end(tensors_in(output))
            if rows.closed is not None and not suspect:
                suspect.append((count, batch, rows.closed))
            losses += _loss(objective, output, batch, detective, refused, count)
            seen, count = seen + batch.size, count + 1
            if progress is not None:
                progress(count)
        faults = state_faults(model, state, observation, detective)
        not_examined = tuple(observation.not_examined())
    origins = list(detective.origins.values())
    if suspect and not origins:
        number, batch, closed = suspect[0]
        unseen = confirmed(model, batch, number, closed)
        origins += [unseen] if unseen is not None else []
    parameter = next(model.parameters(), None)
    return ForwardFacts(
        calls=rows.read(),
        origins=tuple(origins[:_MOST_ORIGINS]),
        state=faults,
        norms=rows.norms.faults(),
        backward=None,
        losses=tuple(losses),
        refused=tuple(refused),
        judged_as=judged_as,
        fresh_norms=rows.norms.fresh,
        samples=seen,
        batches=count,
        synthetic=synthetic,
        fresh=fresh,
        device=str(parameter.device) if parameter is not None else "cpu",
        seed=seed,
        not_examined=not_examined,
        gate=rows.gate,
    )


def _take_inputs(detective: Detective, batch: Batch) -> None:
    given = [(f"input {number}" if number else "input", v) for number, v in enumerate(batch.args)]
    for name, value in (*given, *((f"input {name}", v) for name, v in batch.kwargs.items())):
        for each in tensors_in([value]):
            detective.take_input(name, each)
    for each in tensors_in([batch.target]):
        detective.take_input("target", each, stage="target")


def _loss(
    objective: Objective | None,
    output: Any,
    batch: Batch,
    detective: Detective,
    refused: list[TargetFacts],
    number: int,
) -> list[float]:
    """The loss of a batch, if there is one; told is where it goes wrong, or what it refused."""
    if objective is None:
        return []
    if batch.target is None and own_loss(output) is None:
        objective.note = "loss: none, for the batches have no target"
        return []
    try:
        loss = objective(output, batch)
    except TargetError as error:
        refused.append(dataclasses.replace(error.facts, batch=number))
        return []
    except (DataError, ModelError) as error:
        objective.note = f"loss: not examined: {error.message}"
        return []
    whole = all(is_finite(each) for each in tensors_in([output, batch.target]))
    if whole and not is_finite(loss):
        detective.take_loss(*_origin_in_loss(objective, output, batch))
    return [float(loss)]


class _Loss(nn.Module):
    """The loss as a module, so that it can be observed like one."""

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, output: Any, batch: Batch) -> Tensor:
        return self.objective(output, batch)


def _origin_in_loss(objective: Objective, output: Any, batch: Batch) -> tuple[Origin, ...]:
    """Where in the loss finite values became NaN or infinite."""
    detective = Detective()
    detective.begin(0, batch.size)
    rows = CallRows(detective, lambda site: True, None)
    rows.begin(batch.size, 0)
    loss = _Loss(objective)
    with observe(loss, rows.add, watch=EVERYTHING):
        detective.end([loss(output, batch)])
    return tuple(
        dataclasses.replace(each, stage="loss", subject=f"loss{each.subject}")
        for each in detective.origins.values()
    )
