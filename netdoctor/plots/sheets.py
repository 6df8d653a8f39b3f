"""How a picture of tiles is set out: margins, the side column, the size of a tile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.plots.tiles import (
    BACKGROUND,
    GAP,
    LABEL_HEIGHT,
    LEVELS,
    Cells,
    Indices,
    number_width,
    text_line,
)

MARGIN = 14
TARGET_AREA = 1_100_000  # pixels that the tiles of a picture take together, about
SIDE = 224  # width of the side column
_LARGEST_TILE = 160


def key(index: int, says: str) -> Indices:
    """A square of a colour and what it means."""
    square = np.full((12, 14), index, np.uint8)
    return beside(square, text_line(says), gap=6)


def ends(left: str, right: str) -> Indices:
    """The texts at the two ends of a colour bar."""
    line = blank(18, SIDE)
    a, b = text_line(left, 12), text_line(right, 12)
    line[: len(a), : a.shape[1]] = a
    line[: len(b), SIDE - b.shape[1] :] = b
    return line


def blank(height: int, width: int) -> Indices:
    """Background alone."""
    return np.full((height, width), BACKGROUND, np.uint8)


def stacked(parts: Sequence[Indices]) -> Indices:
    """The parts one below another, at the left."""
    width = max(each.shape[1] for each in parts)
    whole = blank(sum(len(each) for each in parts), width)
    top = 0
    for each in parts:
        whole[top : top + len(each), : each.shape[1]] = each
        top += len(each)
    return whole


def beside(left: Indices, right: Indices, gap: int = 18) -> Indices:
    """Two parts beside each other, at the top."""
    width = left.shape[1] + gap + right.shape[1]
    whole = blank(max(len(left), len(right)), width)
    whole[: len(left), : left.shape[1]] = left
    whole[: len(right), left.shape[1] + gap :] = right
    return whole


def composed(head: Indices, side: Indices, tiles: Indices) -> Indices:
    """The title above, the side column and the tiles beside each other below, within margins."""
    top, left = MARGIN + len(head) + 8, MARGIN + side.shape[1] + 18
    width = max(left + tiles.shape[1], MARGIN + head.shape[1]) + MARGIN
    whole = blank(top + max(len(side), len(tiles)) + MARGIN, width)
    for part, y, x in ((head, MARGIN, MARGIN), (side, top, MARGIN), (tiles, top, left)):
        whole[y : y + len(part), x : x + part.shape[1]] = part
    return whole


def montage(levels: Indices) -> Indices:
    """Volumes (K, D, H, W) as (K, h, w): their slices row by row, with lines between."""
    count, depth, height, width = levels.shape
    across = math.ceil(math.sqrt(depth * height / width))
    down = -(-depth // across)
    shape = (count, down * (height + 1) - 1, across * (width + 1) - 1)
    whole = np.full(shape, BACKGROUND, np.uint8)
    for at in range(depth):
        y, x = at // across * (height + 1), at % across * (width + 1)
        whole[:, y : y + height, x : x + width] = levels[:, at]
    return whole


def largest_side(count: int) -> int:
    """The side from which so many maps are shrunk before they are drawn."""
    return max(32, min(512, int(math.sqrt(4 * TARGET_AREA / max(count, 1)))))


def square_cells(count: int, height: int, width: int, numbers: NDArray[Any]) -> Cells:
    """How so many tiles of that size fill a picture that is a little wider than high."""
    area = TARGET_AREA if count <= 128 else 0.56 * TARGET_AREA  # many maps: keep it quick
    wanted = min(_LARGEST_TILE, math.sqrt(area / max(count, 1)))
    zoom = max(1, round(wanted / max(height, width)))
    cell_height = height * zoom + LABEL_HEIGHT + GAP
    cell_width = max(width * zoom, number_width(numbers)) + GAP
    columns = math.ceil(math.sqrt(count * 1.2 * cell_height / cell_width))
    full = [each for each in range(columns - 2, columns + 3) if each > 1 and count % each == 0]
    columns = min(full, key=lambda each: abs(each - columns), default=columns)
    return Cells((zoom, zoom), max(1, min(columns, count)))


def colour_bar() -> Indices:
    """All levels from the darkest to the brightest, as wide as the side column."""
    return np.repeat((np.arange(SIDE) * LEVELS // SIDE).astype(np.uint8)[None], 12, 0)
