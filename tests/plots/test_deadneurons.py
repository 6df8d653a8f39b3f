"""Firing-rate pictures: each state in its place, every name whole, nothing on top of another."""

from __future__ import annotations

import time

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from netdoctor.facts.activations import Role
from netdoctor.plots import firing_rates as firing
from netdoctor.plots.deadneurons import figures
from tests.plots.made_up import call, facts, many, units
from tests.plots.reading import collisions, strings

NASTY = "[red]x/../y$\\frac{1}{2}$_层_é" + ".very_long_name" * 7


def test_units_are_put_in_the_lane_of_their_rate() -> None:
    given = units([0, 1, 2, 19, 20, 100, 199, 200], samples=200)
    assert firing.lanes(given).tolist() == [0, 1, 2, 2, 3, 7, 11, 12]


def test_a_unit_shows_the_first_state_that_applies() -> None:
    given = units(
        [0, 0, 200, 200, 1, 200, 100],
        dead=[True, False, False, False, False, False, False],
        constant=[False, False, True, False, False, False, False],
        saturated=[1.0, 0.0, 1.0, 0.75, 0.2, 0.74, 0.0],
    )
    expected = [
        firing.DEAD, firing.RARELY, firing.CONSTANT, firing.SATURATED, firing.RARELY,
        firing.ALWAYS, firing.ORDINARY,
    ]  # fmt: skip
    assert [firing.LOOKS[index] for index in firing.looks(given)] == expected


def test_every_unit_is_counted_once() -> None:
    given = units(list(range(201)))
    table = firing.counts(given)
    assert table.shape == (len(firing.LOOKS), firing.LANES)
    assert table.sum() == 201


def bar_heights(axes: Axes, look: firing.Look) -> list[float]:
    bars = [each for each in axes.patches if isinstance(each, Rectangle)]
    return [
        bar.get_height()
        for bar in bars
        if bar.get_facecolor()[:3] == to_rgb(look.colour) and bar.get_height()
    ]


def test_the_bars_are_the_numbers_of_units() -> None:
    given = call("fc", units=units([0] * 5 + [1] * 2 + [100] * 3 + [200] * 4))
    [(stem, figure)] = figures(facts(given))
    assert stem == "deadneurons"
    panel = figure.axes[0]
    heights = [bar_heights(panel, look) for look in firing.LOOKS]
    assert heights == [[5], [], [], [2], [4], [3]]


@pytest.mark.parametrize(
    ("dead", "text"), [(64, "64/64 ALL DEAD"), (32, "32/64 DEAD"), (31, "31/64"), (0, "0/64")]
)
@pytest.mark.parametrize("others", [0, 20])
def test_half_dead_is_said_in_words(dead: int, text: str, others: int) -> None:
    sick = call("sick", units=units([0] * dead + [100] * (64 - dead)))
    [(_, figure)] = figures(facts(sick, *many(others).calls))
    said = " ".join(strings(figure))
    assert text in said
    assert ("DEAD" in said) == (dead >= 32)


@pytest.mark.parametrize(
    ("role", "dead", "alarms"),
    [("gate", 64, False), ("gate-input", 64, False), ("output", 63, False), ("output", 64, True)],
)
@pytest.mark.parametrize("others", [0, 20])
def test_gates_and_outputs_raise_no_false_alarm(
    role: Role, dead: int, alarms: bool, others: int
) -> None:
    silent = call("silent", role=role, units=units([0] * dead + [100] * (64 - dead)))
    [(_, figure)] = figures(facts(silent, *many(others).calls))
    said = " ".join(strings(figure))
    assert f"{dead}/64" in said
    assert ("DEAD" in said) == alarms


def test_the_title_says_what_so_many_samples_allow() -> None:
    [(_, figure)] = figures(facts(call("fc", units=units([0, 300], samples=300)), synthetic=True))
    said = " ".join(strings(figure))
    assert "1 activation call · 300 samples of random input" in said
    assert "up to 1.0 % of samples (3/n" in said


def test_kind_and_role_are_said() -> None:
    gate = call("se", kind="sigmoid", role="gate", units=units([200], saturated=[0.25]))
    [(_, figure)] = figures(facts(gate))
    assert any(
        "sigmoid · gate" in text and "25 % of values saturated" in text for text in strings(figure)
    )


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (5, 1), (12, 1), (13, 1), (57, 1), (150, 3)])
def test_all_calls_are_shown_by_their_whole_names(count: int, pages: int) -> None:
    given = many(count)
    drawn = figures(given)
    assert len(drawn) == pages
    said = [text for _, figure in drawn for text in strings(figure)]
    assert [text for text in said if text.endswith("#1")] == [
        str(each.site) for each in given.calls
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 12, 13, 57])
def test_no_text_covers_another_or_leaves_the_picture(count: int) -> None:
    saturated = call(
        "g", kind="hardsigmoid", role="gate-input", units=units([200], saturated=[0.999])
    )
    large = call("wide", units=units([0] * 40000 + [1] * 1234))
    given = [call(NASTY), large, saturated, *many(57).calls][:count]
    for _, figure in figures(facts(*given)):
        assert collisions(figure) == []


@pytest.mark.parametrize("others", [0, 20])
def test_a_nasty_name_is_shown_as_it_is(others: int) -> None:
    [(_, figure)] = figures(facts(call(NASTY), *many(others).calls))
    assert NASTY.replace("层", "\\u5c42") in "".join(strings(figure))


def test_the_map_colours_a_lane_more_for_a_larger_share() -> None:
    calls = [call(f"c{i}", units=units([0] * i + [100] * (20 - i))) for i in range(20)]
    [(_, figure)] = figures(facts(*calls))
    image = next(axes.images[0].get_array() for axes in figure.axes if axes.images)
    red = np.asarray(image)[:, firing.NEVER_LANE]
    lightness = red[1:].sum(axis=1)
    assert (np.diff(lightness) < 0).all()


def test_the_states_differ_in_grey_or_hatching() -> None:
    grey = [np.dot(to_rgb(look.colour), (0.299, 0.587, 0.114)) for look in firing.LOOKS]
    for i, one in enumerate(firing.LOOKS):
        for j, other in enumerate(firing.LOOKS[:i]):
            assert one.hatch != other.hatch or abs(grey[i] - grey[j]) > 0.2


def test_nothing_to_draw_is_no_picture() -> None:
    assert figures(facts()) == []
    assert figures(facts(call("fc", units=None), call("empty", units=units([])))) == []


def test_57_calls_take_less_than_two_seconds() -> None:
    given = many(57)
    start = time.process_time()
    figures(given)
    assert time.process_time() - start < 2
