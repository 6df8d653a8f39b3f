"""Places boxes of given sizes in layers from top to bottom, and the lines between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise

from netdoctor.plots.graph_ranks import Flow, Layers, Point, Vertex, ranks

GAP = 30.0  # between layers
_PORT_GAP, _FORK_GAP = 10.0, 24.0  # between a port and what it leads to, to one or to several
_APART = 22.0  # between neighbours
_LINES_APART = 12.0
_SWEEPS = 8
_SETTLING = 12


def place(vertices: Sequence[Vertex], flows: Sequence[Flow]) -> Layers:
    """Layers by the longest path, neighbours ordered by barycentre, straight main lines.

    Source: Sugiyama, Tagawa and Toda 1981; the places by isotonic regression, house heuristic.
    """
    return _Layering(vertices, flows).placed()


class _Layering:
    def __init__(self, vertices: Sequence[Vertex], flows: Sequence[Flow]) -> None:
        self.flows = flows
        self.count = len(vertices)
        self.rank = ranks(vertices, flows)
        self.ports = {at for at, each in enumerate(vertices) if each.side}
        self.width = [each.width for each in vertices]
        self.height = [each.height for each in vertices]
        self.parts: list[list[tuple[int, int]]] = []  # by flow: between neighbouring layers
        self.trunks: list[list[int]] = []  # the points of each flow, downwards
        self.upper: list[list[tuple[int, float]]] = [[] for _ in vertices]
        self.lower: list[list[tuple[int, float]]] = [[] for _ in vertices]
        for flow in flows:
            self.parts.append(self._fork(flow))
        self.layers: list[list[int]] = [[] for _ in range(max(self.rank, default=0) + 1)]
        for at, rank in enumerate(self.rank):
            self.layers[rank].append(at)

    def _fork(self, flow: Flow) -> list[tuple[int, int]]:
        """The parts of a flow; it goes past layers through points that its targets share."""
        parts: list[tuple[int, int]] = []
        trunk = [flow.source]
        for target in sorted(flow.targets, key=lambda each: self.rank[each]):
            steps = self.rank[target] - self.rank[flow.source]
            while len(trunk) < steps:
                point = self._point(self.rank[trunk[-1]] + 1)
                self._connect(trunk[-1], point, flow, parts)
                trunk.append(point)
            self._connect(trunk[steps - 1], target, flow, parts)
        self.trunks.append(trunk[1:])
        return parts

    def _point(self, rank: int) -> int:
        self.rank.append(rank)
        self.width.append(0.0)
        self.height.append(0.0)
        self.upper.append([])
        self.lower.append([])
        return len(self.rank) - 1

    def _connect(self, above: int, below: int, flow: Flow, parts: list[tuple[int, int]]) -> None:
        leaves = flow.leaves if above == flow.source else 0.0
        shift = leaves - flow.enters.get(below, 0.0)
        parts.append((above, below))
        self.lower[above].append((below, -shift))
        self.upper[below].append((above, shift))

    def placed(self) -> Layers:
        self._order()
        x = self._places()
        tops, height = self._tops()
        enters = self._entries(x)
        lines = tuple(
            self._line(number, flow, x, tops, enters) for number, flow in enumerate(self.flows)
        )
        left = min((x[at] - self.width[at] / 2 for at in range(len(x))), default=0.0)
        right = max((x[at] + self.width[at] / 2 for at in range(len(x))), default=0.0)
        moved = tuple(
            tuple(tuple((a - left, b) for a, b in points) for points in line) for line in lines
        )
        centres = tuple(value - left for value in x[: self.count])
        return Layers(right - left, height, centres, tuple(tops[: self.count]), moved)

    def _order(self) -> None:
        """Orders each layer by the mean place of its neighbours, as long as fewer lines cross."""
        best, least = [layer[:] for layer in self.layers], self._crossings()
        for sweep in range(_SWEEPS):
            if not least:
                break
            down = sweep % 2 == 0
            near = self.upper if down else self.lower
            for layer in self.layers if down else reversed(self.layers):
                place = self._position()
                layer.sort(key=_barycentre(near, place, {at: n for n, at in enumerate(layer)}))
            crossings = self._crossings()
            if crossings < least:
                best, least = [layer[:] for layer in self.layers], crossings
        self.layers = best

    def _position(self) -> dict[int, float]:
        """Each vertex's place in its layer, as a share."""
        return {
            at: (number + 0.5) / len(layer)
            for layer in self.layers
            for number, at in enumerate(layer)
        }

    def _crossings(self) -> int:
        place = self._position()
        total = 0
        for layer in self.layers[:-1]:
            ends = [
                place[below]
                for at in layer
                for below, _ in sorted(self.lower[at], key=lambda each: place[each[0]])
            ]
            total += sum(
                one > other for n, one in enumerate(ends) for other in ends[n + 1 :]
            )  # fmt: skip
        return total

    def _places(self) -> list[float]:
        """Horizontal centres: near their neighbours', in order, and far enough apart."""
        x = [0.0] * len(self.rank)
        for layer in self.layers:
            self._settle(layer, dict.fromkeys(layer, 0.0), x)
        for turn in range(_SETTLING):
            ways = [self.upper, self.lower] if turn < _SETTLING - 2 else [None, None]
            for layer in self.layers:
                self._settle(layer, {at: self._wish(at, ways[0], x) for at in layer}, x)
            for layer in reversed(self.layers):
                self._settle(layer, {at: self._wish(at, ways[1], x) for at in layer}, x)
        self._straighten(x)
        return x

    def _straighten(self, x: list[float]) -> None:
        """Puts the points of a line one above the other as far as there is room."""
        place = {at: (layer, n) for layer in self.layers for n, at in enumerate(layer)}
        trunks = [trunk for trunk in self.trunks if trunk]
        trunks.sort(key=lambda trunk: sum(x[at] for at in trunk) / len(trunk))
        for trunk in (*reversed(trunks), *trunks):
            run: list[int] = []
            low, high = -math.inf, math.inf
            for at in [*trunk, -1]:
                left, right = self._room(at, place, x) if at >= 0 else (math.inf, -math.inf)
                if max(low, left) > min(high, right):
                    if run:
                        wish = sum(x[each] for each in run) / len(run)
                        for each in run:
                            x[each] = min(max(wish, low), high)
                    run, low, high = [], -math.inf, math.inf
                run.append(at)
                low, high = max(low, left), min(high, right)

    def _room(
        self, at: int, place: Mapping[int, tuple[list[int], int]], x: list[float]
    ) -> tuple[float, float]:
        """From where to where a point may be moved."""
        layer, n = place[at]
        low, high = -math.inf, math.inf
        if n:
            low = x[layer[n - 1]] + self._distance(layer[n - 1], at)
        if n + 1 < len(layer):
            high = x[layer[n + 1]] - self._distance(at, layer[n + 1])
        return low, max(low, high)

    def _wish(self, at: int, near: list[list[tuple[int, float]]] | None, x: list[float]) -> float:
        around = [*self.upper[at], *self.lower[at]] if near is None else near[at]
        if not around:
            return x[at]
        boxes = [each for each in around if each[0] < self.count]
        if at < self.count and boxes:
            around = boxes  # main lines are straight, what goes past bends
        return sum(x[other] + shift for other, shift in around) / len(around)

    def _settle(self, layer: Sequence[int], wishes: Mapping[int, float], x: list[float]) -> None:
        """Moves a layer as near to the wishes as its order and distances allow.

        Source: pool adjacent violators; least squares in which boxes count for more than lines.
        """
        offsets = [0.0]
        for left, right in pairwise(layer):
            offsets.append(offsets[-1] + self._distance(left, right))
        blocks: list[tuple[float, float, int]] = []  # mean, weight, count
        for at, offset in zip(layer, offsets, strict=True):
            mean, weight, count = wishes[at] - offset, 1.0 if at < self.count else 0.01, 1
            while blocks and blocks[-1][0] > mean:
                above, more, others = blocks.pop()
                mean = (mean * weight + above * more) / (weight + more)
                weight, count = weight + more, count + others
            blocks.append((mean, weight, count))
        values = [mean for mean, _, count in blocks for _ in range(count)]
        for at, value, offset in zip(layer, values, offsets, strict=True):
            x[at] = value + offset

    def _distance(self, left: int, right: int) -> float:
        between = _APART if left < self.count and right < self.count else _LINES_APART
        return (self.width[left] + self.width[right]) / 2 + between

    def _tops(self) -> tuple[list[float], float]:
        tops, y = [0.0] * len(self.rank), 0.0
        gaps = [self._gap(one, next_one) for one, next_one in pairwise(self.layers)]
        for layer, gap in zip(self.layers, [*gaps, 0.0], strict=True):
            for at in layer:
                tops[at] = y
                if at >= self.count:  # a line goes through the whole layer
                    self.height[at] = max(self.height[each] for each in layer if each < self.count)
            y += max((self.height[at] for at in layer), default=0.0) + gap
        return tops, y

    def _gap(self, layer: Sequence[int], below: Sequence[int]) -> float:
        if not (self.ports.issuperset(layer) or self.ports.issuperset(below)):
            return GAP
        ends = [at for above in layer for at, _ in self.lower[above]]
        forks = len(ends) > len(set(ends)) or any(len(self.lower[at]) > 1 for at in layer)
        return _FORK_GAP if forks else _PORT_GAP

    def _entries(self, x: list[float]) -> dict[tuple[int, int], float]:
        """By flow and target, where its line enters: straight from above where there is room."""
        coming: dict[int, list[tuple[float, int]]] = {}
        for number, (flow, parts) in enumerate(zip(self.flows, self.parts, strict=True)):
            for above, below in parts:
                if below < self.count and below not in flow.enters:
                    start = x[above] + (flow.leaves if above == flow.source else 0.0)
                    coming.setdefault(below, []).append((start - x[below], number))
        places = {}
        for target, lines in coming.items():
            room = self.width[target] / 2 - 10
            step = min(_LINES_APART, 2 * room / max(len(lines) - 1, 1))
            lines.sort()
            found = [min(max(wish, -room), room) for wish, _ in lines]
            for turn in range(1, len(found)):
                found[turn] = max(found[turn], found[turn - 1] + step)
            for turn in range(len(found) - 1, -1, -1):
                limit = found[turn + 1] - step if turn + 1 < len(found) else room
                found[turn] = min(found[turn], limit)
            places.update(
                {(number, target): at for (_, number), at in zip(lines, found, strict=True)}
            )
        return places

    def _line(
        self,
        number: int,
        flow: Flow,
        x: list[float],
        tops: list[float],
        enters: Mapping[tuple[int, int], float],
    ) -> tuple[tuple[Point, ...], ...]:
        found = []
        for above, below in self.parts[number]:
            start = x[above] + (flow.leaves if above == flow.source else 0.0)
            points = [(start, tops[above] + self.height[above])]
            shift = flow.enters.get(below, enters.get((number, below), 0.0))
            points.append((x[below] + (shift if below < self.count else 0.0), tops[below]))
            if below >= self.count:
                points.append((x[below], tops[below] + self.height[below]))
            found.append(tuple(points))
        return tuple(found)


def _barycentre(
    near: Sequence[Sequence[tuple[int, float]]],
    place: Mapping[int, float],
    stays: Mapping[int, int],
) -> Callable[[int], tuple[float, int]]:
    def key(at: int) -> tuple[float, int]:
        others = [place[other] for other, _ in near[at]]
        return (sum(others) / len(others) if others else place[at], stays[at])

    return key
