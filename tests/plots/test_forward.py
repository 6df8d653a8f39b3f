"""The picture of the calls' sizes: every call whole and in its place, the sick one in red."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from netdoctor.facts.forward import ForwardCall, ForwardFacts
from netdoctor.facts.site import Site
from netdoctor.plots import style
from netdoctor.plots.forward import arrays, figures
from tests.plots.reading import collisions, strings, texts
from tests.rules.cases import forward, moments


def made(count: int, *, dtype: str = "float32") -> ForwardFacts:
    """So many calls; the third makes NaN, and the fourth has it."""
    calls = []
    for place in range(count):
        values = dataclasses.replace(
            moments(nan=4 if place in (2, 3) else 0), std=2.0**-place, maximum=3.0, minimum=-1.0
        )
        status = {2: "first NaN", 3: "NaN"}.get(place, "ok")
        site = Site(f"block{place}.[red]../conv")
        calls.append(ForwardCall(site, "Conv2d", (2, 8), dtype, values, status))
    return forward(calls=tuple(calls))


@pytest.mark.parametrize("count", [1, 5, 61, 200])
def test_every_call_stands_on_a_page_and_nothing_collides(count: int) -> None:
    pages = figures(made(count))
    assert len(pages) == math.ceil(count / 60)
    said = [text for _, figure in pages for text in strings(figure)]
    for place in range(count):
        assert f"block{place}.[red]../conv#1" in said
    assert all(collisions(figure) == [] for _, figure in pages)


def test_the_first_sick_call_is_told_in_red() -> None:
    [(stem, figure)] = figures(made(6))
    assert stem == "check-forward"
    red = [
        each.get_text() for each in texts(figure) if to_rgb(each.get_color()) == to_rgb(style.ALARM)
    ]
    assert red == ["block2.[red]../conv#1", "first NaN", "NaN"]


def test_dots_and_bars_are_at_the_logarithms_of_the_sizes() -> None:
    [(_, figure)] = figures(made(2))
    lines = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in lines] == [0.0, pytest.approx(math.log10(0.5))]
    bars = [line for line in figure.axes[0].get_lines() if line.get_linewidth() == 5]
    assert [float(line.get_xdata()[1]) for line in bars] == [pytest.approx(math.log10(3))] * 2


def test_the_end_of_float16_is_shown_where_it_matters() -> None:
    assert not any("float16" in text for text in strings(figures(made(3))[0][1]))
    assert any("float16 ends" in text for text in strings(figures(made(3, dtype="float16"))[0][1]))


def test_no_call_no_picture_and_nothing_finite_no_bar() -> None:
    assert figures(forward()) == []
    nothing = moments()
    nothing = dataclasses.replace(
        nothing, nan=1000, zeros=0, small=0, mean=math.nan, std=math.nan, minimum=math.nan,
        maximum=math.nan,
    )  # fmt: skip
    call = ForwardCall(Site("fc"), "Linear", (2, 8), "float32", nothing, "NaN")
    assert len(figures(forward(calls=(call,)))) == 1


def test_the_arrays_are_the_numbers_of_the_table() -> None:
    values = arrays(made(3))["check-forward"]["block1.[red]../conv#1"]
    np.testing.assert_array_equal(values, [0.0, 0.5, -1.0, 3.0, 0.0, 0.0])
