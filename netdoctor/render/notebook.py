"""The report as a notebook shows it: the verdict and the findings, a small piece of HTML."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from netdoctor.render.values import brief, counted, printable
from netdoctor.report import Finding, Report, Severity

_COLOUR = {Severity.ERROR: "#c62828", Severity.WARNING: "#b26a00", Severity.INFO: "#0277bd"}
_HEADINGS = ("", "rule", "where", "what", "evidence", "what to do")
_MOST = 50
_LEFT = "text-align:left;vertical-align:top"


def render(report: Report) -> str:
    """A heading, the verdict, and a table of the findings; what follows from one is below it.

    Without scripts, styles for the page or anything to load; all text is escaped.
    """
    parts = [f"netdoctor {report.command}", report.subject, report.device]
    heading = _text(" · ".join(part for part in parts if part))
    lines = [f"<div><b>{heading}</b><br>{_text(report.conclusion())}"]
    if report.findings:
        cells = "".join(f'<th style="{_LEFT}">{each}</th>' for each in _HEADINGS)
        rows = [row for each in report.findings[:_MOST] for row in _rows(each, depth=0)]
        lines += [f"<table><thead><tr>{cells}</tr></thead><tbody>", *rows, "</tbody></table>"]
    return "\n".join([*lines, *_left_out(report), "</div>"])


def _rows(finding: Finding, depth: int) -> Iterator[str]:
    evidence = ", ".join(f"{key} {brief(each)}" for key, each in finding.evidence.items())
    texts = (finding.subject, finding.message, evidence, finding.remedy)
    severity = (
        f'<td style="{_LEFT};color:{_COLOUR[finding.severity]}">{finding.severity.value}</td>'
    )
    rule = f"{'↳ ' * depth}{finding.code} {finding.rule}"
    cells = "".join(f'<td style="{_LEFT}">{_text(each)}</td>' for each in (rule, *texts))
    yield f"<tr>{severity}{cells}</tr>"
    for each in finding.consequences:
        yield from _rows(each, depth + 1)


def _left_out(report: Report) -> Iterator[str]:
    counts = {
        "more found": len(report.findings) - _MOST,
        "skipped": len(report.skipped),
        "not examined": len(report.not_examined),
    }
    told = [f"{number} {what}" for what, number in counts.items() if number > 0]
    names = [table.name for table in report.tables]
    if told:
        yield f"<p>{_text(', '.join(told))}</p>"
    if names:
        yield f"<p>{_text(counted(len(names), 'table'))}: {_text(', '.join(names))}</p>"


def _text(text: str) -> str:
    return escape(printable(text))
