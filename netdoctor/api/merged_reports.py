"""One report of several: what each check found, once, and what follows from what."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from netdoctor.errors import NetDoctorError
from netdoctor.facts.checkup import CheckFacts, CheckupFacts, State, checks_table
from netdoctor.facts.graph import GraphFacts
from netdoctor.facts.graph_health import health, unplaced
from netdoctor.report import Finding, NotExamined, Report, Severity, Skipped, Table, counted
from netdoctor.rules.causes import folded
from netdoctor.rules.checklist import checklist
from netdoctor.rules.core import Rule

# A table keeps its name unless a check before has one of that name.
_RENAMED = {("check-forward", "layers"): "calls", ("gradflow", "layers"): "gradients"}
_REMARKS = 6


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """A check that was made, left out, or could not be made.

    Attributes:
        report: what it found; None where it was not made.
        reason: why not, or what is to be known about how it was made.
        error: what kept it from its work; None where it was left out on purpose.
        seconds: it took.
        late: whether the time limit kept it from its work.
    """

    report: Report | None
    reason: str = ""
    error: NetDoctorError | None = None
    seconds: float = 0.0
    late: bool = False

    @classmethod
    def skipped(cls, reason: str, *, late: bool = False) -> Attempt:
        """A check that was left out."""
        return cls(None, reason, late=late)

    def noted(self, reason: str) -> Attempt:
        """The same with something to be known about it."""
        return dataclasses.replace(self, reason=reason)

    @property
    def state(self) -> State:
        """How it went."""
        return "done" if self.report is not None else "failed" if self.error else "skipped"


def merged(
    attempts: Mapping[str, Attempt],
    rules: Mapping[str, Sequence[Rule]],
    *,
    subject: str,
    device: str,
    graph: GraphFacts | None = None,
) -> Report:
    """The report of a checkup.

    Args:
        attempts: the checks in their order.
        rules: those that were selected, by the check that they are left to.
        subject: the model's name.
        device: where it ran.
        graph: the network as it ran; None where that was not looked at.
    """
    reports = {name: each.report for name, each in attempts.items() if each.report is not None}
    facts = CheckupFacts([_facts(name, each) for name, each in attempts.items()])
    findings = _once(reports)
    ran = list(dict.fromkeys(slug for each in reports.values() for slug in each.ran))
    skipped = _skipped(attempts, rules, ran)
    shown = sorted(folded(findings, facts), key=lambda finding: -finding.severity.rank)
    report = Report(
        command="checkup",
        subject=subject,
        device=device,
        facts=facts,
        findings=shown,
        ran=ran,
        skipped=skipped,
        not_examined=_not_examined(attempts),
        tables=[
            checks_table(facts),
            checklist(shown, ran),
            *(
                table
                for name, each in reports.items()
                for table in _tables(name, each)
            ),
        ],
        notes=_notes(reports),
        verdict=_verdict(attempts, ran),
        extra=_together(each.extra for each in reports.values()),
        summary=_together(each.summary for each in reports.values()),
    )  # fmt: skip
    return report if graph is None else report.replace(facts=_mapped(report, facts, graph))


def _mapped(report: Report, facts: CheckupFacts, graph: GraphFacts) -> CheckupFacts:
    """The facts with the network as it ran, and the health of each call by all findings."""
    judged = {each.code: each for each in unplaced(report.findings, graph)}
    remarks = [f"{each.severity.value} {code} {each.rule}" for code, each in judged.items()]
    return dataclasses.replace(
        facts,
        graph=graph,
        health=health(report.findings, graph, report.not_examined) if report.ran else {},
        remarks=[report.conclusion(), *remarks[:_REMARKS]],
    )


def _verdict(attempts: Mapping[str, Attempt], ran: Sequence[str]) -> str:
    """What is said where nothing is found, but a check could not be made; else the usual."""
    failed = ", ".join(name for name, each in attempts.items() if each.state == "failed")
    late = ", ".join(name for name, each in attempts.items() if each.late)
    causes = [f"{failed} could not be made"] if failed else []
    causes += [f"there was no time for {late}"] if late else []
    if not causes:
        return ""
    return f"undecided: {'; '.join(causes)}; {counted(len(ran), 'rule')} applied, nothing found"


def _notes(reports: Mapping[str, Report]) -> list[str]:
    """The notes of all checks; the loss is told once."""
    notes: list[str] = []
    for note in (each for report in reports.values() for each in report.notes):
        again = note.startswith("loss:") and any(each.startswith("loss:") for each in notes)
        if note not in notes and not again:
            notes.append(note)
    return notes


def _facts(name: str, attempt: Attempt) -> CheckFacts:
    report = attempt.report
    if report is None:
        return CheckFacts(name, attempt.state, attempt.reason, attempt.seconds)
    counts = {severity: report.count(severity) for severity in Severity}
    return CheckFacts(
        name, attempt.state, attempt.reason, attempt.seconds, len(report.ran), counts, report.facts
    )


def _once(reports: Mapping[str, Report]) -> list[Finding]:
    """All findings; what an earlier check has told is not told again by a later one."""
    findings: list[Finding] = []
    told: set[str] = set()
    for report in reports.values():
        findings += [each for each in report.findings if each.code not in told]
        told |= {each.code for each in report.findings}
    return findings


def _skipped(
    attempts: Mapping[str, Attempt], rules: Mapping[str, Sequence[Rule]], ran: Sequence[str]
) -> list[Skipped]:
    """Each rule that was applied nowhere, with the reason of the check that it is left to."""
    found: list[Skipped] = []
    for name, attempt in attempts.items():
        said = attempt.report.skipped if attempt.report is not None else ()
        told = {each.rule for each in found}
        found += [
            each for each in said if each.subject is not None or not {each.rule} & (told | set(ran))
        ]
        on_demand = attempt.state == "skipped" and "--with" in attempt.reason
        missing = [] if on_demand else rules[name]
        reason = f"{name}: {attempt.reason}" if attempt.reason else "nothing was measured for it"
        told = {each.rule for each in found}
        found += [
            Skipped(rule.slug, reason)
            for rule in missing
            if rule.slug not in ran and rule.slug not in told
        ]
    return list(dict.fromkeys(found))


def _not_examined(attempts: Mapping[str, Attempt]) -> list[NotExamined]:
    found = [
        NotExamined(name, each.reason) for name, each in attempts.items() if each.state == "failed"
    ]
    found += [one for each in attempts.values() if each.report for one in each.report.not_examined]
    return list(dict.fromkeys(found))


def _tables(name: str, report: Report) -> list[Table]:
    """The tables of a check; the page shows none of them, the document all."""
    return [
        dataclasses.replace(table, name=_RENAMED.get((name, table.name), table.name), shown=0)
        for table in report.tables
    ]


def _together(mappings: Any) -> dict[str, Any]:
    return {key: value for each in mappings for key, value in each.items()}
