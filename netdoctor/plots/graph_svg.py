"""The map of a network as one SVG text: no script, no font, nothing loaded from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from netdoctor.facts.graph import GraphFacts
from netdoctor.facts.graph_folding import folded
from netdoctor.facts.graph_health import Health, State
from netdoctor.facts.graph_map import Box, Map, Row
from netdoctor.plots.graph_cards import (
    NOTE,
    PAD,
    ROW,
    SMALL,
    Card,
    Look,
    amount_of,
    counted,
    kind_of,
    looks_of,
    shape_text,
    shortened,
    text_width,
    times_of,
    title_of,
)
from netdoctor.plots.graph_layout import HEADER, plan
from netdoctor.plots.graph_plan import Placed, Plan
from netdoctor.plots.graph_style import STYLE
from netdoctor.plots.graph_wires import path

_MARGIN = 24.0
_LEAST_WIDTH = 520.0
_LEGEND: tuple[tuple[State, str], ...] = (
    ("healthy", "healthy"), ("info", "info"), ("warning", "warning"), ("error", "error"),
    ("unknown", "not examined"),
)  # fmt: skip
_SYMBOLS: dict[State | None, str] = {"error": "✕", "warning": "!", "info": "i", "unknown": "?"}
_NAMED = 6
# What XML 1.0 has no way to write.
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def svg(
    facts: GraphFacts,
    health: Mapping[str, Health],
    *,
    depth: int | None = None,
    expand: Sequence[str] = (),
    remarks: Sequence[str] = (),
) -> str:
    """The map as an SVG document that can stand alone or inside of HTML.

    Args:
        facts: the network as it ran.
        health: by name of nodes and scopes (see `netdoctor.facts.graph_health.health`); empty
            where nothing was judged. What is missing in it has no colour.
        depth: opens modules down to this level; None for as deep as it stays readable.
        expand: names or shell patterns of modules to open in any case.
        remarks: lines to write above the picture.
    """
    drawn = folded(facts, depth=depth, expand=expand)
    looks = looks_of(facts, list(drawn.rows()), list(_boxes(drawn.root)), health)
    return _Drawing(facts, drawn, looks, [*remarks, *_left_out(facts)], bool(health)).text()


def _boxes(box: Box) -> Iterator[Box]:
    yield box
    for each in box.items:
        if isinstance(each, Box):
            yield from _boxes(each)


def _left_out(facts: GraphFacts) -> list[str]:
    """What is not in the picture because it was never called; names that differ in numbers once."""
    count: dict[str, int] = {}
    for each in facts.not_examined:
        if each.reason.startswith("never called in"):
            name = re.sub(r"\d+", "*", each.subject)
            name = name if name in count or _is_one_of_many(name, facts) else each.subject
            count[name] = count.get(name, 0) + 1
    names = [f"{name} ({number})" if number > 1 else name for name, number in count.items()]
    if not names:
        return []
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"never called, and not drawn: {', '.join(names[:_NAMED])}{more}"]


def _is_one_of_many(pattern: str, facts: GraphFacts) -> bool:
    names = (re.sub(r"\d+", "*", each.subject) for each in facts.not_examined)
    return sum(name == pattern for name in names) > 1


class _Drawing:
    def __init__(
        self,
        facts: GraphFacts,
        drawn: Map,
        looks: Mapping[str, Look],
        remarks: Sequence[str],
        judged: bool,
    ) -> None:
        self.facts, self.drawn, self.looks = facts, drawn, looks
        self.remarks, self.judged = remarks, judged
        self.plan = plan(drawn, looks)
        self.out: list[str] = []

    def text(self) -> str:
        inner = max(self.plan.width, _LEAST_WIDTH)
        head = [part for line in self._head() for part in wrapped(line, inner)]
        top = 34.0 + 18.0 * len(head) + (22.0 if self.judged else 0.0)
        wide = inner + 2 * _MARGIN
        high = self.plan.height + top + 2 * _MARGIN
        moved = self.plan.moved((wide - self.plan.width) / 2, top + _MARGIN)
        self._open(wide, high)
        self._write_head(head)
        self._draw(moved)
        self.out.append("</svg>")
        return "\n".join(self.out) + "\n"

    def _head(self) -> list[str]:
        facts = self.facts
        calls = sum(node.kind in ("module", "function") for node in facts.nodes)
        rows = sum(row.role not in ("input", "output") for row in self.drawn.rows())
        level = (
            "all modules open" if self.drawn.depth >= self.drawn.deepest
            else f"modules open down to level {self.drawn.depth} of {self.drawn.deepest}"
        )  # fmt: skip
        return [
            f"{counted(facts.parameters)} parameters · {calls} calls in {rows} rows · {level} · "
            f"as it ran on {facts.samples} {'sample' if facts.samples == 1 else 'samples'} in "
            "evaluation mode",
            *self.remarks,
        ]

    def _open(self, wide: float, high: float) -> None:
        states = [look.state for look in self.looks.values() if look.note]
        sick = ", ".join(
            f"{states.count(each)} drawn with {name}"
            for each, name in (("error", "an error"), ("warning", "a warning"))
            if each in states
        )
        self.out += [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="nd-graph" role="img" '
            f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}" '
            f'aria-label="{_attribute(self.facts.model)}: the network as it ran">',
            f"<title>{_text(self.facts.model)}: the network as it ran</title>",
            f"<desc>{_text('; '.join(self._head()))}{'; ' + sick if sick else ''}</desc>",
            f"<style>{STYLE}</style>",
            f'<rect class="nd-page" width="{wide:.0f}" height="{high:.0f}"/>',
        ]

    def _write_head(self, head: Sequence[str]) -> None:
        y = _MARGIN + 14
        self._write(_MARGIN, y, self.facts.model, "nd-model")
        for line in head:
            y += 18
            self._write(_MARGIN, y, line, "nd-remark")
        x, y = _MARGIN, y + 14
        for state, name in _LEGEND if self.judged else ():
            self.out.append(
                f'<rect class="nd-row nd-{state}" x="{x}" y="{y}" width="14" height="12" rx="3"/>'
            )
            symbol = _SYMBOLS.get(state, "")
            self._write(x + 7, y + 10, symbol, f"nd-mark nd-ink-{state}")
            self._write(x + 20, y + 10, name, "nd-remark")
            x += 38 + text_width(name, SMALL)

    def _draw(self, plan: Plan) -> None:
        for each in plan.placed:
            if isinstance(each.what, Box):
                self._box(each, each.what)
        self.out.append('<g class="nd-wires">')
        for wire in plan.wires:
            self.out.append(path(wire))
        self.out.append("</g>")
        for each in plan.placed:
            if isinstance(each.what, Box):
                self._header(each, each.what)
            else:
                self._card(each, each.what)
        for label in plan.labels:
            name = "nd-shape nd-end" if label.leftwards else "nd-shape"
            self._write(label.x, label.y, label.text, name)

    def _box(self, at: Placed, box: Box) -> None:
        look = self.looks[box.key]
        shade = "nd-even" if at.depth % 2 == 0 else "nd-odd"
        if box.times > 1:  # a second sheet behind the first
            self.out.append(
                f'<rect class="nd-box {shade}" x="{at.x + 5:.1f}" y="{at.y + 5:.1f}" '
                f'width="{at.width:.1f}" height="{at.height:.1f}" rx="9"/>'
            )
        state = f" nd-edge-{look.state}" if look.state else ""
        self.out.append(
            f'<rect class="nd-box {shade}{state}" x="{at.x:.1f}" y="{at.y:.1f}" '
            f'width="{at.width:.1f}" height="{at.height:.1f}" rx="9"/>'
        )

    def _header(self, at: Placed, box: Box) -> None:
        look = self.looks[box.key]
        self.out.append(f"<g><title>{_text(look.tooltip)}</title>")
        x = at.x + PAD
        title = title_of(box)
        often = times_of(box)
        times = f' <tspan class="nd-times">{often}</tspan>' if often else ""
        kind = (
            ""
            if box.kind == box.title
            else f' <tspan class="nd-kind">{_text(shortened(box.kind))}</tspan>'
        )
        shade = "nd-on-even" if at.depth % 2 == 0 else "nd-on-odd"
        self.out.append(
            f'<text class="nd-title {shade}" x="{x:.1f}" y="{at.y + 16:.1f}">'
            f"{_text(title)}{kind}{times}</text>"
        )
        if look.note:
            self._write(x, at.y + HEADER + 6, look.note, f"nd-note nd-ink-{look.state}")
        self.out.append("</g>")

    def _card(self, at: Placed, what: Card) -> None:
        first = what.rows[0]
        if first.role in ("input", "output"):
            self._pill(at, first)
            return
        name = "nd-card"
        if any(row.times > 1 for row in what.rows) and len(what.rows) == 1:
            self.out.append(
                f'<rect class="{name}" x="{at.x + 4:.1f}" y="{at.y + 4:.1f}" '
                f'width="{at.width:.1f}" height="{at.height:.1f}" rx="6"/>'
            )
        self.out.append(
            f'<rect class="{name}" x="{at.x:.1f}" y="{at.y:.1f}" '
            f'width="{at.width:.1f}" height="{at.height:.1f}" rx="6"/>'
        )
        for number, (row, top) in enumerate(zip(what.rows, what.tops, strict=True)):
            self._row(at, row, at.y + top)
            if number + 1 < len(what.rows) and row.shape != what.rows[number + 1].shape:
                self._step(at, row, at.y + what.tops[number + 1])

    def _pill(self, at: Placed, row: Row) -> None:
        self.out.append(
            f"<g><title>{_text(self.looks[row.key].tooltip)}</title>"
            f'<rect class="nd-pill" x="{at.x:.1f}" y="{at.y:.1f}" width="{at.width:.1f}" '
            f'height="{at.height:.1f}" rx="{at.height / 2:.1f}"/>'
        )
        self._write(at.x + at.width / 2, at.y + 15, title_of(row), "nd-name nd-middle")
        self.out.append("</g>")

    def _row(self, at: Placed, row: Row, y: float) -> None:
        look = self.looks[row.key]
        state = look.state or "plain"
        high = ROW + (NOTE if look.note else 0.0)
        role = " nd-folded" if row.role == "folded" else ""
        self.out.append(
            f"<g><title>{_text(look.tooltip)}</title>"
            f'<rect class="nd-row nd-{state}{role}" x="{at.x + 2:.1f}" y="{y + 1.5:.1f}" '
            f'width="{at.width - 4:.1f}" height="{high - 3:.1f}" rx="4"/>'
        )
        name = "nd-name nd-function" if row.role == "function" else "nd-name"
        kind = f' <tspan class="nd-kind">{_text(kind_of(row))}</tspan>' if kind_of(row) else ""
        self.out.append(
            f'<text class="{name}" x="{at.x + 9:.1f}" y="{y + 14.5:.1f}">'
            f"{_text(title_of(row))}{kind}</text>"
        )
        symbol = _SYMBOLS.get(look.state, "")
        if symbol:
            self._write(at.x + at.width - 10, y + 14.5, symbol, f"nd-mark nd-ink-{look.state}")
        if amount_of(row):
            right = at.x + at.width - (20 if symbol else 8)
            self._write(right, y + 14.5, amount_of(row), "nd-amount")
        if look.note:
            self._write(at.x + 9, y + 14.5 + NOTE, look.note, f"nd-note nd-ink-{look.state}")
        self.out.append("</g>")

    def _step(self, at: Placed, row: Row, next_top: float) -> None:
        """Between two rows of a card: what shape goes from one to the next."""
        x, y = at.x + at.width / 2, next_top - 14
        self.out.append(f'<path class="nd-wire" d="M{x:.1f} {y:.1f}V{y + 13:.1f}" marker-end=""/>')
        self._write(x + 6, y + 10.5, shape_text(row.shape), "nd-shape")

    def _write(self, x: float, y: float, text: str, name: str) -> None:
        if text:
            self.out.append(f'<text class="{name}" x="{x:.1f}" y="{y:.1f}">{_text(text)}</text>')


def wrapped(text: str, width: float) -> list[str]:
    """The text in lines of at most that width, broken between words."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, SMALL) > width:
            lines.append(f"  {word}")
        else:
            lines[-1] = longer
    return lines


def _text(text: str) -> str:
    return escape(_UNWRITABLE.sub("�", text))


def _attribute(text: str) -> str:
    return escape(_UNWRITABLE.sub("�", text), {'"': "&quot;", "\n": " "})
