"""`diagnose-curves` on the labelled logs of real trainings."""

from __future__ import annotations

import functools
import os

import pytest

from tests.curves import make, score, studies
from tests.curves.training import train

# Reached so far: found, named, false alarms. No change may lower it; the aim is 95 % and no alarm.
REACHED = {
    "tuning": (117, 117, 0), "held-out": (55, 55, 0), "held-out-2": (28, 27, 0),
    "tuning-3": (33, 34, 0), "held-out-3": (29, 29, 0),
}  # fmt: skip
HALVES = pytest.mark.parametrize("half", list(REACHED))


def shown(wrong: list[score.Verdict]) -> list[str]:
    """Their files, those of the held-out half without a name: nothing is tuned on them."""
    return [one.label.file if one.label.half.startswith("tuning") else "held out" for one in wrong]


@functools.cache
def judged() -> tuple[score.Verdict, ...]:
    return tuple(score.verdicts(None, score.ours))


def test_every_log_is_read() -> None:
    assert [one.label.file for one in judged() if one.said is None] == []


@HALVES
def test_no_fewer_sick_runs_are_found_and_named(half: str) -> None:
    sick = [one for one in judged() if one.label.half == half and not one.label.healthy]
    found, named, _ = REACHED[half]
    assert sum(one.found for one in sick) >= found, shown([v for v in sick if not v.found])
    assert sum(one.named for one in sick) >= named, shown([v for v in sick if not v.named])


@HALVES
def test_healthy_runs_raise_no_more_alarms_than_known(half: str) -> None:
    alarmed = [one for one in judged() if one.label.half == half and one.false_alarm]
    assert len(alarmed) <= REACHED[half][2], shown(alarmed)


@pytest.mark.parametrize("half", ["tuning", "held-out"])
def test_each_condition_is_in_each_half(half: str) -> None:
    known = score.labels(half)
    for condition in dict.fromkeys(run.condition for run in make.recipes()):
        least = 2 if condition in make.HEALTHY else 4
        assert sum(one.condition == condition for one in known) >= least, condition
    assert sum(one.healthy for one in known) >= 15


def test_the_second_held_out_set_has_each_sickness_and_many_healthy_kinds() -> None:
    known = score.labels("held-out-2")
    sicknesses = {one.condition for one in score.labels() if not one.healthy}
    for condition in sicknesses:
        assert sum(one.condition == condition for one in known) >= 2, condition
    assert sum(one.healthy for one in known) >= 15


def test_the_third_set_has_each_sickness_and_more_healthy_kinds() -> None:
    known = [*score.labels("held-out-3"), *score.labels("tuning-3")]
    sicknesses = {one.condition for one in score.labels() if not one.healthy}
    for condition in sicknesses:
        assert sum(one.condition == condition for one in known) >= 4, condition
    assert sum(not one.healthy for one in known) >= 45
    assert sum(one.healthy for one in known) >= 45


def test_labels_agree_with_the_recipes() -> None:
    runs = make.recipes()
    halves = make.halves(runs)
    made_for = make.studies()
    halves |= {study.name: study.half for study in made_for}
    names = {f"{one.path.relative_to(score.HERE).parts[1].split('.')[0]}": one
             for one in score.labels()}  # fmt: skip
    assert set(names) == {run.name for run in [*runs, *made_for]}
    for run in [*runs, *made_for]:
        assert names[run.name].must == run.expected
        assert names[run.name].half == halves[run.name]


def test_logs_stay_small() -> None:
    files = [path for half in make.HALVES.values() for path in half.rglob("*") if path.is_file()]
    sizes = [os.path.getsize(path) for path in files]
    assert len(files) >= len(score.labels())
    assert max(sizes) <= 32_000
    assert sum(sizes) <= 4_000_000


def test_a_study_trains_the_same_run_again() -> None:
    study = next(each for each in make.studies() if each.name == "stuck_rare")
    (_, first), (_, again) = studies.run(study), studies.run(study)
    assert first == again
    assert first[0]["val_loss"] == pytest.approx(first[-1]["val_loss"], rel=1e-6)


def test_a_trial_trains_the_same_run_again() -> None:
    trial = next(each for each in make.studies() if each.name == "calm_survival")
    (_, first), (_, again) = trial.curves(), trial.curves()
    assert first == again
    assert first[-1]["val_c_index"] > first[0]["val_c_index"] + 0.1


def test_a_recipe_trains_the_same_run_again() -> None:
    recipe = next(run for run in make.recipes() if run.name == "flat_detached")
    first, again = train(recipe), train(recipe)
    assert first.epochs == again.epochs
    assert first.epochs[0]["train_loss"] == pytest.approx(first.epochs[-1]["train_loss"], rel=0.02)
