"""`diagnose-curves` on the labelled logs of real trainings."""

from __future__ import annotations

import functools
import os

import pytest

from tests.curves import make, score
from tests.curves.training import train

FOUND, NAMED, FALSE_ALARMS = 0.95, 0.94, 5


def shown(wrong: list[score.Verdict]) -> list[str]:
    """Their files, those of the held-out half without a name: nothing is tuned on them."""
    return [one.label.file if one.label.half == "tuning" else "held out" for one in wrong]


@functools.cache
def judged() -> tuple[score.Verdict, ...]:
    return tuple(score.verdicts(None, score.ours))


def test_every_log_is_read() -> None:
    assert [one.label.file for one in judged() if one.said is None] == []


def test_sick_runs_are_found() -> None:
    sick = [one for one in judged() if not one.label.healthy]
    missed = [one for one in sick if not one.found]
    assert len(missed) <= (1 - FOUND) * len(sick), shown(missed)


def test_sick_runs_are_rightly_named() -> None:
    sick = [one for one in judged() if not one.label.healthy]
    missed = [one for one in sick if not one.named]
    assert len(missed) <= (1 - NAMED) * len(sick), shown(missed)


def test_healthy_runs_raise_no_more_alarms_than_known() -> None:
    alarmed = [one for one in judged() if one.false_alarm]
    assert len(alarmed) <= FALSE_ALARMS, shown(alarmed)


@pytest.mark.parametrize("half", ["tuning", "held-out"])
def test_each_condition_is_in_each_half(half: str) -> None:
    known = score.labels(half)
    for condition in dict.fromkeys(run.condition for run in make.recipes()):
        least = 2 if condition in make.HEALTHY else 4
        assert sum(one.condition == condition for one in known) >= least, condition
    assert sum(one.healthy for one in known) >= 15


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
    assert sum(sizes) <= 1_500_000


def test_a_recipe_trains_the_same_run_again() -> None:
    recipe = next(run for run in make.recipes() if run.name == "flat_detached")
    first, again = train(recipe), train(recipe)
    assert first.epochs == again.epochs
    assert first.epochs[0]["train_loss"] == pytest.approx(first.epochs[-1]["train_loss"], rel=0.02)
