"""How far a heat map can be trusted: does the score follow it, and does it follow the weights."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

UNKNOWN = float("nan")


@dataclasses.dataclass(frozen=True, slots=True)
class Faithfulness:
    """Whether the explained score depends on what the map marks, for one image.

    All are in units of the score; NaN where it was not measured.

    Attributes:
        insertion: area under the score while the image comes back, hottest cells first; higher
            is better.
        deletion: area under the score while the image is taken away, hottest cells first; lower
            is better.
        random_gap: mean over random orders of the same cells of insertion less deletion.
        random_error: standard deviation of that gap from one random order to the next.
        road: ROAD, half of what removing the coldest pixels leaves more of the score than removing
            the hottest does; above 0 is better than random.
        orders: number of random orders.
        reason: why it was not measured; empty where it was.
    """

    insertion: float
    deletion: float
    random_gap: float
    random_error: float
    road: float
    orders: int
    reason: str = ""

    @property
    def gap(self) -> float:
        """Insertion less deletion: 0 for an order that says nothing."""
        return self.insertion - self.deletion

    @property
    def better_than_random(self) -> bool | None:
        """Whether the gap is more than two standard deviations above that of random orders.

        The deviation is that of one order, since the map is one order: two standard errors of the
        mean would let every fourth random map pass. None where it was not measured.
        """
        if self.reason:
            return None
        return self.gap > self.random_gap + 2 * self.random_error


def mean_faithfulness(of_images: Sequence[Faithfulness]) -> Faithfulness:
    """The means over the images that were measured; their errors add up as independent ones.

    Hence `better_than_random` of the result judges the maps of all images together.
    """
    measured = [each for each in of_images if not each.reason]
    if not measured:
        reasons = sorted({each.reason for each in of_images})
        return not_measured("; ".join(reasons) or "no image")
    count = len(measured)
    return Faithfulness(
        insertion=math.fsum(each.insertion for each in measured) / count,
        deletion=math.fsum(each.deletion for each in measured) / count,
        random_gap=math.fsum(each.random_gap for each in measured) / count,
        random_error=math.sqrt(math.fsum(each.random_error**2 for each in measured)) / count,
        road=math.fsum(each.road for each in measured) / count,
        orders=min(each.orders for each in measured),
    )


def not_measured(reason: str) -> Faithfulness:
    """A result without numbers."""
    return Faithfulness(UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 0, reason)


@dataclasses.dataclass(frozen=True, slots=True)
class Sanity:
    """How alike the maps stay while the weights are made random, from the output down.

    Attributes:
        steps: after each step of the cascade, the lowest layer that is random by then; the last
            step leaves no trained layer.
        correlations: after each step, the absolute Spearman rank correlation of the maps with the
            original ones, mean over the images; after the last also over the draws.
        error: standard error of the last correlation, over images or over draws, whichever is
            larger.
        centre: absolute rank correlation of the original maps with the distance from the centre,
            mean over the images.
        cells: cells in a map.
        images: maps that were compared.
        draws: how often all layers were made random.
        reason: why it was not measured; empty where it was.
    """

    steps: tuple[str, ...]
    correlations: tuple[float, ...]
    reason: str = ""
    error: float = 0.0
    centre: float = 0.0
    cells: int = 0
    images: int = 0
    draws: int = 0

    def __post_init__(self) -> None:
        if len(self.steps) != len(self.correlations):
            raise ValueError(f"{len(self.steps)} steps, {len(self.correlations)} correlations")

    @property
    def final(self) -> float:
        """The correlation when all layers are random; NaN where it was not measured."""
        return self.correlations[-1] if self.correlations else UNKNOWN


@dataclasses.dataclass(frozen=True, slots=True)
class SanityFacts:
    """The randomisation test of one method at one layer.

    Attributes:
        method: `gradcam`, `eigencam`.
        layer: where the maps were taken.
        sanity: what the test gave.
        fresh: True where the weights are known to be just initialised, False where they are known
            to be trained, None where nobody knows.
    """

    method: str
    layer: str
    sanity: Sanity
    fresh: bool | None = None
