"""One picture a call and image: the input and a legend at the left, the maps as tiles."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage, MapFacts, Maps
from netdoctor.plots.sheets import (
    blank,
    colour_bar,
    composed,
    ends,
    key,
    largest_side,
    montage,
    square_cells,
    stacked,
)
from netdoctor.plots.tiles import (
    BACKGROUND,
    FLAT,
    NOT_FINITE,
    Cells,
    Indices,
    TiledPicture,
    levels_of,
    palette,
    quantised,
    ranges_of,
    shrunk,
    text_line,
    tiled,
)

_LONGEST_STRIP = 640
_VECTOR_ROW = 64


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
    head, side = stacked(lines), _side(maps, sheet, image)
    return TiledPicture(composed(head, side, tiles), colours)


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
        planes = shrunk(planes, max(24, largest_side(count * depth)))
        values = planes.reshape(count, depth, *planes.shape[1:])
    else:
        values = shrunk(values, largest_side(len(values)))
    limits = (maps.low, maps.high) if shared else (None, None)
    if shared and not math.isfinite(maps.low):
        limits = (0.0, 0.0)
    levels = levels_of(values, *limits)
    if kind == "volume":
        levels = montage(levels)
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
    return square_cells(count, height, width, sheet.numbers)


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
        parts += [text_line("input"), image, blank(10, 1)]
    if sheet.range is not None:
        limits = [f"{value:.3g}" for value in sheet.range]
        says = "one scale for all"
    else:
        limits, says = ["its minimum", "its maximum"], "each on its own scale"
    parts += [text_line(says), colour_bar(), ends(*limits), blank(4, 1)]
    if (sheet.levels == FLAT).any():
        parts.append(key(FLAT, "constant map (nothing varies)"))
    if not np.isfinite(maps.values).all() or not np.isfinite(maps.prefix).all():
        bad = int((~np.isfinite(maps.values)).sum() + (~np.isfinite(maps.prefix)).sum())
        parts.append(key(NOT_FINITE, f"NaN or infinite ({bad:,} values)"))
    if maps.layout.prefix:
        parts += [text_line(each) for each in _prefix_words(maps.layout.prefix)]
    return stacked(parts)


def _prefix_words(prefix: int) -> list[str]:
    if prefix == 1:
        return ["small square above a map:", "its class token"]
    return [
        "small squares above a map:",
        f"its class token, then {prefix - 1} more",
        "(register or distillation)",
    ]
