"""One picture a convolution: its kernels as tiles, on one scale that the legend states."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.kernels import KernelFacts, Kernels
from netdoctor.plots.sheets import (
    SIDE,
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
    NOT_FINITE,
    Cells,
    ColourPicture,
    Indices,
    TiledPicture,
    grey_palette,
    levels_of,
    palette,
    shrunk,
    text_line,
    tiled,
)

_LARGEST_MATRIX = 768  # pixels
_LONGEST_ROW = 640
_SLICE = 40
_FEW_ROWS = 32
_SAYS = {
    "norms": "the norm over {inputs} input channels at each place",
    "channel": "input channel {channel} of {inputs}",
    "kernels": "a single input channel each",
    "rgb": "input channels as red, green and blue",
    "matrix": "outputs down, inputs across",
}


def pictures(facts: KernelFacts) -> Iterator[tuple[str, TiledPicture | ColourPicture]]:
    """File stem and picture of each convolution, made one at a time."""
    for kernels in facts.kernels:
        yield f"kernels-{kernels.name.removesuffix('.weight')}", picture(kernels)


def picture(kernels: Kernels) -> TiledPicture | ColourPicture:
    """The picture of one convolution's kernels."""
    title = text_line(f"{kernels.name}   ({', '.join(map(str, kernels.shape))})", 15)
    head = stacked([title, text_line(_subtitle(kernels))])
    if kernels.layout == "rgb":
        return _in_colour(kernels, head)
    low, high = scale(kernels)
    if kernels.layout == "matrix":
        tiles = _matrix(kernels, low, high)
    else:
        levels = _levels(kernels, low, high)
        tiles = tiled(levels, kernels.numbers, _cells(kernels, levels))
    return TiledPicture(composed(head, _side(kernels, low, high), tiles), grey_palette())


def scale(kernels: Kernels) -> tuple[float, float]:
    """The values of the darkest and the brightest colour: 0 in the middle, but for norms."""
    largest = max(-kernels.low, kernels.high)
    return (0.0, largest) if kernels.normed else (-largest, largest)


def _levels(kernels: Kernels, low: float, high: float) -> Indices:
    """(K, h, w) the colours of the tiles."""
    values = kernels.values
    if kernels.layout == "rows":
        return levels_of(shrunk(values, _LONGEST_ROW), low, high)
    if kernels.layout == "slices":
        count, depth = values.shape[:2]
        planes = shrunk(values.reshape(-1, *values.shape[2:]), largest_side(count * depth))
        levels = levels_of(planes, low, high)
        zoom = max(1, _SLICE // max(levels.shape[1:]))  # first, so that the lines stay thin
        levels = np.repeat(np.repeat(levels, zoom, 1), zoom, 2)
        return montage(levels.reshape(count, depth, *levels.shape[1:]))
    return levels_of(shrunk(values, largest_side(len(values))), low, high)


def _cells(kernels: Kernels, levels: Indices) -> Cells:
    count, height, width = levels.shape
    if kernels.layout == "rows":
        zoom = max(1, min(24, _LONGEST_ROW // 2 // width))
        columns = 1 if count <= _FEW_ROWS else 2 if count <= 4 * _FEW_ROWS else 4
        return Cells((12, zoom), columns, "left")
    return square_cells(count, height, width, kernels.numbers)


def _matrix(kernels: Kernels, low: float, high: float) -> Indices:
    """All 1x1 kernels at once."""
    levels = levels_of(shrunk(kernels.values[None], _LARGEST_MATRIX), low, high)[0]
    zoom = max(1, min(16, _LARGEST_MATRIX // max(levels.shape)))
    found: Indices = np.repeat(np.repeat(levels, zoom, 0), zoom, 1)
    return found


def _subtitle(kernels: Kernels) -> str:
    filters, inputs = kernels.shape[:2]
    size = "x".join(map(str, kernels.shape[2:]))
    says = _SAYS.get(kernels.layout)
    if says is None:
        says = _SAYS["norms" if kernels.normed else "kernels" if inputs == 1 else "channel"]
    says = says.format(inputs=inputs, channel=kernels.channel)
    if kernels.layout == "matrix":
        rows, columns = kernels.values.shape
        part = "" if (rows, columns) == (filters, inputs) else f", the first {rows} x {columns}"
        block = max(-(-rows // _LARGEST_MATRIX), -(-columns // _LARGEST_MATRIX))
        mean = "" if block == 1 else f", means of up to {block} x {block} values"
        return f"{filters} kernels of {size} over {inputs} inputs: {says}{part}{mean}"
    count = len(kernels.numbers)
    shown = f"{count} of {filters} kernels shown"
    if kernels.top:
        shown = f"the {count} kernels of the largest norm of {filters}, largest first"
    if kernels.layout == "slices":
        says += f", all {kernels.values.shape[1]} slices row by row"
    return f"{shown}, {size} each: {says}"


def _side(kernels: Kernels, low: float, high: float) -> Indices:
    says = "one scale for all, from 0" if kernels.normed else "one scale for all, 0 in the middle"
    parts = [text_line(says), colour_bar(), ends(f"{low:.3g}", f"{high:.3g}"), blank(4, 1)]
    return stacked([*parts, *_range(kernels), *_not_finite(kernels)])


def _range(kernels: Kernels) -> list[Indices]:
    return [text_line(f"values from {kernels.low:.3g} to {kernels.high:.3g}")]


def _not_finite(kernels: Kernels) -> list[Indices]:
    bad = int((~np.isfinite(kernels.values)).sum())
    return [key(NOT_FINITE, f"NaN or infinite ({bad:,} values)")] if bad else []


def _in_colour(kernels: Kernels, head: Indices) -> ColourPicture:
    """Kernels over three channels: grey is 0, and one scale for all.

    The sheet is set out as that of indices, once for each colour; where it differs between tiles of
    all 0 and of all 255 is what has a colour of its own.
    """
    largest = max(-kernels.low, kernels.high)
    pixels = colours(kernels.values, largest)
    cells = square_cells(len(pixels), pixels.shape[1], pixels.shape[2], kernels.numbers)
    lines = [ends(f"{-largest:.3g}", f"{largest:.3g}"), blank(4, 1)]
    lines += [*_range(kernels), *_not_finite(kernels)]

    def sheet(tiles: Indices, bars: Indices) -> Indices:
        side = stacked([text_line("one scale for all, grey is 0"), bars, *lines])
        return composed(head, side, tiled(tiles, kernels.numbers, cells))

    bars = _bars()
    empty = sheet(np.zeros_like(pixels[..., 0]), np.zeros_like(bars[..., 0]))
    full = sheet(np.full_like(pixels[..., 0], 255), np.full_like(bars[..., 0], 255))
    drawn = [sheet(pixels[..., channel], bars[..., channel]) for channel in range(3)]
    own = (empty != full)[..., None]
    return ColourPicture(np.where(own, np.stack(drawn, -1), palette()[empty]))


def colours(values: NDArray[Any], largest: float) -> NDArray[np.uint8]:
    """Kernels (K, h, w, 3) as pixels: 0 is middle grey, what is not finite has its own colour."""
    finite = np.isfinite(values).all(-1, keepdims=True)
    with np.errstate(all="ignore"):
        scaled = 0.5 + np.where(finite, values, 0).astype(np.float64) / (2 * (largest or 1.0))
    pixels = np.rint(255 * scaled).astype(np.uint8)
    return np.where(finite, pixels, palette()[NOT_FINITE])


def _bars() -> NDArray[np.uint8]:
    """(36, SIDE, 3) the scale of each colour by itself, the other two at 0."""
    bars = np.full((3, 12, SIDE, 3), 128, np.uint8)
    for channel in range(3):
        bars[channel, ..., channel] = np.arange(SIDE) * 255 // (SIDE - 1)
    return bars.reshape(-1, SIDE, 3)
