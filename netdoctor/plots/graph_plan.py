"""Parts of a map at their places."""

from __future__ import annotations

import dataclasses

from netdoctor.facts.graph_map import Box
from netdoctor.plots.graph_cards import Card
from netdoctor.plots.graph_ranks import Point


@dataclasses.dataclass(frozen=True, slots=True)
class Placed:
    """A card or box at its place."""

    what: Card | Box
    x: float
    y: float
    width: float
    height: float
    depth: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Wire:
    """A line that goes down through points, or from column to column at right angles.

    Attributes:
        source: key of the row that gives the tensor.
        points: from top to bottom.
        square: whether it is drawn at right angles.
        arrives: whether it ends at a card or box.
    """

    source: str
    points: tuple[Point, ...]
    square: bool = False
    arrives: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Label:
    """The shape of what a line carries, where the line begins."""

    text: str
    x: float
    y: float
    leftwards: bool = False


@dataclasses.dataclass(slots=True)
class Plan:
    """Things at their places; ports are where lines come in above and go out below, by source."""

    width: float
    height: float
    placed: list[Placed]
    wires: list[Wire]
    labels: list[Label]
    enters: dict[str, float]
    leaves: dict[str, float]

    def moved(self, x: float, y: float, deeper: int = 0) -> Plan:
        """The same at another place."""
        return Plan(
            self.width, self.height,
            [
                dataclasses.replace(each, x=each.x + x, y=each.y + y, depth=each.depth + deeper)
                for each in self.placed
            ],
            [
                dataclasses.replace(each, points=tuple((a + x, b + y) for a, b in each.points))
                for each in self.wires
            ],
            [dataclasses.replace(each, x=each.x + x, y=each.y + y) for each in self.labels],
            {key: value + x for key, value in self.enters.items()},
            {key: value + x for key, value in self.leaves.items()},
        )  # fmt: skip
