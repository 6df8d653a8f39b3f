"""The picture of the loss: every attempt, the floor, the verdict, nothing on top of another."""

from __future__ import annotations

import dataclasses
from math import nan

import numpy as np
import pytest
from matplotlib.figure import Figure

from netdoctor.facts.overfit import Attempt, OverfitFacts
from netdoctor.plots.overfit import figures
from tests.plots.reading import collisions, strings
from tests.rules.cases import overfitted

FALLING = np.geomspace(2.0, 0.01, 60)
FLAT = np.full(201, 1.0)


def drawn(facts: OverfitFacts) -> Figure:
    ((stem, figure),) = figures(facts)
    assert stem == "overfit"
    return figure


def several(*attempts: Attempt) -> OverfitFacts:
    return dataclasses.replace(overfitted(1.0, 1.0), attempts=attempts)


CASES = {
    "learnt": overfitted(*FALLING, end="reached"),
    "flat": overfitted(*FLAT),
    "noise": overfitted(*(FALLING + 0.2), floor=0.2, conflicting=2, end="reached"),
    "no-floor": overfitted(*FALLING, floor=None, end="steps"),
    "negative": overfitted(*(0.5 - np.arange(20.0)), floor=None, end="time"),
    "nan": overfitted(1.0, 0.9, nan, end="non-finite"),
    "never-finite": overfitted(nan, nan, end="non-finite"),
    "blown-up": overfitted(1.0, 1e3, 1e30, end="diverged"),
    "zero": overfitted(1.0, 0.1, 0.0, end="reached"),
    "three": several(
        Attempt(1e-2, FLAT, "stalled"), Attempt(2e-3, FLAT, "stalled"),
        Attempt(5e-2, FLAT, "stalled"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_drawn_and_nothing_collides(name: str) -> None:
    figure = drawn(CASES[name])
    assert collisions(figure) == []
    assert any(CASES[name].verdict() in text for text in strings(figure))


def test_every_attempt_is_a_line_with_its_rate_and_how_it_ended() -> None:
    facts = several(Attempt(0.25, FLAT, "stalled"), Attempt(0.05, FALLING, "reached"))
    figure = drawn(facts)
    curves = [line.get_ydata() for line in figure.axes[0].lines]
    for attempt in facts.attempts:
        assert any(np.array_equal(curve, attempt.losses) for curve in curves)
    assert "rate 0.25: stalled" in strings(figure)
    assert "rate 0.05: near the floor" in strings(figure)


def test_the_loss_is_on_a_log_axis_with_its_levels() -> None:
    axes = drawn(CASES["noise"]).axes[0]
    assert axes.get_yscale() == "log"
    levels = [line.get_ydata()[0] for line in axes.lines if len(line.get_ydata()) == 2]
    assert sorted(levels) == pytest.approx([0.2, 0.2 + 0.1 * 0.8, 1.0])
    low, high = axes.get_ylim()
    assert low < 0.2 < 2.2 < high
    assert drawn(CASES["negative"]).axes[0].get_yscale() == "linear"


def test_an_explosion_does_not_flatten_the_rest() -> None:
    assert drawn(CASES["blown-up"]).axes[0].get_ylim()[1] < 1e4


def test_without_training_there_is_no_picture() -> None:
    assert figures(overfitted(0.001, end="reached")) == []
    assert figures(dataclasses.replace(overfitted(1.0), attempts=(), trainable=0)) == []
