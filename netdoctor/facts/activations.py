"""What the activation probe measured, call by call."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.site import Site
from netdoctor.report import NotExamined

Role = Literal["hidden", "gate", "gate-input", "output"]
"""Where an activation stands: `gate` multiplies another signal (squeeze-and-excitation, attention,
LSTM), `gate-input` feeds only such a gate, `output` is the model's own output."""

SATURATED_FROM = 0.75
"""Share of a unit's values at a flat end from which it counts as saturated."""
CLIPPED = frozenset({"hardtanh", "hardsigmoid"})
CLIPPED_FROM = 0.95
"""The same for functions that are linear right up to both their bounds: healthy networks keep
these at a bound for most values."""


def saturated_from(kind: str) -> float:
    """The share that applies to an activation function."""
    return CLIPPED_FROM if kind in CLIPPED else SATURATED_FROM


@dataclasses.dataclass(frozen=True, slots=True)
class Moments:
    """Elementwise statistics of one call over all samples; finite values only.

    Attributes:
        count: number of values, non-finite ones included.
        mean, std: of the finite values (population standard deviation).
        minimum, maximum: of the finite values.
        zeros: number of values that are exactly 0.
        small: number of values with |x| < 0.01.
        nan, inf: numbers of NaN and of positive or negative infinity.
        negative_inf: the part of `inf` that is negative infinity.
    """

    count: int
    mean: float
    std: float
    minimum: float
    maximum: float
    zeros: int
    small: int
    nan: int
    inf: int
    negative_inf: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.nan + self.inf <= self.count or not self.zeros <= self.small <= self.count:
            raise ValueError(f"counts exceed their total: {self}")

    @property
    def finite(self) -> int:
        """Number of values that are neither NaN nor infinite."""
        return self.count - self.nan - self.inf


@dataclasses.dataclass(frozen=True, slots=True)
class Units:
    """How each unit of one activation call behaved; a unit is a channel or a feature.

    Attributes (U units, seen in `samples` samples):
        fired: (U,) int64, in how many samples the unit fired at some position.
        dead: (U,) bool, it stayed in its function's flat, zero-gradient end in every sample.
        constant: (U,) bool, the same non-zero value everywhere.
        saturated: (U,) float64, share of values at a flat end of a bounded function; at the upper
            end of those that fire where the lower one means off (ReLU6); None for functions that
            have no upper bound.
        varies: whether the call's output differed between any two samples.
        positions: positions (pixels, tokens) a sample has for each unit.
        dead_positions: share of (unit, position) pairs that never fired; None if not asked for
            or if the positions differed between batches.
    """

    samples: int
    fired: NDArray[np.int64]
    dead: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    saturated: NDArray[np.float64] | None
    varies: bool
    positions: int
    dead_positions: float | None

    def __post_init__(self) -> None:
        if self.fired.max(initial=0) > self.samples:
            raise ValueError("a unit fired in more samples than were seen")

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.fired)

    @property
    def dead_fraction(self) -> float:
        """Share of units that are dead, in [0, 1]."""
        return float(self.dead.mean()) if self.count else 0.0

    @property
    def firing_rate(self) -> NDArray[np.float64]:
        """(U,) share of samples in which each unit fired, in [0, 1]."""
        return self.fired / max(self.samples, 1)

    @property
    def rate_bound(self) -> float:
        """Upper 95 % bound on the true firing rate of a unit that never fired: 3/n.

        Source: rule of three, Hanley and Lippman-Hand 1983.
        """
        return min(1.0, 3 / max(self.samples, 1))


@dataclasses.dataclass(frozen=True, slots=True)
class CallFacts:
    """One call: where, what, and how it behaved.

    Attributes:
        site: its unique name.
        kind: `relu`, `gelu`, … for an activation; the module's class otherwise.
        shape: of the output in the first batch.
        dtype: of the output, `float32`.
        after: path of the layer whose output it was given, `fc2`; empty when unknown.
        role: where an activation stands in the network.
        upstream: names of the activation calls that feed it; empty for the model's own input,
            where that comes without an activation between.
        moments: None when only units were asked for.
        units: None for calls that are not activations or where units make no sense.
        histogram: (B,) counts over `edges` of the finite values; None when not asked for.
        edges: (B + 1,) bin edges.
    """

    site: Site
    kind: str
    shape: tuple[int, ...]
    dtype: str
    after: str = ""
    role: Role = "hidden"
    upstream: tuple[str, ...] = ()
    moments: Moments | None = None
    units: Units | None = None
    histogram: NDArray[np.int64] | None = None
    edges: NDArray[np.float64] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class ActivationFacts:
    """All calls of the forward passes over the data, in call order.

    Attributes:
        calls: in the order in which they first ran.
        samples: how many samples the model saw.
        synthetic: whether the input was random rather than the user's data.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        device, seed: as run.
        not_examined: what never ran or could not be measured.
        settings: anything else needed to repeat it.
    """

    calls: tuple[CallFacts, ...]
    samples: int
    synthetic: bool
    fresh: bool | None
    device: str
    seed: int
    not_examined: tuple[NotExamined, ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)
