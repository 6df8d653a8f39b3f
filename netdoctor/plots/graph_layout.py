"""Places the map of a network: rows in cards, cards in boxes, high boxes in columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise

from netdoctor.facts.graph_map import Box, Link, Map, Row, rows_in
from netdoctor.plots.graph_cards import (
    PAD,
    SIZE,
    SMALL,
    Card,
    Look,
    card,
    shape_text,
    text_width,
    times_of,
    title_of,
)
from netdoctor.plots.graph_columns import best_cuts, side_by_side
from netdoctor.plots.graph_layers import GAP, place
from netdoctor.plots.graph_plan import Label, Placed, Plan, Wire
from netdoctor.plots.graph_ranks import Flow, Layers, Point, Vertex, ranks

HEADER = 24.0
_NOTED = 15.0  # of a remark under a box's header
_HIGH = 1000.0  # boxes higher than that are broken into columns


Item = Card | Box


def plan(drawn: Map, looks: Mapping[str, Look]) -> Plan:
    """The whole map at its place, the root without a box around it."""
    return _Planner(drawn, looks).inside(drawn.root)


class _Planner:
    def __init__(self, drawn: Map, looks: Mapping[str, Look]) -> None:
        self.looks = looks
        self.rows = {row.key: row for row in drawn.rows()}
        self.outgoing: dict[str, list[Link]] = {}
        self.incoming: dict[str, list[Link]] = {}
        for link in drawn.links:
            self.outgoing.setdefault(link.source, []).append(link)
            self.incoming.setdefault(link.target, []).append(link)

    def boxed(self, box: Box) -> Plan:
        """A box with its header, from its own top left corner."""
        inner = self.inside(box)
        head = HEADER + (_NOTED if self.looks[box.key].note else 0.0)
        width = max(inner.width + 2 * PAD, _header_width(box, self.looks[box.key]))
        shift = (width - inner.width) / 2
        result = inner.moved(shift, head, 1)
        result.width, result.height = width, inner.height + head + PAD
        for key, x in result.enters.items():
            result.wires.append(Wire(key, ((x, 0.0), (x, head))))
        for key, x in result.leaves.items():
            result.wires.append(Wire(key, ((x, head + inner.height), (x, result.height))))
        result.placed.insert(0, Placed(box, 0.0, 0.0, width, result.height))
        return result

    def inside(self, box: Box) -> Plan:
        """What is in a box."""
        items = self._cards(box.items)
        plans = [self.boxed(each) if isinstance(each, Box) else _alone(each) for each in items]
        columns = self._columns(items, plans)
        if len(columns) == 1:
            return self._layered(items, plans)
        parts = [
            self._layered(
                [items[at] for at in column],
                [plans[at] for at in column],
                column is not columns[-1],
            )
            for column in columns
        ]
        return side_by_side(parts)

    def _cards(self, items: Sequence[Row | Box]) -> list[Item]:
        """Boxes as they are, and rows that only feed the next one together."""
        found: list[Item] = []
        rows = {item.key: item for item in items if isinstance(item, Row)}
        used: set[str] = set()
        for item in items:
            if isinstance(item, Box):
                found.append(item)
                continue
            if item.key in used:
                continue
            chain = [item]
            while (following := self._only_next(chain[-1], rows)) is not None:
                chain.append(following)
            used.update(row.key for row in chain)
            found.append(card(chain, self.looks))
        return found

    def _only_next(self, row: Row, rows: Mapping[str, Row]) -> Row | None:
        """The row of the same box that alone takes what this one gives, and takes nothing else."""
        links = self.outgoing.get(row.key, [])
        if len(links) != 1 or row.role == "input":
            return None
        following = rows.get(links[0].target)
        if following is None or following.role == "output":
            return None
        return following if len(self.incoming[following.key]) == 1 else None

    def _flows(
        self, items: Sequence[Item]
    ) -> tuple[dict[str, list[int]], dict[str, int], set[str]]:
        """By source row the items that it leads to, the item that it is in, and what goes out."""
        home = {row.key: at for at, item in enumerate(items) for row in _rows(item)}
        leads: dict[str, list[int]] = {}
        out: set[str] = set()
        for key, at in home.items():
            for link in self.incoming.get(key, []):
                if home.get(link.source) != at and at not in leads.setdefault(link.source, []):
                    leads[link.source].append(at)
            for link in self.outgoing.get(key, []):
                if link.target not in home:
                    out.add(key)
        return leads, home, out

    def _layered(self, items: Sequence[Item], plans: Sequence[Plan], goes_on: bool = False) -> Plan:
        """Items in layers; `goes_on` where what leaves them leads to the next column."""
        leads, home, out = self._flows(items)
        entering = [key for key in leads if key not in home]
        leaving = [key for key in home if key in out]
        vertices = [
            *(Vertex(plan.width, plan.height) for plan in plans),
            *(Vertex(0.0, 0.0, "first") for _ in entering),
            *(Vertex(self._port_width(key, leaving), 0.0, "last") for key in leaving),
        ]
        port_in = {key: len(items) + n for n, key in enumerate(entering)}
        port_out = {key: len(items) + len(entering) + n for n, key in enumerate(leaving)}
        keys = list(dict.fromkeys([*leads, *leaving]))
        flows = []
        for key in keys:
            targets = [*leads.get(key, ()), *([port_out[key]] if key in port_out else [])]
            flows.append(_flow(key, port_in.get(key, home.get(key, 0)), targets, items, plans))
        layers = place(vertices, flows)
        result = Plan(layers.width, layers.height, [], [], [], {}, {})
        for at, plan in enumerate(plans):
            moved = plan.moved(layers.centres[at] - plan.width / 2, layers.tops[at])
            result.placed += moved.placed
            result.wires += moved.wires
            result.labels += moved.labels
        for key, flow, parts in zip(keys, flows, layers.lines, strict=True):
            cards = {at for at in flow.targets if at < len(items) and isinstance(items[at], Card)}
            result.wires += _wires(key, parts, cards, layers)
            if flow.source < len(items) and (goes_on or any(t < len(items) for t in flow.targets)):
                self._label(key, parts, result)
        result.enters = {key: layers.centres[at] for key, at in port_in.items()}
        result.leaves = {key: layers.centres[at] for key, at in port_out.items()}
        return result

    def _port_width(self, key: str, leaving: Sequence[str]) -> float:
        """Room beside a line for its shape, where several lines leave a box."""
        return text_width(self._shape_of(key), SMALL) if len(leaving) > 1 else 0.0

    def _shape_of(self, key: str) -> str:
        shapes = {shape: None for link in self.outgoing.get(key, ()) for shape in link.shapes}
        text = shape_text(next(iter(shapes), self.rows[key].shape))
        return f"{text} +{len(shapes) - 1}" if len(shapes) > 1 else text

    def _label(self, key: str, parts: Sequence[tuple[Point, ...]], result: Plan) -> None:
        """Writes beside where a line begins what shape goes on, on the side that it leaves free."""
        text = self._shape_of(key)
        x, y = parts[0][0]
        bends = [points[1][0] - x for points in parts if points[0] == (x, y)]
        wide = text_width(text, SMALL)
        leftwards = max(bends) > 8 and min(bends) > -8 and x - 6 - wide > 0
        result.labels.append(Label(text, x - 6 if leftwards else x + 6, y + 13, leftwards))
        if not leftwards:
            result.width = max(result.width, x + 10 + wide)

    def _columns(self, items: Sequence[Item], plans: Sequence[Plan]) -> list[list[int]]:
        """The items column by column, where that makes a high box fit a page better.

        Broken is only where a single tensor goes on.
        """
        leads, home, out = self._flows(items)
        flows = [Flow(home[key], tuple(targets)) for key, targets in leads.items() if key in home]
        level = ranks([Vertex(0, 0)] * len(items), flows)
        count = max(level, default=0) + 1
        heights, widths = [0.0] * count, [0.0] * count
        for at, each in enumerate(plans):
            heights[level[at]] = max(heights[level[at]], each.height + GAP)
            widths[level[at]] += each.width + GAP
        whole = [list(range(len(items)))]
        if sum(heights) < _HIGH:
            return whole
        crossing = [0] * (count + 1)
        for key in dict.fromkeys([*leads, *out]):
            first = level[home[key]] if key in home else 0
            last = max((level[at] for at in leads.get(key, ())), default=first)
            for rank in range(first + 1, (count - 1 if key in out else last) + 1):
                crossing[rank] += 1
        breaks = [rank for rank in range(1, count) if crossing[rank] == 1]
        cuts = best_cuts(heights, widths, breaks)
        edges = [0, *cuts, count]
        return [
            [at for at in range(len(items)) if low <= level[at] < high]
            for low, high in pairwise(edges)
        ] if cuts else whole  # fmt: skip


def _alone(what: Card) -> Plan:
    placed = [Placed(what, 0.0, 0.0, what.width, what.height)]
    middle = {what.last.key: what.width / 2}
    return Plan(what.width, what.height, placed, [], [], {}, middle)


def _rows(item: Item) -> Iterator[Row]:
    if isinstance(item, Card):
        yield from item.rows
    else:
        yield from rows_in(item)


def _header_width(box: Box, look: Look) -> float:
    kind = f"{box.kind} {times_of(box)}"
    text = text_width(title_of(box), SIZE) + text_width(kind, SMALL) + 36
    return max(text, text_width(look.note, SMALL) + 40)


def _flow(
    key: str, source: int, targets: Sequence[int], items: Sequence[Item], plans: Sequence[Plan]
) -> Flow:
    """What leads from an item or port to others; boxes have their own places for it."""
    leaves = 0.0
    if source < len(items):
        leaves = plans[source].leaves.get(key, 0.0) - plans[source].width / 2
    enters = {
        at: plans[at].enters[key] - plans[at].width / 2
        for at in targets
        if at < len(items) and isinstance(items[at], Box)
    }
    enters.update({at: 0.0 for at in targets if at >= len(items)})
    return Flow(source, tuple(targets), leaves, enters)


def _wires(
    key: str, parts: Sequence[tuple[Point, ...]], cards: Collection[int], layers: Layers
) -> list[Wire]:
    """The parts of a flow; one that ends at a card has a tip."""
    starts = {points[0] for points in parts}
    tops = {layers.tops[at] for at in cards}
    return [
        Wire(key, points, arrives=points[-1] not in starts and points[-1][1] in tops)
        for points in parts
    ]
