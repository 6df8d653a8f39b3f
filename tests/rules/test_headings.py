"""The catalogue read from the sources is the catalogue that importing them gives."""

from __future__ import annotations

import pytest

from netdoctor.rules import catalogue, rules_in
from netdoctor.rules.core import SETTINGS
from netdoctor.rules.headings import headings, settings_of


def test_every_rule_as_it_is() -> None:
    assert [(each.code, each.slug, each.severity, each.summary) for each in headings()] == [
        (each.code, each.slug, each.severity, each.documentation.partition("\n")[0].rstrip("."))
        for each in catalogue().values()
    ]


@pytest.mark.parametrize("heading", headings(), ids=lambda each: each.code)
def test_each_is_found_in_its_family_and_under_its_names(heading: object) -> None:
    rule = catalogue()[heading.code]  # type: ignore[attr-defined]
    assert rules_in(rule.family)[rule.code] is rule
    assert heading.family == rule.family  # type: ignore[attr-defined]
    for name in (rule.code, rule.code.lower(), rule.slug, rule.family, "other", "ACT00"):
        assert heading.answers_to(name) == rule.answers_to(name)  # type: ignore[attr-defined]
    assert list(settings_of(rule.slug)) == [*rule.thresholds, *SETTINGS]


def test_no_settings_of_no_rule() -> None:
    assert settings_of("no-such-rule") == {}
