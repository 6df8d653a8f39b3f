"""Which findings belong to which call of the graph. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from netdoctor.facts.graph import GraphFacts
from netdoctor.report import Finding, NotExamined

State = Literal["error", "warning", "info", "healthy", "unknown"]
_NOT_FINITE = frozenset({"NUM001", "NUM002", "WGT001"})
_NOT_JUDGED = ("int", "uint", "bool")  # types of which no rule says anything
_ORDER: tuple[State, ...] = ("healthy", "unknown", "info", "warning", "error")


@dataclasses.dataclass(frozen=True, slots=True)
class Health:
    """How a call, module call or weight is.

    Attributes:
        findings: those about it, worst first.
        reason: why it was not examined; empty where it was.
    """

    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def state(self) -> State:
        """The worst finding's severity; `unknown` where it was not examined."""
        if self.findings:
            return max((each.severity for each in self.findings), key=lambda one: one.rank).value
        return "unknown" if self.reason else "healthy"


def health(
    findings: Iterable[Finding], facts: GraphFacts, not_examined: Sequence[NotExamined] = ()
) -> dict[str, Health]:
    """The health of every scope and of every node that gives numbers with a point, by name.

    A finding's subject is a call (`layer1.0.relu#2`), a module (`encoder.layers.3`) or a weight or
    buffer (`layer1.0.conv1.weight`), which counts for every call of its module; of a module with
    calls inside, the finding belongs to the module's own call and not to those. Consequences count
    with what they follow from. Behind a call whose output is not finite nothing can be judged.

    Args:
        findings: what rules said.
        facts: the graph.
        not_examined: what they could not judge.
    """
    places = _Places(facts)
    found: dict[str, list[Finding]] = {}
    behind: dict[str, str] = {}
    for finding in _with_consequences(findings):
        for name in places.of(finding.subject):
            found.setdefault(name, []).append(finding)
            if finding.code in _NOT_FINITE:
                behind.setdefault(name, f"not finite since {finding.subject}")
    reasons = _fed_by(behind, facts)
    reasons |= {
        name: each.reason
        for each in (*not_examined, *facts.not_examined)
        for name in places.exactly(each.subject)
    }
    for node in facts.nodes:
        if node.opaque:
            reasons.setdefault(node.name, "what happens inside cannot be seen")
    whole_numbers = {node.name for node in facts.nodes if node.dtype.startswith(_NOT_JUDGED)}
    return {
        name: Health(_worst_first(found.get(name, ())), reasons.get(name, ""))
        for name in places.names
        if name in found or name in reasons or name not in whole_numbers
    }


def _fed_by(reasons: Mapping[str, str], facts: GraphFacts) -> dict[str, str]:
    """The reasons of some nodes as those of all nodes that they lead to."""
    of: list[str] = [reasons.get(node.name, "") for node in facts.nodes]
    for edge in sorted(facts.edges, key=lambda each: each.target):
        of[edge.target] = of[edge.target] or of[edge.source]
    return {
        node.name: reason
        for node, reason in zip(facts.nodes, of, strict=True)
        if reason and node.name not in reasons
    }


def unplaced(findings: Iterable[Finding], facts: GraphFacts) -> list[Finding]:
    """The findings that are about no single call: on the data, or on the network as a whole."""
    places = _Places(facts)
    return [each for each in _with_consequences(findings) if not places.of(each.subject)]


def worst(states: Iterable[State]) -> State:
    """The worst of several; something not examined is worse than healthy, better than a finding."""
    return max(states, key=_ORDER.index, default="unknown")


def _with_consequences(findings: Iterable[Finding]) -> Iterator[Finding]:
    for each in findings:
        yield each
        yield from _with_consequences(each.consequences)


def _worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    once = {id(each): each for each in findings}
    return tuple(sorted(once.values(), key=lambda each: -each.severity.rank))


class _Places:
    """The nodes and scopes by the names that a finding can have for them."""

    def __init__(self, facts: GraphFacts) -> None:
        self.names = [
            *(scope.name for scope in facts.scopes),
            *(node.name for node in facts.nodes if node.kind not in ("input", "output")),
        ]
        self._known = set(self.names)
        by_path: dict[str, list[str]] = {}
        for scope in facts.scopes:
            by_path.setdefault(scope.path, []).append(scope.name)
        for node in facts.nodes:
            if node.kind == "module":
                by_path.setdefault(node.path, []).append(node.name)
        self._by_path = by_path

    def exactly(self, subject: str) -> list[str]:
        """The call of that name, or the calls of the module of that path."""
        if subject in self._known:
            return [subject]
        return self._by_path.get(subject, []) if subject else []

    def of(self, subject: str) -> list[str]:
        """As `exactly`; of what is inside of no call that ran, the innermost module around it."""
        found = self.exactly(subject)
        rest = subject.partition("#")[0].replace("/", ".")
        while not found and rest:
            found = self.exactly(rest)
            rest = rest.rpartition(".")[0]
        return found
