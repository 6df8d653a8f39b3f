from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from netdoctor.facts.gradflow import Cause, GradientFacts, ParameterGradient, State
from netdoctor.plots.gradflow import ROWS_A_PAGE, UPRIGHT_AT_MOST, arrays, figures
from netdoctor.plots.gradient_bars import MAX_COLOUR, MEAN_COLOUR, scale_of
from netdoctor.plots.style import ALARM
from tests.plots.reading import collisions, strings, texts

STATES: tuple[State, ...] = ("missing", "zero", "non-finite", "frozen")


def parameter(place: int, state: State = "value", **fields: object) -> ParameterGradient:
    """The weight of a layer in one of many blocks; deeper ones have larger gradients."""
    name = f"body.{place // 6}.layer{place % 6}.weight"
    mean = 10.0 ** (place % 7 - 8)
    usual: dict[str, object] = {"mean": mean, "maximum": 30 * mean, "norm": mean, "batches": 2}
    if state in ("missing", "zero", "frozen"):
        usual = {}
    return ParameterGradient(
        name=name,
        module=name.rpartition(".")[0],
        kind="Linear",
        shape=(4, 4),
        state=state,
        **{**usual, **fields},  # type: ignore[arg-type]
    )


def facts(count: int, odd: bool = True) -> GradientFacts:
    """So many parameters, of which the first few have no proper gradient."""
    parameters = [
        parameter(place, STATES[place] if odd and place < len(STATES) else "value")
        for place in range(count)
    ]
    return GradientFacts(tuple(parameters), (), (1.0, 2.0), "cross-entropy", samples=64)


def bars(figure: Figure, colour: str, *, upright: bool) -> list[float]:
    """The values up to which the bars of that colour reach, in drawing order."""
    found = []
    for axes in figure.axes:
        for container in axes.containers:
            for patch in container.patches:
                if patch.get_facecolor()[:3] == pytest.approx(
                    tuple(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
                ):
                    end = (
                        patch.get_y() + patch.get_height()
                        if upright
                        else patch.get_x() + patch.get_width()
                    )
                    found.append(10**end)
    return found


@pytest.mark.parametrize("count", [1, 8, UPRIGHT_AT_MOST, UPRIGHT_AT_MOST + 1, 400])
@pytest.mark.parametrize("odd", [False, True])
def test_nothing_collides_and_every_parameter_is_named(count: int, odd: bool) -> None:
    given = facts(count, odd)
    pages = figures(given)
    written = [text for _, figure in pages for text in strings(figure)]
    for each in given.parameters:
        assert any(each.name == text or each.name.endswith(f".{text}") for text in written)
    for _, figure in pages if count < 400 else (pages[0], pages[-1]):
        assert collisions(figure) == []


def test_up_to_39_stand_upright_and_more_lie_on_pages_of_60() -> None:
    assert [stem for stem, _ in figures(facts(UPRIGHT_AT_MOST))] == ["gradflow"]
    assert [stem for stem, _ in figures(facts(ROWS_A_PAGE))] == ["gradflow"]
    pages = figures(facts(400))
    assert [stem for stem, _ in pages] == [f"gradflow-{number}" for number in range(1, 8)]
    assert any("body.0" in text for text in strings(pages[0][1]))
    assert all(
        max(figure.get_size_inches()) < 20 for _, figure in pages
    )  # a page fits on a screen with scrolling, and no side is absurd


@pytest.mark.parametrize("count", [12, 50])
def test_the_bars_reach_to_the_mean_and_the_maximum(count: int) -> None:
    given = facts(count)
    ((_, figure),) = figures(given)
    shown = [each for each in given.parameters if each.state == "value"]
    upright = count < 40
    means, tops = (bars(figure, each, upright=upright) for each in (MEAN_COLOUR, MAX_COLOUR))
    assert means == pytest.approx([each.mean for each in shown], rel=1e-6)
    assert tops == pytest.approx([each.maximum for each in shown], rel=1e-6)


@pytest.mark.parametrize("count", [12, 50])
def test_each_state_without_a_value_has_its_own_lane(count: int) -> None:
    words = strings(figures(facts(count))[0][1])
    assert any("zero" in text for text in words)
    assert any("missing" in text for text in words)
    assert any("NaN" in text for text in words)
    plain = strings(figures(facts(count, odd=False))[0][1])
    assert not any(word in text for text in plain for word in ("missing", "NaN", "frozen"))


def test_only_what_is_hardly_meant_is_coloured_as_an_alarm() -> None:
    given = GradientFacts(
        (
            parameter(0, "zero", cause=Cause("stopped", "relu")),
            parameter(1, "zero", cause=Cause("zero-gate", "batch_norm")),
            parameter(2, "frozen"),
            parameter(3),
        ),
        (), (1.0,), "mse",
    )  # fmt: skip
    ((_, figure),) = figures(given)
    alarming = {text.get_text() for text in texts(figure) if text.get_color() == ALARM}
    assert alarming == {given.parameters[0].name}


def test_the_scale_holds_what_is_drawn_and_survives_nothing_to_draw() -> None:
    given = facts(30)
    scale = scale_of(given.parameters)
    shown = [each for each in given.parameters if each.state == "value"]
    assert 10**scale.low <= min(each.mean for each in shown)
    assert 10**scale.high >= max(each.maximum for each in shown)
    assert figures(GradientFacts((), (), (), "mse")) == []
    missing = GradientFacts((parameter(0, "missing"),), (), (1.0,), "mse")
    assert collisions(figures(missing)[0][1]) == []


def test_names_and_sizes_that_are_awkward() -> None:
    long = "a_very_long_module_name" * 4
    given = GradientFacts(
        tuple(
            ParameterGradient(
                f"{long}.$w{place}$", long, "Linear", (4,), "value", 2, 1e-44, 1e30, 1.0, 1.0
            )
            for place in range(45)
        ),
        (), (1.0,), "mse",
    )  # fmt: skip
    ((_, figure),) = figures(given)
    assert collisions(figure) == []


def test_the_arrays_hold_what_the_bars_show() -> None:
    given = facts(12)
    saved = arrays(given)
    assert saved["parameter"].tolist() == [each.name for each in given.parameters]
    assert saved["state"].tolist() == [each.state for each in given.parameters]
    np.testing.assert_array_equal(saved["mean"], [each.mean for each in given.parameters])
    assert {len(saved[key]) for key in ("max", "norm", "weight_norm")} == {12}
    assert saved["loss"].tolist() == [1.0, 2.0]
