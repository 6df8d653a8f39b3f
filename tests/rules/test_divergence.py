"""What is divergence of a training run, and what only looks like it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from netdoctor.facts.curves import TrainingRun
from netdoctor.probes.curves import measure
from netdoctor.report import Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from tests.rules.curve_simulator import run

Array = np.ndarray
AT = np.linspace(0, 1, 40)
FALL = 0.1 + 2.2 * np.exp(-AT / 0.15)


def loud(given: TrainingRun) -> set[str]:
    findings = judge(measure(given), rules_of("diagnose-curves")).findings
    return {each.code for each in findings if each.severity is not Severity.INFO}


def noisy(y: Array, seed: int = 0, share: float = 0.01) -> Array:
    return y * np.exp(share * np.random.default_rng(seed).standard_normal(len(y)))


def after(onset: float, low: Array, high: float) -> Array:
    """Low up to that share of the run, high from there on."""
    return np.where(onset > AT, low, high)


def only(split: str, y: Array) -> TrainingRun:
    whole = run(accuracy=noisy(y), val_accuracy=noisy(y))
    return dataclasses.replace(whole, curves=tuple(c for c in whole.curves if c.name == split))


@pytest.mark.parametrize("factor", [1.02, 1.2, 3.0, 1000.0])
def test_a_loss_that_rises_from_its_first_point_on_is_divergence(factor: float) -> None:
    assert "CRV006" in loud(run(loss=noisy(2.3 * factor**AT, share=0.0005)))


def test_a_loss_that_stays_where_it_began_is_not() -> None:
    assert "CRV006" not in loud(run(loss=noisy(np.full(40, 2.3), share=0.002)))


def test_both_losses_that_climb_to_the_last_point_are_divergence() -> None:
    climb = 8 * np.maximum(0, AT - 0.88)
    assert "CRV006" in loud(run(loss=noisy(FALL + climb), val_loss=noisy(FALL + 0.1 + climb, 1)))


def test_half_the_rise_is_enough_where_validation_diverges_as_well() -> None:
    train, validation = after(0.6, FALL, 0.9), after(0.6, np.minimum(FALL, 0.7), 0.8)
    assert "CRV006" in loud(run(loss=noisy(train), val_loss=noisy(validation, 1)))
    assert "CRV006" not in loud(run(loss=noisy(train), val_loss=noisy(FALL, 1)))


def test_a_validation_loss_that_climbs_while_training_falls_is_overfitting() -> None:
    climb = 4 * np.maximum(0, AT - 0.4)
    said = loud(run(loss=noisy(FALL), val_loss=noisy(FALL + 0.1 + climb, 1)))
    assert "CRV001" in said
    assert "CRV006" not in said


def test_validation_alone_diverges_at_a_stroke_and_overfits_slowly() -> None:
    low = np.minimum(FALL, 0.9) - 0.05
    assert "CRV006" in loud(run(val_loss=noisy(after(0.5, low, 4.0))))
    assert "CRV006" not in loud(run(val_loss=noisy(low + 2.4 * np.maximum(0, AT - 0.2))))


@pytest.mark.parametrize("split", ["accuracy", "val_accuracy"])
def test_an_accuracy_that_falls_back_to_guessing_is_divergence(split: str) -> None:
    skill = 0.1 + 0.85 * (1 - np.exp(-(AT + 0.05) / 0.1))
    back = np.where((AT > 0.6) & (AT < 0.7), 0.1, skill)
    assert "CRV006" in loud(only(split, after(0.6, skill, 0.1)))
    assert "CRV006" in loud(only(split, after(0.6, 0.4 + skill / 2 + AT / 5, 0.62) - AT / 50))
    assert "CRV006" not in loud(only(split, after(0.6, skill, 0.8)))
    assert "CRV006" not in loud(only(split, back))


def test_a_collapse_to_guessing_is_divergence_though_the_loss_hardly_rises() -> None:
    loss = after(0.2, np.linspace(1.05, 0.8, 40), np.log(3))
    skill = after(0.2, np.linspace(0.5, 1.0, 40), 0.34)
    assert "CRV006" in loud(run(classes=3, loss=loss, accuracy=skill))


def test_statistics_that_fail_in_evaluation_alone_are_no_divergence() -> None:
    skill = 0.1 + 0.85 * (1 - np.exp(-(AT + 0.05) / 0.1))
    given = run(classes=10, loss=noisy(FALL), val_accuracy=noisy(after(0.6, skill, 0.1)))
    assert "CRV006" not in loud(given)


def test_a_harder_task_that_is_being_learnt_is_no_divergence() -> None:
    harder = 0.1 + 1.9 * np.exp(-np.maximum(0, AT - 0.6) / 0.5)
    assert "CRV006" not in loud(run(loss=noisy(np.where(AT < 0.6, FALL, harder))))


def test_a_cyclic_rate_at_its_height_is_no_divergence() -> None:
    wave = np.abs((3.5 * AT) % 2 - 1)
    height = FALL + 0.7 * (1 - wave) * (AT > 0.3)
    given = run(loss=height, val_loss=height + 0.1, lr=1.01 - wave)
    assert "CRV006" not in loud(given)
