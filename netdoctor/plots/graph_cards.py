"""What the map of a network says about each row: texts, state, and how much room they take."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence

from netdoctor.facts.graph import GraphFacts, Shape
from netdoctor.facts.graph_health import Health, State, worst
from netdoctor.facts.graph_map import Box, Row

SIZE, SMALL = 12.0, 10.5  # font sizes
ROW, STEP, NOTE = 21.0, 15.0, 14.0  # heights of a row, of a change of shape, of a remark
PAD = 10.0
_LONGEST = 44  # characters of a name that are drawn
_NARROW, _WIDE = "fijlrtI.,:;'|!()[]{} -·", "mwMWQG@%&—"


@dataclasses.dataclass(frozen=True, slots=True)
class Look:
    """How a row or box is drawn.

    Attributes:
        state: its colour; None where nothing was judged.
        note: the worst that was found; empty where nothing was.
        tooltip: all that is known, in lines.
    """

    state: State | None = None
    note: str = ""
    tooltip: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Card:
    """Rows of which each takes what the one before it gave, drawn as one.

    Attributes:
        rows: in their order.
        tops: their upper sides, from the card's.
    """

    rows: tuple[Row, ...]
    tops: tuple[float, ...]
    width: float
    height: float

    @property
    def last(self) -> Row:
        """The row whose output goes on."""
        return self.rows[-1]


def card(rows: Sequence[Row], looks: Mapping[str, Look]) -> Card:
    """The rows with the room that they take."""
    y, tops, width = 0.0, [], 90.0
    for number, row in enumerate(rows):
        tops.append(y)
        note = looks[row.key].note
        y += ROW + (NOTE if note else 0.0)
        if number + 1 < len(rows) and row.shape != rows[number + 1].shape:
            y += STEP
            width = max(width, 2 * text_width(shape_text(row.shape), SMALL) + 24)
        width = max(width, _row_width(row), text_width(note, SMALL) + 34)
    return Card(tuple(rows), tuple(tops), round(width), y)


def _row_width(row: Row) -> float:
    left = text_width(title_of(row), SIZE) + text_width(kind_of(row), SMALL)
    return left + text_width(amount_of(row), SMALL) + 46


def title_of(row: Row | Box) -> str:
    """The name as it is drawn; what is folded has a mark."""
    folded = isinstance(row, Row) and row.role == "folded"
    return ("▸ " if folded else "") + shortened(row.title)


def kind_of(row: Row) -> str:
    """The class, where the name does not say it, and how often it comes."""
    texts = [] if row.kind == row.title or row.role in ("input", "output") else [row.kind]
    if row.times > 1:
        texts.append(f"×{row.times}")
    elif row.calls > 1:
        texts.append(f"called {row.calls}×")
    return shortened(" ".join(texts))


def times_of(box: Box) -> str:
    """How often a box comes, or is called; empty for once."""
    texts = [f"×{box.times} equal"] if box.times > 1 else []
    if box.calls > 1:
        texts.append(f"called {box.calls}×")
    return ", ".join(texts)


def amount_of(row: Row) -> str:
    """The number of weights, in short; empty for none."""
    return counted(row.parameters) if row.parameters else ""


def counted(number: float) -> str:
    """`9.4k`, `25.6M`: a number in three digits."""
    for unit in ("", "k", "M", "G", "T"):
        if number < 999.5:
            return f"{number:.3g}{unit}"
        number /= 1000
    return f"{number:.0f}P"


def shape_text(shape: Shape | None) -> str:
    """`2×64×56×56`; `scalar` for a number alone, `?` where nothing is known."""
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) or "scalar"


def shortened(text: str, most: int = _LONGEST) -> str:
    """The text in one line with its middle cut out where it is too long."""
    text = "".join(char if char.isprintable() else "�" for char in text)
    return text if len(text) <= most else f"{text[: most // 2]}…{text[-(most // 2 - 1) :]}"


def text_width(text: str, size: float) -> float:
    """How wide a text is at most in a sans-serif font, in the unit of its size."""
    wide = 0.0
    for char in text:
        if char in _NARROW:
            wide += 0.42
        elif char in _WIDE:
            wide += 1.0
        elif unicodedata.east_asian_width(char) in "WF":
            wide += 1.1
        else:
            wide += 0.74 if char.isupper() else 0.64
    return wide * size


def looks_of(
    facts: GraphFacts, rows: Sequence[Row], boxes: Sequence[Box], health: Mapping[str, Health]
) -> dict[str, Look]:
    """How every row and box is drawn, by its key.

    A row shows the worst of all that it stands for, a box only what is about itself.
    """
    found = {}
    for row in rows:
        nodes = [facts.nodes[at].name for at in row.nodes]
        names = [*nodes, *(facts.scopes[at].name for at in row.scopes)]
        found[row.key] = _look(_heading(facts, row), names, health)
    for box in boxes:
        names = [facts.scopes[at].name for at in box.scopes]
        heading = [facts.scopes[box.scopes[0]].path or facts.model] if box.scopes else [box.title]
        if box.times > 1:
            heading.append(f"{box.times} equal blocks, drawn once")
        if box.calls > 1:
            heading.append(f"called {box.calls} times with the same weights")
        look = _look(heading, names, health)
        found[box.key] = look if look.note else dataclasses.replace(look, state=None)
    return found


def _heading(facts: GraphFacts, row: Row) -> list[str]:
    node = facts.nodes[row.nodes[0]]
    path = node.name
    if row.role == "folded":
        path = facts.scopes[row.scopes[0]].path if row.scopes else row.title
    lines = [f"{path} · {row.kind}", f"output {shape_text(row.shape)}"]
    if row.parameters:
        lines.append(f"{row.parameters} parameters")
    if row.times > 1:
        lines.append(f"{row.times} equal blocks, drawn once: {row.title}")
    elif row.calls > 1:
        lines.append(f"called {row.calls} times with the same weights")
    if row.role == "folded":
        lines.append(f"{len(row.nodes)} calls inside")
    return lines


def _look(lines: list[str], names: Sequence[str], health: Mapping[str, Health]) -> Look:
    known = [(name, health[name]) for name in dict.fromkeys(names) if name in health]
    if not known:
        return Look(None, "", "\n".join(lines))
    state = worst(each.state for _, each in known)
    sick = [(name, each) for name, each in known if each.state == state and each.findings]
    if sick:
        finding = sick[0][1].findings[0]
        every = {id(one): one for _, each in known for one in each.findings}
        where = "" if len(names) == 1 else f" in {finding.subject}"
        more = f" and {len(every) - 1} more" if len(every) > 1 else ""
        note = shortened(f"{finding.rule}{where}{more}", 60)
        lines += [f"{one.code} {one.rule}: {one.subject}: {one.message}" for one in every.values()]
        return Look(state, note, "\n".join(lines))
    reasons = [f"not examined: {name}: {each.reason}" for name, each in known if each.reason]
    if state == "unknown" and len(reasons) < len(known):
        state = "healthy"  # of several calls inside some were examined, and are well
    return Look(state, "", "\n".join([*lines, *reasons[:6]]))
