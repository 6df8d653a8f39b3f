"""How far a heat map can be trusted: what the score does without its pixels, or without weights."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Faithfulness:
    """What taking pixels away in the heat map's order does to the score.

    Attributes:
        insertion, deletion: areas under the curves.
        random_gap: insertion minus deletion in random orders.
        random_error: its standard error.
        road: (least relevant first − most relevant first) / 2.
        orders: random orders that were tried.
        reason: why it was not measured; empty where it was.
    """

    insertion: float
    deletion: float
    random_gap: float
    random_error: float
    road: float
    orders: int
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Sanity:
    """How alike the heat map stays while weights are made random, from the head downwards."""

    steps: tuple[str, ...]
    correlations: tuple[float, ...]
    reason: str = ""
