"""Breaks what is too high into columns, and joins them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netdoctor.plots.graph_layers import GAP
from netdoctor.plots.graph_plan import Plan, Wire

_ASPECT = 1.25
_MOST_COLUMNS = 6
_LEAST_FILLED = 0.3  # of the highest column
_GUTTER = 34.0  # between columns


def best_cuts(
    heights: Sequence[float], widths: Sequence[float], breaks: Sequence[int]
) -> list[int]:
    """Where to break so that the whole is best filled; nowhere where that gains little."""

    def extent(cuts: Sequence[int]) -> float:
        edges = [0, *cuts, len(heights)]
        parts = list(pairwise(edges))
        wide = sum(max(widths[low:high]) + _GUTTER for low, high in parts)
        return max(wide / _ASPECT, max(sum(heights[low:high]) for low, high in parts))

    best: list[int] = []
    for columns in range(2, _MOST_COLUMNS + 1):
        limit = sum(heights) / columns
        cuts = _cut_at(heights, breaks, limit, columns)
        if cuts and _is_even(heights, cuts) and extent(cuts) < 0.85 * extent(best):
            best = cuts
    return best


def _is_even(heights: Sequence[float], cuts: Sequence[int]) -> bool:
    edges = [0, *cuts, len(heights)]
    columns = [sum(heights[low:high]) for low, high in pairwise(edges)]
    return min(columns) > _LEAST_FILLED * max(columns)


def _cut_at(
    heights: Sequence[float], breaks: Sequence[int], limit: float, columns: int
) -> list[int]:
    """The breaks nearest to equal heights."""
    cuts: list[int] = []
    for turn in range(1, columns):
        left = [each for each in breaks if not cuts or each > cuts[-1]]
        if left:
            cuts.append(min(left, key=lambda each: abs(sum(heights[:each]) - turn * limit)))
    return cuts


def side_by_side(parts: Sequence[Plan]) -> Plan:
    """Columns from left to right, each joined to the next."""
    whole = Plan(0.0, max(part.height for part in parts), [], [], [], {}, {})
    x = 0.0
    below: tuple[str, float, float] | None = None
    whole.height += 2 * GAP
    for number, part in enumerate(parts):
        if below is not None:
            x += _GUTTER
        moved = part.moved(x, GAP if number else 0.0)
        if below is not None:
            key, start, y = below
            middle, end = x - _GUTTER / 2, moved.enters[key]
            low = y + GAP / 2
            points = (
                (start, y),
                (start, low),
                (middle, low),
                (middle, 4.0),
                (end, 4.0),
                (end, GAP),
            )
            whole.wires.append(Wire(key, points, square=True))
        whole.placed += moved.placed
        whole.wires += moved.wires
        whole.labels += moved.labels
        if not number:
            whole.enters = moved.enters
        below = next(
            ((key, at, part.height + (GAP if number else 0.0)) for key, at in moved.leaves.items()),
            None,
        )
        whole.leaves = moved.leaves
        x += part.width
    for key, at in whole.leaves.items():
        y = parts[-1].height + GAP
        whole.wires.append(Wire(key, ((at, y), (at, whole.height))))
    whole.width = x
    return whole
