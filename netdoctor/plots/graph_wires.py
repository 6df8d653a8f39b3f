"""The lines of a map as SVG paths."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from netdoctor.plots.graph_plan import Wire
from netdoctor.plots.graph_ranks import Point


def path(wire: Wire) -> str:
    points = wire.points
    if wire.square:
        return f'<path class="nd-wire nd-long" d="{_rounded(points)}"/>'
    x, y = points[0]
    parts = [f"M{x:.1f} {y:.1f}"]
    for (a, b), (c, d) in pairwise(points):
        if abs(a - c) < 0.5:
            parts.append(f"V{d:.1f}")
        else:
            middle = (b + d) / 2
            parts.append(f"C{a:.1f} {middle:.1f} {c:.1f} {middle:.1f} {c:.1f} {d:.1f}")
    tip = ""
    if wire.arrives:
        x, y = points[-1]
        tip = f'<path class="nd-tip" d="M{x - 3.2:.1f} {y - 6:.1f}h6.4L{x:.1f} {y - 0.5:.1f}z"/>'
    return f'<path class="nd-wire" d="{"".join(parts)}"/>{tip}'


def _rounded(points: Sequence[Point], radius: float = 8.0) -> str:
    """A path at right angles with round corners."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(
            f"L{start[0]:.1f} {start[1]:.1f}Q{corner[0]:.1f} {corner[1]:.1f} "
            f"{end[0]:.1f} {end[1]:.1f}"
        )
    return "".join([*parts, f"L{points[-1][0]:.1f} {points[-1][1]:.1f}"])


def _towards(start: Point, end: Point, most: float) -> Point:
    length = abs(end[0] - start[0]) + abs(end[1] - start[1])
    share = min(most, length / 2) / length if length else 0.0
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
