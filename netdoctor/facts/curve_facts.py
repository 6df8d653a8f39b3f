"""What the curves of one training run say, in numbers."""

from __future__ import annotations

import dataclasses
import re
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.curves import Axis, CurveRole

Floats = NDArray[np.float64]
Schedule = Literal["constant", "decayed", "cyclic", "warming up", "zero"]


@dataclasses.dataclass(frozen=True, slots=True)
class Spike:
    """A short rise of a loss that came back.

    Attributes:
        x: where it is highest.
        value: the loss there.
        height: above the curve around it.
        sigmas: the same in standard deviations of a point.
    """

    x: float
    value: float
    height: float
    sigmas: float


@dataclasses.dataclass(frozen=True, slots=True)
class NonFinite:
    """Where a loss is no number.

    Attributes:
        name: the curve.
        kind: `NaN`, `infinite` or both; `blank` where a table leaves its NaN out, so that the loss
            ends while other curves go on.
        count, points: values that are not finite, of so many.
        first, last: x of the first and the last of them.
        lasting: whether no finite value follows.
        before: the last finite value before the first; None where there is none.
    """

    name: str
    kind: str
    count: int
    points: int
    first: float
    last: float
    lasting: bool
    before: float | None


@dataclasses.dataclass(frozen=True, slots=True)
class Track:
    """One curve, thinned out, smoothed and measured.

    Of a curve with many points, or one a step, each point here is the median of a stretch.
    What is said of a metric is said with its direction: `best` is its highest where higher is
    better, and `drop`, `rise`, `late_change` count towards worse as a loss does.

    Attributes (P points):
        name, role, measure: as in the log.
        better: +1 where higher is better, -1 where lower is (every loss).
        points: finite points in the log.
        x, y: (P,) ascending x, finite y.
        trend: (P,) running median of y, then running mean.
        noise: standard deviation of a point of y around its trend.
        roughness: the same by the upper quartile, which also sees a curve of which only every
            third point jumps: of the last three quarters or the last three eighths, the lesser.
        by_chance: what roughness would be if single steps were independent; 0 where each point
            is an epoch.
        middle: level of the last three quarters.
        swings: how often it goes up by 6 % of its range and 30 % of `middle`, after coming down.
        heaves: the same by 20 % of its range, and five times what independent
            steps would make of a point.
        start, end: level of the first and of the last points.
        end_error: standard error of `end`.
        best: best value of the trend; `best_index` of y itself.
        best_index: index into x.
        peak: worst level of the trend after its best.
        late_change: how much worse the last fifth is than the fifth before it.
        late_error: standard error of that.
        flat_from: first x at which the trend is as good as its end, within the noise or 4 % of
            its range.
        thirds: level of the first, the second and the last third of its points.
        steadiness: Mann and Kendall's standard score of its improvement after the first eighth;
            above 3 a run that stands still does not come.
        spikes: of the log's own points.
        first, highest: of the log's own points.
    """

    name: str
    role: CurveRole
    measure: str
    better: int
    points: int
    x: Floats
    y: Floats
    trend: Floats
    noise: float
    roughness: float
    by_chance: float
    middle: float
    swings: int
    start: float
    end: float
    end_error: float
    best: float
    best_index: int
    peak: float
    late_change: float
    late_error: float
    flat_from: float
    thirds: tuple[float, float, float] = (0.0, 0.0, 0.0)
    steadiness: float = 0.0
    spikes: tuple[Spike, ...] = ()
    first: float = float("nan")
    highest: float = float("nan")
    heaves: int = 0

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.trend) > 0:
            raise ValueError("a track has as many x as y, and at least one")

    @property
    def drop(self) -> float:
        """How far it improved from its start to its best; 0 or more."""
        return max(0.0, -self.better * (self.start - self.best))

    @property
    def rise(self) -> float:
        """How much worse its end is than its best; 0 or more."""
        return max(0.0, -self.better * (self.end - self.best))

    def share(self, size: float) -> float:
        """That size over all it improved, or a thousandth of its start, if that is more."""
        whole = max(self.drop, 1e-3 * abs(self.start))
        return size / whole if whole > 0 else 0.0

    @property
    def rise_error(self) -> float:
        """Standard error of `rise`."""
        return float(np.hypot(self.end_error, self.end_error))

    @property
    def best_x(self) -> float:
        """Where its best point is."""
        return float(self.x[self.best_index])

    @property
    def flat_share(self) -> float:
        """The share of the run for which it has been flat, at its end."""
        length = float(self.x[-1] - self.x[0])
        return (float(self.x[-1]) - self.flat_from) / length if length > 0 else 0.0

    @property
    def gains(self) -> tuple[float, float]:
        """How much it improves from the first third to the second, and from that to the last."""
        first, second, last = (-self.better * each for each in self.thirds)
        return first - second, second - last

    @property
    def held(self) -> float:
        """Its best level over a third of the run: no single point makes it."""
        return max(self.thirds) if self.better > 0 else min(self.thirds)

    @property
    def pace(self) -> float:
        """Its gain in the last third over that in the one before; 0 where there is none."""
        before, now = self.gains
        return now / before if before > 0 and now > 0 else 0.0 if now <= 0 else float("inf")

    @property
    def third_error(self) -> float:
        """Standard error of each of the gains."""
        return 1.25 * self.noise * float(np.sqrt(6 / len(self.y)))

    @property
    def quickening(self) -> bool:
        """Whether it improves at twice the pace in its last third as in the one before."""
        before, now = self.gains
        return now > max(2 * before, 3 * self.third_error, 1e-3 * abs(self.start))

    def at(self, x: float) -> float:
        """The trend there, straight between points."""
        return float(np.interp(x, self.x, self.trend))


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """The training and the validation curve of one measure; one of them may be missing.

    Attributes:
        measure: `loss`, `accuracy`.
        share: whether its values are shares between 0 and 1 (percent were divided by 100).
    """

    measure: str
    train: Track | None
    validation: Track | None
    share: bool = False

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Those that there are."""
        return tuple(each for each in (self.train, self.validation) if each is not None)

    @property
    def accuracy(self) -> bool:
        """Whether it is the share of right answers; among the first five is another matter."""
        named = re.search(r"acc|top.?1(?!\d)", self.measure.lower())
        return self.share and named is not None

    @property
    def gap(self) -> float | None:
        """How much worse validation ends than training; None without both."""
        if self.train is None or self.validation is None:
            return None
        return -self.train.better * (self.validation.end - self.train.end)


@dataclasses.dataclass(frozen=True, slots=True)
class Chance:
    """What a network that knows nothing has.

    Attributes:
        classes: number of classes.
        loss: their cross-entropy, ln C.
        accuracy: 1 / C.
        known_by: `the log`, `loss and accuracy at the start`, `a flat accuracy`. A loss alone
            tells nothing: a language model passes ln 10, a regression starts at ln 2.
    """

    classes: int
    loss: float
    accuracy: float
    known_by: str


@dataclasses.dataclass(frozen=True, slots=True)
class Rate:
    """The learning rate, where it is logged.

    Attributes:
        schedule: its shape.
        highest, last: values.
        drops: x of each step down by a factor of two or more.
        rises: x of each step up by half or more, after the warm-up.
        spent: x from which it stays at or below a fiftieth of its highest; None if it does not.
    """

    schedule: Schedule
    highest: float
    last: float
    drops: tuple[float, ...]
    rises: tuple[float, ...]
    spent: float | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class CurveFacts:
    """The curves of one run, measured.

    Attributes:
        run: its name; empty where the log holds one.
        axis: what x counts.
        first_label: the log's own label of its first epoch.
        loss: training and validation loss.
        metric: the chosen metric; None where none is logged whose direction is known.
        non_finite: every loss with values that are no numbers.
        chance: None where the classes are not known.
        rate: None where it is not logged.
        best_x: x of the best validation point (loss, else metric; else training); None
            without a finite point.
        best_by: name of the curve that it is read off.
        ignored: names of curves whose role or direction is not known.
        contested: whether the losses are those of players against each other, and not in `loss`.
    """

    run: str
    axis: Axis
    first_label: int
    loss: Pair
    metric: Pair | None
    non_finite: tuple[NonFinite, ...]
    chance: Chance | None
    rate: Rate | None
    best_x: float | None
    best_by: str
    ignored: tuple[str, ...] = ()
    contested: bool = False

    @property
    def subject(self) -> str:
        """What the findings are about: the run's name, or `training`."""
        return self.run or "training"

    @property
    def main(self) -> Track | None:
        """The loss that tells whether training works: the training loss, else validation's."""
        return self.loss.train or self.loss.validation

    def where(self, x: float) -> str:
        """`epoch 5`, `step 1200`."""
        return f"{self.axis} {x:g}"
