from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.figure import Figure

from netdoctor.facts.lr_curve import read
from netdoctor.facts.lrfind import LrFindFacts, Sweep
from netdoctor.plots.lrfind import figure, losses
from tests.rules.lrfind_cases import RATES, range_test


def facts(until: int = 90, drop: float = 1.5) -> LrFindFacts:
    """Three sweeps that diverge behind lr = 0.3, the third earlier than the others."""
    place = np.log10(RATES / 0.1)
    curve = 2.3 - drop / (1 + np.exp(-5 * place)) + 10 ** (3 * np.clip(place - 0.4, None, 1))
    sweeps = []
    for repeat, points in enumerate((until, until, max(until - 5, 0))):
        noise = 0.03 * np.random.default_rng(repeat).standard_normal(100)
        stopped = float(RATES[max(points - 1, 0)])
        sweeps.append(Sweep((curve + noise)[:points], "diverged", stopped))
    reading = read(RATES, [sweep.losses for sweep in sweeps])
    return dataclasses.replace(range_test(), sweeps=tuple(sweeps), reading=reading)


def texts(drawn: Figure) -> str:
    axes = drawn.axes[0]
    legend = axes.get_legend()
    inside = [text.get_text() for text in legend.get_texts()] if legend else []
    return "\n".join([text.get_text() for text in drawn.texts] + inside)


def test_every_repeat_the_mean_the_band_the_suggestion_and_the_divergence_are_drawn() -> None:
    drawn = figure(facts())
    axes = drawn.axes[0]
    assert axes.get_xscale() == "log"
    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
    assert len(curves) == 4
    vertical = sorted(float(line.get_xdata()[0]) for line in axes.lines if line not in curves)
    suggestion = facts().reading.suggestion
    assert suggestion is not None
    expected = sorted([suggestion, *(sweep.stopped_at for sweep in facts().sweeps)])
    np.testing.assert_allclose(vertical, expected)
    for word in ("a repeat", "smoothed mean", "band", "suggestion", "diverged here", "start from"):
        assert word in texts(drawn)


def test_a_declined_suggestion_says_why_in_the_picture() -> None:
    drawn = figure(facts(drop=0.0))
    assert "no suggestion: nothing was learnt beyond the noise" in texts(drawn).replace("\n", " ")
    assert "band" not in texts(drawn)


@pytest.mark.parametrize("points", [0, 1, 3])
def test_few_or_no_points_are_drawn_too(points: int) -> None:
    drawn = figure(facts(until=points))
    low, high = drawn.axes[0].get_ylim()
    assert np.isfinite([low, high]).all()
    assert low < high
    drawn.canvas.draw()


def test_an_explosion_does_not_squeeze_the_rest() -> None:
    low, high = figure(facts()).axes[0].get_ylim()
    assert high < 6
    assert low < 1.5


def test_the_losses_are_one_row_a_repeat() -> None:
    found = losses(facts())
    assert found.shape == (3, 100)
    assert np.isnan(found).sum(1).tolist() == [10, 10, 15]
