"""Which rules apply, and with which thresholds: names checked, near misses suggested. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from netdoctor.errors import UsageError
from netdoctor.report import Severity
from netdoctor.rules import rules_in, rules_of
from netdoctor.rules.core import SETTINGS, Rule
from netdoctor.rules.headings import headings

Thresholds = dict[str, dict[str, Any]]


def find_rule(name: str) -> Rule:
    """The rule of that code or slug.

    Raises:
        UsageError: there is none; near misses are in the hint.
    """
    for each in headings():
        if name.lower() in (each.code.lower(), each.slug):
            return rules_in(each.family)[each.code]
    names = [name for each in headings() for name in (each.code, each.slug)]
    raise UsageError(f"there is no rule {name!r}", hint=_near_miss(name, names))


def check_names(names: Iterable[str]) -> None:
    """Checks the codes, slugs and families that --select and --ignore were given.

    Raises:
        UsageError: one of them names no rule.
    """
    names = list(names)
    rules = headings() if names else ()
    for name in names:
        if not any(each.answers_to(name) for each in rules):
            known = {known for each in rules for known in (each.code, each.slug, each.family)}
            message = f"there is no rule or family {name!r}"
            raise UsageError(message, hint=_near_miss(name, sorted(known)))


def select_rules(
    command: str, select: Sequence[str] = (), ignore: Sequence[str] = ()
) -> list[Rule]:
    """The rules that a command applies: all that it has, or the selected, less the ignored.

    Raises:
        UsageError: an unknown name, or a selection of which the command has none.
    """
    check_names([*select, *ignore])
    available = rules_of(command)
    chosen = [each for each in available if not select or _answers(each, select)]
    if available and not chosen:
        raise UsageError(
            f"--select {' '.join(select)} leaves no rule that {command} applies",
            hint=f"{command} applies {', '.join(each.code for each in available)}",
        )
    return [each for each in chosen if not _answers(each, ignore)]


def check_thresholds(given: Mapping[str, Mapping[str, Any]]) -> Thresholds:
    """Changed thresholds by rule code; integers become floats where the default is a float.

    Args:
        given: threshold values by rule code or slug and then by the threshold's name.

    Raises:
        UsageError: an unknown rule or threshold, or a value of another type than the default's.
    """
    thresholds: Thresholds = {}
    for name, values in given.items():
        rule = find_rule(name)
        for threshold, value in values.items():
            checked = _check_value(rule, threshold, value)
            thresholds.setdefault(rule.code, {})[threshold] = checked
    return thresholds


def tolerances(thresholds: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How much worse than in a baseline a rule's value may be, by code, where that is set."""
    return {
        code: values["tolerance"] for code, values in thresholds.items() if "tolerance" in values
    }


def _check_setting(rule: Rule, name: str, value: Any) -> Any:
    """A severity, or a tolerance as a share."""
    if name == "severity":
        named = value.value if isinstance(value, Severity) else value
        if named not in [each.value for each in Severity]:
            message = f"{rule.code}.severity must be error, warning or info, not {value!r}"
            raise UsageError(message, hint=f"its default is {rule.severity.value}")
        return Severity(named)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 <= value < float("inf"):
        message = f"{rule.code}.tolerance must be a share such as 0.1, not {value!r}"
        raise UsageError(message, hint="0 counts every change for the worse")
    return float(value)


def _check_value(rule: Rule, threshold: str, value: Any) -> Any:
    if threshold in SETTINGS:
        return _check_setting(rule, threshold, value)
    if threshold not in rule.thresholds:
        raise UsageError(
            f"rule {rule.code} ({rule.slug}) has no threshold {threshold!r}",
            hint=_near_miss(threshold, [*rule.thresholds, *SETTINGS]),
        )
    default = rule.thresholds[threshold]
    if isinstance(default, float) and type(value) is int:
        return float(value)
    if type(value) is not type(default) or value != value:
        raise UsageError(
            f"{rule.code}.{threshold} must be {_article(default)}, not {value!r}",
            hint=f"its default is {default!r}",
        )
    return value


def _article(example: Any) -> str:
    names = {float: "a number", int: "an integer", bool: "true or false", str: "a text"}
    return names.get(type(example), f"a {type(example).__name__}")


def _answers(rule: Rule, names: Sequence[str]) -> bool:
    return any(rule.answers_to(name) for name in names)


def _near_miss(name: str, known: Sequence[str]) -> str:
    lowered = {each.lower(): each for each in known}
    close = get_close_matches(name.lower(), list(lowered), n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(lowered[each] for each in close)}?"
    if known and len(known) <= 8:
        return f"there is {', '.join(known)}"
    return "`netdoctor rules` lists what there is" if known else "it has none"
