"""Streaming statistics against a two-pass float64 reference, over any layout and any split."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netdoctor.observe.kinds import GELU, RELU, RELU6, SIGMOID, TANH, Kind, kind_of_function
from netdoctor.stats import MomentAccumulator, UnitAccumulator, UnitView, unit_view

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
LAYOUTS = ("contiguous", "channels_last", "sliced", "transposed")
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def laid_out(values: Tensor, layout: str) -> Tensor:
    """The same (N, C, H, W) values in another memory layout."""
    if layout == "channels_last":
        return values.contiguous(memory_format=torch.channels_last)
    if layout == "sliced":
        wide = torch.full((*values.shape[:3], values.shape[3] + 2), 77.0, dtype=values.dtype)
        wide[..., 1:-1] = values
        return wide[..., 1:-1]
    if layout == "transposed":
        return values.transpose(2, 3).contiguous().transpose(2, 3)
    return values.contiguous()


def moments_of(parts: list[Tensor], axis: int | None = 1) -> MomentAccumulator:
    accumulator = MomentAccumulator(detailed=True)
    for part in parts:
        accumulator.update(unit_view(part, axis, len(part)).flat)
    return accumulator


def units_of(
    parts: list[Tensor], kind: Kind = RELU, axis: int | None = 1, per_position: bool = False
) -> UnitAccumulator:
    accumulator = UnitAccumulator(kind, per_position=per_position)
    for part in parts:
        view = unit_view(part, axis, len(part))
        largest = float(part.float().nan_to_num(0, 0, 0).max()) if part.numel() else -math.inf
        accumulator.update(view, view.sums(), largest)
    return accumulator


def split(values: Tensor, cuts: list[int]) -> list[Tensor]:
    ends = sorted({min(cut, len(values)) for cut in cuts} - {0, len(values)})
    return list(values.tensor_split(ends)) if ends else [values]


def check_moments(accumulator: MomentAccumulator, values: Tensor) -> None:
    """Against numpy in float64, in two passes."""
    everything = values.double().numpy().ravel()
    finite = everything[np.isfinite(everything)]
    seen = accumulator.read()
    assert seen.count == everything.size
    assert seen.nan == np.isnan(everything).sum()
    assert seen.inf == np.isinf(everything).sum()
    assert seen.negative_inf == np.isneginf(everything).sum()
    assert seen.finite == finite.size
    assert seen.zeros == (finite == 0).sum()
    single = finite.astype(values.float().numpy().dtype if values.dtype != torch.float64 else None)
    assert seen.small == (np.abs(single) < 0.01).sum()
    if not finite.size:
        assert math.isnan(seen.mean)
        assert math.isnan(seen.std)
        return
    mean = math.fsum(finite) / finite.size
    std = math.sqrt(math.fsum((finite - mean) ** 2) / finite.size)
    scale = np.abs(finite).max()
    assert seen.minimum == finite.min()
    assert seen.maximum == finite.max()
    assert seen.mean == pytest.approx(mean, rel=1e-6, abs=1e-6 * max(std, scale * 1e-3))
    assert seen.std == pytest.approx(std, rel=1e-6, abs=1e-9 * scale)


shapes = st.tuples(st.integers(1, 9), st.integers(1, 5), st.integers(1, 6), st.integers(1, 6))
cuts = st.lists(st.integers(0, 9), max_size=3)


@QUICK
@given(
    shapes,
    cuts,
    st.sampled_from(LAYOUTS),
    st.sampled_from(DTYPES),
    st.sampled_from(["normal", "relu", "far", "constant", "large"]),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(0, 999),
)
def test_moments_equal_the_reference(
    shape: tuple[int, ...],
    cut: list[int],
    layout: str,
    dtype: torch.dtype,
    values: str,
    broken: float,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    base = torch.randn(shape, dtype=torch.float64)
    made = {
        "normal": base,
        "relu": base.relu(),
        "far": base + 1e4,
        "constant": torch.full(shape, 0.3, dtype=torch.float64),
        "large": base * (1e30 if dtype != torch.float16 else 1e3),
    }[values].to(dtype)
    chosen = torch.rand(shape) < broken
    made[chosen] = torch.tensor([math.nan, math.inf, -math.inf], dtype=dtype)[
        torch.randint(0, 3, (int(chosen.sum()),))
    ]
    parts = [laid_out(part, layout) for part in split(made, cut)]
    accumulator = moments_of(parts)
    check_moments(accumulator, made)
    first, rest = moments_of(parts[:1]), moments_of(parts[1:])
    first.merge(rest)
    check_moments(first, made)
    counts, edges = accumulator.histogram()
    assert counts.sum() == made.isfinite().sum()
    assert (counts >= 0).all()
    assert len(edges) == len(counts) + 1
    for other in (first, moments_of([made])):
        assert np.array_equal(other.histogram()[0], counts)
        assert np.array_equal(other.histogram()[1], edges)


@pytest.mark.parametrize("size", [1, 1023, 1024, 2**18 + 5, 1_000_003])
@pytest.mark.parametrize(("mean", "std"), [(0, 1), (1e4, 1), (1e6, 1), (3, 1e-3), (1.7, 1)])
def test_moments_of_long_tensors(size: int, mean: float, std: float) -> None:
    generator = torch.Generator().manual_seed(size)
    values = torch.randn(size, generator=generator) * std + mean
    check_moments(moments_of([values.view(1, -1)]), values)


def test_moments_of_nothing_are_nan_and_the_histogram_is_empty() -> None:
    accumulator = moments_of([torch.empty(0, 3, 2, 2)])
    assert accumulator.read().count == 0
    assert math.isnan(accumulator.read().mean)
    assert accumulator.histogram()[0].sum() == 0


def test_finite_values_whose_sum_overflows() -> None:
    values = torch.tensor([[3e38, 3e38, 3e38, -1.0]])
    seen = moments_of([values]).read()
    assert (seen.nan, seen.inf) == (0, 0)
    assert seen.mean == pytest.approx(float(values.double().mean()), rel=1e-6)


def test_histogram_agrees_with_numpy_to_a_fine_bin() -> None:
    values = torch.randn(50_000, generator=torch.Generator().manual_seed(0))
    counts, edges = moments_of([values.view(1, -1)]).histogram(40)
    exact = np.histogram(values.double().numpy(), edges)[0]
    assert np.abs(counts - exact).max() < 0.05 * exact.max()


@pytest.mark.parametrize(
    "values", [[-8.0, 8.0], [-1.9999998807907104, 5.0], [0.0, 9.0], [-0.0, -9.0, 0.5]]
)
def test_histogram_puts_the_ends_of_the_range_in_the_end_bins(values: list[float]) -> None:
    counts, edges = moments_of([torch.tensor([values])]).histogram(4)
    assert counts[0] > 0
    assert counts[-1] > 0
    assert counts.sum() == len(values)
    assert (edges[0], edges[-1]) == (min(values), max(values))


def reference_fired(values: Tensor, kind: Kind) -> np.ndarray:
    """(C,) the samples of (N, C, P) values in which a unit fires."""
    finite = torch.where(values.isfinite(), values, torch.zeros(()))
    return (finite > kind.fires_above).any(2).sum(0).numpy()


@QUICK
@given(
    shapes,
    cuts,
    st.sampled_from(LAYOUTS),
    st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float64]),
    st.sampled_from([RELU, TANH, SIGMOID, GELU]),
    st.booleans(),
    st.integers(0, 999),
)
def test_units_equal_the_reference(
    shape: tuple[int, ...],
    cut: list[int],
    layout: str,
    dtype: torch.dtype,
    kind: Kind,
    with_nan: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    function = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}.get(
        kind.name, torch.nn.functional.gelu
    )
    raw = torch.randn(shape, dtype=torch.float64) * 4 + torch.randn(1, shape[1], 1, 1) * 8
    values = function(raw).to(dtype)
    if with_nan:
        values[-1, -1, -1, -1] = math.nan
    parts = [laid_out(part, layout) for part in split(values, cut)]
    flat = values.double().flatten(2)
    halves = units_of(parts[:1], kind)
    halves.merge(units_of(parts[1:], kind))
    for accumulator in (units_of(parts, kind), halves, units_of([values], kind)):
        units = accumulator.read()
        assert units.samples == shape[0]
        assert units.positions == shape[2] * shape[3]
        assert np.array_equal(units.fired, reference_fired(flat, kind))
        assert np.array_equal(units.dead, reference_dead(flat, kind))
        if kind.flat is not None:
            low, high = kind.flat
            outside = ((flat < low) | (flat > high)).double().mean((0, 2)).numpy()
            assert units.saturated == pytest.approx(outside, abs=0.02 if dtype != raw.dtype else 0)
        reached = (torch.nan_to_num(flat, nan=0.0) > kind.fires_above).any(0)
        assert units.dead_positions == pytest.approx(1 - float(reached.double().mean()), abs=1e-9)


def reference_dead(values: Tensor, kind: Kind) -> np.ndarray:
    if kind.dead_below is None:
        return np.zeros(values.shape[1], np.bool_)
    broken = (~values.isfinite()).any(2).any(0)
    low = values.amin((0, 2)) >= kind.dead_above
    return ((values.amax((0, 2)) <= kind.dead_below) & low & ~broken).numpy()


@pytest.mark.parametrize("kind", [RELU, GELU, TANH])
def test_a_unit_that_saw_nan_is_neither_dead_nor_constant(kind: Kind) -> None:
    values = torch.full((4, 3, 2, 2), -0.0)  # what GELU gives far below zero
    values[2, 1, 0, 0] = math.nan
    units = units_of([values[:2], values[2:]], kind).read()
    assert units.dead.tolist() == [kind is not TANH, False, kind is not TANH]
    assert not units.constant.any()


def test_units_whose_sums_overflow_still_fire() -> None:
    values = torch.zeros(2, 2, 2, 2)
    values[:, 0] = 3e38
    units = units_of([values]).read()
    assert units.fired.tolist() == [2, 0]
    assert units.dead.tolist() == [False, True]


def test_a_constant_unit_is_told_from_a_dead_and_a_varying_one() -> None:
    values = torch.rand(6, 3, 4, 4) + 0.1
    values[:, 0] = 0.5
    values[:, 1] = 0
    sizes = [values[:2], values[2:4, :, :2], values[4:]]
    for parts in ([values], sizes):
        units = units_of(parts).read()
        assert units.constant.tolist() == [True, False, False]
        assert units.dead.tolist() == [False, True, False]
        assert units.varies
    assert units.dead_positions is None  # their number differed between batches


def test_equal_parts_that_differ_from_each_other_are_not_constant() -> None:
    low, high = units_of([torch.full((2, 1, 3), 0.2)]), units_of([torch.full((2, 1, 3), 0.4)])
    assert low.read().constant.all()
    low.merge(high)
    assert not low.read().constant.any()
    assert low.read().varies


def test_an_output_that_is_the_same_for_all_samples_does_not_vary() -> None:
    one = torch.rand(1, 5, 3, 3)
    assert not units_of([one.expand(4, -1, -1, -1)]).read().varies
    assert units_of([torch.cat([one, one * 1.01])]).read().varies


def test_per_position_takes_each_position_as_a_unit() -> None:
    values = torch.zeros(3, 2, 2, 2)
    values[1, 0, 1, 1] = 1
    units = units_of([values[:2], values[2:]], per_position=True).read()
    assert units.count == 8
    assert units.fired.sum() == 1
    assert units.dead.sum() == 7


def test_a_changed_number_of_units_is_refused() -> None:
    accumulator = units_of([torch.rand(2, 3, 4)])
    view = unit_view(torch.rand(2, 4, 4), 1, 2)
    with pytest.raises(ValueError, match="4 units now, 3 before"):
        accumulator.update(view, view.sums(), 1.0)
    with pytest.raises(ValueError, match="units"):
        accumulator.merge(units_of([torch.rand(2, 4, 4)]))


def test_merge_gives_up_positions_that_differ() -> None:
    first = units_of([torch.rand(2, 3, 4)])
    first.merge(units_of([torch.rand(2, 3, 5)]))
    assert first.read().dead_positions is None
    first.merge(units_of([torch.rand(2, 3, 4)]))
    assert first.read().dead_positions is None


def test_an_empty_batch_changes_nothing() -> None:
    values = torch.rand(3, 2, 4)
    seen, same = units_of([values, torch.empty(0, 2, 4)]).read(), units_of([values]).read()
    assert seen.samples == same.samples == 3
    assert np.array_equal(seen.fired, same.fired)


def shape_of(view: UnitView) -> tuple[int, int, int, int]:
    """(rows, units, positions, samples)."""
    units = view.values.shape[3 - view.positions]
    return view.values.shape[0], units, view.values.shape[view.positions], view.samples


@pytest.mark.parametrize(
    ("shape", "axis", "samples", "expected"),
    [
        ((8, 5), 1, 8, (8, 5, 1, 8)),
        ((8, 5), None, 8, (8, 5, 1, 8)),
        ((8, 3, 4, 6), 1, 8, (8, 3, 24, 8)),
        ((8, 4, 6, 3), 3, 8, (8, 3, 24, 8)),
        ((8, 7, 5), 2, 8, (8, 5, 7, 8)),  # (N, T, C)
        ((8, 5, 7), 1, 8, (8, 5, 7, 8)),  # (N, C, T)
        ((7, 8, 5), 2, 8, (8, 5, 7, 8)),  # time first
        ((32, 9, 5), 2, 8, (32, 5, 9, 8)),  # four windows a sample
        ((8,), None, 8, (8, 1, 1, 8)),  # one value a sample
        ((5,), None, 8, (1, 5, 1, 1)),
        ((3, 4, 6), 0, 1, (1, 3, 24, 1)),  # without its batch axis
        ((), None, 8, (1, 1, 1, 1)),
        ((0, 5), 1, 8, (0, 5, 0, 0)),
        ((13, 5), 1, 8, (13, 5, 1, 13)),  # boxes, not samples
    ],
)
def test_units_and_positions_of_an_output(
    shape: tuple[int, ...], axis: int | None, samples: int, expected: tuple[int, ...]
) -> None:
    assert shape_of(unit_view(torch.rand(shape), axis, samples)) == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_unit_view_holds_each_unit_with_its_own_values(layout: str) -> None:
    values = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    view = unit_view(laid_out(values, layout), 1, 2)
    assert torch.equal(view.sums(), values.sum((2, 3)))
    second = view.of_units(torch.tensor([1]))
    assert sorted(second.flatten().tolist()) == sorted(values[:, 1].flatten().tolist())


def test_windows_of_a_sample_are_its_positions() -> None:
    values = torch.zeros(6, 2, 3)  # three windows of two positions for each of two samples
    values[4, 1, 0] = 1
    view = unit_view(values, 2, 2)
    accumulator = UnitAccumulator(RELU)
    accumulator.update(view, view.sums(), 1.0)
    units = accumulator.read()
    assert units.samples == 2
    assert units.positions == 6
    assert units.fired.tolist() == [1, 0, 0]
    assert units.dead_positions == pytest.approx(1 - 1 / 18)


def test_time_first_samples_are_counted_along_the_second_axis() -> None:
    values = torch.zeros(7, 4, 2)
    values[3, 1, 0] = values[5, 1, 0] = values[0, 2, 0] = 1
    view = unit_view(values, 2, 4)
    accumulator = UnitAccumulator(RELU)
    accumulator.update(view, view.sums(), 1.0)
    assert accumulator.read().fired.tolist() == [2, 0]


@pytest.mark.parametrize("function", [F.gelu, F.silu, F.mish, F.hardswish, F.leaky_relu])
def test_a_unit_given_zeros_is_not_dead(function: Callable[[Tensor], Tensor]) -> None:
    """As behind a norm whose weight starts at zero: the function is steep there."""
    kind = kind_of_function(function.__name__, (), {})
    assert kind is not None
    given = torch.tensor([0.0, -500.0, -1e-3, 3.0]).expand(6, 4)
    values = function(given)
    values[:, 2] = torch.where(torch.arange(6) < 3, values[:, 2], 0.0)
    cannot_die = function is F.leaky_relu
    for parts in ([values], [values[:1], values[1:]]):
        assert units_of(parts, kind).read().dead.tolist() == [False, not cannot_die, False, False]
    one, other = units_of([values[:3]], kind), units_of([values[3:]], kind)
    one.merge(other)
    assert one.read().dead.tolist() == [False, not cannot_die, False, False]


def test_relu6_is_saturated_by_the_values_with_which_it_fires() -> None:
    values = torch.tensor([[0.0, 6, 6, 0], [6, 6, 1, 0], [0, 6, 1, 0], [0, 6, 6, 0]])
    for parts in ([values], [values[:1], values[1:]]):
        saturated = units_of(parts, RELU6).read().saturated
        assert saturated is not None
        assert saturated.tolist() == [1.0, 1.0, 0.5, 0.0]
    one, other = units_of([values[:2]], RELU6), units_of([values[2:]], RELU6)
    one.merge(other)
    merged = one.read().saturated
    assert merged is not None
    assert merged.tolist() == [1.0, 1.0, 0.5, 0.0]
