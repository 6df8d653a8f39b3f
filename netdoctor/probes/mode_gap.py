"""How far the same samples fare apart in evaluation and in training mode, without random masks."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.errors import DataError, UsageError
from netdoctor.facts.wiring import ModeGap, NormGap
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.outputs import main_output
from netdoctor.observe import Call, observe
from netdoctor.probes.masks import WithoutMasks
from netdoctor.probes.samples import UnsuitableError, copied, differing_samples, joined

_STATISTICS = ("running_mean", "running_var")
_SAMPLES = 32
_MOST = 10.0  # a channel's mismatch is counted up to this
_CLOSE = 0.9  # above this similarity the outputs agree, and no second run is needed


def measure_mode_gap(
    model: nn.Module, batches: Sequence[Batch], objective: Objective | None
) -> ModeGap:
    """Outputs, losses and norm statistics of the two modes, over samples from all batches.

    In training mode, batch norm takes the statistics of the batch; dropout and its relatives are
    switched off, and what randomness is left shows in a second run with another seed.

    Raises:
        UnsuitableError: there is no norm layer to compare, or no output that can be compared.
        ModelError: the model raised.
    """
    norms = {path: module for path, module in model.named_modules() if _keeps_statistics(module)}
    if not norms:
        raise UnsuitableError("no norm layer keeps running statistics")
    batch = joined(batches, _SAMPLES)
    if differing_samples(batch) < 2:
        raise UnsuitableError("the samples are identical")
    evaluated = _run(model, batch, objective, None)
    gaps = _NormGaps(norms)
    trained = _run(model, batch, objective, gaps)
    if not gaps.found:
        raise UnsuitableError("no norm layer with running statistics ran in training mode")
    if trained[0].shape != evaluated[0].shape:
        raise UnsuitableError("the output has another shape in training mode")
    cosine = _cosine(evaluated[0], trained[0])
    again = trained if cosine > _CLOSE else _run(model, batch, objective, gaps, seed=1)
    return ModeGap(
        samples=batch.size,
        cosine=cosine,
        repeat_cosine=_cosine(trained[0], again[0]),
        eval_loss=evaluated[1],
        train_loss=trained[1],
        repeat_loss=again[1],
        chance_loss=trained[2],
        norms=tuple(gaps.found.values()),
        updates=_updates(norms.values()),
        untouched=norms_are_untouched(model),
    )


def norms_are_untouched(model: nn.Module) -> bool:
    """Whether there are running statistics, and all of them are as they were made."""
    norms = [each for each in model.modules() if _keeps_statistics(each)]
    return bool(norms) and all(map(_is_untouched, norms))


def _run(
    model: nn.Module,
    batch: Batch,
    objective: Objective | None,
    gaps: _NormGaps | None,
    seed: int | None = None,
) -> tuple[Tensor, float | None, float | None]:
    """Output, loss and chance loss in training mode where norm gaps are wanted, else evaluation."""
    training = gaps is not None
    with observe(model, gaps or (lambda call: None), watch=("module",)), torch.no_grad():
        model.train(training)
        for module in model.modules():
            if _is_random(module):
                module.eval()
        if seed is not None:
            torch.manual_seed(seed)
        with WithoutMasks():
            output = copied(batch).call(model)
        main, _ = main_output(output)
        if not main.ndim or main.shape[0] != batch.size:
            raise UnsuitableError("the output has no floating-point tensor with one row a sample")
        if not bool(torch.isfinite(main).all()):
            raise UnsuitableError("the output is not finite")
        chance = _loss(objective, output, _exchanged(batch))
        return main.detach().float().clone(), _loss(objective, output, batch), chance


def _exchanged(batch: Batch) -> Batch:
    """The batch with each sample's target taken from half the batch away."""
    target = batch.target
    if not isinstance(target, Tensor) or not target.ndim:
        return batch
    return dataclasses.replace(batch, target=target.roll(len(target) // 2, 0))


def _loss(objective: Objective | None, output: Any, batch: Batch) -> float | None:
    """The loss; None without one, or where it would be of made-up targets."""
    if objective is None:
        return None
    try:
        loss = float(objective(output, batch))
    except (DataError, UsageError):
        return None
    return loss if math.isfinite(loss) and not objective.random_targets else None


def _cosine(first: Tensor, second: Tensor) -> float:
    """Cosine of two outputs, each centred over the samples; 0 where one of them is constant."""
    a, b = ((each - each.mean(0)).flatten() for each in (first, second))
    norms = float(a.norm() * b.norm())
    return float(a @ b) / norms if norms else 0.0


def _keeps_statistics(module: nn.Module) -> bool:
    return all(isinstance(getattr(module, name, None), Tensor) for name in _STATISTICS)


def _statistics(norm: nn.Module) -> tuple[Tensor, Tensor]:
    mean, variance = (getattr(norm, name) for name in _STATISTICS)
    return mean, variance


def _is_untouched(norm: nn.Module) -> bool:
    mean, variance = _statistics(norm)
    return not bool(mean.any()) and bool(torch.eq(variance, 1).all())


def _updates(norms: Iterable[nn.Module]) -> int | None:
    counts = [getattr(each, "num_batches_tracked", None) for each in norms]
    most = max((int(each) for each in counts if isinstance(each, Tensor)), default=0)
    return most or None


class _NormGaps:
    """Compares the statistics of what norm layers are given with those that they keep."""

    def __init__(self, norms: Mapping[str, nn.Module]) -> None:
        self.kept = {
            path: [each.clone().float() for each in _statistics(norm)]
            for path, norm in norms.items()
        }
        self.found: dict[str, NormGap] = {}

    def __call__(self, call: Call) -> None:
        path = call.site.path
        if call.site.operation or path not in self.kept or not call.inputs:
            return
        assert call.module is not None
        given = call.inputs[0].detach().float()
        mean, variance = self.kept[path]
        if not call.module.training or given.ndim < 2 or given.shape[1] != len(mean):
            return
        values = given.transpose(0, 1).reshape(len(mean), -1)
        eps = float(getattr(call.module, "eps", 1e-5))
        shift = (values.mean(1) - mean).abs() / (variance + eps).sqrt()
        stretch = ((values.var(1, correction=0) + eps) / (variance + eps)).sqrt()
        mismatch = (shift + stretch.log().abs()).nan_to_num(_MOST).clamp_max(_MOST)
        self.found.setdefault(
            path,
            NormGap(
                path,
                float(shift.median()),
                float(stretch.median()),
                float(mismatch.mean()),
                values.shape[1],
            ),
        )


_RANDOM_NAME = re.compile(r"drop|stochastic|noise", re.IGNORECASE)


def _is_random(module: nn.Module) -> bool:
    """Dropout in all its forms, and layers of PyTorch's that drop within themselves."""
    if isinstance(module, (nn.modules.dropout._DropoutNd, nn.MultiheadAttention, nn.RNNBase)):
        return True
    leaf = next(module.children(), None) is None and next(module.parameters(), None) is None
    return leaf and _RANDOM_NAME.search(type(module).__name__) is not None
