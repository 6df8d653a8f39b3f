"""What a checkup did: its checks one by one, and the tables that show them. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from netdoctor.facts.graph import GraphFacts
from netdoctor.facts.graph_health import Health
from netdoctor.report import Column, Severity, Table

State = Literal["done", "skipped", "failed"]


@dataclasses.dataclass(frozen=True, slots=True)
class CheckFacts:
    """One check of a checkup.

    Attributes:
        name: the command that does the same alone, `gradflow`.
        state: `failed` where it could not examine what it should have.
        reason: why it is not done, or what is to be known about how it was.
        seconds: it took.
        rules: that it applied.
        findings: how many it made, by severity; those explained by others included.
        facts: what its probe measured; None where nothing was.
    """

    name: str
    state: State
    reason: str = ""
    seconds: float = 0.0
    rules: int = 0
    findings: Mapping[Severity, int] = dataclasses.field(default_factory=dict)
    facts: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class CheckupFacts:
    """What a checkup did.

    Attributes:
        checks: in the order in which they were made.
        graph: the network as it ran; None where that was not looked at.
        health: of its calls, by the findings of all checks.
        remarks: what the picture of the network says below its name.
    """

    checks: Sequence[CheckFacts]
    graph: GraphFacts | None = None
    health: Mapping[str, Health] = dataclasses.field(default_factory=dict)
    remarks: Sequence[str] = ()

    def of(self, name: str) -> Any:
        """What the check of that name measured; None where it measured nothing."""
        return next((each.facts for each in self.checks if each.name == name), None)


_COLUMNS = (
    Column("check", "Check", "name"),
    Column("state", "State"),
    Column("result", "Result"),
    Column("seconds", "Seconds", "number", priority=1),
    Column("rules", "Rules", "integer", hidden=True),
    Column("reason", "Reason", hidden=True),
)


def checks_table(facts: CheckupFacts) -> Table:
    """A row for each check: whether it was made, what it found or why not, and its time."""
    rows = [
        {
            "check": each.name,
            "state": each.state,
            "result": _result(each),
            "seconds": round(each.seconds, 2) if each.state == "done" else None,
            "rules": each.rules,
            "reason": each.reason,
        }
        for each in facts.checks
    ]
    return Table("checks", "Checks", _COLUMNS, rows)


def _result(check: CheckFacts) -> str:
    if check.state == "failed":
        return "could not be made: see below"
    if check.state == "skipped":
        return check.reason
    found = [
        f"{count} {severity.value}{'s' if count > 1 and severity is not Severity.INFO else ''}"
        for severity in reversed(Severity)
        if (count := check.findings.get(severity, 0))
    ]
    return (", ".join(found) or "nothing found") + (f" ({check.reason})" if check.reason else "")
