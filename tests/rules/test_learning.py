"""What is a finding of MOD005, what is skipped with which reason, and what the message says."""

from __future__ import annotations

import dataclasses
from math import inf, nan

import numpy as np
import pytest

from netdoctor.facts.overfit import Attempt, GradientStates, OverfitFacts
from netdoctor.facts.overfit_tables import notes, sentence, tables
from netdoctor.report import Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from tests.rules.cases import overfitted


def judged(facts: OverfitFacts) -> Judgement:
    return judge(facts, rules_of("overfit"))


def message(facts: OverfitFacts) -> str:
    (finding,) = judged(facts).findings
    assert finding.severity is Severity.ERROR
    return finding.message


def reason(facts: OverfitFacts) -> str:
    judgement = judged(facts)
    assert judgement.findings == ()
    (skipped,) = judgement.skipped
    return skipped.reason


STUCK = overfitted(1.2, 0.6)


def test_what_is_left_counts_from_the_loss_of_an_output_that_ignores_its_input() -> None:
    assert overfitted(5.0, 0.5).remaining == pytest.approx(0.5)
    assert overfitted(5.0, 0.5, floor=0.4).remaining == pytest.approx(1 / 6)
    same = overfitted(2.0, 0.5, ignorant=0.0)
    assert same.remaining == pytest.approx(0.25)
    assert overfitted(2.0, 0.5, floor=None).remaining == pytest.approx(0.25)
    assert overfitted(0.0, -1.0, floor=None).remaining is None
    assert overfitted(nan, end="non-finite").remaining == inf


def test_the_attempt_that_came_closest_is_the_outcome() -> None:
    worse, better = (
        Attempt(rate, np.array([1.0, loss]), "stalled") for rate, loss in [(1, 0.9), (2, 0.3)]
    )
    facts = dataclasses.replace(STUCK, attempts=(worse, better))
    assert facts.outcome is better
    assert facts.best == pytest.approx(0.3)


def test_random_targets_and_too_many_of_them_excuse_a_loss_that_stays_up() -> None:
    assert "random" in reason(dataclasses.replace(STUCK, random_targets=True))
    assert "100 trainable" in reason(dataclasses.replace(STUCK, target_values=101))
    silent = dataclasses.replace(STUCK, random_targets=True, output_varies=False)
    assert "same for every sample" in message(silent)


def test_a_loss_without_a_known_floor_is_judged_by_its_fall_and_the_fit() -> None:
    unmoved, fell = overfitted(1.0, 0.95, floor=None), overfitted(1.0, 0.5, floor=None)
    assert "stalls" in message(unmoved)
    assert "not known" in reason(fell)
    assert "not known" in reason(dataclasses.replace(unmoved, fresh=False))
    assert dataclasses.replace(fell, fit=0.95).verdict() == "learnt"


def test_a_trained_network_without_descent_is_stuck_where_the_floor_is_known() -> None:
    assert message(dataclasses.replace(STUCK, fresh=False))


def test_still_falling_is_a_warning_only_far_from_the_floor_and_after_enough_steps() -> None:
    def falling(*, left: float, steps: int) -> OverfitFacts:
        return overfitted(*np.linspace(1.0, left, steps + 1), end="steps")

    (finding,) = judged(falling(left=0.6, steps=300)).findings
    assert finding.severity is Severity.WARNING
    assert finding.evidence["threshold"] == 0.5
    assert "more --steps" in reason(falling(left=0.4, steps=300))
    assert "prove nothing" in reason(falling(left=0.6, steps=100))
    assert "time limit" in reason(overfitted(1.0, 0.8, end="time"))


def test_equal_inputs_with_different_targets_leave_nothing_to_learn() -> None:
    facts = overfitted(1.3, 1.0, floor=0.95, conflicting=8, end="reached")
    assert facts.verdict() == "label noise"
    assert "equal inputs" in reason(facts)
    some = overfitted(1.3, 0.2, floor=0.19, conflicting=2, end="reached")
    assert some.verdict() == "learnt"
    assert any("0.19" in note for note in notes(some))


def test_a_network_without_parameters_is_no_case() -> None:
    empty = dataclasses.replace(STUCK, attempts=(), parameters=0, trainable=0, gradients=())
    assert "no parameters" in reason(empty)
    frozen = dataclasses.replace(empty, parameters=100)
    assert "frozen" in message(frozen)
    assert "nothing to train" in sentence(frozen)


def test_the_message_says_which_parameters_get_no_gradient() -> None:
    lost = GradientStates("conv1.weight", "zero", "zero")
    some = dataclasses.replace(STUCK, gradients=(*STUCK.gradients, lost))
    assert "conv1.weight never get" in message(some)
    missing = GradientStates("fc.weight", "missing", "missing")
    assert "no trainable parameter" in message(dataclasses.replace(STUCK, gradients=(missing,)))
    bad = GradientStates("gate.weight", "non-finite", "non-finite")
    broken = overfitted(1.0, nan, end="non-finite", gradients=(*STUCK.gradients, bad))
    assert "gradients of gate.weight" in message(broken)
    assert "before the first step" in message(overfitted(nan, end="non-finite"))
    assert "becomes NaN" in message(overfitted(1.0, nan, end="non-finite"))
    assert "blows up" in message(overfitted(1.0, 500.0, end="diverged"))


def test_right_predictions_under_a_high_loss_point_to_a_bounded_output() -> None:
    (finding,) = judged(dataclasses.replace(STUCK, fit=1.0)).findings
    assert "softmax" in finding.remedy


def test_the_tables_hold_the_result_and_a_thinned_curve() -> None:
    facts = overfitted(*np.geomspace(1.0, 0.01, 500), end="reached")
    result, steps = tables(facts)
    assert result.rows[0]["verdict"] == "learnt"
    assert result.rows[0]["steps"] == 499
    assert len(steps.rows) <= 12
    assert (steps.rows[0]["step"], steps.rows[-1]["step"]) == (0, 499)
    for row in steps.rows:
        assert row["loss"] == facts.attempts[0].losses[row["step"]]
    lost = GradientStates("conv1.weight", "zero", "zero")
    gradients = tables(dataclasses.replace(facts, gradients=(*facts.gradients, lost)))[2]
    assert [row["parameter"] for row in gradients.rows] == ["conv1.weight", "fc.weight"]


def test_counts_that_exceed_their_total_are_refused() -> None:
    with pytest.raises(ValueError, match="exceed"):
        dataclasses.replace(STUCK, trainable=101)
