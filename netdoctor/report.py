"""The report: what was examined, what was found, what was not examined. No torch, no terminal.

Only to show itself, when it is asked to, does a report import the renderers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from netdoctor.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text


class Severity(str, Enum):
    """How bad a finding is; ordered by `rank`."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for info, 1 for warning, 2 for error."""
        return list(Severity).index(self)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One defect: the rule that saw it, where, the value beside its threshold, the cure.

    `consequences` are findings that it explains: they count with it, not beside it.
    """

    code: str
    rule: str
    severity: Severity
    subject: str
    message: str
    evidence: Mapping[str, Any]
    remedy: str
    consequences: Sequence[Finding] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Skipped:
    """A rule that did not apply; `subject` is set when it was skipped for that subject only."""

    rule: str
    reason: str
    subject: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class NotExamined:
    """Something that exists but was never seen at work: neither healthy nor sick."""

    subject: str
    reason: str


ColumnKind = Literal["text", "name", "integer", "number", "percent", "shape"]


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its key in the rows, its heading, and how its values are written.

    A narrow terminal drops the columns with the highest `priority` first; 0 is never dropped.
    A hidden column is in the JSON document only.
    """

    key: str
    title: str
    kind: ColumnKind = "text"
    priority: int = 0
    hidden: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """Rows as mappings from column key to value, in the order in which they are shown.

    Text output shows the first `shown` rows (all when None), then the `legend`, and nothing of a
    table of which it shows 0 rows; JSON always has every row. A `closing` table stands behind the
    findings.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    shown: int | None = None
    legend: Sequence[str] = ()
    closing: bool = False


class FindingsError(Exception):
    """What was examined is sick: raised by `Report.raise_for`, with the findings in its message.

    Not a `NetDoctorError`: nothing kept the examination from being done.

    Attributes:
        report: the whole report.
        findings: those that are as bad as was asked for, or worse.
    """

    def __init__(self, message: str, report: Report, findings: Sequence[Finding]) -> None:
        super().__init__(message)
        self.report = report
        self.findings = findings


@dataclasses.dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What one command saw. `print(report)` shows it as the command line does, a notebook too.

    Invariant: every rule that was selected is in `ran` or, with a reason, in `skipped`.

    Attributes:
        command: the command's name, `deadneurons`.
        subject: the model, file or data that was examined, as the user named it.
        device: where it ran, `cpu`; empty for commands without a model.
        facts: what the probe measured.
        findings: worst first.
        ran: slugs of the rules that were applied to at least one subject.
        skipped: rules that did not apply, each with its reason.
        not_examined: what never ran or could not be measured, each with its reason.
        tables: what text output prints and what `tables` in the JSON document holds.
        artifacts: paths of the files written.
        settings: what it takes to repeat the run.
        notes: one line each on how the subject was prepared: weights loaded, input, preprocessing.
        verdict: one sentence for a healthy outcome; empty to let the renderer choose.
        extra: further top-level keys of the JSON document.
        summary: further keys of its `summary`, beside the number of findings.
    """

    command: str
    subject: str
    device: str = ""
    facts: Any = None
    findings: Sequence[Finding] = ()
    ran: Sequence[str] = ()
    skipped: Sequence[Skipped] = ()
    not_examined: Sequence[NotExamined] = ()
    tables: Sequence[Table] = ()
    artifacts: Sequence[str] = ()
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    notes: Sequence[str] = ()
    verdict: str = ""
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    summary: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly this severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def every_finding(self) -> Iterator[Finding]:
        """The findings, each followed by those that it explains."""
        for finding in self.findings:
            yield finding
            yield from finding.consequences

    def table(self, name: str) -> Table:
        """The table of that name.

        Raises:
            KeyError: there is none; the message names those that there are.
        """
        for table in self.tables:
            if table.name == name:
                return table
        there_is = ", ".join(table.name for table in self.tables) or "none"
        raise KeyError(f"there is no table {name!r}; there is {there_is}")

    def conclusion(self) -> str:
        """The verdict in one line: `sick: 2 errors, 1 info`; empty where nothing was judged."""
        errors, warnings, infos = (self.count(each) for each in reversed(Severity))
        counts = [(errors, "error"), (warnings, "warning")]
        told = ", ".join(counted(count, noun) for count, noun in counts if count)
        remark = f", {infos} info" if infos else ""
        if errors:
            return f"sick: {told}{remark}"
        if warnings:
            return f"ailing: {told}{remark}, no error"
        if self.skipped and not self.ran:
            return f"undecided: no rule could be applied, for the reasons above{remark}"
        if not self.verdict and not self.ran:
            return ""
        applied = f"{counted(len(self.ran), 'rule')} applied, nothing at or above warning"
        return (self.verdict or f"healthy: {applied}{self._not_judged()}") + remark

    def _not_judged(self) -> str:
        rules = sum(each.subject is None for each in self.skipped)
        subjects = len({each.subject for each in self.skipped if each.subject is not None})
        texts = [f"; {counted(rules, 'rule')} skipped"] if rules else []
        kind = "tensor" if self.command in ("kernels", "check-weights") else "call"
        texts += [f"; {counted(subjects, kind)} not judged"] if subjects else []
        texts += [f"; {len(self.not_examined)} not examined"] if self.not_examined else []
        return "".join(texts)

    def exit_code(self, fail_on: Severity | None = Severity.ERROR) -> int:
        """1 when a finding is at or above `fail_on`, else 0; None never fails."""
        if fail_on is None:
            return 0
        return int(any(finding.severity.rank >= fail_on.rank for finding in self.findings))

    def raise_for(self, least: Severity | str = Severity.ERROR) -> None:
        """Raises where something was found that is this bad or worse, else does nothing.

        Args:
            least: the severity from which a finding counts: error, warning or info.

        Raises:
            FindingsError: there are such findings; the message lists them.
            UsageError: there is no such severity.
        """
        if least not in [each.value for each in Severity]:
            hint = f"give {', '.join(each.value for each in reversed(Severity))}"
            raise UsageError(f"least is {least!r}, which is no severity", hint=hint)
        rank = Severity(least).rank
        findings = [each for each in self.findings if each.severity.rank >= rank]
        if findings:
            about = f" in {self.subject}" if self.subject else ""
            count = counted(len(findings), "finding")
            lines = [f"{self.command}: {count} at or above {Severity(least).value}{about}"]
            lines += [line for each in findings for line in _told(each)]
            raise FindingsError("\n".join(lines), self, findings)

    def replace(self, **changes: Any) -> Report:
        """A copy with these fields changed."""
        return dataclasses.replace(self, **changes)

    def __repr__(self) -> str:
        """The command, the subject and the verdict, on one line."""
        from netdoctor.render.values import printable

        parts = [self.command, self.subject, self.conclusion()]
        return printable(f"<Report {' · '.join(part for part in parts if part)}>")

    def __str__(self) -> str:
        """The text that the command line prints into a pipe."""
        from netdoctor.render.text import render

        return render(self).rstrip("\n")

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        """The same as rich's `print` shows it: in colour, as wide as the console."""
        from rich.text import Text

        from netdoctor.render.text import Terminal, render

        terminal = Terminal(
            options.max_width, console.color_system is not None, options.encoding.startswith("utf")
        )
        text = Text.from_ansi(render(self, terminal).rstrip("\n"))
        text.no_wrap, text.overflow = True, "ignore"
        yield text

    def _repr_html_(self) -> str:
        """What a notebook shows: the verdict and the findings."""
        from netdoctor.render.notebook import render

        return render(self)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _told(finding: Finding) -> Iterator[str]:
    """A finding in an exception's message, without what could steer a terminal."""
    from netdoctor.render.values import printable

    named = f"{finding.severity.value} {finding.code} {finding.rule}"
    yield printable(f"  {named} {finding.subject}: {finding.message}")
    yield printable(f"    → {finding.remedy}")
    if finding.consequences:
        count = counted(len(finding.consequences), "more finding")
        yield f"    and explains {count}"
