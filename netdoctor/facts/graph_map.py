"""The graph folded to what can be read: boxes of rows, and links between the rows. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from netdoctor.facts.graph import Shape

Role = Literal["input", "output", "layer", "function", "folded"]


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One line of the map: a call, or a folded module with all that ran inside.

    Attributes:
        key: unique in the map, `n12`, `s3`.
        title: the name inside the box that it is in: `conv1`, `1–5`, `add`.
        kind: the class or function: `Conv2d`, `Bottleneck`.
        role: `folded` where calls inside are not drawn.
        nodes: the indices of all nodes that it stands for.
        scopes: of the module calls that it stands for.
        times: of how many equal blocks it is the first.
        calls: how often the module was called, where its calls are drawn as one or apart.
        shape: of what goes on from it to other rows.
        parameters: number of weights, of all equal blocks together.
    """

    key: str
    title: str
    kind: str
    role: Role
    nodes: tuple[int, ...]
    scopes: tuple[int, ...] = ()
    times: int = 1
    calls: int = 1
    shape: Shape | None = None
    parameters: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Box:
    """A module call, or a run of equal blocks, whose inside is drawn."""

    key: str
    title: str
    kind: str
    items: tuple[Row | Box, ...]
    scopes: tuple[int, ...] = ()
    times: int = 1
    calls: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class Link:
    """What goes from one row to another: its shapes, each once."""

    source: str
    target: str
    shapes: tuple[Shape, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Map:
    """What is drawn.

    Attributes:
        root: the model.
        links: between rows.
        depth: down to which level modules are opened.
        deepest: the level at which everything is open.
    """

    root: Box
    links: tuple[Link, ...]
    depth: int
    deepest: int

    def rows(self) -> Iterator[Row]:
        """All rows, in the order of the pass."""
        return rows_in(self.root)


def rows_in(item: Row | Box) -> Iterator[Row]:
    """The rows in a box."""
    if isinstance(item, Row):
        yield item
    else:
        for each in item.items:
            yield from rows_in(each)
