"""Histogram sheets: shares that are true, every odd call with a look of its own."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from netdoctor.plots.activations import block_names, figures
from netdoctor.plots.histogram import VALUE_COLOUR, ZERO_COLOUR, Scale, densities, scale_of
from netdoctor.plots.style import ALARM
from tests.plots.made_up import call, facts, many
from tests.plots.reading import collisions, panel_with, strings

NORMAL = np.random.default_rng(0).normal(size=4000)
NAN, INF = float("nan"), float("inf")


def only(**fields: Any) -> Figure:
    [(stem, figure)] = figures(facts(call("features.act", **fields)))
    assert stem == "activations"
    return figure


def bar(figure: Figure, colour: str) -> float:
    """Height of the panel's bar of that colour, 1 for all values; 0 if there is none."""
    found = [
        patch.get_height()
        for patch in figure.axes[-1].patches
        if isinstance(patch, Rectangle) and patch.get_facecolor()[:3] == to_rgb(colour)
    ]
    return found[0] if found else 0.0


def test_exact_zeros_have_a_bar_and_are_not_in_the_histogram() -> None:
    values = np.concatenate([np.zeros(900), np.linspace(0.001, 1, 100)])
    given = call("fc", values=values)
    assert bar(only(values=values), ZERO_COLOUR) == pytest.approx(0.9)
    assert given.moments is not None
    density, places = densities(given, given.moments, scale_of(given.moments))
    assert density is not None
    assert (density * np.diff(places)).sum() == pytest.approx(100)
    assert density.max() < 3 * density.mean()


@pytest.mark.parametrize("sign", [1, -1])
def test_zeros_at_the_end_of_the_range_are_taken_out_too(sign: int) -> None:
    given = call("fc", values=sign * NORMAL.clip(0))
    assert given.moments is not None
    density, places = densities(given, given.moments, scale_of(given.moments))
    assert density is not None
    assert (density * np.diff(places)).sum() == pytest.approx((NORMAL > 0).sum())


def test_uneven_bins_are_drawn_by_their_density() -> None:
    edges = np.array([0.0, 0.1, 0.5, 1.0])
    values = np.linspace(0, 1, 10001)[1:]
    given = call("fc", values=values)
    counts = np.histogram(values, edges)[0]
    given = dataclasses.replace(given, histogram=counts, edges=edges)
    assert given.moments is not None
    density, _ = densities(given, given.moments, scale_of(given.moments))
    assert density is not None
    np.testing.assert_allclose(density, density.mean(), rtol=0.02)


def test_non_finite_values_are_red_and_counted_however_few() -> None:
    values = np.concatenate([NORMAL, [NAN, NAN, -INF]])
    figure = only(values=values)
    assert "2 NaN 1 Inf" in strings(figure)
    assert bar(figure, ALARM) >= 0.05
    assert bar(only(values=NORMAL), ALARM) == 0


def test_a_bar_of_half_nan_is_half_high() -> None:
    values = np.concatenate([NORMAL, np.full(len(NORMAL), NAN)])
    assert bar(only(values=values), ALARM) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full(10, NAN), "no finite value"),
        (np.full(10, INF), "no finite value"),
        (np.array([]), "no values: the output is empty"),
        (np.full(10, 0.5), "constant: every finite value is 0.5"),
        (np.zeros(10), "constant: every finite value is 0"),
    ],
)
def test_odd_calls_say_what_they_are(values: np.ndarray[Any, Any], said: str) -> None:
    figure = only(values=values)
    assert panel_with(figure, said) is figure.axes[-1]
    assert collisions(figure) == []


def test_a_call_without_a_histogram_still_has_its_moments() -> None:
    given = dataclasses.replace(call("fc", values=NORMAL), histogram=None, edges=None)
    [(_, figure)] = figures(facts(given))
    assert "no histogram was taken" in strings(figure)
    assert any("mean" in text and "std 0.9" in text for text in strings(figure))


def test_the_caption_holds_kind_shape_and_moments() -> None:
    figure = only(values=np.array([-1.0, 0, 0, 3]), kind="gelu")
    assert {"gelu · 200×4", "mean 0.5 · std 1.5 · −1 to 3"} <= {*strings(figure)}


def test_a_peak_turns_the_height_logarithmic_and_outliers_the_width() -> None:
    def remark(values: np.ndarray[Any, Any]) -> str:
        return " ".join(text for text in strings(only(values=values)) if text.startswith("log"))

    outliers = np.concatenate([NORMAL, [1e4, -1e5]])
    assert remark(np.random.default_rng(0).uniform(size=4000)) == ""
    assert "log x" in remark(outliers)
    assert "log x" not in remark(outliers * 1e-9 + 1)
    assert "log y" in remark(np.concatenate([np.full(4000, 0.3), np.linspace(0, 1, 60)]))


@pytest.mark.parametrize("linear", [None, 0.5])
def test_a_scale_keeps_order_and_stays_in_its_lane(linear: float | None) -> None:
    scale = Scale(-3.0, 1e4, linear)
    places = scale(np.linspace(-3, 1e4, 50))
    assert (np.diff(places) > 0).all()
    assert (places[0], places[-1]) == pytest.approx((0.12, 0.87))
    ticks = scale.ticks()
    assert len(ticks) >= 2
    assert ticks == sorted(set(ticks))


def test_blocks_are_the_first_part_of_the_path_that_tells_calls_apart() -> None:
    paths = ["net.features.0.act", "net.features.1.act", "net.features.1.act", "net.features.2"]
    assert block_names([call(path) for path in paths]) == [
        "net.features.0", "net.features.1", "net.features.1", "net.features.2",
    ]  # fmt: skip
    assert block_names([call(""), call("layer1.0")]) == ["(model)", "layer1"]
    assert block_names([call("relu", 1), call("relu", 2)]) == ["relu", "relu"]
    assert block_names([]) == []


def test_a_block_that_fills_pages_is_split_further() -> None:
    features = [call(f"features.{i // 10}.{i}") for i in range(25)]
    names = block_names([*features, call("head.fc")])
    assert names == [f"features.{i // 10}" for i in range(25)] + ["head"]


@pytest.mark.parametrize(("count", "pages"), [(1, 1), (5, 1), (24, 1), (57, 3), (150, 7)])
def test_all_calls_are_shown_by_their_whole_names_and_blocks(count: int, pages: int) -> None:
    given = many(count)
    drawn = figures(given)
    assert len(drawn) == pages
    said = [text for _, figure in drawn for text in strings(figure)]
    assert [text for text in said if text.endswith("#1")] == [
        str(each.site) for each in given.calls
    ]
    assert {f"block{i // 6}" for i in range(count)} - {"block0"} <= {*said, "block0"}


def test_no_text_covers_another_or_leaves_the_picture() -> None:
    odd = [np.concatenate([NORMAL, [1e6, NAN]]), np.concatenate([NORMAL * 1e-9, [-1e-3]])]
    odd += [np.full(10, NAN), np.zeros(9), NORMAL * 1e5 - 3e6, np.append(np.zeros(2000), 1e-3)]
    calls = [call(f"b{i}.{'long_name_' * i * 2}act", values=values) for i, values in enumerate(odd)]
    shape = dataclasses.replace(calls[0], shape=(32, 1280, 112, 112), kind="Conv2dNormActivation")
    for _, figure in figures(facts(*calls, shape, *many(12).calls)):
        assert collisions(figure) == []


@pytest.mark.parametrize("name", ["[red]x/../y$\\frac{1}{2}$", "$", "层" * 30, "n" * 120, "%s {0}"])
def test_nasty_names_are_shown_as_they_are(name: str) -> None:
    [(_, figure)] = figures(facts(call(name)))
    assert f"{name.replace('层', chr(92) + 'u5c42')}#1" in "".join(strings(figure))
    assert collisions(figure) == []


def test_extreme_values_draw_without_a_warning() -> None:
    tiny, huge = NORMAL * 1e-42, np.append(NORMAL, [3e38, -3e38])
    one_of_many = np.append(np.full(1000, 2.0), 2.0000001)
    close = np.append(np.full(2000, 0.5), [0.49999997, 0.50000006])
    for values in (tiny, huge, one_of_many, close, np.array([1.0]), np.array([-0.0, 0.0])):
        assert collisions(only(values=values)) == []


def test_calls_without_moments_are_left_out() -> None:
    assert figures(facts(dataclasses.replace(call("fc"), moments=None))) == []


def test_57_calls_take_seconds_and_not_minutes() -> None:
    given = many(57)
    start = time.process_time()
    figures(given)
    assert time.process_time() - start < 6  # 1.5 on a quiet machine


def test_the_histogram_has_its_colour() -> None:
    steps = [
        patch for patch in only(values=NORMAL).axes[-1].patches if not isinstance(patch, Rectangle)
    ]
    assert [step.get_facecolor()[:3] for step in steps] == [to_rgb(VALUE_COLOUR)]
