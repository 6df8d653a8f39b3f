"""What the rules on wiring make of facts that lie between sick and healthy."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from netdoctor.facts.wiring import NormGap, WiringFacts
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from tests.rules.cases import crosstalk, mode_gap, sensitivity, wiring

WIRING = [each for each in rules_of("check-forward") if each.facts_type is WiringFacts]


def judged(facts: WiringFacts) -> Judgement:
    return judge(facts, WIRING)


def outcome(facts: WiringFacts, rule: str) -> str:
    """`fires`, `quiet` or the reason for a skip."""
    judgement = judged(facts)
    reasons = [each.reason for each in judgement.skipped if each.rule == rule]
    return "fires" if judgement.findings else reasons[0] if reasons else "quiet"


def test_the_rules_of_wiring_are_these() -> None:
    assert [each.code for each in WIRING] == ["ACT004", "MOD003", "MOD004"]


def test_what_was_not_measured_is_skipped_with_its_reason() -> None:
    judgement = judged(wiring())
    assert {each.reason for each in judgement.skipped} == {"not asked for"}
    assert (len(judgement.skipped), judgement.ran) == (3, ())


def test_noise_and_rounding_explain_a_difference() -> None:
    assert "random" in outcome(crosstalk(0.3, noise=0.01), "batch-crosstalk")
    assert outcome(crosstalk(0.3, noise=0.001), "batch-crosstalk") == "fires"
    assert "rounding" in outcome(crosstalk(0.3, rounding=0.1), "batch-crosstalk")
    assert outcome(crosstalk(0.0), "batch-crosstalk") == "quiet"


FITTING = (NormGap("bn", 0.1, 1.0, 0.2, 800),)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (mode_gap(2.2, cosine=0.9), "fires"),
        (mode_gap(2.2, norms=FITTING), "fires"),
        (mode_gap(2.2, cosine=0.9, norms=FITTING), "quiet"),
        (mode_gap(0.2), "quiet"),
        (mode_gap(None), "fires"),
        (mode_gap(None, cosine=0.6), "quiet"),
        (mode_gap(None, norms=FITTING), "quiet"),
        (mode_gap(None, repeat_cosine=0.4), "quiet"),
        (mode_gap(2.2, repeat_cosine=0.4), "random"),
        (mode_gap(2.2, repeat_loss=1.9), "random"),
        (mode_gap(2.2, untouched=True), "as they were made"),
        (mode_gap(2.2, samples=8), "8 samples"),
        (mode_gap(2.2, updates=5), "5 times"),
        (mode_gap(2.2, updates=None), "fires"),
        (mode_gap(2.2, norms=(NormGap("bn", 1.6, 1.5, 2.3, 16),)), "16 values"),
    ],
)
def test_the_modes_are_compared_where_they_can_be(facts: WiringFacts, expected: str) -> None:
    assert expected in outcome(facts, "train-eval-gap")


@pytest.mark.parametrize(
    ("changes", "known", "expected"),
    [
        ({}, {}, "fires"),
        ({"shuffled_variation": None}, {}, "fires"),
        ({"shuffled_variation": 0.1}, {}, "not for shuffled"),
        ({"samples": 3}, {}, "4 are needed"),
        ({"zero_weights": True}, {}, "exactly zero"),
        ({"units": 2}, {}, "fires"),
        ({"units": 2}, {"fresh": None}, "by chance"),
        ({"units": 2}, {"synthetic": True}, "by chance"),
        ({"units": 2, "activation": False}, {"synthetic": True}, "fires"),
    ],
)
def test_a_constant_output_has_to_be_no_chance(
    changes: dict[str, Any], known: dict[str, Any], expected: str
) -> None:
    facts = sensitivity(0.0)
    measured = dataclasses.replace(facts.sensitivity, **changes)
    facts = dataclasses.replace(facts, sensitivity=measured, **known)
    assert expected in outcome(facts, "input-insensitive")
