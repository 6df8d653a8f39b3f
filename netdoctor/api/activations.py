"""`netdoctor.deadneurons`, `activations` and `layers`: one probe, asked for more or less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from netdoctor.api.common import (
    Progress,
    Thresholds,
    data_notes,
    freshness,
    loaded_from,
    needed,
    noted,
    nothing_measured,
    selects,
)
from netdoctor.errors import NothingExaminedError
from netdoctor.facts import tables
from netdoctor.facts.activations import ActivationFacts
from netdoctor.facts.forward import ForwardFacts
from netdoctor.facts.site import Site
from netdoctor.facts.wiring import WiringFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes import forward, wiring
from netdoctor.probes.activations import measure
from netdoctor.report import Report, Table
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules


def deadneurons(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    batches: int = 10,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    per_position: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Which units never fire or always saturate, at every activation call, in one pass.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input.
        batches: how many batches to look at.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        layers: names or shell patterns of the calls or modules to look at; empty for all.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        per_position: takes each position of a channel as a unit.
        progress: told (batches done, batches in all).

    Returns:
        A report with the findings of ACT001 to ACT003 and the table `layers`.

    Raises:
        NetDoctorError: the model or data cannot be used, or no activation was called.
    """
    rules = select_rules("deadneurons", select, ignore)
    facts, loaded, source = _measured(
        model, data, batches, batch_size, device, seed, layers, progress, per_position=per_position
    )
    if not any(call.units is not None for call in facts.calls):
        raise _nothing_to_judge(facts)
    judgement = judge(facts, rules, thresholds)
    return _report(
        "deadneurons", loaded, source, facts, [tables.dead_neurons(facts)], batches
    ).replace(findings=judgement.findings, ran=judgement.ran, skipped=judgement.skipped)


def activations(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    batches: int = 10,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    every_module: bool = False,
    progress: Progress | None = None,
) -> Report:
    """The distribution of every activation call's values, and with `every_module` of all outputs.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input.
        batches: how many batches to look at.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        layers: names or shell patterns of the calls or modules to look at; empty for all.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        every_module: measures every module's output too.
        progress: told (batches done, batches in all).

    Returns:
        A report with the findings of the families NUM and ACT and the table `layers`.

    Raises:
        NetDoctorError: the model or data cannot be used, or nothing was called.
    """
    rules = select_rules("activations", select, ignore)
    first: list[Batch] = []
    facts, loaded, source = _measured(
        model, data, batches, batch_size, device, seed, layers, progress,
        every_module=every_module, detailed=True, first=first,
    )  # fmt: skip
    known: dict[str, Any] = {"fresh": facts.fresh, "synthetic": facts.synthetic}
    measured: list[Any] = [facts]
    if needed(rules, ForwardFacts):
        measured.append(forward.measure(loaded.module, first[:1], **known))
    if needed(rules, WiringFacts):
        measured.append(wiring.measure(loaded.module, first, checks=["sensitivity"], **known))
    judgement = judge(measured, rules, thresholds)
    return _report(
        "activations", loaded, source, facts, [tables.activations(facts)], batches
    ).replace(findings=judgement.findings, ran=judgement.ran, skipped=judgement.skipped)


def layers(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    batches: int = 1,
    batch_size: int = 2,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    progress: Progress | None = None,
) -> Report:
    """The calls of one forward pass: the names that `layers` can select, with type and shape.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input.
        batches: as other functions take it; one is looked at, which shows every name.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        layers: names or shell patterns of the calls or modules to list; empty for all.
        progress: told (batches done, batches in all).

    Returns:
        A report with the table `layers`; it judges nothing.

    Raises:
        NetDoctorError: the model or data cannot be used.
    """
    facts, loaded, source = _measured(
        model, data, 1, batch_size, device, seed, layers, progress, every_module=True
    )
    return _report("layers", loaded, source, facts, [tables.layers(facts)], 1)


def _measured(
    model: nn.Module | LoadedModel,
    data: Any,
    batches: int,
    batch_size: int,
    device: str | None,
    seed: int,
    patterns: Sequence[str],
    progress: Progress | None,
    first: list[Batch] | None = None,
    **options: Any,
) -> tuple[ActivationFacts, LoadedModel, Data]:
    """The facts, and what they are about; `first` is given the first batches."""
    loaded = loaded_from(model, device)
    source = (
        data
        if isinstance(data, Data)
        else data_from(data, loaded, batches=batches, batch_size=batch_size, seed=seed)
    )
    seen: list[Site] = []

    def wanted(site: Site) -> bool:
        seen.append(site)
        return not patterns or any(selects(pattern, site) for pattern in patterns)

    facts = measure(
        loaded.module,
        source if first is None else noted(source, first),
        wanted=wanted,
        synthetic=source.synthetic,
        fresh=freshness(loaded),
        seed=seed,
        progress=None if progress is None else lambda done: progress(done, batches),
        **options,
    )
    if not facts.calls:
        raise nothing_measured(patterns, seen)
    return facts, loaded, source


def _nothing_to_judge(facts: ActivationFacts) -> NothingExaminedError:
    reasons = {each.reason for each in facts.not_examined if each.subject in _names(facts)}
    return NothingExaminedError(
        f"no activation call could be examined ({len(facts.calls)} in all): "
        + ("; ".join(sorted(reasons)) or "none has units"),
        hint="`netdoctor activations` finds the first call with NaN or infinite values.",
    )


def _names(facts: ActivationFacts) -> set[str]:
    return {str(call.site) for call in facts.calls}


def _report(
    command: str,
    loaded: LoadedModel,
    source: Data,
    facts: ActivationFacts,
    shown: Sequence[Table],
    batches: int,
) -> Report:
    return Report(
        command=command,
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        tables=shown,
        not_examined=facts.not_examined,
        notes=(*loaded.notes, *data_notes(source)),
        settings={
            "seed": facts.seed,
            "batches": batches,
            "samples": facts.samples,
            "data": source.description,
            "synthetic": facts.synthetic,
        },
    )
