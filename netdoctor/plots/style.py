"""What every picture shares: colours, fonts, text that is shown as it is, sizes in inches."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

T = TypeVar("T")

DPI = 110
INK = "#1f2933"
FAINT = "#6b7785"
RULE = "#d5dbe1"
ALARM = "#a50f15"
SANS = "DejaVu Sans"
MONO = "DejaVu Sans Mono"
_MONO_ADVANCE = 0.602  # em: how wide every character of that font is


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps matplotlib's warnings about layout and glyphs from the user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty white figure of that size in inches, with its own Agg canvas."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def add_axes(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes without ticks at a place given in inches from the figure's top left corner."""
    whole_width, whole_height = figure.get_size_inches()
    bottom = whole_height - top - height
    axes = figure.add_axes(
        (left / whole_width, bottom / whole_height, width / whole_width, height / whole_height)
    )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def write(
    where: Figure | Axes, x: float, y: float, text: str, *, size: float = 8, **look: Any
) -> None:
    """Writes text exactly as given: no markup, no formulas.

    On a figure x and y are inches from its top left corner, on axes they are data coordinates.
    """
    look = {"family": SANS, "color": INK, "va": "center", **look}
    if isinstance(where, Figure):
        width, height = where.get_size_inches()
        x, y = x / width, 1 - y / height
    where.text(x, y, printable(text), fontsize=size, parse_math=False, **look)


def title(figure: Figure, text: str, below: str) -> None:
    """A picture's title and the line below it."""
    write(figure, 0.3, 0.28, text, size=12, weight="bold")
    write(figure, 0.3, 0.55, below, size=8.5, color=FAINT)


def x_labels(axes: Axes, places: Sequence[float], labels: Sequence[str], size: float = 7) -> None:
    """Ticks along the bottom with these labels."""
    axes.set_xticks(list(places))
    axes.set_xticklabels(list(labels), fontsize=size, family=SANS, color=FAINT, parse_math=False)
    axes.tick_params(axis="x", length=2.5, width=0.6, color=FAINT, pad=2)


def name_width(characters: int, size: float) -> float:
    """Width in inches of a name of so many characters in the fixed-width font."""
    return characters * size * _MONO_ADVANCE / 72


def name_capacity(width: float, size: float) -> int:
    """How many characters of a name fit into that many inches."""
    return max(8, int(width / name_width(1, size)))


def fold(name: str, width: int) -> list[str]:
    """The whole printable name in lines of at most `width` characters, cut after . / or #."""
    rest, lines = printable(name).replace("\n", "\\n"), []
    while len(rest) > width:
        cut = max(rest.rfind(mark, width // 2, width) for mark in "./_") + 1
        lines.append(rest[: cut or width])
        rest = rest[cut or width :]
    return [*lines, rest]


@cache
def _glyphs() -> frozenset[int]:
    """Code points that both fonts can draw."""
    maps = (get_font(findfont(FontProperties(family=[f]))).get_charmap() for f in (SANS, MONO))
    return frozenset.intersection(*map(frozenset, maps))


def printable(text: str) -> str:
    """The text with what the fonts cannot draw written as Python escapes; newlines stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char
        if char == "\n" or (char.isprintable() and ord(char) in _glyphs())
        else char.encode("unicode_escape").decode()
        for char in text
    )


def percent(share: float) -> str:
    """A share in [0, 1] in as many digits as matter; never `0 %` or `100 %` unless exactly so."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    value = 100 * share
    if value < 0.1:
        return "< 0.1 %"
    if value > 99.9:
        return "> 99.9 %"
    return f"{value:.0f} %" if 9.95 <= value <= 99 else f"{value:.1f} %"


def tick_texts(values: Sequence[float]) -> list[str]:
    """Numbers in as many digits as it takes to tell each from its neighbours."""
    gap = min((abs(b - a) for a, b in pairwise(values)), default=0.0)
    enough = (
        digits
        for digits in range(3, 10)
        if all(abs(float(f"{value:.{digits}g}") - value) <= gap / 20 for value in values)
    )
    digits = next(enough, 9) if gap else 3
    return [brief(value, digits) for value in values]


def brief(value: float, digits: int = 3) -> str:
    """A number in so many significant digits, with a true minus sign."""
    if not math.isfinite(value):
        return str(value)
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    return (f"{mantissa}e{int(exponent)}" if exponent else mantissa).replace("-", "−")


def pages(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """The items in as few pages of at most `most` as possible, filled evenly."""
    if not items:
        return []
    count = math.ceil(len(items) / most)
    size = math.ceil(len(items) / count)
    return [items[start : start + size] for start in range(0, len(items), size)]


def page_stem(stem: str, page: int, count: int) -> str:
    """The file stem of a page, counted from 1: bare when there is only one."""
    return stem if count == 1 else f"{stem}-{page:0{len(str(count))}d}"


def page_note(page: int, count: int) -> str:
    """What a title says about its page; empty when there is only one."""
    return "" if count == 1 else f" · page {page} of {count}"
