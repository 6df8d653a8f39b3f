"""What is placed in layers, and which layer each belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

Point = tuple[float, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Vertex:
    """What is placed: its size, and whether it has to be in the first or last layer."""

    width: float
    height: float
    side: Literal["", "first", "last"] = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Flow:
    """What leads from a vertex to others, drawn as one line that forks.

    Attributes:
        source: its index.
        targets: theirs, each once.
        leaves: where on the source's lower side, from its centre.
        enters: where on a target's upper side, from its centre; by default as straight as can be.
    """

    source: int
    targets: tuple[int, ...]
    leaves: float = 0.0
    enters: Mapping[int, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Layers:
    """Where everything is, from the top left corner.

    Attributes:
        centres: by vertex, its horizontal centre.
        tops: by vertex, its upper side.
        lines: by flow, for each of its parts the points that it goes through, downwards.
    """

    width: float
    height: float
    centres: tuple[float, ...]
    tops: tuple[float, ...]
    lines: tuple[tuple[tuple[Point, ...], ...], ...]


def ranks(vertices: Sequence[Vertex], flows: Sequence[Flow]) -> list[int]:
    """The layer of each vertex: below all that lead to it; ports on their sides.

    Raises:
        ValueError: the flows form a cycle.
    """
    incoming = [0] * len(vertices)
    targets: list[list[int]] = [[] for _ in vertices]
    for flow in flows:
        for target in flow.targets:
            incoming[target] += 1
            targets[flow.source].append(target)
    sources = [at for at, count in enumerate(incoming) if not count]
    found = [0] * len(vertices)
    order, ready = [], sources[:]
    while ready:
        at = ready.pop()
        order.append(at)
        for target in targets[at]:
            found[target] = max(found[target], found[at] + 1)
            incoming[target] -= 1
            if not incoming[target]:
                ready.append(target)
    if len(order) < len(vertices):
        raise ValueError("the flows form a cycle")
    lowest = max(found, default=0)
    for at in sources:
        if targets[at] and vertices[at].side != "first":
            found[at] = max(min(found[target] for target in targets[at]) - 1, 0)
    for at, vertex in enumerate(vertices):
        if vertex.side == "last":
            found[at] = lowest if any(v.side == "" for v in vertices) else max(lowest, 1)
    return found
