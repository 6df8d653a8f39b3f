"""`netdoctor.overfit`: train a copy on one batch, judge, report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from netdoctor.api.common import (
    Progress,
    Thresholds,
    data_notes,
    freshness,
    loaded_from,
    refused_target,
)
from netdoctor.errors import UsageError
from netdoctor.facts.overfit_tables import notes, sentence, tables
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.data import data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective, TargetError
from netdoctor.probes.overfit import measure
from netdoctor.report import Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules

_BATCHES = 4  # looked at for one whose labels differ


def overfit(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    samples: int = 8,
    steps: int = 1000,
    time_limit: float = 60.0,
    optimizer: Literal["adam", "sgd"] = "adam",
    loss: str | None = None,
    device: str | None = None,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """Whether the network can learn at all: trains a copy on one batch until the loss is low.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input and targets.
        samples: of one batch, at most.
        steps: at one rate, at most; up to three rates are tried.
        time_limit: in seconds, for everything.
        optimizer: `adam`, or `sgd` with a momentum of 0.9.
        loss: `cross-entropy`, `bce`, `mse`, `module:factory`, or None to choose from the data.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input, random targets, the data's order and what the model draws.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (steps done, steps at most) of each rate.

    Returns:
        A report with the findings of MOD005 and the tables `result`, `steps` and `gradients`.

    Raises:
        NetDoctorError: the model, data or loss cannot be used.
    """
    _check(samples, steps, time_limit, optimizer)
    rules = select_rules("overfit", select, ignore)
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=_BATCHES, batch_size=samples, seed=seed)
    objective = Objective(loss, seed=seed)
    try:
        facts = measure(
            loaded.module, source, objective, samples=samples, steps=steps,
            time_limit=time_limit, optimizer=optimizer, synthetic=source.synthetic,
            fresh=freshness(loaded), seed=seed, progress=progress,
        )  # fmt: skip
    except TargetError as refused:
        return refused_target("overfit", loaded, source, refused, rules, thresholds)
    judgement = judge([facts, TargetFacts(objective.name)], rules, thresholds)
    return Report(
        command="overfit",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        tables=tables(facts),
        notes=(*loaded.notes, *data_notes(source), objective.note, *notes(facts)),
        settings={**facts.settings(), "data": source.description},
        verdict=sentence(facts),
    )


def _check(samples: int, steps: int, time_limit: float, optimizer: str) -> None:
    for name, value in (("samples", samples), ("steps", steps)):
        if value < 1:
            raise UsageError(f"{name} is {value}", hint="give 1 or more")
    if not time_limit > 0:
        raise UsageError(f"the time limit is {time_limit} s", hint="give more than 0")
    if optimizer not in ("adam", "sgd"):
        raise UsageError(f"there is no optimizer {optimizer!r} here", hint="give adam or sgd")
