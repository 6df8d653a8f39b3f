"""One picture a call and image: the input and a legend at the left, the maps as tiles."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage, MapFacts, Maps
from netdoctor.plots.tiles import (
    BACKGROUND,
    FLAT,
    GAP,
    LABEL_HEIGHT,
    LEVELS,
    NOT_FINITE,
    Cells,
    Indices,
    TiledPicture,
    levels_of,
    number_width,
    palette,
    quantised,
    ranges_of,
    shrunk,
    text_line,
    tiled,
)

_MARGIN = 14
_TARGET_AREA = 1_100_000  # pixels that the tiles of a picture take together, about
_LARGEST_TILE = 160
_LONGEST_STRIP = 640
_VECTOR_ROW = 64
_SIDE = 224  # width of the column with the input


def pictures(facts: FeatureMapFacts) -> Iterator[tuple[str, TiledPicture]]:
    """File stem and picture of each kept call and image, made one at a time."""
    calls = {call.site: call for call in facts.calls}
    shown: dict[int, tuple[Indices | None, NDArray[np.uint8]]] = {}
    for maps in facts.maps:
        given = facts.inputs[maps.sample]
        if maps.sample not in shown:
            shown[maps.sample] = (
                (None, palette()) if given.pixels is None else quantised(given.pixels)
            )
        image, colours = shown[maps.sample]
        stem = f"featuremaps-{str(maps.site).strip('/')}"
        if facts.samples > 1:
            stem += f"-{maps.sample}-{given.name}"
        yield stem, picture(maps, calls[maps.site], given, image, colours, facts.scale == "shared")


def picture(
    maps: Maps,
    call: MapFacts,
    given: InputImage,
    image: Indices | None,
    colours: NDArray[np.uint8],
    shared: bool,
) -> TiledPicture:
    """The picture of one call's maps for one image.

    Args:
        maps: what to draw.
        call: the call's statistics.
        given: the input's name.
        image: the input as palette indices.
        colours: the palette.
        shared: one scale for all maps.
    """
    sheet = _sheet(maps, shared)
    tiles = _tiles(sheet)
    title = text_line(f"{maps.site}   ({', '.join(map(str, call.shape))})   {given.name}", 15)
    lines = [title, *(text_line(each) for each in _subtitle(maps, sheet))]
    head, side = _stacked(lines), _side(maps, sheet, image)
    return TiledPicture(_composed(head, side, tiles), colours)


@dataclasses.dataclass(frozen=True, slots=True)
class _Sheet:
    """The tiles to set: (K, h, w) levels, their numbers, marks (K, P) and the shared range."""

    levels: Indices
    numbers: NDArray[Any]
    marks: Indices | None
    range: tuple[float, float] | None
    kind: str


def _sheet(maps: Maps, shared: bool) -> _Sheet:
    kind = maps.layout.kind
    if kind == "vector":
        return _vector_sheet(maps)
    values = maps.values
    if kind == "series":
        values = shrunk(values.reshape(len(values), 1, -1), _LONGEST_STRIP)
    elif kind == "volume":
        count, depth = values.shape[:2]
        planes = values.reshape(-1, *values.shape[2:])
        planes = shrunk(planes, max(24, _largest_side(count * depth)))
        values = planes.reshape(count, depth, *planes.shape[1:])
    else:
        values = shrunk(values, _largest_side(len(values)))
    limits = (maps.low, maps.high) if shared else (None, None)
    if shared and not math.isfinite(maps.low):
        limits = (0.0, 0.0)
    levels = levels_of(values, *limits)
    if kind == "volume":
        levels = _montage(levels)
    marks = None
    if maps.prefix.size:
        low, high = limits if shared else ranges_of(values)
        marks = levels_of(maps.prefix, low, high)
    return _Sheet(levels, maps.channels, marks, (maps.low, maps.high) if shared else None, kind)


def _vector_sheet(maps: Maps) -> _Sheet:
    """A vector's values in rows of cells: one scale for all, in the order of their numbers."""
    values = maps.values.reshape(-1)
    across = min(len(values), _VECTOR_ROW)
    rows = -(-len(values) // across)
    levels = np.full(rows * across, BACKGROUND, np.uint8)
    low, high = (maps.low, maps.high) if math.isfinite(maps.low) else (0.0, 0.0)
    levels[: len(values)] = levels_of(values[None, None], low, high)[0, 0]
    numbers = np.arange(rows) * across
    return _Sheet(levels.reshape(rows, 1, across), numbers, None, (maps.low, maps.high), "vector")


def _montage(levels: Indices) -> Indices:
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


def _largest_side(count: int) -> int:
    return max(32, min(512, int(math.sqrt(4 * _TARGET_AREA / max(count, 1)))))


def _tiles(sheet: _Sheet) -> Indices:
    return tiled(sheet.levels, sheet.numbers, _cells(sheet), sheet.marks)


def _cells(sheet: _Sheet) -> Cells:
    count, height, width = sheet.levels.shape
    if sheet.kind == "vector":
        return Cells((14, 14), 1, "left")
    if sheet.kind == "series":
        zoom = max(1, min(16, _LONGEST_STRIP // 2 // width))
        columns = 1 if count <= 32 else 2 if count <= 128 else 4
        return Cells((12, zoom), columns, "left")
    side = max(height, width)
    area = _TARGET_AREA if count <= 128 else 0.56 * _TARGET_AREA  # many maps: keep it quick
    wanted = min(_LARGEST_TILE, math.sqrt(area / max(count, 1)))
    zoom = max(1, round(wanted / side))
    cell_height = height * zoom + LABEL_HEIGHT + GAP
    cell_width = max(width * zoom, number_width(sheet.numbers)) + GAP
    columns = math.ceil(math.sqrt(count * 1.2 * cell_height / cell_width))
    full = [each for each in range(columns - 2, columns + 3) if each > 1 and count % each == 0]
    columns = min(full, key=lambda each: abs(each - columns), default=columns)
    return Cells((zoom, zoom), max(1, min(columns, count)))


def _subtitle(maps: Maps, sheet: _Sheet) -> list[str]:
    layout, count = maps.layout, len(maps.channels)
    noun = {"vector": "values", "series": "series"}.get(layout.kind, "maps")
    if maps.top and layout.kind != "vector":
        first = f"the {count} most active of {layout.channels} {noun}, most active first"
    else:
        first = f"{count} of {layout.channels} {noun} shown"
    size = "x".join(map(str, layout.grid))
    parts = [first, *([f"{size} each"] if size else [])]
    if layout.kind == "tokens":
        parts[-1] = f"{size} patches each"
    if layout.kind == "volume":
        depth, drawn = layout.grid[0], maps.values.shape[1]
        parts.append(
            f"all {depth} slices, row by row" if drawn == depth else f"{drawn} of {depth} slices"
        )
    if layout.kind == "vector" and len(sheet.levels) > 1:
        parts.append(f"{_VECTOR_ROW} a row")
    if maps.parts > 1:
        parts.append(f"the first of {maps.parts} windows")
    return [", ".join(parts)]


def _side(maps: Maps, sheet: _Sheet, image: Indices | None) -> Indices:
    """The input, the colour scale, and what the other colours mean."""
    parts: list[Indices] = []
    if image is not None:
        parts += [text_line("input"), image, _blank(10, 1)]
    bar = np.repeat((np.arange(_SIDE) * LEVELS // _SIDE).astype(np.uint8)[None], 12, 0)
    if sheet.range is not None:
        ends = [f"{value:.3g}" for value in sheet.range]
        says = "one scale for all"
    else:
        ends, says = ["its minimum", "its maximum"], "each on its own scale"
    parts += [text_line(says), bar, _ends(*ends), _blank(4, 1)]
    if (sheet.levels == FLAT).any():
        parts.append(_key(FLAT, "constant map (nothing varies)"))
    if not np.isfinite(maps.values).all() or not np.isfinite(maps.prefix).all():
        bad = int((~np.isfinite(maps.values)).sum() + (~np.isfinite(maps.prefix)).sum())
        parts.append(_key(NOT_FINITE, f"NaN or infinite ({bad:,} values)"))
    if maps.layout.prefix:
        parts += [text_line(each) for each in _prefix_words(maps.layout.prefix)]
    return _stacked(parts)


def _prefix_words(prefix: int) -> list[str]:
    if prefix == 1:
        return ["small square above a map:", "its class token"]
    return [
        "small squares above a map:",
        f"its class token, then {prefix - 1} more",
        "(register or distillation)",
    ]


def _key(index: int, says: str) -> Indices:
    square = np.full((12, 14), index, np.uint8)
    return _beside(square, text_line(says), gap=6)


def _ends(left: str, right: str) -> Indices:
    line = _blank(18, _SIDE)
    a, b = text_line(left, 12), text_line(right, 12)
    line[: len(a), : a.shape[1]] = a
    line[: len(b), _SIDE - b.shape[1] :] = b
    return line


def _blank(height: int, width: int) -> Indices:
    return np.full((height, width), BACKGROUND, np.uint8)


def _stacked(parts: Sequence[Indices]) -> Indices:
    width = max(each.shape[1] for each in parts)
    whole = _blank(sum(len(each) for each in parts), width)
    top = 0
    for each in parts:
        whole[top : top + len(each), : each.shape[1]] = each
        top += len(each)
    return whole


def _beside(left: Indices, right: Indices, gap: int = 18) -> Indices:
    width = left.shape[1] + gap + right.shape[1]
    whole = _blank(max(len(left), len(right)), width)
    whole[: len(left), : left.shape[1]] = left
    whole[: len(right), left.shape[1] + gap :] = right
    return whole


def _composed(head: Indices, side: Indices, tiles: Indices) -> Indices:
    """The title above, the side column and the tiles beside each other below, within margins."""
    top, left = _MARGIN + len(head) + 8, _MARGIN + side.shape[1] + 18
    width = max(left + tiles.shape[1], _MARGIN + head.shape[1]) + _MARGIN
    whole = _blank(top + max(len(side), len(tiles)) + _MARGIN, width)
    for part, y, x in ((head, _MARGIN, _MARGIN), (side, top, _MARGIN), (tiles, top, left)):
        whole[y : y + len(part), x : x + part.shape[1]] = part
    return whole
