"""What a rule is, and how rules are run on facts."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_type_hints

from netdoctor.report import Finding, Severity, Skipped

SETTINGS = ("severity", "tolerance")
"""What may be set for every rule beside its thresholds."""

CheckFunction = Callable[..., Iterator["Hit | Skip"]]


@dataclasses.dataclass(frozen=True, slots=True)
class Hit:
    """What a rule yields when it fires; `severity` overrides the rule's default."""

    subject: str
    message: str
    evidence: Mapping[str, Any]
    remedy: str
    severity: Severity | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Skip:
    """What a rule yields when its precondition does not hold, for one subject or for all."""

    reason: str
    subject: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A documented check of one kind of facts; its keyword-only parameters are its thresholds."""

    code: str
    slug: str
    severity: Severity
    check: CheckFunction

    @property
    def family(self) -> str:
        """The code without its number: `ACT`."""
        return self.code.rstrip("0123456789")

    @property
    def facts_type(self) -> type:
        """The type of the facts it judges, or a union: its first parameter's annotation."""
        first = next(iter(inspect.signature(self.check).parameters))
        hint: type = get_type_hints(self.check)[first]
        return hint

    @property
    def thresholds(self) -> dict[str, Any]:
        """Names and default values of what `--set` and the YAML file may change."""
        parameters = inspect.signature(self.check).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @property
    def documentation(self) -> str:
        """The docstring that `netdoctor rule CODE` prints."""
        return inspect.getdoc(self.check) or ""

    def answers_to(self, name: str) -> bool:
        """Whether a code, slug or family names this rule; letter case does not matter."""
        return name.lower() in (self.code.lower(), self.slug, self.family.lower())


_RULES: dict[str, Rule] = {}


def rule(code: str, slug: str, severity: Severity) -> Callable[[CheckFunction], CheckFunction]:
    """Registers a check under its code; a code or slug that is taken raises ValueError."""

    def register(check: CheckFunction) -> CheckFunction:
        if code in _RULES or any(slug == other.slug for other in _RULES.values()):
            raise ValueError(f"rule {code} ({slug}) is already defined")
        _RULES[code] = Rule(code, slug, severity, check)
        return check

    return register


def registered() -> dict[str, Rule]:
    """The rules registered so far by code; use `netdoctor.rules.catalogue` for all of them."""
    return dict(sorted(_RULES.items()))


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of running rules: findings worst first, and what ran and what did not."""

    findings: tuple[Finding, ...]
    ran: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def judge(
    facts: Any,
    rules: Iterable[Rule],
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
) -> Judgement:
    """The findings of those rules on these facts.

    Args:
        facts: what a probe measured, or a sequence of what several did: each rule judges the
            first that is of its type, and is passed over where there is none.
        rules: the selected rules.
        thresholds: changed thresholds, by rule code and then by parameter name; `severity` there
            is that of all the rule's findings.
    """
    findings: list[Finding] = []
    ran: list[str] = []
    skipped: list[Skipped] = []
    measured = facts if isinstance(facts, (list, tuple)) else [facts]
    for each in rules:
        judged = next((one for one in measured if isinstance(one, each.facts_type)), None)
        if judged is None:
            continue
        settings = dict((thresholds or {}).get(each.code, {}))
        chosen = {name: settings.pop(name, None) for name in SETTINGS}
        outcomes = list(each.check(judged, **settings))
        skips = [outcome for outcome in outcomes if isinstance(outcome, Skip)]
        skipped += [Skipped(each.slug, skip.reason, skip.subject) for skip in skips]
        if not any(skip.subject is None for skip in skips):
            ran.append(each.slug)
        wanted = chosen["severity"]
        findings += [_complete(each, hit, wanted) for hit in outcomes if isinstance(hit, Hit)]
    findings.sort(key=lambda finding: -finding.severity.rank)
    return Judgement(tuple(findings), tuple(ran), tuple(skipped))


def _complete(rule: Rule, hit: Hit, wanted: Severity | None) -> Finding:
    severity = wanted or hit.severity or rule.severity
    return Finding(
        rule.code, rule.slug, severity, hit.subject, hit.message, hit.evidence, hit.remedy
    )
