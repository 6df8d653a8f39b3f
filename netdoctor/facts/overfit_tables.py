"""What training on one batch showed, as tables, notes and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from netdoctor.facts.overfit import OverfitFacts
from netdoctor.report import Column, Table

_POINTS = 12
_SHOWN = 20


def tables(facts: OverfitFacts) -> list[Table]:
    """`result`, `steps`, and `gradients` where a parameter never gets any."""
    found = [_result(facts), _steps(facts)]
    if any(not each.learns for each in facts.gradients):
        found.append(_gradients(facts))
    return found


def _result(facts: OverfitFacts) -> Table:
    outcome = facts.outcome
    row: dict[str, Any] = {
        "verdict": facts.verdict(),
        "loss": facts.loss,
        "start": facts.start if outcome else None,
        "best": facts.best if outcome else None,
        "floor": facts.floor,
        "ignorant": facts.ignorant,
        "remaining": facts.remaining if outcome else None,
        "fit": facts.fit,
        "samples": facts.samples,
        "steps": outcome.steps if outcome else 0,
        "rate": outcome.rate if outcome else None,
        "end": outcome.end if outcome else "frozen",
        "seconds": facts.seconds,
    }
    columns = [
        Column("verdict", "verdict"),
        Column("loss", "loss", priority=5),
        Column("start", "at the start", "number", priority=1),
        Column("best", "lowest", "number"),
        Column("floor", "floor", "number"),
        Column("ignorant", "ignoring the input", "number", priority=4),
        Column("remaining", "left", "percent", priority=2),
        Column("fit", "fit", "percent", priority=6),
        Column("samples", "samples", "integer", priority=7),
        Column("steps", "steps", "integer", priority=3),
        Column("rate", "rate", "number", priority=3),
        Column("end", "end", hidden=True),
        Column("seconds", "seconds", "number", priority=8),
    ]
    return Table("result", "", columns, [row])


def _steps(facts: OverfitFacts) -> Table:
    """The loss at some steps of every attempt, the best attempt first: a thinned curve."""
    rows = []
    numbered = sorted(enumerate(facts.attempts, 1), key=lambda each: each[1] is not facts.outcome)
    for number, attempt in numbered:
        count = len(attempt.losses)
        places = np.unique(np.linspace(0, count - 1, min(count, _POINTS)).round().astype(int))
        rows += [
            {
                "attempt": number, "rate": attempt.rate, "step": int(place),
                "loss": float(attempt.losses[place]), "end": attempt.end,
            }
            for place in places
        ]  # fmt: skip
    columns = [
        Column("attempt", "attempt", "integer"),
        Column("rate", "rate", "number", priority=1),
        Column("step", "step", "integer"),
        Column("loss", "loss", "number"),
        Column("end", "ended", priority=2),
    ]
    return Table("steps", "", columns, rows, _POINTS)


def _gradients(facts: OverfitFacts) -> Table:
    rows = [
        {"parameter": each.name, "start": each.start, "end": each.end, "learns": each.learns}
        for each in facts.gradients
    ]
    rows.sort(key=lambda row: bool(row["learns"]))
    columns = [
        Column("parameter", "parameter", "name"),
        Column("start", "gradient at the start"),
        Column("end", "at the last step"),
        Column("learns", "learns", hidden=True),
    ]
    return Table("gradients", "", columns, rows, _SHOWN)


def notes(facts: OverfitFacts) -> Sequence[str]:
    """One line for everything that the verdict rests on."""
    norms = {
        "batch": "norm layers use the batch's statistics",
        "stored": "norm layers use their stored statistics, for the batch is too small",
    }
    found = [
        f"training: {facts.samples} samples, {facts.optimizer}, dropout off, {norms[facts.norms]}"
    ]
    frozen = facts.parameters - facts.trainable
    if frozen and facts.trainable:
        found.append(f"frozen: {frozen:,} of {facts.parameters:,} parameters")
    if facts.conflicting:
        found.append(
            f"label noise: {facts.conflicting} of {facts.samples} samples have the same input as "
            f"another and a different target; no network gets below {facts.floor:.4g}"
            if facts.floor is not None
            else f"label noise: {facts.conflicting} of {facts.samples} samples have the same input "
            "as another and a different target"
        )
    if facts.one_target:
        found.append(
            "targets: all are the same, so that a bias alone can learn them; a shuffled loader "
            "would prove more"
        )
    if facts.floor is None and facts.attempts:
        found.append("floor: not known for this loss; it is judged as if it were 0")
    idle = [each.name for each in facts.gradients if not each.learns]
    if idle and facts.learning:
        more = f" and {len(idle) - 6} more" if len(idle) > 6 else ""
        found.append(
            f"gradients: {', '.join(idle[:6])}{more} never got one; `netdoctor gradflow` says why"
        )
    return found


def sentence(facts: OverfitFacts) -> str:
    """The outcome in a sentence."""
    outcome = facts.outcome
    if outcome is None:
        return f"{facts.verdict()}: nothing to train"
    fall = f"loss {facts.start:.4g} to {facts.best:.4g} in {outcome.steps} steps"
    known = "" if facts.floor is None else f", floor {facts.floor:.4g}"
    return f"{facts.verdict()}: {fall}{known}"
