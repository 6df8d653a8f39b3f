"""The distribution of every call's values: a sheet of small histograms, grouped by block."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments
from netdoctor.plots import style
from netdoctor.plots.histogram import VALUE_COLOUR, ZERO_COLOUR, draw_histogram

PANELS_A_PAGE = 24

_COLUMNS = 4
_WIDTH, _HEIGHT, _GAP = 3.1, 1.0, 0.25
_MARGIN, _TOP = 0.3, 1.0
_NAME_SIZE, _BLOCK_SIZE = 7.5, 8.5
_LINE = 0.145


def figures(facts: ActivationFacts) -> list[tuple[str, Figure]]:
    """Histogram sheets with their file stems, 24 calls a page; empty when nothing was measured."""
    calls = [call for call in facts.calls if call.moments is not None]
    blocks = dict(zip((str(call.site) for call in calls), block_names(calls), strict=True))
    sheets = style.pages(calls, PANELS_A_PAGE)
    with style.quiet():
        return [
            (
                style.page_stem("activations", number, len(sheets)),
                _sheet(facts, calls, sheet, blocks, style.page_note(number, len(sheets))),
            )
            for number, sheet in enumerate(sheets, 1)
        ]


def block_names(calls: Sequence[CallFacts]) -> list[str]:
    """For each call the block it belongs to: the first part of its path that tells calls apart.

    A block of more calls than fit on a page is split by the next part of their paths. Calls in
    the root module belong to the block `(model)`.
    """
    paths = [tuple(call.site.path.split(".")) for call in calls]
    lengths = _block_lengths(paths, 1)
    return [".".join(path[: lengths[path]]) or "(model)" for path in paths]


def _block_lengths(paths: Sequence[tuple[str, ...]], length: int) -> dict[tuple[str, ...], int]:
    """How many parts of each path name its block, at least `length`."""
    blocks: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for path in paths:
        blocks.setdefault(path[:length], []).append(path)
    lengths: dict[tuple[str, ...], int] = {}
    for inside in blocks.values():
        divisible = all(len(path) > length for path in inside)
        if divisible and (len(blocks) == 1 or len(inside) > PANELS_A_PAGE):
            lengths |= _block_lengths(inside, length + 1)
        else:
            lengths |= dict.fromkeys(inside, length)
    return lengths


def _sheet(
    facts: ActivationFacts,
    calls: Sequence[CallFacts],
    sheet: Sequence[CallFacts],
    blocks: dict[str, str],
    page: str,
) -> Figure:
    columns = min(_COLUMNS, len(sheet))
    capacity = style.name_capacity(_WIDTH, _NAME_SIZE)
    names = [style.fold(str(call.site), capacity) for call in sheet]
    tops, heads = [_TOP], []
    for start in range(0, len(sheet), columns):
        heads.append(0.46 + _LINE * max(map(len, names[start : start + columns])))
        tops.append(tops[-1] + heads[-1] + _HEIGHT + 0.36)
    width = max(_MARGIN * 2 + (_WIDTH + _GAP) * columns - _GAP, 9.5)
    figure = style.new_figure(width, tops[-1] + 0.35)
    data = "random input" if facts.synthetic else "the data"
    count = f"{len(calls)} call{'s' * (len(calls) != 1)}"
    title = f"Distribution of activations · {count} · {facts.samples:,} samples of {data}{page}"
    style.write(figure, _MARGIN, 0.28, title, size=12, weight="bold")
    _legend(figure)
    _draw_blocks(figure, [blocks[str(call.site)] for call in sheet], columns, tops)
    for index, (call, name) in enumerate(zip(sheet, names, strict=True)):
        row, column = divmod(index, columns)
        left = _MARGIN + (_WIDTH + _GAP) * column
        _caption(figure, left, tops[row] + 0.17, call, name)
        draw_histogram(style.add_axes(figure, left, tops[row] + heads[row], _WIDTH, _HEIGHT), call)
    return figure


def _draw_blocks(figure: Figure, blocks: list[str], columns: int, tops: Sequence[float]) -> None:
    """A rule with the block's name above each run of panels that belong together in a row."""
    for start in range(0, len(blocks), columns):
        row = blocks[start : start + columns]
        top, first = tops[start // columns], 0
        for block, run in groupby(row):
            panels = len(list(run))
            left = _MARGIN + (_WIDTH + _GAP) * first
            width = (_WIDTH + _GAP) * panels - _GAP
            line = style.add_axes(figure, left, top + 0.08, width, 0.012)
            line.set_facecolor(style.INK)
            text = _shortened(style.printable(block), style.name_capacity(width, _BLOCK_SIZE))
            style.write(
                figure, left, top, text, size=_BLOCK_SIZE, family=style.MONO, color=style.FAINT
            )
            first += panels


def _shortened(block: str, most: int) -> str:
    """The block's name with its middle left out if it is too long; the panels name it in full."""
    if len(block) <= most:
        return block
    half = (most - 1) // 2
    return f"{block[:half]}…{block[-half:]}"


def _caption(figure: Figure, left: float, top: float, call: CallFacts, name: Sequence[str]) -> None:
    """The whole name, kind and shape, and the moments."""
    moments = call.moments
    assert moments is not None
    bad = bool(moments.nan + moments.inf)
    colour = style.ALARM if bad else style.INK
    for number, line in enumerate(name):
        style.write(
            figure,
            left,
            top + _LINE * number,
            line,
            size=_NAME_SIZE,
            family=style.MONO,
            weight="bold",
            color=colour,
        )
    shape = "×".join(map(str, call.shape)) or "scalar"
    after = top + _LINE * len(name)
    style.write(figure, left, after, f"{call.kind} · {shape}", size=7, color=style.FAINT)
    style.write(figure, left, after + _LINE, _moments_text(moments), size=7, color=style.FAINT)


def _moments_text(moments: Moments) -> str:
    if not moments.finite:
        return "no finite value" if moments.count else "no values"
    low, high = style.tick_texts([moments.minimum, moments.maximum])
    return f"mean {style.brief(moments.mean)} · std {style.brief(moments.std)} · {low} to {high}"


def _legend(figure: Figure) -> None:
    """What the three parts of a panel are, in one line below the title."""
    entries = (
        (ZERO_COLOUR, "", "exact zeros: share of all values"),
        (VALUE_COLOUR, "", "all other finite values: density over x; log axes where said"),
        (style.ALARM, "////", "NaN and Inf: share, and number"),
    )
    left = _MARGIN
    for colour, hatch, label in entries:
        swatch = style.add_axes(figure, left, 0.5, 0.2, 0.12)
        swatch.set_xlim(0, 1)
        swatch.set_ylim(0, 1)
        swatch.add_patch(
            Rectangle((0, 0), 1, 1, facecolor=colour, edgecolor="white", hatch=hatch, linewidth=0)
        )
        style.write(figure, left + 0.26, 0.56, label, size=7.5)
        left += 0.45 + 0.059 * len(label)
