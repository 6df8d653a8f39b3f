"""One picture an image: as the network saw it, the heat map, and one laid over the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netdoctor.facts.gradcam import Explained, GradCamFacts, HeatMap, Layer, normalised, upsampled
from netdoctor.plots.tiles import LEVELS, ColourPicture, palette, text_line

Pixels = NDArray[np.uint8]

_MARGIN = 16
_GAP = 14
_SMALLEST, _LARGEST = 256, 448  # longest side of a panel
_CONTACT = 240  # of one of many
_ACROSS = 4
_EMPTY = 236  # grey of a panel without a map
_LONGEST_LINE = 110
_ENDINGS = frozenset(["jpg", "jpeg", "png", "ppm", "bmp", "pgm", "tif", "tiff", "webp"])


def pictures(facts: GradCamFacts, *, alpha: float = 0.6) -> Iterator[tuple[str, ColourPicture]]:
    """File stem and picture of each image, made one at a time.

    Args:
        facts: the maps.
        alpha: opacity of the map in the overlay where it is largest.
    """
    digits = len(str(len(facts.images) - 1))
    for number, each in enumerate(facts.images):
        place = f"{number:0{digits}d}-" if len(facts.images) > 1 else ""
        yield f"gradcam-{place}{_without_ending(_file(each))}", picture(each, facts, alpha)


def picture(each: Explained, facts: GradCamFacts, alpha: float) -> ColourPicture:
    """The picture of one image; with several layers a contact sheet."""
    first, target = each.top[0], each.target
    head = [_text(f"predicted {first.name}   {_share(first.score)}", 19)]
    if (target.index, target.name) != (first.index, first.name):
        head.append(_text(f"explained {target.name}   {_share(target.score)}", 15))
    others = [f"{guess.name} {_share(guess.score)}" for guess in each.top[1:4]]
    if others:
        head.append(_text("then " + ",  ".join(others), 13))
    method = f"{facts.method} for {target.name}"
    if target.pixels:
        method += f", mean over {target.pixels} pixels"
    if len(facts.layers) == 1:
        method += f", at {_place(facts.layers[0])}"
    head.append(_text(f"{method}   ({_file(each)})", 13))
    rows = _one_layer(each, alpha) if len(each.maps) == 1 else _contact(each, facts.layers, alpha)
    return ColourPicture(_framed(_stacked([*head, _blank(8, 1), *rows])))


def _one_layer(each: Explained, alpha: float) -> list[Pixels]:
    heat, shown = each.maps[0], _shown(each, _SMALLEST, _LARGEST)
    size = shown.shape[:2]
    panels = [_titled("input, as the network saw it", shown)]
    if heat.blank:
        return [_beside([*panels, _titled("no heat map", _nothing(heat, size))])]
    scaled = normalised(upsampled(heat.values, size))
    bar = _stacked([_blank(6, 1), _bar(size[1], heat)])
    panels.append(_stacked([_titled("heat map", _coloured(scaled)), bar]))
    if each.input.pixels is not None:
        panels.append(_titled("overlay", _laid_over(shown, scaled, alpha)))
    return [_beside(panels)]


def _contact(each: Explained, layers: Sequence[Layer], alpha: float) -> list[Pixels]:
    shown = _shown(each, _CONTACT, _CONTACT)
    size = shown.shape[:2]
    panels = [_titled("input", shown)]
    for heat, layer in zip(each.maps, layers, strict=True):
        if heat.blank:
            drawn = _nothing(heat, size)
        else:
            scaled = normalised(upsampled(heat.values, size))
            plain = each.input.pixels is None
            drawn = _coloured(scaled) if plain else _laid_over(shown, scaled, alpha)
        panels.append(_titled(_place(layer), drawn, size[1]))
    rows = [panels[at : at + _ACROSS] for at in range(0, len(panels), _ACROSS)]
    return [part for row in rows for part in (_beside(row), _blank(_GAP, 1))]


def _shown(each: Explained, least: int, most: int) -> Pixels:
    """The input with its longest side between two lengths; grey where it is no picture."""
    height, width = each.size
    pixels = each.input.pixels
    if pixels is not None:
        height, width = pixels.shape[:2]
    longest = max(height, width)
    zoom = least / longest if longest < least else min(most / longest, 1.0)
    size = max(round(height * zoom), 8), max(round(width * zoom), 8)
    if pixels is None:
        return np.full((*size, 3), _EMPTY, np.uint8)
    way = Image.Resampling.NEAREST if zoom > 1 else Image.Resampling.BOX
    return np.asarray(Image.fromarray(pixels).resize(size[::-1], way), np.uint8)


def _coloured(scaled: NDArray[Any]) -> Pixels:
    """A map in [0, 1] in the colours of the scale."""
    coloured: Pixels = palette()[np.clip(scaled * LEVELS, 0, LEVELS - 1).astype(np.uint8)]
    return coloured


def _laid_over(image: Pixels, scaled: NDArray[Any], alpha: float) -> Pixels:
    """The colours over the image without its own, the more opaque the larger the map is."""
    grey = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    grey = np.repeat((24 + grey * 0.88)[..., None], 3, 2)
    share = (alpha * np.sqrt(scaled))[..., None]
    mixed = grey * (1 - share) + _coloured(scaled).astype(np.float32) * share
    rounded: Pixels = mixed.round().clip(0, 255).astype(np.uint8)
    return rounded


def _nothing(heat: HeatMap, size: tuple[int, int]) -> Pixels:
    """A grey panel that says why there is no map."""
    panel = np.full((*size, 3), _EMPTY, np.uint8)
    y = 10
    for line in _wrapped(heat.reason, max(size[1] // 7, 12)):
        drawn = _text(line, 13)[: max(size[0] - y, 0), : size[1] - 16]
        if not drawn.size:
            break
        part = panel[y : y + drawn.shape[0], 8 : 8 + drawn.shape[1]]
        np.minimum(part, drawn, out=part)
        y += 20
    return panel


def _bar(width: int, heat: HeatMap) -> Pixels:
    """The colour scale, and the values at its ends."""
    scale = np.broadcast_to(np.linspace(0, 1, width), (10, width))
    line = _blank(20, width)
    low, high = (_text(f"{end:.3g}", 12) for end in (heat.values.min(), heat.values.max()))
    line[: len(low), : low.shape[1]] = low[:20, :width]
    line[: len(high), max(width - high.shape[1], 0) :] = high[:20, :width]
    return _stacked([_coloured(scale), line])


def _titled(title: str, panel: Pixels, most: int = 0) -> Pixels:
    line = _text(title, 13)
    return _stacked([line[:, : most or None], panel])


def _place(layer: Layer) -> str:
    return f"{layer.site} ({'x'.join(map(str, layer.layout.grid))})"


def _file(each: Explained) -> str:
    """The input's name without folders."""
    return each.input.name.replace("\\", "/").rstrip("/").rpartition("/")[2] or "image"


def _without_ending(name: str) -> str:
    """`photo` of `photo.jpg`; what is no image's ending stays."""
    stem, dot, ending = name.rpartition(".")
    return stem if dot and stem and ending.lower() in _ENDINGS else name


def _share(score: float) -> str:
    return f"{score:.3f}" if score < 0.9995 or score == 1 else "> 0.999"


def _text(text: str, size: int) -> Pixels:
    """A line of text; what the font cannot write as escapes, cut where it is too long."""
    plain = "".join(
        each if each.isprintable() and ord(each) < 0x250 else each.encode("unicode_escape").decode()
        for each in text[:_LONGEST_LINE]
    )
    short = plain[:_LONGEST_LINE] + ("..." if max(len(text), len(plain)) > _LONGEST_LINE else "")
    return palette()[text_line(short, size)]


def _wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _blank(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), 255, np.uint8)


def _stacked(parts: Sequence[Pixels]) -> Pixels:
    whole = _blank(sum(len(each) for each in parts), max(each.shape[1] for each in parts))
    top = 0
    for each in parts:
        whole[top : top + len(each), : each.shape[1]] = each
        top += len(each)
    return whole


def _beside(parts: Sequence[Pixels]) -> Pixels:
    width = sum(each.shape[1] + _GAP for each in parts) - _GAP
    whole = _blank(max(map(len, parts)), width)
    left = 0
    for each in parts:
        whole[: len(each), left : left + each.shape[1]] = each
        left += each.shape[1] + _GAP
    return whole


def _framed(inner: Pixels) -> Pixels:
    whole = _blank(inner.shape[0] + 2 * _MARGIN, inner.shape[1] + 2 * _MARGIN)
    whole[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN] = inner
    return whole
