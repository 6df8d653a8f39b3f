"""The measures of training curves against slow versions and answers known beforehand."""

from __future__ import annotations

import time

import numpy as np
import pytest

from netdoctor.facts.curves import Curve, TrainingRun
from netdoctor.probes.curve_smoothing import noise, running, thinned
from netdoctor.probes.curve_trends import mann_kendall
from netdoctor.probes.curves import measure
from tests.rules.curve_simulator import run


@pytest.mark.parametrize("by", ["median", "mean"])
@pytest.mark.parametrize(("points", "width"), [(5, 3), (40, 5), (41, 9), (7, 31)])
def test_running_values_are_those_of_the_neighbours(by: str, points: int, width: int) -> None:
    y = np.random.default_rng(0).standard_normal(points)
    half = width // 2
    slow = [getattr(np, by)(y[max(0, place - half) : place + half + 1]) for place in range(points)]
    np.testing.assert_allclose(running(y, width, by), slow)


@pytest.mark.parametrize("points", [10, 60, 61, 119, 120, 1000, 1003])
def test_thinning_takes_medians_of_stretches(points: int) -> None:
    rng = np.random.default_rng(1)
    x, y = np.arange(points, dtype=float), rng.standard_normal(points)
    xs, ys = thinned(x, y, 60)
    assert len(xs) == len(ys) <= 60
    size = -(-points // 60)
    for number, (at, value) in enumerate(zip(xs, ys, strict=True)):
        stretch = slice(number * size, (number + 1) * size)
        assert (at, value) == (np.median(x[stretch]), np.median(y[stretch]))


@pytest.mark.parametrize("sigma", [0.001, 0.1, 3.0])
def test_noise_is_estimated_under_a_trend_and_outliers(sigma: float) -> None:
    rng = np.random.default_rng(2)
    estimates = []
    for _ in range(20):
        y = 5 * sigma * np.exp(-np.arange(200) / 30) + sigma * rng.standard_normal(200)
        y[::25] += 40 * sigma
        estimates.append(noise(y))
    assert np.mean(estimates) == pytest.approx(sigma, rel=0.25)


def test_a_bend_is_no_noise() -> None:
    assert noise(np.exp(-np.arange(30) / 5)) < 0.01


def track(y: object, **more: object):
    found = measure(run(loss=y, **more)).loss.train
    assert found is not None
    return found


def test_the_levels_of_a_clean_curve() -> None:
    found = track([4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0])
    assert (found.start, found.best, found.end) == (4.0, 1.0, 2.0)
    assert found.drop == 3.0
    assert found.rise == 1.0
    assert found.best_x == 3
    assert track([3.0] * 5).flat_share == 1
    assert track(2.0 ** -np.arange(21.0)).flat_from in (5, 6)


def test_a_metric_is_measured_in_its_own_direction() -> None:
    pair = measure(run(accuracy=[0.1, 0.5, 0.9, 0.9, 0.6, 0.6])).metric
    assert pair is not None
    assert pair.share
    assert pair.train is not None
    assert pair.train.drop > 0.5
    assert pair.train.rise > 0.1
    assert pair.train.best_x == 2


def test_spikes_are_found_where_they_are() -> None:
    rng = np.random.default_rng(3)
    loss = 0.5 + 2 * np.exp(-np.arange(2000) / 200) + 0.05 * rng.standard_normal(2000)
    loss[[700, 1500]] += 4.0
    assert [spike.x for spike in track(loss).spikes] == [700, 1500]
    assert track(loss).spikes[0].height == pytest.approx(4.0, abs=0.3)
    assert track(np.delete(loss, [700, 1500])).spikes == ()


@pytest.mark.parametrize(
    ("rate", "schedule"),
    [
        (np.full(30, 0.1), "constant"),
        (np.zeros(30), "zero"),
        (0.1 * 0.1 ** (np.arange(30) >= 15), "decayed"),
        (0.05 * (1 + np.cos(np.pi * np.arange(30) / 30)), "decayed"),
        (np.arange(1, 31) / 30, "warming up"),
        (0.05 * (1.1 + np.cos(np.pi * (np.arange(60) % 15) / 15)), "cyclic"),
    ],
)
def test_the_schedule_of_the_learning_rate(rate: np.ndarray, schedule: str) -> None:
    found = measure(run(loss=np.ones(len(rate)), lr=rate)).rate
    assert found is not None
    assert found.schedule == schedule


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_the_classes_are_known_by_the_log_or_by_the_start(classes: int) -> None:
    start = np.log(classes) * np.linspace(1, 0.2, 10)
    accuracy = np.linspace(1 / classes, 0.9, 10)
    known = [
        measure(run(loss=start, classes=classes)).chance,
        measure(run(loss=start, val_accuracy=accuracy)).chance,
    ]
    assert [each.classes for each in known if each] == [classes] * 2
    assert measure(run(loss=3 * start, val_accuracy=0.5 + accuracy / 2)).chance is None


def test_curves_of_unknown_role_or_direction_are_named_and_not_judged() -> None:
    x = np.arange(9.0)
    given = TrainingRun(
        "", "epoch",
        (
            Curve("g_loss", "other", "loss", x, x),
            Curve("reward", "validation metric", "reward", x, x),
        ),
    )  # fmt: skip
    facts = measure(given)
    assert facts.ignored == ("g_loss", "reward")
    assert facts.main is None
    assert facts.metric is None
    assert facts.best_x is None


def test_a_loss_that_ends_before_its_accuracy_is_blank() -> None:
    accuracy = [0.2, 0.4, 0.5, 0.6, 0.1, 0.1, 0.1]
    (found,) = measure(run(loss=[2.0, 1.5, 1.2, 1.0], accuracy=accuracy)).non_finite
    assert (found.kind, found.count, found.first, found.before) == ("blank", 3, 4, 1.0)
    assert measure(run(loss=[2.0, 1.5, 1.2, 1.0, 0.9], accuracy=accuracy)).non_finite == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_score_of_a_trend_is_that_of_all_pairs(seed: int) -> None:
    y = np.random.default_rng(seed).integers(0, 6, 12).astype(float)
    pairs = [(i, j) for j in range(len(y)) for i in range(j)]
    falls = sum(np.sign(y[i] - y[j]) for i, j in pairs)
    shuffled = [np.random.default_rng(n).permutation(y) for n in range(4000)]
    spread = np.std([mann_kendall(each) for each in shuffled])
    assert np.sign(mann_kendall(y)) == np.sign(falls)
    assert spread == pytest.approx(1, abs=0.06)
    assert mann_kendall(np.ones(9)) == 0


def test_a_change_of_level_and_a_drop_are_no_spikes() -> None:
    rng = np.random.default_rng(5)
    flat = 2.3 + 0.005 * rng.standard_normal(60)
    late = flat - np.linspace(0, 1, 60).clip(0.6) * 2 + 1.2
    assert track(late).spikes == ()
    assert track(np.where(np.arange(60) < 30, 1.0, 1.6) + 0.01 * rng.random(60)).spikes == ()
    spiked = late.copy()
    spiked[50] += 2
    assert [spike.x for spike in track(spiked).spikes] == [50]


def test_two_million_steps_take_about_a_second() -> None:
    steps = np.arange(2_000_000)
    loss = 2 * np.exp(-steps / 4e5) + np.random.default_rng(4).gamma(4, 0.1, len(steps))
    given = run("step", loss=loss)
    began = time.process_time()
    measure(given)
    assert time.process_time() - began < 3
