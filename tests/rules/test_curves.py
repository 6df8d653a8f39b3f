"""The rules of training curves on simulated runs, and what must not change a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from netdoctor.facts.curves import Curve, TrainingRun
from netdoctor.probes.curves import measure
from netdoctor.report import Finding, Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from tests.rules.curve_simulator import HEALTHY, SICK, run

SEEDS = range(8)
NOISES = (0.01, 0.03, 0.06)


def findings(given: TrainingRun) -> tuple[Finding, ...]:
    return judge(measure(given), rules_of("diagnose-curves")).findings


def alarms(given: TrainingRun) -> set[str]:
    return {each.code for each in findings(given) if each.severity is not Severity.INFO}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_run_raises_no_alarm(kind: str) -> None:
    raised = {
        (seed, noise): codes
        for seed in SEEDS
        for noise in NOISES
        if (codes := alarms(HEALTHY[kind](np.random.default_rng(seed), noise)))
    }
    assert raised == {}


@pytest.mark.parametrize("code", SICK)
def test_a_sick_run_is_found_and_named(code: str) -> None:
    found = [
        code in alarms(SICK[code](np.random.default_rng(seed), noise))
        for seed in SEEDS
        for noise in NOISES
    ]
    assert np.mean(found) >= 0.97, [number for number, hit in enumerate(found) if not hit]


TRAIN = [2.0, 1.5, 1.2, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2]
HELD_OUT = [2.1, 1.6, 1.3, 1.0, 0.85, 0.8, 0.82, 0.85, 0.9, 0.95]
TRAIN_ACCURACY = [0.3, 0.42, 0.52, 0.62, 0.7, 0.78, 0.84, 0.89, 0.92, 0.95]
HELD_OUT_ACCURACY = [0.28, 0.38, 0.48, 0.58, 0.65, 0.7, 0.68, 0.66, 0.64, 0.62]


def overfitted(accuracy: list[float]) -> TrainingRun:
    return run(loss=TRAIN, val_loss=HELD_OUT, accuracy=TRAIN_ACCURACY, val_accuracy=accuracy)


def test_the_textbook_example_overfits_with_a_gap_from_epoch_5_on() -> None:
    given = overfitted(HELD_OUT_ACCURACY)
    assert alarms(given) == {"CRV001", "CRV004"}
    assert measure(given).best_x == 5
    first = next(each for each in findings(given) if each.code == "CRV001")
    assert first.evidence["best_epoch"] == 5
    assert "Stop at epoch 5" in first.remedy
    assert "0.8 at epoch 5" in first.message


def test_a_rising_loss_with_a_rising_accuracy_is_called_miscalibration() -> None:
    rising = [0.5, 0.6, 0.7, 0.76, 0.8, 0.83, 0.85, 0.87, 0.88, 0.9]
    (found,) = [each for each in findings(overfitted(rising)) if each.code == "CRV001"]
    assert found.severity is Severity.INFO
    assert found.message.startswith("miscalibration, not overfitting")


def test_a_good_network_that_grows_a_little_overconfident_is_no_alarm() -> None:
    """Eight epochs of MNIST: the loss is lowest at epoch 2, the accuracy highest at 6."""
    given = run(
        accuracy=[0.9419, 0.9763, 0.9838, 0.988, 0.9911, 0.9932, 0.9945, 0.9954],
        loss=[0.1996, 0.079, 0.0524, 0.0368, 0.0274, 0.0207, 0.0177, 0.014],
        val_accuracy=[0.9679, 0.9768, 0.9788, 0.9781, 0.978, 0.9771, 0.9803, 0.9802],
        val_loss=[0.1022, 0.0731, 0.0667, 0.067, 0.0739, 0.0801, 0.0783, 0.0725],
    )
    assert alarms(given) == set()


def test_only_metrics_are_enough_to_see_overfitting() -> None:
    given = run(accuracy=TRAIN_ACCURACY, val_accuracy=HELD_OUT_ACCURACY)
    assert "CRV001" in alarms(given)
    assert measure(given).best_x == 5


def test_percent_are_shares() -> None:
    given = overfitted(HELD_OUT_ACCURACY)
    percent = run(
        loss=TRAIN, val_loss=HELD_OUT, accuracy=100 * np.array(TRAIN_ACCURACY),
        val_accuracy=100 * np.array(HELD_OUT_ACCURACY),
    )  # fmt: skip
    assert alarms(percent) == alarms(given)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1.0, 0.8, 0.7, 0.6, np.nan, np.nan, np.nan], "NaN from epoch 4 on (3 of 7 values)"),
        ([1.0, 0.8, np.nan, 0.6, 0.5, 0.5, 0.4], "NaN at epoch 2 (1 of 7 values)"),
        ([1.0, np.inf, np.nan, 0.6, 0.5, 0.5, 0.4], "NaN and infinite from epoch 1 to epoch 2"),
        ([np.nan] * 7, "NaN from epoch 0 on (7 of 7 values)"),
    ],
)
@pytest.mark.parametrize("name", ["loss", "val_loss"])
def test_a_loss_that_is_no_number_is_told_with_its_place(
    name: str, values: list[float], text: str
) -> None:
    other = {"loss": "val_loss", "val_loss": "loss"}[name]
    given = run(**{name: values, other: [1.0, 0.8, 0.7, 0.65, 0.6, 0.58, 0.57]})
    (found,) = [each for each in findings(given) if each.severity is not Severity.INFO]
    assert (found.code, found.subject) == ("CRV005", name)
    assert text in found.message


def test_a_loss_that_diverges_into_nan_is_told_as_both() -> None:
    given = run(loss=[2.0, 1.2, 0.8, 0.6, 0.5, 4.0, 90.0, 5e4, np.nan, np.nan])
    assert alarms(given) == {"CRV005", "CRV006"}


def test_a_restart_of_the_learning_rate_is_no_spike() -> None:
    loss = np.full(60, 0.4) + 1.6 * np.exp(-np.arange(60) / 4)
    loss[40:42] += [0.9, 0.3]
    rate = np.where(np.arange(60) < 40, 0.1 * 0.93 ** np.arange(60), 0.1)
    assert alarms(run(loss=loss)) == {"CRV009"}
    assert alarms(run(loss=loss, lr=rate)) == set()


@pytest.mark.parametrize("epochs", [1, 2, 3, 5])
def test_a_short_run_is_skipped_with_the_reason(epochs: int) -> None:
    rising = np.linspace(1, 2, epochs)
    judged = judge(measure(run(loss=1 / rising, val_loss=rising)), rules_of("diagnose-curves"))
    assert {each.code for each in judged.findings} <= {"CRV006"}
    reasons = {each.rule: each.reason for each in judged.skipped}
    assert f"{epochs} finite points" in reasons["overfitting"]
    assert "overfitting" not in judged.ran


def test_what_is_not_logged_is_skipped() -> None:
    judged = judge(measure(run(loss=TRAIN)), rules_of("diagnose-curves"))
    skipped = {each.rule for each in judged.skipped}
    assert {"overfitting", "generalisation-gap", "validation-below-training"} <= skipped
    assert judge(measure(run()), rules_of("diagnose-curves")).findings == ()


EVERYTHING = [
    (name, seed) for name in (*HEALTHY, *SICK) for seed in (0, 1)
    if name not in ("CRV002", "CRV007", "CRV010", "underfitted")
]  # fmt: skip


def made(name: str, seed: int) -> TrainingRun:
    return {**HEALTHY, **SICK}[name](np.random.default_rng(seed), 0.02)


def changed(given: TrainingRun, name: str, change: Callable[[Curve], Curve]) -> TrainingRun:
    """The run with those curves changed whose name ends so."""
    curves = [change(each) if each.name.endswith(name) else each for each in given.curves]
    return dataclasses.replace(given, curves=tuple(curves))


@pytest.mark.parametrize(("name", "seed"), EVERYTHING)
@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_the_unit_of_the_loss_does_not_change_the_verdict(
    name: str, seed: int, factor: float
) -> None:
    given = made(name, seed)
    scaled = changed(given, "loss", lambda each: dataclasses.replace(each, y=factor * each.y))
    assert alarms(scaled) == alarms(given)


@pytest.mark.parametrize(("name", "seed"), EVERYTHING)
def test_where_epochs_are_counted_from_does_not_change_the_verdict(name: str, seed: int) -> None:
    given = made(name, seed)
    moved = changed(given, "", lambda each: dataclasses.replace(each, x=10 * each.x + 1))
    assert alarms(moved) == alarms(given)
    assert measure(moved).best_x == 10 * measure(given).best_x + 1


def test_noise_of_the_estimated_size_rarely_changes_a_verdict() -> None:
    rng = np.random.default_rng(0)
    same = []
    for name, seed in EVERYTHING:
        given = made(name, seed)
        facts = measure(given)
        sizes = {each.name: each.noise for each in facts.loss.tracks}
        noisy = changed(
            given,
            "loss",
            lambda each, sizes=sizes: dataclasses.replace(
                each, y=each.y + sizes.get(each.name, 0) * rng.standard_normal(len(each.y))
            ),
        )
        same.append(alarms(noisy) == alarms(given))
    assert np.mean(same) > 0.9


def test_the_same_run_gets_the_same_facts() -> None:
    first, second = (measure(made("noisy_steps", 3)) for _ in range(2))
    assert first.loss.train is not None
    assert second.loss.train is not None
    assert np.array_equal(first.loss.train.trend, second.loss.train.trend)
    assert first.best_x == second.best_x
