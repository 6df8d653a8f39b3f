"""`netdoctor.gradflow`: how gradients flow to every parameter."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from netdoctor.api.common import (
    Progress,
    Thresholds,
    data_notes,
    freshness,
    loaded_from,
    needed,
    nothing_measured,
    refused_target,
    selects,
)
from netdoctor.errors import ModelError, NothingExaminedError, UsageError
from netdoctor.facts import gradflow_tables as tables
from netdoctor.facts.gradflow import GradientFacts
from netdoctor.facts.head import HeadFacts
from netdoctor.facts.target import TargetFacts
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective, TargetError
from netdoctor.probes import gradflow as probe
from netdoctor.probes import head
from netdoctor.probes.gradient_passes import AMP, Options
from netdoctor.report import Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules

OPTIMIZERS = ("sgd", "adam", "adamw")


def gradflow(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    loss: str | None = None,
    optimizer: str = "sgd",
    lr: float | None = None,
    amp: str | None = None,
    update_norms: bool = False,
    batches: int = 10,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """Which parameters get no, zero, vanishing, exploding or NaN gradients, in training mode.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches with targets; None for random input,
            and random targets of the output's shape.
        loss: `cross-entropy`, `bce`, `mse` or `module:factory`; None to choose from the data.
        optimizer: `sgd`, `adam` or `adamw`, for the size of a step.
        lr: its learning rate; None to leave the size of a step out.
        amp: `float16` or `bfloat16` for mixed precision.
        update_norms: lets norm layers update their statistics from batch to batch.
        batches: how many batches to look at.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and targets, and of the data's order.
        layers: names or shell patterns of the parameters, modules or calls to look at.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (batches done, batches in all).

    Returns:
        A report with the findings of GRD, MOD001 and MOD002, and the tables `parameters` and
        `layers`.

    Raises:
        NetDoctorError: the model, data or loss cannot be used.
    """
    rules = select_rules("gradflow", select, ignore)
    options = _options(optimizer, lr, amp, update_norms)
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=batches, batch_size=batch_size, seed=seed)
    objective = Objective(loss, seed=seed)
    try:
        facts = probe.measure(
            loaded.module, source, objective, options,
            synthetic=source.synthetic, fresh=freshness(loaded), seed=seed,
            progress=None if progress is None else lambda done: progress(done, batches),
        )  # fmt: skip
    except TargetError as refused:
        return refused_target("gradflow", loaded, source, refused, rules, thresholds)
    except ModelError as error:
        if loaded.input_style != "images":
            raise
        raise _without_loss(loaded, error) from error
    facts = _selected(facts, layers)
    measured: list[Any] = [facts, TargetFacts(objective.name)]
    if needed(rules, HeadFacts):
        measured.append(_head(loaded, source, loss, seed))
    judgement = judge(measured, rules, thresholds)
    return Report(
        command="gradflow",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        tables=[tables.parameters(facts), tables.layers(facts)],
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        not_examined=facts.not_examined,
        notes=(*loaded.notes, *data_notes(source), objective.note, *_amp_note(facts)),
        settings={
            "seed": seed, "batches": batches, "samples": facts.samples,
            "data": source.description, "synthetic": facts.synthetic, "objective": facts.loss,
            "losses": list(facts.losses), "scale": facts.scale, "overflows": facts.overflows,
        },
    )  # fmt: skip


def _options(optimizer: str, lr: float | None, amp: str | None, update_norms: bool) -> Options:
    if optimizer not in OPTIMIZERS:
        raise UsageError(f"optimizer is {optimizer!r}", hint=f"give {', '.join(OPTIMIZERS)}")
    if amp is not None and amp not in AMP:
        raise UsageError(f"amp is {amp!r}", hint=f"give {' or '.join(AMP)}")
    if lr is not None and not 0 < lr < float("inf"):
        raise UsageError(f"lr is {lr}", hint="give a learning rate above 0")
    return Options(update_norms=update_norms, optimizer=optimizer, rate=lr, amp=amp or "")


def _without_loss(loaded: LoadedModel, error: ModelError) -> ModelError:
    return ModelError(
        f"{loaded.name} is a detector: its loss needs targets of its own. {error.message}",
        hint="Wrap it in a module whose forward takes images and targets and returns "
        "{'loss': the sum of its losses}, and give batches of (images, targets).",
    )


def _head(loaded: LoadedModel, source: Data, loss: str | None, seed: int) -> HeadFacts:
    """What the model gives to the loss; a model that cannot run in evaluation mode says so."""
    objective = Objective(loss, seed=seed)
    try:
        return head.measure(loaded.module, source, objective, synthetic=source.synthetic, seed=seed)
    except ModelError as error:
        problem = f"in evaluation mode: {error.message}"
        return HeadFacts(objective.name, objective.chosen, problem=problem)


def _selected(facts: GradientFacts, patterns: Sequence[str]) -> GradientFacts:
    """The parameters and calls that the --layers patterns name."""
    if not facts.parameters:
        raise NothingExaminedError(
            "the model has no parameters: there is no gradient to look at",
            hint="Wrap what is to be trained in a module that holds it as a parameter.",
        )
    if not patterns:
        return facts
    sites = [call.site for call in facts.calls]
    chosen = dataclasses.replace(
        facts,
        parameters=tuple(
            each for each in facts.parameters
            if any(_names(pattern, each.name, each.module) for pattern in patterns)
        ),
        calls=tuple(
            each for each in facts.calls
            if any(selects(pattern, each.site) for pattern in patterns)
        ),
    )  # fmt: skip
    if not chosen.parameters and not chosen.calls:
        raise nothing_measured(patterns, sites)
    return chosen


def _names(pattern: str, name: str, module: str) -> bool:
    return (
        fnmatchcase(name, pattern)
        or fnmatchcase(module, pattern)
        or f"{module}.".startswith(f"{pattern}.")
    )


def _amp_note(facts: GradientFacts) -> Sequence[str]:
    if not facts.amp:
        return ()
    scaled = (
        f"; the loss was scaled by {facts.scale:g} and every gradient divided by it, "
        f"{facts.overflows} pass(es) overflowed and were repeated at half the scale"
    )
    return (f"precision: autocast to {facts.amp}" + (scaled if facts.amp == "float16" else ""),)
