"""`netdoctor.lrfind`: run the range test, judge it, report on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from netdoctor.api.common import Progress, Thresholds, data_notes, loaded_from, refused_target
from netdoctor.errors import UsageError
from netdoctor.facts import lrfind as tables
from netdoctor.facts.lr_curve import declined
from netdoctor.facts.lrfind import LrFindFacts
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.data import data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective, TargetError
from netdoctor.probes.lrfind import OptimizerName, measure
from netdoctor.report import Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules


def lrfind(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    optimizer: OptimizerName = "sgd",
    momentum: float = 0.9,
    start_lr: float = 1e-7,
    end_lr: float = 10.0,
    steps: int = 100,
    repeats: int = 3,
    accumulate: int = 1,
    loss: str | None = None,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """Which learning rate to start from: a range test with a rising rate, read with its doubt.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input. What ends
            before the steps do is begun again.
        optimizer: `sgd`, `adam` or `adamw`.
        momentum: of SGD.
        start_lr: the lowest rate.
        end_lr: the highest rate.
        steps: of the optimiser, over which the rate rises by a constant factor.
        repeats: runs from the same weights, with different batches and seeds.
        accumulate: batches a step, over which the gradient is averaged.
        loss: `cross-entropy`, `bce`, `mse` or `module:factory`; None to choose from the data.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input, of the data's order and of dropout.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (steps done, steps in all).

    Returns:
        A report with the findings of LRF001 and LRF002, the tables `methods`, `repeats` and
        `curve`, and in `extra` the `suggestion`, which is None with a `suggestion_reason` where
        nothing was learnt beyond the noise.

    Raises:
        NetDoctorError: the model, data or loss cannot be used, or an option is out of range.
    """
    rules = select_rules("lrfind", select, ignore)
    rates = _rates(start_lr, end_lr, steps)
    _check(optimizer, momentum, repeats, accumulate)
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=steps * accumulate, batch_size=batch_size, seed=seed)
    objective = Objective(loss, seed=seed)
    try:
        facts = measure(
            loaded.module, source.training_pass, objective, rates, optimizer=optimizer,
            momentum=momentum, repeats=repeats, accumulate=accumulate, synthetic=source.synthetic,
            seed=seed, progress=progress,
        )  # fmt: skip
    except TargetError as refused:
        nothing = {"suggestion": None, "suggestion_reason": refused.message}
        return refused_target("lrfind", loaded, source, refused, rules, thresholds, extra=nothing)
    judgement = judge([facts, TargetFacts(objective.name)], rules, thresholds)
    if judgement.findings and facts.reading.suggestion is not None:
        reading = declined(facts.reading, judgement.findings[0].message)
        facts = dataclasses.replace(facts, reading=reading)
    return Report(
        command="lrfind",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        tables=[tables.methods(facts), tables.repeats(facts), tables.curve(facts)],
        notes=(*loaded.notes, *data_notes(source), objective.note, *_conclusion(facts)),
        settings={
            "seed": seed, "data": source.description, "synthetic": source.synthetic,
            "optimizer": optimizer, "momentum": momentum,
            "start_lr": start_lr, "end_lr": end_lr, "steps": steps, "repeats": repeats,
            "accumulate": accumulate, "loss": objective.name,
        },
        verdict=_verdict(facts),
        extra={
            "suggestion": facts.reading.suggestion,
            "suggestion_reason": facts.reading.reason or None,
            "suggestion_band": facts.reading.band,
        },
    )  # fmt: skip


def _rates(start: float, end: float, steps: int) -> NDArray[np.float64]:
    if not (0 < start < end < math.inf):
        raise UsageError(
            f"the learning rates go from {start:g} to {end:g}",
            hint="--start-lr is above 0 and below --end-lr: 1e-7 and 10 by default",
        )
    if steps < 2:
        raise UsageError(f"steps is {steps}", hint="give 2 or more; 100 by default")
    return np.geomspace(start, end, steps)


def _check(optimizer: str, momentum: float, repeats: int, accumulate: int) -> None:
    if optimizer not in ("sgd", "adam", "adamw"):
        raise UsageError(f"optimizer is {optimizer!r}", hint="give sgd, adam or adamw")
    if not 0 <= momentum < 1:
        raise UsageError(f"momentum is {momentum:g}", hint="give 0 or more, and less than 1")
    for name, value in (("repeats", repeats), ("accumulate", accumulate)):
        if value < 1:
            raise UsageError(f"{name} is {value}", hint="give 1 or more")


def _conclusion(facts: LrFindFacts) -> list[str]:
    """What the report says of the suggestion, and of what makes it doubtful."""
    reading = facts.reading
    if reading.suggestion is None:
        return [f"suggestion: none, because {reading.reason}", *_known_floor(facts)]
    assert reading.band is not None
    notes = [f"suggestion: {_suggested(facts)}"]
    if int(reading.mean.argmin()) >= len(reading.rates) - 2:
        notes.append("the loss was lowest at the end of the range: a higher --end-lr may tell more")
    if facts.random_targets:
        notes.append("the targets are made up: the suggestion says little about real training")
    return notes


def _known_floor(facts: LrFindFacts) -> list[str]:
    chance, start = facts.chance, facts.reading.start
    if chance is None or not math.isfinite(start) or not facts.trainable:
        return []
    if start < 0.8 * chance:
        return [
            f"the loss starts at {start:.3g}, below the {chance:.3g} of a constant answer: the "
            "model has learnt already; fine-tune it at a rate below that of its training"
        ]
    return []


def _suggested(facts: LrFindFacts) -> str:
    reading = facts.reading
    assert reading.suggestion is not None
    assert reading.band is not None
    low, high = reading.band
    return f"lr = {reading.suggestion:.2g} ({low:.2g} to {high:.2g}) for {facts.optimizer}"


def _verdict(facts: LrFindFacts) -> str:
    if facts.reading.suggestion is None:
        return f"no suggestion: {facts.reading.reason}"
    return f"start from {_suggested(facts)}"
