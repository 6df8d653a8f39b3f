"""What follows from what: a finding that another one explains is told below it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence

from netdoctor.facts.checkup import CheckupFacts
from netdoctor.report import Finding


class Places:
    """Where calls and weights are in the order of a forward pass."""

    def __init__(self, facts: CheckupFacts) -> None:
        forward, activations = facts.of("check-forward"), facts.of("activations")
        active = [call.site for call in activations.calls] if activations is not None else []
        sites = [call.site for call in forward.calls] if forward is not None else active
        self._paths = [site.path for site in sites]
        self._sites = [str(site) for site in sites]
        self._activations = [place for each in active if (place := self.of(str(each))) is not None]

    def of(self, subject: str) -> int | None:
        """The place of the first call of a call's, module's or weight's name; None if unknown."""
        if subject in self._sites:
            return self._sites.index(subject)
        name = subject.rpartition("#")[0] or subject
        for path in (name, name.rpartition(".")[0]):
            inside = [
                place
                for place, each in enumerate(self._paths)
                if path and (each == path or each.startswith(f"{path}."))
            ]
            if inside:
                return inside[0]
        return None

    def later(self, cause: str, effect: str) -> bool:
        """Whether the effect is not known to come before its cause; the input is before all."""
        if effect == "input":
            return False
        first, second = self.of(cause), self.of(effect)
        return first is None or second is None or first <= second

    def next_activation(self, weight: str, call: str) -> bool:
        """Whether the call is the first activation behind a weight."""
        first, second = self.of(weight), self.of(call)
        if first is None or second is None:
            return False
        return first <= second and not any(first < one < second for one in self._activations)

    def before_activations(self, call: str) -> bool:
        """Whether no activation runs before the call."""
        place = self.of(call)
        return place is not None and not any(each < place for each in self._activations)


Link = Callable[[Finding, Finding, Places], bool]


def _anywhere(cause: Finding, effect: Finding, places: Places) -> bool:
    return True


def _later(cause: Finding, effect: Finding, places: Places) -> bool:
    return places.later(cause.subject, effect.subject)


def _further(cause: Finding, effect: Finding, places: Places) -> bool:
    """The same in a later layer: drawn, or filled, in the same way."""
    first, second = places.of(cause.subject), places.of(effect.subject)
    return first is not None and second is not None and first < second


def _in_forward(cause: Finding, effect: Finding, places: Places) -> bool:
    """Gradients that are not finite because the loss is not."""
    return effect.evidence.get("cause") == "loss"


def _next(cause: Finding, effect: Finding, places: Places) -> bool:
    return places.next_activation(cause.subject, effect.subject)


def _at_the_input(cause: Finding, effect: Finding, places: Places) -> bool:
    """In front of the first activation, where nothing but the input can be to blame."""
    return places.before_activations(effect.subject)


def _stopped_there(cause: Finding, effect: Finding, places: Places) -> bool:
    """Gradients that end at a call which is silent, or constant because of one that is."""
    silent = {cause.subject, *_texts(cause.evidence.get("consequences"))}
    where = {effect.subject, str(effect.evidence.get("where", ""))}
    return bool(where & (silent | {each.rpartition("#")[0] for each in silent}))


def _same_subject(cause: Finding, effect: Finding, places: Places) -> bool:
    return cause.subject == effect.subject


def _same_module(cause: Finding, effect: Finding, places: Places) -> bool:
    module = effect.subject.rpartition(".")[0] or effect.subject
    return f"{module}.".startswith(f"{cause.subject}.")


def _texts(value: object) -> Iterable[str]:
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else [str(value)]


_SPOILT = ("NUM001", "NUM002", "NUM003", "NUM004", "ACT004", "MOD003", "MOD004")
_UNTRAINABLE = (
    "WGT001", "DAT001", "DAT002", "NUM001", "NUM002", "ACT001", "ACT004", "MOD001", "MOD002",
    "GRD003", "GRD004", "GRD005",
)  # fmt: skip

# The causes in order of precedence, their effects, and how the two must hang together.
_RELATIONS: tuple[tuple[tuple[str, ...], tuple[str, ...], Link], ...] = (
    (("WGT001",), _SPOILT, _later),
    (("WGT001",), ("GRD003",), _in_forward),
    (("WGT007",), _SPOILT, _later),
    (("WGT007",), ("GRD003",), _in_forward),
    (("DAT001", "DAT002"), _SPOILT, _anywhere),
    (("DAT001", "DAT002"), ("GRD003",), _in_forward),
    (("NUM002",), ("NUM001",), _later),
    (("NUM001", "NUM002"), ("GRD003",), _in_forward),
    (("WGT002", "WGT003", "WGT004"), ("ACT001", "ACT002", "ACT004", "NUM004", "MOD004"), _next),
    (("ACT001",), ("ACT004", "NUM004"), _later),
    (("ACT004",), ("NUM004",), _later),
    (("ACT001",), ("GRD005",), _stopped_there),
    (("ACT004",), ("GRD005",), _stopped_there),
    (("WGT006",), ("NUM003", "NUM004", "ACT003", "GRD001", "GRD002"), _later),
    (("WGT006",), ("GRD006",), _anywhere),
    (("NUM003",), ("NUM005", "GRD002", "GRD006"), _anywhere),
    (("ACT003",), ("NUM004", "GRD001"), _later),
    (("NUM004",), ("GRD001",), _anywhere),
    (("DAT003",), ("ACT003", "NUM005", "GRD006"), _anywhere),
    (("DAT003",), ("MOD004",), _at_the_input),
    (("GRD004",), ("WGT008",), _same_module),
    (("WGT006",), ("WGT006",), _further),
    (("WGT007",), ("WGT007",), _further),
    (("CRV001",), ("CRV004",), _same_subject),
    (_UNTRAINABLE, ("MOD005", "LRF001", "LRF002"), _anywhere),
)


def folded(findings: Sequence[Finding], facts: CheckupFacts) -> list[Finding]:
    """The findings that none of the others explains, each with those that follow from it.

    A finding never explains a graver one, so that the exit code is that of all of them.

    Args:
        findings: of all checks.
        facts: tell where calls and weights are in the forward pass.
    """
    places = Places(facts)
    cause = {number: _cause(each, findings, places) for number, each in enumerate(findings)}
    below: dict[int, list[Finding]] = {}
    for number in range(len(findings)):
        root = _root(number, cause)
        if root != number:
            below.setdefault(root, []).append(findings[number])
    return [
        dataclasses.replace(each, consequences=tuple(below.get(number, ())))
        for number, each in enumerate(findings)
        if _root(number, cause) == number
    ]


def _cause(effect: Finding, findings: Sequence[Finding], places: Places) -> int | None:
    """The number of the finding that explains it; None where none does."""
    for causes, effects, linked in _RELATIONS:
        if effect.code not in effects:
            continue
        for number, each in enumerate(findings):
            grave = each.severity.rank >= effect.severity.rank
            if each.code in causes and grave and linked(each, effect, places):
                return number
    return None


def _root(number: int, cause: dict[int, int | None]) -> int:
    seen = {number}
    while (above := cause[number]) is not None and above not in seen:
        seen.add(above)
        number = above
    return number
