"""The curves of training runs, as a log has them."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

CurveRole = Literal[
    "train loss",
    "validation loss",
    "train metric",
    "validation metric",
    "learning rate",
    "gradient norm",
    "other",
]
Axis = Literal["epoch", "step", "row"]


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """One series of numbers.

    Attributes:
        name: as the log has it, `val/box_loss`.
        role: what it is.
        measure: what it measures, the split taken off: `loss`, `accuracy`, `box_loss`; the train
            and the validation curve of one measure have the same.
        x: (n,) float64, ascending: the epoch or step of each point, as the run's axis says.
        y: (n,) float64; NaN and infinities where the log says so. What the log leaves out is not
            a point.
        better: +1 where higher is better, -1 where lower is, 0 where nobody knows.
        steps: (n,) float64 or None: the optimiser step of each point where the axis is epochs and
            the log has both.
    """

    name: str
    role: CurveRole
    measure: str
    x: np.ndarray
    y: np.ndarray
    better: int = 0
    steps: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run.

    Attributes:
        name: of the run, where a log holds several; else empty.
        axis: what x counts.
        curves: all of its curves, the chosen ones of each role first.
        classes: number of classes, where the log says; None otherwise.
        first_label: the log's own label of its first epoch, 0 or 1; 0 where it has none.
        notes: one line each on how the log was read: parts summed, a resumed run joined.
        spread: whether the log labels several points with one whole epoch, which lie in
            (label - 1, label] then.
    """

    name: str
    axis: Axis
    curves: tuple[Curve, ...]
    classes: int | None = None
    first_label: int = 0
    notes: tuple[str, ...] = ()
    spread: bool = False

    def of(self, role: CurveRole) -> tuple[Curve, ...]:
        """The curves of that role, the chosen one first."""
        return tuple(curve for curve in self.curves if curve.role == role)


@dataclasses.dataclass(frozen=True, slots=True)
class TrainingLog:
    """What a file or folder holds.

    Attributes:
        source: the file or folder, as the user named it.
        format: the writer or layout it was recognised as, `Lightning metrics.csv`.
        runs: one or several; each is judged for itself.
    """

    source: str
    format: str
    runs: tuple[TrainingRun, ...]
