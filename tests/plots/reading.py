"""Reads figures back: the text in them, where it stands, and whether any of it collides."""

from __future__ import annotations

from itertools import combinations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text


def texts(figure: Figure) -> list[Text]:
    """Every text that is shown."""
    found = [each for each in figure.findobj(Text) if isinstance(each, Text)]
    return [each for each in found if each.get_visible() and each.get_text().strip()]


def strings(figure: Figure) -> list[str]:
    """What the figure says."""
    return [each.get_text() for each in texts(figure)]


def collisions(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that overlap by more than a pixel, and texts that leave the figure."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    boxes = [(each.get_text(), each.get_window_extent(renderer)) for each in texts(figure)]
    whole = figure.bbox
    outside = [
        (text, "the edge")
        for text, box in boxes
        if box.x0 < 0 or box.y0 < 0 or box.x1 > whole.x1 or box.y1 > whole.y1
    ]
    overlapping = [
        (one, other)
        for (one, a), (other, b) in combinations(boxes, 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]
    return outside + overlapping


def panel_with(figure: Figure, text: str) -> Axes:
    """The axes in which that text stands."""
    return next(axes for axes in figure.axes if any(text in each.get_text() for each in axes.texts))
