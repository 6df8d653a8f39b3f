"""`netdoctor.check_forward`: what comes out of every call, and where it first goes wrong."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from torch import nn

from netdoctor.api.common import (
    Progress,
    Thresholds,
    data_notes,
    freshness,
    loaded_from,
    noted,
    nothing_measured,
    selects,
)
from netdoctor.errors import DataError, ModelError, UsageError
from netdoctor.facts.forward import LARGEST, ForwardFacts
from netdoctor.facts.forward_table import table
from netdoctor.facts.head import HeadFacts
from netdoctor.facts.site import Site
from netdoctor.facts.target import TargetFacts
from netdoctor.facts.wiring import WiringFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import Objective
from netdoctor.probes import forward, head, wiring
from netdoctor.probes.backward import first_bad_gradient
from netdoctor.report import NotExamined, Report
from netdoctor.rules.core import Rule, judge
from netdoctor.rules.selection import select_rules


def check_forward(
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
    loss: str | None = None,
    backward: bool = False,
    depth: int | None = None,
    judge_as: str | None = None,
    progress: Progress | None = None,
) -> Report:
    """Shapes and values call by call, and the first operation that makes NaN or infinity.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: a DataLoader, Dataset or iterable of batches; None for random input.
        batches: how many batches to look at.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        layers: names or shell patterns of the calls or modules to list; empty for all. All calls
            are watched.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        loss: `cross-entropy`, `bce`, `mse` or `module:factory`; None to choose from the data.
        backward: looks at the gradients too.
        depth: lists modules down to this depth only.
        judge_as: `float16` or `bfloat16`: judges the values for that type.
        progress: told (batches done, batches in all).

    Returns:
        A report with the findings of NUM, MOD001, MOD003, MOD004, ACT004, WGT001 and WGT007 and
        the table `layers`.

    Raises:
        NetDoctorError: the model or data cannot be used, or no call matched.
    """
    if depth is not None and depth < 1:
        raise UsageError(f"depth is {depth}", hint="give 1 or more")
    if judge_as is not None and judge_as not in LARGEST:
        raise UsageError(f"there is no type {judge_as!r} to judge for", hint="float16 or bfloat16")
    rules = select_rules("check-forward", select, ignore)
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=batches, batch_size=batch_size, seed=seed)
    return forward_report(
        loaded, source, rules, thresholds, loss=loss, backward=backward, layers=layers, seed=seed,
        depth=depth, judge_as=judge_as, batches=batches, progress=progress,
    )  # fmt: skip


def forward_report(
    loaded: LoadedModel,
    source: Data,
    rules: Sequence[Rule],
    thresholds: Thresholds | None,
    *,
    batches: int,
    seed: int = 0,
    layers: Sequence[str] = (),
    loss: str | None = None,
    backward: bool = False,
    depth: int | None = None,
    judge_as: str | None = None,
    aside: Sequence[Batch] = (),
    progress: Progress | None = None,
) -> Report:
    """What `check_forward` gives, for a model and data that are opened and rules that are chosen.

    The wiring is tried out on the samples put `aside`; if there are none, on those of the first
    batches.

    Raises:
        NetDoctorError: the model or data cannot be used, or no call matched.
    """
    objective, few = Objective(loss), list[Batch]()
    facts = _measured(
        loaded, source, few, layers, objective=objective, depth=depth, judged_as=judge_as or "",
        seed=seed, progress=None if progress is None else lambda done: progress(done, batches),
    )  # fmt: skip
    notes = [_of_loss(facts, objective)]
    if backward and not facts.refused:
        facts, note = _with_gradients(loaded, source, facts, Objective(loss, seed=seed))
        notes.append(note)
    targets = facts.refused[0] if facts.refused else TargetFacts(objective.name)
    measured: list[Any] = [facts, targets]
    measured += _tried_out(loaded, list(aside) or few, facts, loss)
    judgement = judge(measured, rules, thresholds)
    return Report(
        command="check-forward",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        tables=[table(facts)],
        not_examined=facts.not_examined,
        notes=(*loaded.notes, *data_notes(source), *notes),
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        settings={
            "seed": seed, "batches": facts.batches, "samples": facts.samples,
            "data": source.description, "synthetic": facts.synthetic, "loss": objective.name,
            "backward": backward, "depth": depth, "as": judge_as,
        },
    )  # fmt: skip


def _of_loss(facts: ForwardFacts, objective: Objective) -> str:
    """Which loss it is, and its value."""
    if facts.refused:
        return f"loss: refused in {len(facts.refused)} of {facts.batches} batches"
    finite = [each for each in facts.losses if math.isfinite(each)]
    told = f"; {sum(finite) / len(finite):.4g} on average" if finite else ""
    if len(finite) < len(facts.losses):
        count = len(facts.losses) - len(finite)
        told += f"; not finite in {count} of {len(facts.losses)} batches"
    return objective.note + told


def _with_gradients(
    loaded: LoadedModel, source: Data, facts: ForwardFacts, objective: Objective
) -> tuple[ForwardFacts, str]:
    """The facts with those of the backward passes, and a note on what was looked at.

    Raises:
        NetDoctorError: the backward passes failed, and nothing sick was found before.
    """
    try:
        gradients = first_bad_gradient(loaded.module, source, objective)
    except (DataError, ModelError) as error:
        if not (facts.origins or facts.state):
            raise
        missing = NotExamined("gradients", error.message)
        facts = dataclasses.replace(facts, not_examined=(*facts.not_examined, missing))
        return facts, f"backward: not examined: {error.message}"
    facts = dataclasses.replace(facts, backward=gradients)
    return facts, _of_backward(facts, objective)


def _of_backward(facts: ForwardFacts, objective: Objective) -> str:
    """What was looked at in the backward passes."""
    assert facts.backward is not None
    if facts.backward.reason:
        return f"backward: not examined: {facts.backward.reason}"
    notes = facts.backward.notes
    left_out = f"; left out: {'; '.join(notes[:3])}" if notes else ""
    made_up = "; the targets are seeded random numbers" if objective.random_targets else ""
    return f"backward: {facts.backward.batches} batches, loss {objective.name}{made_up}{left_out}"


def _tried_out(
    loaded: LoadedModel, batches: list[Batch], facts: ForwardFacts, loss: str | None
) -> tuple[WiringFacts, HeadFacts]:
    """How the network is wired, from a few extra passes over samples that were put aside."""
    known: dict[str, Any] = {"synthetic": facts.synthetic}
    objective = Objective(loss)
    ends = head.measure(loaded.module, batches, objective, seed=facts.seed, **known)
    settled = objective if objective.name else None
    wired = wiring.measure(loaded.module, batches, objective=settled, fresh=facts.fresh, **known)
    return wired, ends


def _measured(
    loaded: LoadedModel, source: Data, aside: list[Batch], patterns: Sequence[str], **options: Any
) -> ForwardFacts:
    """The facts; of the first batches a few samples are put aside."""
    seen: list[Site] = []

    def wanted(site: Site) -> bool:
        seen.append(site)
        return not patterns or any(selects(pattern, site) for pattern in patterns)

    facts = forward.measure(
        loaded.module,
        noted(source, aside),
        wanted=wanted,
        samples=source.samples,
        synthetic=source.synthetic,
        fresh=freshness(loaded),
        **options,
    )
    if not any(call.listed for call in facts.calls) and (patterns or not seen):
        raise nothing_measured(patterns, seen, all_modules=True)
    return facts
