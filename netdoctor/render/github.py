"""Annotations for GitHub Actions, and the summary of a job in Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from netdoctor.errors import NetDoctorError
from netdoctor.render.values import brief, counted, printable
from netdoctor.report import Finding, Report, Severity

_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}
_MARK = {Severity.ERROR: "❌", Severity.WARNING: "⚠️", Severity.INFO: "ℹ️"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~>-])")


def render(report: Report) -> str:
    """A workflow command for each finding, then the verdict.

    Source: "Workflow commands for GitHub Actions" in GitHub's documentation.
    """
    lines = [_annotation(report, finding) for finding in report.findings]
    subject = " · ".join(each for each in (report.command, report.subject) if each)
    return "\n".join([*lines, _data(f"netdoctor {subject}: {report.conclusion()}")]) + "\n"


def render_error(command: str, error: NetDoctorError) -> str:
    """The annotation of what could not be examined."""
    title = _property(f"netdoctor {command} could not examine")
    return f"::error title={title}::{_data(_sentences(error.message, error.hint))}\n"


def render_summary(reports: Sequence[Report]) -> str:
    """Markdown for `$GITHUB_STEP_SUMMARY`: a verdict and a table of findings a report."""
    return "\n".join(line for report in reports for line in _section(report)) + "\n"


def _annotation(report: Report, finding: Finding) -> str:
    title = _property(f"{finding.code} {finding.rule}: {finding.subject}")
    about = f"{report.subject}: " if report.subject else ""
    message = f"{about}{finding.subject}: {finding.message}"
    follows = [f"{each.code} {each.rule} ({each.subject})" for each in finding.consequences]
    if follows:
        message = _sentences(message, f"It explains {', '.join(follows)}.")
    text = _sentences(message, finding.remedy)
    return f"::{_LEVEL[finding.severity]} title={title}::{_data(text)}"


def _section(report: Report) -> Iterable[str]:
    yield f"### netdoctor {_text(report.command)} {_text(report.subject)}".rstrip()
    yield ""
    yield _text(report.conclusion())
    yield ""
    if report.findings:
        yield "| | rule | where | what | evidence | what to do |"
        yield "|---|---|---|---|---|---|"
    for each in report.findings:
        evidence = ", ".join(f"{key} {brief(value)}" for key, value in each.evidence.items())
        cells = (f"{each.code} {each.rule}", each.subject, each.message, evidence, each.remedy)
        yield f"| {_MARK[each.severity]} | {' | '.join(map(_text, cells))} |"
        for follows in each.consequences:
            cells = (f"{follows.code} {follows.rule}", follows.subject, follows.message, "", "")
            yield f"| ↳ | {' | '.join(map(_text, cells))} |"
    for left in report.skipped:
        where = f" ({_text(left.subject)})" if left.subject else ""
        yield f"- skipped: {_text(left.rule)}{where}: {_text(left.reason)}"
    if report.not_examined:
        names = ", ".join(_text(each.subject) for each in report.not_examined[:6])
        yield f"- {counted(len(report.not_examined), 'subject')} not examined: {names}"
    yield ""


def _sentences(first: str, second: str) -> str:
    return f"{first.rstrip('.')}. {second}" if second else first


def _data(text: str) -> str:
    """A message of a workflow command: no text from a file can begin another one."""
    text = printable(text).replace("%", "%25")
    return f" {text}" if text.lstrip().startswith(("::", "##[")) else text


def _property(text: str) -> str:
    """A property of a workflow command."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _text(text: str) -> str:
    """Text that Markdown shows as it is: no tag, link, table cell or heading comes of it."""
    text = printable(text).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", text).replace("@", "&#64;")
