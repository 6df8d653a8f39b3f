"""What the parts of a page show, as plain values: nothing here knows HTML."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from netdoctor.render.values import brief, cell, plain_scalar
from netdoctor.report import Column, Finding, NotExamined, Report, Severity, Skipped, Table

_SHOWN = 20
_WHOLE = 3
_WIDE = 40  # characters of a text that is not to be pressed into a narrow column
_WIDEST = 72  # characters of a column
_NUMERIC = frozenset({"integer", "number", "percent"})
_SEVERITIES = frozenset(each.value for each in Severity)


@dataclasses.dataclass(frozen=True, slots=True)
class Cell:
    """A value of a table as it is shown, and `order` where it sorts by something else."""

    text: str
    order: str = ""
    mark: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Heading:
    """A column as it is shown, its width in characters.

    Its style is `name`, `number`, `shape` or `text`, and `wide` where the text is long.
    """

    title: str
    style: str
    width: int


@dataclasses.dataclass(frozen=True, slots=True)
class TableView:
    """A table of which `first` is in sight and `rest` is folded; `cut` rows are not held."""

    name: str
    title: str
    headings: Sequence[Heading]
    first: Sequence[Sequence[Cell]]
    rest: Sequence[Sequence[Cell]]
    cut: int
    legend: Sequence[str]

    @property
    def count(self) -> int:
        """Rows of the whole table."""
        return len(self.first) + len(self.rest) + self.cut


@dataclasses.dataclass(frozen=True, slots=True)
class Repeated:
    """Findings of one rule: the first few in full, the others in a line each."""

    code: str
    rule: str
    whole: Sequence[Finding]
    brief: Sequence[Finding]


@dataclasses.dataclass(frozen=True, slots=True)
class SeverityGroup:
    """All findings of one severity."""

    severity: str
    count: int
    rules: Sequence[Repeated]


def standing(report: Report) -> str:
    """The verdict in a word: healthy, ailing, sick, undecided, or told; empty where none is given.

    What is told is neither good nor bad: a suggestion, nothing new since the baseline.
    """
    said = report.conclusion()
    word = said.partition(":")[0]
    if word in ("healthy", "ailing", "sick", "undecided"):
        return word
    if "could not be examined" in said:
        return "undecided"
    return "told" if said else ""


def findings_by_severity(findings: Sequence[Finding]) -> list[SeverityGroup]:
    """The findings, worst first, those of a rule together."""
    groups = []
    for severity in reversed(Severity):
        of_rule: dict[tuple[str, str], list[Finding]] = {}
        for each in findings:
            if each.severity is severity:
                of_rule.setdefault((each.code, each.rule), []).append(each)
        if of_rule:
            rules = [
                Repeated(code, rule, found[:_WHOLE], found[_WHOLE:])
                for (code, rule), found in of_rule.items()
            ]
            groups.append(SeverityGroup(severity.value, sum(map(len, of_rule.values())), rules))
    return groups


def first_findings(findings: Sequence[Finding], room: int) -> tuple[list[Finding], int]:
    """The findings for which there is room, causes before what follows; the room that is left."""
    kept = list(findings[:room])
    room -= len(kept)
    for at, each in enumerate(kept):
        consequences, room = first_findings(each.consequences, room)
        kept[at] = dataclasses.replace(each, consequences=consequences)
    return kept, room


def count_findings(findings: Sequence[Finding]) -> int:
    """How many there are, with what follows from them."""
    return sum(1 + count_findings(each.consequences) for each in findings)


def evidence(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The evidence as names and short values."""
    return [(key.replace("_", " "), brief(each)) for key, each in values.items() if each != ""]


def skipped_by_reason(skipped: Sequence[Skipped]) -> list[tuple[list[str], str, Sequence[str]]]:
    """Rules, reason and the subjects for which they were skipped; no subject where for all."""
    groups: dict[tuple[str, str], list[str]] = {}
    for each in skipped:
        subjects = groups.setdefault((each.rule, each.reason), [])
        subjects += [each.subject] if each.subject is not None else []
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (rule, reason), subjects in groups.items():
        alike.setdefault((reason, tuple(subjects)), []).append(rule)
    return [(rules, reason, subjects) for (reason, subjects), rules in alike.items()]


def not_examined_by_reason(not_examined: Sequence[NotExamined]) -> list[tuple[str, list[str]]]:
    """Reason and the subjects that it holds for."""
    groups: dict[str, list[str]] = {}
    for each in not_examined:
        groups.setdefault(each.reason, []).append(each.subject)
    return list(groups.items())


def table_view(
    table: Table, findings: Sequence[Finding], most: int, *, whole: bool = False
) -> TableView:
    """The table as a page shows it, names of sick layers marked.

    Args:
        table: hidden columns are left out, and so are rows beyond `most`.
        findings: what they are sick of.
        most: rows that the page can hold.
        whole: with the hidden columns, which say what the legend repeats for a terminal.
    """
    by_rank = sorted(findings, key=lambda each: each.severity.rank)
    worst = {each.subject: each.severity.value for each in by_rank}
    columns = [column for column in table.columns if whole or not column.hidden]
    rows = [
        [_cell(_listed(row.get(column.key), whole), column, worst) for column in columns]
        for row in table.rows[:most]
    ]
    shown = _SHOWN if table.shown is None else table.shown
    shown = len(rows) if len(rows) <= shown + 3 and shown else shown  # no fold for three rows
    headings = [_heading(column, [row[at] for row in rows]) for at, column in enumerate(columns)]
    return TableView(
        table.name, table.title, headings, rows[:shown], rows[shown:],
        len(table.rows) - len(rows), () if whole else table.legend,
    )  # fmt: skip


def _heading(column: Column, cells: Sequence[Cell]) -> Heading:
    style: str = "number" if column.kind in _NUMERIC else column.kind
    widest = max((len(each.text) for each in cells), default=0)
    style += " wide" if style == "text" and widest > _WIDE else ""
    return Heading(column.title, style, min(max(widest, len(column.title) + 2), _WIDEST))


def _cell(value: Any, column: Column, worst: Mapping[str, str]) -> Cell:
    text = cell(value, column.kind)
    mark = worst.get(text, "") if column.kind == "name" else text if text in _SEVERITIES else ""
    order = _order(value, column.kind)
    return Cell(text, "" if order == text else order, mark)


def _listed(value: Any, whole: bool) -> Any:
    """All of a list of texts that may hold commas; any other value as it is."""
    texts = whole and isinstance(value, Sequence) and not isinstance(value, str)
    return "; ".join(map(str, value)) or None if texts else value


def _order(value: Any, kind: str) -> str:
    """What a cell sorts by: a number in full, the size of a shape; empty for its text."""
    if value is None:
        return ""
    if kind == "shape" and isinstance(value, Sequence) and not isinstance(value, str):
        return str(math.prod(value)) if all(isinstance(each, int) for each in value) else ""
    number = plain_scalar(value)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    return format(number, ".9g") if is_number else ""
