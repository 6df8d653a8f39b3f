"""The curve of a range test on curves whose reading is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from netdoctor.facts import lr_methods
from netdoctor.facts.lr_curve import DivergenceWatch, declined, read, smooth

RATES = np.geomspace(1e-7, 10, 100)
Floats = NDArray[np.float64]


def curve(
    centre: float = 0.1,
    noise: float = 0.02,
    seed: int = 0,
    drop: float = 1.5,
    rates: Floats = RATES,
) -> Floats:
    """A loss that falls from 2.3 below `centre`, and rises steeply behind it."""
    place = np.log10(rates / centre)
    loss = 2.3 - drop / (1 + np.exp(-5 * (place + 0.5))) + 10 ** (3 * np.clip(place - 0.3, None, 1))
    return loss + noise * np.random.default_rng(seed).standard_normal(len(rates))


def repeats(**options: float) -> list[Floats]:
    return [curve(seed=seed, **options) for seed in range(3)]


def test_smoothing_keeps_a_constant_and_its_ends() -> None:
    places = np.log10(RATES)
    np.testing.assert_allclose(smooth(np.full(100, 2.0), places, 0.35), 2.0, rtol=1e-12)


def test_smoothing_is_the_weighted_mean_of_its_neighbours() -> None:
    places, values = np.log10(RATES), curve()
    slow = []
    for here in places:
        weights = [np.exp(-((here - there) ** 2) / (2 * 0.2**2)) for there in places]
        slow.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    np.testing.assert_allclose(smooth(values, places, 0.2), slow, rtol=1e-12)


@pytest.mark.parametrize("factor", [0.01, 0.1, 3.0])
def test_the_suggestion_moves_with_the_curve(factor: float) -> None:
    at_first = read(RATES, repeats(centre=0.1)).suggestion
    moved = read(RATES, repeats(centre=0.1 * factor)).suggestion
    assert at_first is not None
    assert moved is not None
    assert moved / at_first == pytest.approx(factor, rel=0.25)


@pytest.mark.parametrize("scale", [1e-3, 1e4])
def test_the_scale_of_the_loss_changes_nothing(scale: float) -> None:
    plain = read(RATES, repeats())
    scaled = read(RATES, [scale * each for each in repeats()])
    assert scaled.suggestion == pytest.approx(plain.suggestion)
    assert scaled.descent == pytest.approx(plain.descent)


def test_it_lies_below_the_minimum_and_within_its_band() -> None:
    reading = read(RATES, repeats(noise=0.1))
    minimum = RATES[reading.mean.argmin()]
    assert reading.suggestion is not None
    assert reading.band is not None
    low, high = reading.band
    assert minimum / 30 < low <= reading.suggestion <= high < minimum
    assert reading.methods[0].rate == reading.suggestion


def test_an_explosion_and_a_sweep_cut_short_by_it_read_alike() -> None:
    whole = repeats()
    cut = [each[: int(np.argmax(each > 8)) + 1] for each in whole]
    assert read(RATES, cut).suggestion == pytest.approx(read(RATES, whole).suggestion, rel=0.02)


def test_a_collapse_without_divergence_is_not_taken_for_room() -> None:
    """A network that saturates keeps a low loss to the end of the range."""
    place = np.log10(RATES / 0.01)
    collapsed = [
        0.8 - 0.64 / (1 + np.exp(-5 * place)) + 0.01 * np.random.default_rng(seed).random(100)
        for seed in range(3)
    ]
    suggestion = read(RATES, collapsed).suggestion
    assert suggestion is not None
    assert 0.005 < suggestion < 0.06


def test_the_basin_of_a_known_parabola() -> None:
    places = np.log10(RATES)
    parabola = np.minimum((places + 1) ** 2, 4.0)  # falls by 4 to 0 at lr = 0.1
    halves = [2 * np.sqrt(share) for share in (0.1, 0.25)]
    inside = [-1 - half + 2 / 3 * min(2 * half, 1.4) for half in halves]
    expected = 10 ** np.mean(inside) / 5.5
    assert lr_methods.basin(places, parabola) == pytest.approx(expected, rel=0.01)


def test_the_suggestion_hardly_depends_on_the_noise() -> None:
    found = [
        read(RATES, [curve(noise=0.15, seed=3 * seed + k) for k in range(3)]).suggestion
        for seed in range(20)
    ]
    rates = [rate for rate in found if rate is not None]
    assert len(rates) == 20
    assert max(rates) / min(rates) < 2


@pytest.mark.parametrize("noise", [1e-4, 0.02, 0.5])
def test_noise_alone_suggests_nothing(noise: float) -> None:
    for seed in range(20):
        draws = np.random.default_rng(seed).normal(2.3, noise, (3, 100))
        reading = read(RATES, list(draws))
        assert reading.suggestion is None
        assert "beyond the noise" in reading.reason
        assert all(method.rate is None for method in reading.methods)


def test_a_converged_model_with_rare_spikes_suggests_nothing() -> None:
    for seed in range(20):
        draws = 0.01 * np.random.default_rng(seed).pareto(1.5, (3, 100))
        draws[:, 80:] += np.geomspace(0.01, 20, 20)
        assert read(RATES, list(draws)).suggestion is None


def test_a_constant_loss_is_called_constant() -> None:
    reading = read(RATES, [np.full(100, 2.3)] * 3)
    assert "constant" in reading.reason
    assert reading.descent == 0


@pytest.mark.parametrize("points", [1, 3, 19])
def test_too_few_points_are_counted(points: int) -> None:
    assert read(RATES, [curve()[:points]]).reason.startswith(f"only {points} usable points")
    assert (
        "20 are needed" in read(RATES[:points] if points > 1 else RATES, [curve()[:points]]).reason
    )


def test_no_point_at_all_is_a_loss_that_was_never_finite() -> None:
    assert "not finite at the first step" in read(RATES, [curve(), np.empty(0)]).reason


def test_a_suggestion_can_be_withdrawn() -> None:
    reading = declined(read(RATES, repeats()), "the model is frozen")
    assert (reading.suggestion, reading.band, reading.reason) == (None, None, "the model is frozen")


def test_the_methods_on_a_curve_known_by_hand() -> None:
    places = np.arange(30.0)
    loss = np.array([5.0] * 10 + [4.0, 2.0, 1.5, 1.2, 1.0] + [1.2 + k for k in range(15)])
    assert lr_methods.tenth_of_minimum(places, loss) == pytest.approx(1e13)
    assert lr_methods.steepest(places, loss) == pytest.approx(
        1e10
    )  # central differences: (2 - 5) / 2
    falling = np.array([3.0, 5, 4, 3, 2, 1, 0, 9])
    assert lr_methods.valley(np.arange(8.0), falling) == pytest.approx(10**3)  # as fastai counts
    assert lr_methods.valley(np.arange(8.0), np.arange(8.0)) is None


def watched(losses: Floats) -> int | None:
    watch = DivergenceWatch(12.4)
    return next((place for place, loss in enumerate(losses) if watch(loss)), None)


def test_divergence_is_seen_where_it_happens_and_nowhere_else() -> None:
    place = watched(curve())
    assert place is not None
    assert 0.3 < RATES[place] < 3
    rng = np.random.default_rng(0)
    for seed in range(20):
        assert watched(np.random.default_rng(seed).normal(2.3, 0.3, 100)) is None
    spikes = np.full(100, 0.01) + 0.002 * rng.standard_normal(100)
    spikes[::7] = 1.0
    assert watched(spikes) is None
    assert watched(-5 + curve(drop=0.0)[:80]) is None
