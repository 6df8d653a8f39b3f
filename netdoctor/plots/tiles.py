"""Many small maps as one tiled array and a palette PNG; no matplotlib."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Indices = NDArray[np.uint8]

LEVELS = 160
BACKGROUND, RULE, FLAT, NOT_FINITE = 160, 161, 162, 163
_INKS = 6  # BACKGROUND's shades towards black: 164 to 169
_FIRST_INK = 164
FIRST_OF_INPUT = 170
INPUT_COLOURS = 256 - FIRST_OF_INPUT

# 33 equidistant colours of viridis (van der Walt and Smith 2015, CC0): perceptually uniform, and
# read the same with every kind of colour vision.
_VIRIDIS = bytes.fromhex(
    "440154470d6048186a482374472d7b4537814240863e49893b528b375b8d33638d2f6b8e2c728e297a8e26828e2389"
    "8e21918c1f988b1fa08822a78528ae8032b67a3fbc734ec36b5ec96270cf5784d44b98d83eaddc30c2df23d8e219"
    "ece51bfde725"
)
_RESERVED = ((255, 255, 255), (208, 208, 212), (176, 176, 180), (255, 0, 144))


@lru_cache(maxsize=1)
def palette() -> NDArray[np.uint8]:
    """The (256, 3) colours: the levels of a map, the reserved ones, room for the input's own."""
    colours = np.zeros((256, 3), np.uint8)
    known = np.frombuffer(_VIRIDIS, np.uint8).reshape(-1, 3).astype(float)
    at = np.linspace(0, len(known) - 1, LEVELS)
    for channel in range(3):
        colours[:LEVELS, channel] = np.interp(at, np.arange(len(known)), known[:, channel]).round()
    colours[BACKGROUND : BACKGROUND + len(_RESERVED)] = _RESERVED
    shades = np.linspace(255, 24, _INKS + 1).round()[1:]
    colours[_FIRST_INK : _FIRST_INK + _INKS] = shades[:, None]
    return colours


@lru_cache(maxsize=1)
def grey_palette() -> NDArray[np.uint8]:
    """The same with the levels from black to a white that the background is not."""
    colours: NDArray[np.uint8] = palette().copy()
    colours[:LEVELS] = np.linspace(0, 240, LEVELS).round()[:, None]
    return colours


@dataclasses.dataclass(frozen=True, slots=True)
class TiledPicture:
    """A picture ready to be written: (H, W) palette indices and the (256, 3) palette."""

    indices: Indices
    colours: NDArray[np.uint8]

    def write(self, file: IO[bytes]) -> None:
        """Writes it as a palette PNG."""
        image = Image.fromarray(self.indices)
        image.putpalette(self.colours.tobytes())
        image.save(file, "PNG", compress_level=1)


@dataclasses.dataclass(frozen=True, slots=True)
class ColourPicture:
    """A picture in true colour ready to be written: (H, W, 3) uint8."""

    pixels: NDArray[np.uint8]

    def write(self, file: IO[bytes]) -> None:
        """Writes it as a PNG."""
        Image.fromarray(self.pixels).save(file, "PNG", compress_level=1)


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """How tiles are set out.

    Attributes:
        zoom: how many pixels high and wide a value is drawn.
        label: `above` or `left`, where the numbers stand.
        columns: tiles in a row.
    """

    zoom: tuple[int, int]
    columns: int
    label: str = "above"


GAP = 4
LABEL_HEIGHT = 12
LABEL_WIDTH = 34
MARK = 7  # side of a prefix token's mark


def levels_of(maps: NDArray[Any], low: Any = None, high: Any = None) -> Indices:
    """Maps (K, h, w) as palette indices.

    Args:
        maps: float values; (K, …) of any number of axes.
        low: the value of the darkest colour: one for all, or (K,); None for each map's own.
        high: of the brightest.

    Returns:
        (K, h, w): 0 to `LEVELS` - 1, `FLAT` where a map has a range of its own and is constant,
        `NOT_FINITE` for NaN and infinities.
    """
    if low is None:
        low, high = ranges_of(maps)
        flat = np.asarray(low == high)
    else:
        low, high = np.broadcast_to(low, len(maps)), np.broadcast_to(high, len(maps))
        flat = np.zeros(len(maps), bool)
    low, high = np.asarray(low, np.float64), np.asarray(high, np.float64)
    with np.errstate(all="ignore"):
        span = high - low
        slope = np.where(span > 0, (LEVELS - 1e-3) / np.where(span > 0, span, 1), 0)
    wide = bool((np.abs(span) > 1e30).any() or (np.abs(slope) > 1e30).any())
    kind = np.float64 if wide else np.float32
    shape = (-1, *[1] * (maps.ndim - 1))
    with np.errstate(all="ignore"):
        scaled = (maps - low.astype(kind).reshape(shape)) * slope.astype(kind).reshape(shape)
        finite = np.isfinite(maps)
        whole = bool(finite.all())
        if not whole:
            scaled = np.where(finite, scaled, 0)
        indices: Indices = np.clip(scaled, 0, LEVELS - 1).astype(np.uint8)
    if flat.any():
        indices[flat] = FLAT
    if not whole:
        indices[~finite] = NOT_FINITE
    return indices


def ranges_of(maps: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The smallest and largest finite value of each map; 0 and 0 where there is none."""
    flat = maps.reshape(len(maps), -1)
    low, high = flat.min(1), flat.max(1)
    if np.isfinite(low).all() and np.isfinite(high).all():
        return low, high
    finite = np.isfinite(flat)
    some = finite.any(1)
    low, high = np.where(finite, flat, np.inf).min(1), np.where(finite, flat, -np.inf).max(1)
    return np.where(some, low, 0), np.where(some, high, 0)


def shrunk(maps: NDArray[Any], largest: int) -> NDArray[Any]:
    """Maps (K, h, w) with blocks averaged so that no side exceeds `largest`; NaN stay visible."""
    by_y, by_x = (-(-side // largest) for side in maps.shape[1:])
    if by_y == by_x == 1:
        return maps
    count, height, width = maps.shape
    padded = np.pad(maps, ((0, 0), (0, -height % by_y), (0, -width % by_x)), mode="edge")
    blocks = padded.reshape(count, padded.shape[1] // by_y, by_y, padded.shape[2] // by_x, by_x)
    with np.errstate(all="ignore"):
        mean: NDArray[Any] = blocks.mean((2, 4), dtype=np.float64).astype(np.float32)
    return mean


def tiled(
    levels: Indices, numbers: NDArray[Any], cells: Cells, marks: Indices | None = None
) -> Indices:
    """The tiles with their numbers as one array.

    Args:
        levels: (K, h, w) palette indices.
        numbers: (K,) what to write at each.
        cells: how they are set out.
        marks: (K, P) palette indices of small squares in the label's row.
    """
    count, height, width = levels.shape
    height, width = height * cells.zoom[0], width * cells.zoom[1]
    above = cells.label == "above"
    top, left = (LABEL_HEIGHT, 0) if above else (0, LABEL_WIDTH)
    marked = 0 if marks is None else marks.shape[1] * (MARK + 1)
    cell_width = left + max(width, (number_width(numbers) + marked) if above else 0) + GAP
    cell_height = top + max(height, 0 if above else LABEL_HEIGHT) + GAP
    rows = -(-count // cells.columns)
    canvas = np.full((rows, cell_height, cells.columns, cell_width), BACKGROUND, np.uint8)
    big = np.repeat(np.repeat(levels, cells.zoom[0], 1), cells.zoom[1], 2)
    for row in range(rows):
        part = big[row * cells.columns : (row + 1) * cells.columns]
        into = canvas[row, top : top + height, : len(part), left : left + width]
        into[:] = part.transpose(1, 0, 2)
    for at, number in enumerate(numbers.tolist()):
        row, column = divmod(at, cells.columns)
        _write_number(canvas[row, :, column], number, right=0 if above else left - 5)
        if marks is not None:
            _write_marks(canvas[row, :, column], marks[at], left + width)
    return canvas.reshape(rows * cell_height, cells.columns * cell_width)


def number_width(numbers: NDArray[Any]) -> int:
    """The room that the longest of these numbers takes."""
    width: int = _digits()[0].shape[1]
    return len(str(int(numbers.max(initial=0)))) * width + 3


def _write_number(cell: Indices, number: int, right: int) -> None:
    """Writes a number at the cell's left, or ending at `right`."""
    glyphs = _digits()
    text = str(number)
    height, width = glyphs[0].shape
    x = max(right - len(text) * width, 0) if right else 0
    for digit in text:
        cell[1 : 1 + height, x : x + width] = glyphs[int(digit)]
        x += width


def _write_marks(cell: Indices, marks: Indices, right: int) -> None:
    width = len(marks) * (MARK + 1)
    x = max(right, width) - width + 1
    for mark in marks:
        cell[2 : 2 + MARK, x : x + MARK] = mark
        x += MARK + 1


@lru_cache(maxsize=1)
def _digits() -> list[Indices]:
    """The ten digits as palette indices, all of one size."""
    drawn = [text_line(str(digit), 11) for digit in range(10)]
    width = max(each.shape[1] for each in drawn) + 1
    rows = np.any([(each != BACKGROUND).any(1) for each in drawn], 0).nonzero()[0]
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    found = []
    for each in drawn:
        glyph = np.full((bottom - top, width), BACKGROUND, np.uint8)
        glyph[:, : each.shape[1]] = each[top:bottom]
        found.append(glyph)
    return found


@lru_cache(maxsize=8)
def _font(size: int) -> Any:
    try:
        return ImageFont.load_default(size)
    except (ImportError, OSError):  # Pillow without FreeType has one small font
        return ImageFont.load_default()


@lru_cache(maxsize=512)
def text_line(text: str, size: int = 13) -> Indices:
    """A line of text as palette indices, antialiased; its height depends on the size alone."""
    font = _font(size)
    try:
        width = int(font.getlength(text)) + 1
    except UnicodeEncodeError:
        text = text.encode("ascii", "replace").decode()
        width = int(font.getlength(text)) + 1
    image = Image.new("L", (max(width, 1), size + 5))
    ImageDraw.Draw(image).text((0, 1), text, fill=255, font=font)
    ink = (np.asarray(image, np.uint16) * _INKS + 127) // 255
    found: Indices = np.where(ink == 0, BACKGROUND, ink + (_FIRST_INK - 1)).astype(np.uint8)
    return found


def quantised(pixels: NDArray[Any]) -> tuple[Indices, NDArray[np.uint8]]:
    """An RGB image (H, W, 3) as palette indices, and the palette with its colours."""
    whole = Image.fromarray(pixels)
    few = whole.quantize(INPUT_COLOURS, method=Image.Quantize.FASTOCTREE)
    image = whole.quantize(palette=few, dither=Image.Dither.FLOYDSTEINBERG)
    own = np.asarray(few.getpalette("RGB") or [], np.uint8).reshape(-1, 3)[:INPUT_COLOURS]
    colours = palette().copy()
    colours[FIRST_OF_INPUT : FIRST_OF_INPUT + len(own)] = own
    return np.asarray(image, np.uint8) + np.uint8(FIRST_OF_INPUT), colours
