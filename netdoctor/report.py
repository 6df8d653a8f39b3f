"""The report: what was examined, what was found, what was not examined. No torch, no terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Literal


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


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What one command saw.

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
            KeyError: there is none.
        """
        for table in self.tables:
            if table.name == name:
                return table
        raise KeyError(name)

    def conclusion(self) -> str:
        """The verdict in one line: `sick: 2 errors, 1 info`; empty where nothing was judged."""
        errors, warnings, infos = (self.count(each) for each in reversed(Severity))
        counts = [(errors, "error"), (warnings, "warning")]
        told = ", ".join(_counted(count, noun) for count, noun in counts if count)
        remark = f", {infos} info" if infos else ""
        if errors:
            return f"sick: {told}{remark}"
        if warnings:
            return f"ailing: {told}{remark}, no error"
        if self.skipped and not self.ran:
            return f"undecided: no rule could be applied, for the reasons above{remark}"
        if not self.verdict and not self.ran:
            return ""
        applied = f"{_counted(len(self.ran), 'rule')} applied, nothing at or above warning"
        return (self.verdict or f"healthy: {applied}{self._not_judged()}") + remark

    def _not_judged(self) -> str:
        rules = sum(each.subject is None for each in self.skipped)
        subjects = len({each.subject for each in self.skipped if each.subject is not None})
        texts = [f"; {_counted(rules, 'rule')} skipped"] if rules else []
        kind = "tensor" if self.command in ("kernels", "check-weights") else "call"
        texts += [f"; {_counted(subjects, kind)} not judged"] if subjects else []
        texts += [f"; {len(self.not_examined)} not examined"] if self.not_examined else []
        return "".join(texts)

    def exit_code(self, fail_on: Severity | None = Severity.ERROR) -> int:
        """1 when a finding is at or above `fail_on`, else 0; None never fails."""
        if fail_on is None:
            return 0
        return int(any(finding.severity.rank >= fail_on.rank for finding in self.findings))

    def replace(self, **changes: Any) -> Report:
        """A copy with these fields changed."""
        return dataclasses.replace(self, **changes)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
