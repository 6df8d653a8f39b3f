"""`diagnose-curves` on curves drawn from formulas: what a person sees at a glance is named."""

from __future__ import annotations

import numpy as np
import pytest

from netdoctor.inputs.training_logs.reading import read_lists
from netdoctor.probes.curves import measure
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from tests.curves import synthetic

QUICK, MANY = 25, 250
HARDEST = {
    "plateau": 0.92,  # of a hundred classes and more some could be letters
    "three_spikes": 0.95,  # some lie side by side, or at equal distances
    "language_gap": 0.95,  # a gap of a quarter of the fall may be a sound network's
    "steps_never_learn": 0.94,  # a few hundred loud steps hide a fall of 2 %
}

RESTLESS = {"shakes_then_settles": 0.1, "leaps_and_never_learns": 0.08}
"""Shares of which more may be said: such unrest has other names too."""


def least(kind: str, each: int) -> float:
    """The share that has to be named; of a few draws one may be missed."""
    return HARDEST.get(kind, 0.97) - (0.05 if each == QUICK else 0.0)


@pytest.mark.parametrize("kind", synthetic.SICK)
def test_a_plain_fault_is_named(kind: str) -> None:
    _, named, extra = synthetic.rates(kind, QUICK)
    assert named >= least(kind, QUICK)
    assert extra <= 0.08


@pytest.mark.parametrize("kind", synthetic.HEALTHY)
def test_a_healthy_shape_is_silent(kind: str) -> None:
    assert synthetic.alarms(kind, QUICK) == {}


@pytest.mark.slow
@pytest.mark.parametrize("kind", synthetic.SICK)
def test_plain_faults_are_named_in_many_shapes(kind: str) -> None:
    _, named, extra = synthetic.rates(kind, MANY)
    assert named >= least(kind, MANY)
    assert extra <= RESTLESS.get(kind, 0.03)


@pytest.mark.slow
@pytest.mark.parametrize("kind", synthetic.HEALTHY)
def test_healthy_shapes_are_silent_in_many_shapes(kind: str) -> None:
    alarmed = synthetic.alarms(kind, MANY)
    assert len(alarmed) <= (3 if kind == "heavy_tails" else 0), alarmed


def codes_and_best(train: list[float], val: list[float]) -> tuple[set[str], float | None]:
    facts = measure(synthetic.run_of({"loss": np.array(train), "val_loss": np.array(val)}))
    found = judge(facts, rules_of("diagnose-curves")).findings
    return {each.code for each in found}, facts.best_x


def test_five_points_are_enough_for_a_plain_turn() -> None:
    codes, best = codes_and_best([2.0, 1.2, 0.7, 0.4, 0.2], [2.0, 1.4, 1.2, 1.4, 1.7])
    assert codes >= {"CRV001"}
    assert "CRV003" not in codes
    assert best == 2


@pytest.mark.parametrize(
    "val",
    [
        [2.0, 1.4, 1.2, 1.21, 1.22],
        [2.0, 1.4, 1.2, 1.4, 1.3],
        [2.0, 1.5, 1.3, 1.2, 1.4],
    ],
    ids=["hardly", "to and fro", "one point"],
)
def test_five_points_that_may_be_chance_prove_nothing(val: list[float]) -> None:
    codes, _ = codes_and_best([2.0, 1.2, 0.7, 0.5, 0.4], val)
    assert "CRV001" not in codes


def test_five_points_that_all_climb_have_diverged() -> None:
    codes, _ = codes_and_best([2.3, 2.4, 2.6, 2.9, 3.6], [2.3, 2.5, 2.7, 3.4, 4.1])
    assert codes == {"CRV006"}


def test_a_spike_does_not_make_a_run_unstable() -> None:
    loss = 0.2 + 2 * np.exp(-np.arange(16) / 4)
    loss[[11, 12, 13]] += [6.0, 1.0, 0.2]
    codes, _ = codes_and_best(list(loss), list(0.25 + 2 * np.exp(-np.arange(16) / 4)))
    assert "CRV009" in codes
    assert "CRV003" not in codes


def stopped(rest: float) -> list[float]:
    """Falls at its full pace, then by a thousandth of `rest` a point."""
    return [2.5, 2.1, 1.8, 1.6, *(1.6 - rest * np.arange(1, 27) / 1000)]


def test_a_fall_that_stops_at_a_stroke_is_a_plateau_without_any_level() -> None:
    codes, _ = codes_and_best(stopped(0.1), [y + 0.05 for y in stopped(0.1)])
    assert "CRV007" in codes


def test_a_fall_that_slows_down_point_by_point_is_none() -> None:
    line = list(1.6 + 0.9 * 0.5 ** np.arange(30))
    codes, _ = codes_and_best(line, [y + 0.05 for y in line])
    assert "CRV007" not in codes


def test_a_jump_that_comes_back_slowly_is_a_spike() -> None:
    at = np.arange(60)
    base = 0.2 + 2 * np.exp(-at / 6)
    back = np.where(at >= 25, np.exp(-(at - 25) / 5), 0.0)
    codes, _ = codes_and_best(list(base + 1.5 * back), list(base + 0.05))
    assert "CRV009" in codes


def test_a_jump_that_stays_is_none() -> None:
    at = np.arange(60)
    base = 0.2 + 2 * np.exp(-at / 6) + 0.9 * (at >= 25)
    codes, _ = codes_and_best(list(base), list(base + 0.05))
    assert "CRV009" not in codes


def test_the_losses_of_two_players_are_not_judged() -> None:
    rng = np.random.default_rng(0)
    log = {"epoch": np.arange(60), "loss_D": np.exp(rng.standard_normal(60)),
           "loss_G": 3 * np.exp(rng.standard_normal(60))}  # fmt: skip
    run = read_lists({name: [float(each) for each in y] for name, y in log.items()}).runs[0]
    judged = judge(measure(run), rules_of("diagnose-curves"))
    assert not judged.findings
    assert any("players" in skipped.reason for skipped in judged.skipped)


@pytest.mark.parametrize("column", ["val_r2", "val_auc"])
def test_a_metric_that_stays_where_guessing_is_has_not_learnt(column: str) -> None:
    at, rng = np.arange(20), np.random.default_rng(1)
    level = 0.5 if column == "val_auc" else 0.0
    log = {"epoch": at, "loss": 1 + 0.2 * np.exp(-at), "val_loss": 1.02 + 0.03 * np.exp(-at),
           column: level + 0.01 * rng.standard_normal(20)}  # fmt: skip
    run = read_lists({name: [float(each) for each in y] for name, y in log.items()}).runs[0]
    found = judge(measure(run), rules_of("diagnose-curves")).findings
    assert "CRV010" in {each.code for each in found}


def test_losses_flat_at_chance_after_the_bias_is_learnt_have_not_learnt() -> None:
    flat = list(np.log(10) + 0.4 * np.exp(-2.0 * np.arange(20)))
    codes, _ = codes_and_best(flat, flat)
    assert "CRV010" in codes
    codes, _ = codes_and_best([1.07 * y for y in flat], [1.07 * y for y in flat])
    assert "CRV010" not in codes
