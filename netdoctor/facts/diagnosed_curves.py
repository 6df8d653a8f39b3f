"""A training log once it is judged, and its tables."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from netdoctor.facts.curve_facts import CurveFacts
from netdoctor.facts.curves import Curve, CurveRole, TrainingRun
from netdoctor.report import Column, Finding, Table

_ROLES: tuple[CurveRole, ...] = (
    "train loss", "validation loss", "train metric", "validation metric", "learning rate",
)  # fmt: skip
_FIRST: tuple[CurveRole, ...] = (
    "validation loss", "validation metric", "train loss", "train metric",
)  # fmt: skip
_MOST_ROWS = 1000
_FEWEST = 4


@dataclasses.dataclass(frozen=True, slots=True)
class DiagnosedRun:
    """One run with what was measured and found.

    Attributes:
        run: its curves.
        facts: what they say.
        findings: of this run alone.
    """

    run: TrainingRun
    facts: CurveFacts
    findings: tuple[Finding, ...] = ()

    @property
    def best_epoch(self) -> int | float | None:
        """The log's own label of the best validation point; None without validation."""
        held_out = [curve.name for role in ("validation loss", "validation metric")
                    for curve in self.run.curves if curve.role == role]  # fmt: skip
        if self.facts.best_x is None or self.facts.best_by not in held_out:
            return None
        return label(self.run, self.facts.best_x)


@dataclasses.dataclass(frozen=True, slots=True)
class DiagnosedLog:
    """All runs of a log."""

    runs: tuple[DiagnosedRun, ...]


def label(run: TrainingRun, x: float) -> int | float:
    """What the log calls the point at x; of several within an epoch, that epoch."""
    if run.spread:
        return math.ceil(x - 1e-6)
    return int(x) if float(x).is_integer() else float(x)


def series(runs: tuple[TrainingRun, ...], *, shown: int | None = 12) -> Table:
    """One row a curve: what it was taken for, and how it went."""
    rows = [
        {"run": run.name, **_curve_row(run, curve)} for run in runs for curve in run.curves
        if len(curve.x)
    ]  # fmt: skip
    columns = [
        Column("series", "series", "name"),
        Column("role", "taken for", priority=1),
        Column("points", "points", "integer", priority=2),
        Column("first", "first", "number", priority=3),
        Column("best", "best", "number", priority=1),
        Column("best_at", "at", "integer", priority=2),
        Column("last", "last", "number"),
        Column("trend", "trend", priority=4),
    ]
    if any(row["not_finite"] for row in rows):
        columns.insert(7, Column("not_finite", "NaN, Inf", "integer", priority=1))
    if len(runs) > 1:
        columns.insert(0, Column("run", "run", "name"))
    return Table("series", "", columns, rows, shown)


def _curve_row(run: TrainingRun, curve: Curve) -> dict[str, Any]:
    finite = np.isfinite(curve.y)
    y, x = curve.y[finite], curve.x[finite]
    row: dict[str, Any] = {
        "series": curve.name,
        "role": curve.role,
        "measure": curve.measure,
        "points": len(curve.y),
        "not_finite": int(len(curve.y) - len(y)),
        "first": float(curve.y[0]),
        "best": None,
        "best_at": None,
        "last": float(curve.y[-1]),
        "trend": trend(y, curve.better),
    }
    if len(y) and curve.better:
        place = int(np.argmax(curve.better * y))
        row |= {"best": float(y[place]), "best_at": label(run, float(x[place]))}
    return row


def trend(y: np.ndarray[Any, np.dtype[np.float64]], better: int) -> str:
    """How the last fifth of a curve compares with the fifth before it."""
    if len(y) < _FEWEST:
        return "too short"
    part = max(len(y) // 5, 2)
    late, before = y[-part:], y[-2 * part : -part]
    change = float(np.median(late) - np.median(before))
    spread = float(np.percentile(y, 95) - np.percentile(y, 5))
    noise = float(np.median(np.abs(np.diff(y[-2 * part :])))) / math.sqrt(part)
    if abs(change) <= max(0.02 * spread, 2 * noise):
        return "flat"
    direction = "rising" if change > 0 else "falling"
    if not better:
        return direction
    return f"{direction}, {'better' if change * better > 0 else 'worse'}"


def epochs(runs: tuple[TrainingRun, ...]) -> Table:
    """One row a validation point, or a training point where there is none; text shows none.

    Of a longer run there are a thousand rows, evenly chosen.
    """
    rows: list[dict[str, Any]] = []
    for run in runs:
        chosen = {role: run.of(role)[0] for role in _ROLES if run.of(role)}
        axis = next((curve.x for role in _FIRST for curve in run.of(role)), np.zeros(0))
        if len(axis) > _MOST_ROWS:
            axis = axis[np.linspace(0, len(axis) - 1, _MOST_ROWS).astype(int)]
        values = {role: _up_to(curve, axis) for role, curve in chosen.items()}
        for place, x in enumerate(axis.tolist()):
            row: dict[str, Any] = {"run": run.name, run.axis: label(run, x)}
            row |= {role.replace(" ", "_"): told[place] for role, told in values.items()}
            rows.append(row)
    keys = list(dict.fromkeys(key for row in rows for key in row))
    columns = [Column(key, key.replace("_", " "), "number") for key in keys]
    return Table("epochs", "", columns, rows, shown=0)


def _up_to(curve: Curve, axis: np.ndarray[Any, np.dtype[np.float64]]) -> list[float | None]:
    """The last value of a curve at or before each x; None before its first."""
    places = np.searchsorted(curve.x, axis + 1e-9, side="right") - 1
    return [float(curve.y[place]) if place >= 0 else None for place in places.tolist()]
