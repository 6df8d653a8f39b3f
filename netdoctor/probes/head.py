"""Measures what the model gives to the loss, and whether the loss blows up its shapes."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.head import TOLERANCE, Broadcast, HeadFacts, OutputValues, takes_logits
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.losses import class_axis
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.outputs import main_output
from netdoctor.observe import Call, Watch, observe
from netdoctor.observe.tracing import Trace
from netdoctor.probes.broadcasts import broadcasts_in

# Spreads of the random weights: one far from what training leaves and small enough for exp; and one
# of the other sign so large that what only happened to be small leaves [0, 1].
_SPREADS = (3.0, -300.0)


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    objective: Objective,
    *,
    most: int = 2,
    synthetic: bool = False,
    seed: int = 0,
) -> HeadFacts:
    """What the model gives to the loss in evaluation and training mode, over the first batches.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device.
        objective: the loss; where it finds no target or the model no main output, the facts say so.
        most: how many batches to look at.
        synthetic: whether the batches are random; for the facts.
        seed: of the random weights of the last layer; for the facts too.

    Raises:
        ModelError: the model raised in evaluation mode.
        UsageError: there is no loss of that name, or the user's own raised.
    """
    head = _Head(model, seed)
    for batch in islice(batches, most):
        if not head.look(batch, objective):
            break
    device = next((str(each.device) for each in model.parameters()), "cpu")
    return HeadFacts(
        loss=objective.name,
        chosen=objective.chosen,
        functions=objective.functions,
        random_targets=objective.random_targets,
        problem=head.problem,
        output=head.output,
        shape=head.shape,
        classes=head.classes,
        ends_in=head.end[0],
        ends_at=head.end[1],
        evaluation=head.evaluation,
        training=head.training,
        shaken=head.shaken,
        last_layer=head.last_layer,
        broadcasts=tuple(dict.fromkeys(head.broadcasts)),
        samples=head.samples,
        synthetic=synthetic,
        device=device,
        seed=seed,
    )


def _of_mean_squares(objective: Objective, output: Any, batch: Batch) -> list[Broadcast]:
    """What PyTorch's own squared error would blow up; netdoctor's puts the shapes right."""
    if objective.name != "mse" or objective.random_targets:
        return []
    main, target = main_output(output)[0], batch.target
    if main.numel() != target.numel() or main.ndim == target.ndim:
        return []
    result = np.broadcast_shapes(tuple(main.shape), tuple(target.shape))
    if math.prod(result) == main.numel():
        return []
    return [Broadcast("mse_loss", tuple(main.shape), tuple(target.shape), result)]


class _Head:
    """What has been seen of one model's main output so far."""

    def __init__(self, model: nn.Module, seed: int) -> None:
        self.model = model
        self.seed = seed
        self.problem = ""
        self.output = "output"
        self.shape: tuple[int, ...] = ()
        self.classes = 1
        self.end = ("", "")
        self.last_layer = ""
        self.evaluation = OutputValues()
        self.training: OutputValues | None = OutputValues()
        self.shaken: OutputValues | None = OutputValues()
        self.broadcasts: list[Broadcast] = []
        self.samples = 0

    def look(self, batch: Batch, objective: Objective) -> bool:
        """Adds one batch; False when there is nothing more to be learnt."""
        seen = _Seen()
        watch: tuple[Watch, ...] = ("activation", "module", "operation")
        with observe(self.model, seen, watch=watch), torch.no_grad():
            self.model.eval()
            whole = batch.call(self.model)
            self.samples += batch.size
            try:
                main, self.output = main_output(whole)
            except ModelError as error:
                self.problem = error.message
                return False
            self._settle(main, seen)
            axis = _axis(main, batch.target)
            if not self._judge(whole, batch, objective) or objective.name == "own":
                return False
        evaluation = values_of(main, axis)
        self.evaluation += evaluation
        with observe(self.model, lambda call: None, watch=()), torch.no_grad():
            self._train(batch, axis, objective)
            if self.problem:
                return False
            takes = takes_logits(objective.name, objective.functions)
            if takes == "bce" or (takes and (evaluation.is_like_a_distribution or self.end[0])):
                self._shake(batch, axis)
        return True

    def _judge(self, output: Any, batch: Batch, objective: Objective) -> bool:
        """Takes the loss of an output and notes what it blows up; False when there is none."""
        try:
            _, found = broadcasts_in(objective, output, batch)
        except DataError as error:
            self.problem = error.message
            return False
        self.broadcasts += found or _of_mean_squares(objective, output, batch)
        return True

    def _settle(self, main: Tensor, seen: _Seen) -> None:
        if self.shape:
            return
        trace = seen.trace(main)
        copied = [each for each in seen.kinds if each in trace.copy_of]
        self.shape = tuple(main.shape)
        self.end = (seen.kinds[copied[-1]], copied[-1]) if copied else ("", "")
        self.last_layer = trace.layer

    def _train(self, batch: Batch, axis: int, objective: Objective) -> None:
        """The output in training mode and the loss of it; of evaluation mode if that raises."""
        self.model.train()
        try:
            whole = batch.call(self.model)
        except ModelError:  # batch norm on one sample, dropout without a generator, ...
            self.training = None
            self.model.eval()
            whole = batch.call(self.model)
        main, _ = main_output(whole)
        self.classes = main.shape[axis] if main.ndim else 1
        if self.training is not None:
            self.training += values_of(main, axis)
        self._judge(whole, batch, objective)

    def _shake(self, batch: Batch, axis: int) -> None:
        """The output with large random weights, of either sign, in the last layer."""
        weights = _weights(self.model, self.last_layer)
        if self.shaken is None or not weights:
            self.shaken = None
            return
        self.model.eval()
        source = torch.Generator().manual_seed(self.seed)
        drawn = [torch.randn(each.shape, generator=source).to(each) for each in weights]
        for spread in _SPREADS:
            for weight, random in zip(weights, drawn, strict=True):
                fan_in = weight[0].numel() if weight.ndim > 1 else 1
                weight.copy_(spread * random / fan_in**0.5)
            self.shaken += values_of(main_output(batch.call(self.model))[0], axis)


class _Seen:
    """Remembers where the tensors of a pass came from, for as long as they live."""

    def __init__(self) -> None:
        self.kinds: dict[str, str] = {}
        self._last: dict[int, tuple[weakref.ref[Tensor], Trace]] = {}

    def __call__(self, call: Call) -> None:
        if call.kind is not None:
            self.kinds[str(call.site)] = call.kind.name
        self._last[id(call.output)] = (weakref.ref(call.output), call.trace)

    def trace(self, tensor: Tensor) -> Trace:
        """The trace of a tensor; an empty one where it is not known."""
        entry = self._last.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else Trace()


def _weights(model: nn.Module, path: str) -> list[nn.Parameter]:
    """The floating-point weights that the module of that path holds itself."""
    try:
        module = model.get_submodule(path)
    except AttributeError:
        return []
    own = [*module.parameters(recurse=False)]
    parametrized = getattr(module, "parametrizations", None)
    if isinstance(parametrized, nn.Module):
        own += [*parametrized.parameters()]
    return [each for each in own if each.is_floating_point()]


def _axis(main: Tensor, target: object) -> int:
    """The class axis: as the target has it, else the second."""
    found = class_axis(main, target) if isinstance(target, Tensor) else None
    return found if found is not None else min(1, max(main.ndim - 1, 0))


def values_of(output: Tensor, axis: int) -> OutputValues:
    """Counts of what the values and rows of an output (N, C), (N, C, d1, …) or (N, T, C) are."""
    output = output.detach().float()
    if output.ndim < 2:
        output, axis = output.reshape(-1, 1), 1
    rows = output.movedim(axis, -1).flatten(0, -2)
    rows = rows[rows.isfinite().all(1)]
    total, log_total = rows.sum(1), rows.logsumexp(1)
    several = rows.shape[1] > 1
    one = (total - 1).abs().le(TOLERANCE) & (rows >= 0).all(1)
    log_one = log_total.abs().le(TOLERANCE) & (rows <= 0).all(1)
    return OutputValues(
        rows=len(rows),
        distributions=int(one.sum()) if several else 0,
        log_distributions=int(log_one.sum()) if several else 0,
        values=rows.numel(),
        in_unit=int(((rows >= 0) & (rows <= 1)).sum()),
        negative=int((rows < 0).sum()),
        zeros=int((rows == 0).sum()),
    )
