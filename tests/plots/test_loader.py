"""The pictures of a loader: what is odd first, bars of the right height, nothing colliding."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from netdoctor.facts.loader import CopyFacts, LoaderFacts, Pair, Shown
from netdoctor.facts.loader_fields import Channels
from netdoctor.plots.loader import arrays, figures
from tests.plots.reading import collisions, strings
from tests.rules.loader_cases import field, labelled, scan

RNG = np.random.default_rng(0)


def shown(name: str, why: str = "", channels: int = 3, side: int = 16) -> Shown:
    shape = (side, side, 3) if channels == 3 else (side, side)
    return Shown(RNG.normal(size=shape).astype(np.float32), name, "7", why)


def histograms(channels: int) -> Channels:
    one = np.ones(channels)
    edges = np.tile(np.linspace(-2, 3, 61), (channels, 1))
    return Channels(0 * one, one, -2 * one, 3 * one, RNG.integers(0, 99, (channels, 60)), edges)


def everything(channels: int = 3) -> LoaderFacts:
    broken = shown("a/very/long/path/to/some/photograph-000017.jpeg", "NaN or Inf", channels)
    broken.picture[3, 3] = np.nan
    picture = broken.picture
    pairs = [Pair(str(n), str(n + 50), 1.0 - 0.001 * (n > 2), (1, n % 2), n % 2 == 1,
                  (picture, picture)) for n in range(8)]  # fmt: skip
    copies = CopyFacts(compared=100, exact=3, near=5, pairs=tuple(pairs), images=True)
    return dataclasses.replace(
        labelled(40, 60, 3, classes=3),
        fields=(field(channels=histograms(channels)),),
        shown=(broken, *(shown(str(n), "", channels) for n in range(30))),
        copies=copies, overlap=dataclasses.replace(copies, other_name="train"),
    )  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_they_are_drawn_and_nothing_collides(channels: int) -> None:
    drawn = dict(figures(everything(channels)))
    assert list(drawn) == ["contact-sheet", "labels", "values", "duplicates", "leakage"]
    for stem, figure in drawn.items():
        assert collisions(figure) == [], stem


def test_odd_samples_come_first_and_say_why() -> None:
    figure = dict(figures(everything()))["contact-sheet"]
    assert "NaN or Inf" in strings(figure)
    image = np.asarray(figure.axes[0].images[0].get_array())
    assert image[3, 3].tolist() == pytest.approx([1.0, 0.0, 0.565])
    assert len(figure.axes) == 31


def test_the_bars_are_the_counts() -> None:
    axes = dict(figures(everything()))["labels"].axes[0]
    assert [bar.get_height() for bar in axes.patches] == [40, 60, 3]


@pytest.mark.parametrize("classes", [1, 2, 30, 61, 1000])
def test_any_number_of_classes_has_room(classes: int) -> None:
    figure = dict(figures(labelled(*RNG.integers(1, 90, classes).tolist())))["labels"]
    assert collisions(figure) == []


def test_a_class_that_never_comes_is_an_empty_bar() -> None:
    axes = dict(figures(labelled(40, 0, 3, classes=4)))["labels"].axes[0]
    assert [bar.get_height() for bar in axes.patches] == [40, 0, 3, 0]


def test_without_anything_to_see_there_is_no_picture() -> None:
    assert figures(scan()) == []
    assert arrays(scan()) == {}


def test_the_numbers_are_those_of_the_pictures() -> None:
    facts = everything()
    numbers: dict[str, Any] = arrays(facts)
    assert numbers["labels"]["count"].tolist() == [40, 60, 3]
    assert facts.fields[0].channels is not None
    assert np.array_equal(numbers["values"]["counts"], facts.fields[0].channels.counts)
    assert len(numbers["contact-sheet"]) == len(facts.shown)
