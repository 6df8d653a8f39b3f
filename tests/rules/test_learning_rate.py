"""When LRF001 and LRF002 say that they cannot tell, and what they say when they can."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from netdoctor.rules.core import Judgement, judge
from netdoctor.rules.selection import find_rule
from tests.rules.lrfind_cases import range_test


def judged(facts: Any) -> Judgement:
    return judge(facts, [find_rule("LRF001"), find_rule("LRF002")])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"trainable": 0, "moving": False}, "frozen"),
        ({"random_targets": True}, "random"),
        ({"chance": None}, "not known"),
        ({"points": 10}, "fewer than 20"),
        ({"start": 0.01}, "converged"),
        ({"start": 2.4}, "needs longer"),
    ],
)
def test_no_descent_is_skipped_with_the_reason(changes: dict[str, Any], reason: str) -> None:
    facts = range_test(**{"descent": 1.0, "start": 9.0, **changes})
    outcome = judge(facts, [find_rule("LRF001")])
    assert outcome.findings == ()
    assert reason in outcome.skipped[0].reason


def test_a_range_that_ends_low_or_starts_high_proves_nothing() -> None:
    low = range_test(descent=1.0, start=9.0)
    low = dataclasses.replace(low, rates=low.rates / 1e4)
    assert "a higher rate may do" in judged(low).skipped[0].reason
    high = range_test(descent=1.0, points=5, stop="diverged")
    high = dataclasses.replace(high, rates=high.rates * 1e5)
    skipped = [each.reason for each in judged(high).skipped]
    assert any("a lower rate may do" in reason for reason in skipped)
    assert judged(low).findings == judged(high).findings == ()


def test_a_missing_gradient_is_an_error_wherever_the_loss_starts() -> None:
    for chance in (2.3, None):
        facts = range_test(descent=0.0, start=2.3, moving=False, chance=chance)
        (finding,) = judged(facts).findings
        assert finding.code == "LRF001"
        assert "no gradient reaches" in finding.message


def test_a_loss_that_was_never_finite_is_told_from_one_that_exploded() -> None:
    (before,) = judged(range_test(descent=0.0, points=0, stop="non-finite")).findings
    assert (before.code, "before any step" in before.message) == ("LRF002", True)
    assert "check-forward" in before.remedy
    (after,) = judged(range_test(descent=0.0, points=20, stop="diverged")).findings
    assert "within the first 20 % of the steps: diverged at lr=" in after.message


def test_the_median_of_the_repeats_decides() -> None:
    facts = range_test()
    early = range_test(points=5, stop="diverged").sweeps[0]
    one = dataclasses.replace(facts, sweeps=(early, *facts.sweeps, *facts.sweeps))
    two = dataclasses.replace(facts, sweeps=(early, early, *facts.sweeps))
    assert judged(one).findings == ()
    assert [each.code for each in judged(two).findings] == ["LRF002"]
