"""Every rule is documented, and has a case that fires, one that stays quiet, one in between."""

from __future__ import annotations

import re
import subprocess
import sys
from math import inf, nextafter
from pathlib import Path

import pytest

from netdoctor.errors import UsageError
from netdoctor.report import Severity
from netdoctor.rules import COMMAND_RULES, catalogue, rules_of
from netdoctor.rules.core import Rule, judge
from netdoctor.rules.selection import check_thresholds, find_rule, select_rules
from tests.rules.cases import CASES

RULES = list(catalogue().values())
SECTIONS = ("Measures:", "Why:", "False alarm:", "Remedy:", "Source:")

each_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.code for rule in RULES])


@each_rule
def test_the_documentation_is_complete(rule: Rule) -> None:
    summary, *paragraphs = rule.documentation.split("\n\n")
    assert summary.endswith(".")
    assert "\n" not in summary
    places = [
        next((n for n, each in enumerate(paragraphs) if each.startswith(section)), -1)
        for section in SECTIONS
    ]
    assert places == sorted(places)
    assert -1 not in places
    for section, place in zip(SECTIONS, places, strict=True):
        assert len(paragraphs[place]) > len(section) + 10, section


@each_rule
def test_the_names_are_those_of_the_contract(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]{3}\d{3}", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.slug)
    assert any(rule in rules_of(command) for command in COMMAND_RULES)


@each_rule
def test_the_thresholds_have_simple_defaults_that_are_documented(rule: Rule) -> None:
    for name, value in rule.thresholds.items():
        assert type(value) in (bool, int, float, str), name
        assert f"`{name}`" in rule.documentation


def test_every_rule_has_cases_and_every_case_a_rule() -> None:
    assert set(CASES) == set(catalogue())


@each_rule
def test_it_fires_and_says_everything(rule: Rule) -> None:
    findings = judge(CASES[rule.code].fires, [rule]).findings
    assert findings
    for finding in findings:
        assert (finding.code, finding.rule) == (rule.code, rule.slug)
        assert finding.severity.rank >= rule.severity.rank
        assert finding.subject
        assert finding.message
        assert finding.remedy
        assert "threshold" in finding.evidence
        assert len(finding.evidence) > 1


@each_rule
def test_it_stays_quiet(rule: Rule) -> None:
    assert judge(CASES[rule.code].quiet, [rule]).findings == ()


@each_rule
def test_it_fires_on_the_boundary_and_not_a_hair_beyond(rule: Rule) -> None:
    facts, limit = CASES[rule.code].boundary, rule.thresholds["threshold"]
    assert judge(facts, [rule]).findings[0].evidence["threshold"] == limit
    whole = isinstance(limit, int)
    hairs = [limit - 1, limit + 1] if whole else [nextafter(limit, end) for end in (-inf, inf)]
    beyond = [judge(facts, [rule], {rule.code: {"threshold": each}}).findings for each in hairs]
    assert sorted(map(bool, beyond)) == [False, True]


def test_codes_and_slugs_are_unique() -> None:
    names = [name.lower() for rule in RULES for name in (rule.code, rule.slug)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["ACT001", "act001", "dead-layer"])
def test_a_rule_answers_to_its_code_and_slug(name: str) -> None:
    assert find_rule(name).code == "ACT001"


@pytest.mark.parametrize(("name", "hint"), [("ACT01", "ACT001"), ("dead-layers", "dead-layer")])
def test_an_unknown_rule_suggests_near_misses(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"no rule '{name}'") as caught:
        find_rule(name)
    assert hint in caught.value.hint
    with pytest.raises(UsageError, match=f"no rule or family '{name}'"):
        select_rules("deadneurons", [], [name])


def test_selection_takes_codes_slugs_and_families_less_the_ignored() -> None:
    def codes(*arguments: list[str]) -> list[str]:
        return [rule.code for rule in select_rules("activations", *arguments)]

    everything = codes()
    assert everything == [rule.code for rule in rules_of("activations")]
    assert codes(["num"]) == [code for code in everything if code.startswith("NUM")]
    assert codes(["ACT", "nan-activation"], ["ACT002"]) == [
        code for code in everything if code.startswith(("ACT", "NUM001")) and code != "ACT002"
    ]
    assert codes([], ["ACT", "NUM"]) == []


def test_a_selection_that_the_command_does_not_have_is_an_error() -> None:
    with pytest.raises(UsageError, match="leaves no rule that deadneurons applies") as caught:
        select_rules("deadneurons", ["NUM"])
    assert "ACT001" in caught.value.hint


def test_thresholds_are_by_code_and_of_the_defaults_type() -> None:
    checked = check_thresholds({"dead-units": {"threshold": 1}, "ACT001": {"min_samples": 8}})
    assert checked == {"ACT002": {"threshold": 1.0}, "ACT001": {"min_samples": 8}}
    assert type(checked["ACT002"]["threshold"]) is float
    for value in (True, None, "1"):
        with pytest.raises(UsageError, match="must be a number"):
            check_thresholds({"ACT002": {"threshold": value}})
    with pytest.raises(UsageError, match="must be an integer"):
        check_thresholds({"ACT001": {"min_samples": 8.5}})


def test_severities_are_ordered() -> None:
    assert [each.rank for each in (Severity.INFO, Severity.WARNING, Severity.ERROR)] == [0, 1, 2]


def test_each_module_with_rules_is_in_the_catalogue() -> None:
    folder = Path(find_rule.__code__.co_filename).parent
    written = {each.stem for each in folder.glob("*.py") if "\n@rule(" in each.read_text("utf-8")}
    assert {each.check.__module__.rpartition(".")[2] for each in catalogue().values()} == written


@pytest.mark.parametrize("command", COMMAND_RULES)
def test_a_command_has_its_rules_without_those_of_others(command: str) -> None:
    names = COMMAND_RULES[command]
    expected = [each.code for each in catalogue().values() if any(map(each.answers_to, names))]
    program = (
        f"from netdoctor.rules import rules_of; print(*[r.code for r in rules_of({command!r})])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == expected
