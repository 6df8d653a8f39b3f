"""What a learning rate range test saw."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.lr_curve import Reading
from netdoctor.report import Column, Table

Floats = NDArray[np.float64]
Stop = Literal["reached the end", "diverged", "non-finite"]


@dataclasses.dataclass(frozen=True, slots=True)
class Sweep:
    """One run over the learning rates, from the network as it was found.

    Attributes (P points; a point is one step of the optimiser):
        losses: (P,) the training loss before each step, mean over its accumulated batches; finite.
        stop: why the run ended; `non-finite` is a loss that is NaN or infinite.
        stopped_at: the learning rate at which that began, or the last one of the range.
        cycled: how often the data were exhausted and begun again.
    """

    losses: Floats
    stop: Stop
    stopped_at: float
    cycled: int = 0

    def __post_init__(self) -> None:
        if not np.isfinite(self.losses).all():
            raise ValueError("a sweep ends before the first loss that is not finite")

    @property
    def reason(self) -> str:
        """Why it ended: `diverged at lr=1.2; loader exhausted and cycled 3 times`."""
        text = self.stop if self.stop == "reached the end" else f"{self.stop} at lr={self._at}"
        times = "once" if self.cycled == 1 else f"{self.cycled} times"
        return f"{text}; loader exhausted and cycled {times}" if self.cycled else text

    @property
    def _at(self) -> str:
        return f"{self.stopped_at:.3g}"


@dataclasses.dataclass(frozen=True, slots=True)
class LrFindFacts:
    """A range test: its sweeps, how they read, and all that is needed to judge them.

    Attributes:
        rates: (P,) the learning rates of a whole sweep, rising by a constant factor.
        sweeps: one a repeat, at least one.
        reading: the curve of all sweeps, and the suggestion.
        optimizer: `sgd`, `adam` or `adamw`.
        loss: name of the loss.
        chance: the loss of the best constant answer; None where that is not known.
        trainable: number of trainable values.
        moving: whether a gradient reached any trainable parameter.
        random_targets: whether the targets were made up.
        synthetic: whether the input was random.
        device, seed: as run.
    """

    rates: Floats
    sweeps: tuple[Sweep, ...]
    reading: Reading
    optimizer: str
    loss: str
    chance: float | None
    trainable: int
    moving: bool
    random_targets: bool
    synthetic: bool
    device: str
    seed: int

    def __post_init__(self) -> None:
        if not self.sweeps:
            raise ValueError("a range test has at least one sweep")
        if any(len(sweep.losses) > len(self.rates) for sweep in self.sweeps):
            raise ValueError("a sweep has more losses than there are rates")

    @property
    def survived(self) -> float:
        """Share of the steps before the loss exploded; the median over the repeats, in [0, 1]."""
        shares = [
            1.0 if sweep.stop == "reached the end" else len(sweep.losses) / len(self.rates)
            for sweep in self.sweeps
        ]
        return float(np.median(shares))


def methods(facts: LrFindFacts) -> Table:
    """What each way of reading the curve suggests; the first one is the suggestion."""
    rows = [
        {
            "method": method.name,
            "lr": method.rate,
            "low": method.low,
            "high": method.high,
            "used": number == 0 and facts.reading.suggestion is not None,
        }
        for number, method in enumerate(facts.reading.methods)
    ]
    columns = [
        Column("method", "method", "name"),
        Column("lr", "learning rate", "number"),
        Column("low", "lowest repeat", "number", priority=1),
        Column("high", "highest repeat", "number", priority=1),
        Column("used", "used", priority=2),
    ]
    legend = (
        "basin: inside the range of low loss, then down by 5.5; steepest: fastest fall per decade",
        "valley, slide: as fastai has them; minimum/10: a tenth of the rate with the lowest loss",
    )
    return Table("methods", "", columns, rows, legend=legend)


def repeats(facts: LrFindFacts) -> Table:
    """One row a sweep: how far it came and why it ended."""
    rows = [
        {
            "repeat": number,
            "points": len(sweep.losses),
            "first": float(sweep.losses[0]) if len(sweep.losses) else None,
            "lowest": float(sweep.losses.min()) if len(sweep.losses) else None,
            "stop": sweep.stop,
            "stopped_at": sweep.stopped_at,
            "cycled": sweep.cycled,
            "reason": sweep.reason,
        }
        for number, sweep in enumerate(facts.sweeps, 1)
    ]
    columns = [
        Column("repeat", "repeat", "integer"),
        Column("points", "steps", "integer"),
        Column("first", "first loss", "number", priority=2),
        Column("lowest", "lowest loss", "number", priority=1),
        Column("reason", "ended because it"),
    ]
    return Table("repeats", "", columns, rows)


def curve(facts: LrFindFacts) -> Table:
    """One row a learning rate: each repeat's loss, and the smoothed mean; text shows none."""
    rows: list[dict[str, Any]] = []
    for place, rate in enumerate(facts.rates.tolist()):
        losses = [
            float(sweep.losses[place]) if place < len(sweep.losses) else None
            for sweep in facts.sweeps
        ]
        mean = float(facts.reading.mean[place])
        rows.append({"lr": rate, "smoothed": mean if np.isfinite(mean) else None, "losses": losses})
    columns = [
        Column("lr", "learning rate", "number"),
        Column("smoothed", "smoothed loss", "number"),
        Column("losses", "loss of each repeat"),
    ]
    return Table("curve", "", columns, rows, shown=0)
