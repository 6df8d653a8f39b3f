"""The report as people read it: tables, findings, what was not examined, one verdict."""

from __future__ import annotations

import dataclasses
import io
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.text import Text

from netdoctor.render.tables import draw
from netdoctor.render.values import brief, counted, printable
from netdoctor.report import Finding, NotExamined, Report, Severity, Skipped

_MARK = {Severity.ERROR: "✖", Severity.WARNING: "▲", Severity.INFO: "●"}
_STYLE = {Severity.ERROR: "bold red", Severity.WARNING: "bold yellow", Severity.INFO: "bold cyan"}
_VERDICT = defaultdict(
    lambda: "bold green",
    {"sick": "bold red", "ailing": "bold yellow", "undecided": "bold yellow"},
)
_WIDEST_TEXT = 100
_PAGE = 88
_NAMED = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Terminal:
    """What the output can show.

    Attributes:
        width: in columns; None for a pipe: tables at their natural width, one line a sentence.
        colour: whether escape codes are welcome.
        unicode: False when it can say ASCII only.
    """

    width: int | None = None
    colour: bool = False
    unicode: bool = True


PIPE = Terminal()


def render(report: Report, terminal: Terminal = PIPE) -> str:
    """The whole report: header, notes, tables, findings, what was left out, one verdict."""
    worst = {each.subject: _STYLE[each.severity] for each in reversed(report.findings)}
    tables = [
        draw(table, terminal.width, unicode=terminal.unicode, styles=worst)
        for table in sorted(report.tables, key=lambda table: table.closing)
        if table.shown != 0
    ]
    closing = sum(table.closing and table.shown != 0 for table in report.tables)
    before = len(tables) - closing
    sections = [
        [*_header(report, terminal), *_notes(report.notes, terminal)],
        *tables[:before],
        *(_finding(finding, terminal) for finding in report.findings),
        *tables[before:],
        _skipped(report.skipped, terminal),
        _not_examined(report.not_examined, terminal),
        _artifacts(report.artifacts, terminal),
        _verdict(report, terminal),
    ]
    return _write(sections, terminal)


def render_findings(report: Report, least: Severity | None, terminal: Terminal = PIPE) -> str:
    """What --quiet prints: the findings at or above `least`, or nothing at all.

    What could not be examined is not well: a report that is undecided says why.
    """
    if least is None:
        return ""
    grave = [finding for finding in report.findings if finding.severity.rank >= least.rank]
    if not grave and report.conclusion().startswith("undecided"):
        missing = _not_examined(report.not_examined, terminal)
        return _write([_header(report, terminal), missing, _verdict(report, terminal)], terminal)
    if not grave:
        return ""
    blocks = [_finding(finding, terminal) for finding in grave]
    return _write([_header(report, terminal), *blocks], terminal)


def render_plain(report: Report, terminal: Terminal = PIPE) -> str:
    """Only the notes, a paragraph each, and the tables: for commands that list, not examine."""
    page = dataclasses.replace(terminal, width=min(terminal.width or _PAGE, _PAGE))
    paragraphs = [_wrap(note, page) for note in report.notes]
    for paragraph in paragraphs:
        paragraph[0].highlight_regex(r"^[A-Z][a-z ]+:|^[A-Z]+\d+ .*", "bold")
    tables = [draw(table, terminal.width, unicode=terminal.unicode) for table in report.tables]
    return _write([*paragraphs, *tables], terminal)


def _header(report: Report, terminal: Terminal) -> list[Text]:
    parts = [f"netdoctor {report.command}", report.subject, report.device]
    return [Text(_say(" · ".join(part for part in parts if part), terminal), "bold")]


def _notes(notes: Sequence[str], terminal: Terminal) -> list[Text]:
    return [line for note in notes for line in _wrap(note, terminal, "  ", hang="    ")]


def _finding(finding: Finding, terminal: Terminal) -> list[Text]:
    style = _STYLE[finding.severity]
    title = Text(_say(f"{_MARK[finding.severity]} {finding.severity.value}", terminal), style)
    title.append(f"  {finding.code} {finding.rule}  ", "bold")
    title.append(_say(finding.subject, terminal), "cyan")
    evidence = " · ".join(
        f"{key.replace('_', ' ')} {brief(each)}"
        for key, each in finding.evidence.items()
        if each != ""
    )
    return [
        title,
        *_wrap(finding.message, terminal, indent="  "),
        *_wrap(evidence, terminal, indent="  ", style="dim"),
        *_wrap(finding.remedy, terminal, indent="  → ", hang="    "),
        *_explained(finding.consequences, terminal),
    ]


def _explained(consequences: Sequence[Finding], terminal: Terminal) -> list[Text]:
    lines = [Text(_say("  explains", terminal), "dim bold")] if consequences else []
    for each in consequences:
        said = f"{each.code} {each.rule}  {each.subject}: {each.message}"
        lines += _wrap(said, terminal, indent="    ↳ ", hang="      ", style="dim")
    return lines


def _skipped(skipped: Sequence[Skipped], terminal: Terminal) -> list[Text]:
    groups: dict[tuple[str, str], list[str]] = {}
    for each in skipped:
        subjects = groups.setdefault((each.rule, each.reason), [])
        subjects += [each.subject] if each.subject is not None else []
    by_reason: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for (rule, reason), subjects in groups.items():
        by_reason.setdefault((reason, tuple(subjects)), []).append(rule)
    lines = [
        f"{_names(rules)}: {reason}{f' ({_names(subjects)})' if subjects else ''}"
        for (reason, subjects), rules in by_reason.items()
    ]
    return _listing("Rules skipped", lines, terminal)


def _not_examined(not_examined: Sequence[NotExamined], terminal: Terminal) -> list[Text]:
    groups: dict[str, list[str]] = {}
    for each in not_examined:
        groups.setdefault(each.reason, []).append(each.subject)
    lines = [f"{_names(subjects)}: {reason}" for reason, subjects in groups.items()]
    return _listing("Not examined", lines, terminal)


def _names(subjects: Sequence[str]) -> str:
    rest = len(subjects) - _NAMED
    return ", ".join(subjects[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _artifacts(paths: Sequence[str], terminal: Terminal) -> list[Text]:
    if not paths:
        return []
    files = [Text("  " + _say(path, terminal), "cyan") for path in paths]
    return [Text(f"Wrote {counted(len(paths), 'file')}", "bold"), *files]


def _listing(title: str, lines: Iterable[str], terminal: Terminal) -> list[Text]:
    wrapped = [
        text for line in lines for text in _wrap(line, terminal, "  ", hang="    ", style="dim")
    ]
    return [Text(title, "dim bold"), *wrapped] if wrapped else []


def _verdict(report: Report, terminal: Terminal) -> list[Text]:
    said = report.conclusion()
    return [Text(_say(said, terminal), _VERDICT[said.partition(":")[0]])] if said else []


def _say(text: str, terminal: Terminal) -> str:
    return printable(text, unicode=terminal.unicode)


def _wrap(
    text: str, terminal: Terminal, indent: str = "", *, hang: str | None = None, style: str = ""
) -> list[Text]:
    if not text:
        return []
    line, rest = _say(indent + text, terminal), hang or indent
    if terminal.width is None:
        return [Text(line, style)]
    # A word longer than the line is a name, which is never broken.
    lines = textwrap.wrap(
        line,
        min(terminal.width, _WIDEST_TEXT),
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [Text(each, style) for each in lines]


def _write(sections: Iterable[Sequence[Text]], terminal: Terminal) -> str:
    paragraphs = [section for section in sections if section]
    if not terminal.colour:
        texts = ["\n".join(line.plain for line in section) for section in paragraphs]
        return "\n\n".join(texts) + "\n" if texts else ""
    console = Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", legacy_windows=False
    )
    with console.capture() as captured:
        for number, section in enumerate(paragraphs):
            if number:
                console.print()
            for line in section:
                console.print(line, soft_wrap=True)
    return captured.get()
