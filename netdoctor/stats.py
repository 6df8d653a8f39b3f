"""Streaming statistics of tensors: update with a batch, merge two, read the result.

All are exact: sums are taken in float32 over short runs and combined in float64, deviations are
taken about the batch's own mean before they are squared, and two accumulators merge into the one
of all data. NaN and infinities are counted and left out.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.activations import Moments, Units
from netdoctor.observe.kinds import Kind

_CHUNK = 2**18  # values that stay in a core's cache between two operations
_SAME = 1e-5  # relative difference that batched arithmetic may make between equal samples
_CANCELS = 0.25  # deviations that are less of the plain squares than this are taken one by one
_RUN = 1024  # values that are summed in float32 before float64 takes over
_LARGEST = float(np.finfo(np.float32).max)
_HISTOGRAM_SHIFT = 18  # keeps a float32's sign, exponent and five bits of its mantissa


@dataclasses.dataclass(frozen=True, slots=True)
class UnitView:
    """A call's output with its positions flattened, without a copy where the layout allows.

    Attributes:
        values: (R, C, P) or (R, P, C) contiguous float tensor; rows R, units C, positions P.
        positions: the axis of P: 2 or 1.
        samples: the samples that the R rows belong to; R is a multiple of it.
    """

    values: Tensor
    positions: int
    samples: int

    @property
    def flat(self) -> Tensor:
        """(R * C * P,) the values as they lie in memory."""
        return self.values.flatten()

    def sums(self) -> Tensor:
        """(R, C) sums over the positions."""
        return self.values.sum(self.positions)

    def of_units(self, chosen: Tensor) -> Tensor:
        """The values of some units only; `chosen` is a (K,) index."""
        return self.values.index_select(3 - self.positions, chosen)


def unit_view(output: Tensor, axis: int | None, samples: int) -> UnitView:
    """The units and positions of an output.

    Args:
        output: any floating-point tensor.
        axis: its channel axis; None takes the axis that is usual for its number of axes.
        samples: the batch's size; an output whose first axis is a multiple of it (windows,
            folded time steps) has the factor counted among the positions, one whose second axis
            equals it is taken as time first, and in any other each row is a sample.
    """
    output = output.detach()
    if output.dtype in (torch.float16, torch.bfloat16) or not output.dtype.is_floating_point:
        output = output.float()
    if output.ndim < 2:
        rows = samples if output.ndim and len(output) == samples else 1
        return UnitView(output.reshape(rows, output.numel() // max(rows, 1), 1), 2, rows)
    if axis == 0 and output.shape[0] != samples:  # a single sample without its batch axis
        output, axis = output.unsqueeze(0), 1
    axis = {2: 1, 3: 2}.get(output.ndim, 1) if axis is None else axis
    batch = 0
    if output.shape[0] != samples and output.shape[1] == samples and axis > 1:
        batch = 1
    if axis == batch:
        axis = output.ndim - 1
    rest = [each for each in range(output.ndim) if each not in (batch, axis)]
    rows = output.shape[batch]
    if not output.numel():
        return UnitView(output.new_empty(rows, output.shape[axis], 0), 2, rows)
    samples = samples if samples and rows % samples == 0 else rows
    channels_last = output.permute(batch, *rest, axis)
    if rest and not channels_last.is_contiguous():
        channels_first = output.permute(batch, axis, *rest).contiguous()
        return UnitView(channels_first.flatten(2), 2, samples)
    values = channels_last.contiguous().reshape(rows, -1, output.shape[axis])
    return UnitView(values, 1, samples)


class MomentAccumulator:
    """Count, mean, deviation, range, zeros, non-finite counts and histogram of all values seen."""

    def __init__(self, *, detailed: bool = False) -> None:
        self.detailed = detailed
        self.count = self.nan = self.inf = self.negative_inf = 0
        self.finite = self.zeros = self.small = 0
        self.mean = self.squares = 0.0
        self.minimum, self.maximum = math.inf, -math.inf
        self.bins = np.zeros(2 ** (32 - _HISTOGRAM_SHIFT), np.int64)

    def update(self, flat: Tensor, total: float | None = None) -> None:
        """Adds a batch.

        Args:
            flat: (M,) float tensor.
            total: its sum, if it is known already.
        """
        if not flat.numel():
            return
        if total is None:
            total = float(flat.sum())
        self.count += flat.numel()
        if not math.isfinite(total):
            flat = self._set_aside(flat)
            if not flat.numel():
                return
            total = float(_double(flat).sum())
        low, high = torch.aminmax(flat)
        self.minimum = min(self.minimum, float(low))
        self.maximum = max(self.maximum, float(high))
        self._merge(flat.numel(), *_mean_and_squares(flat, total / flat.numel()))
        if self.detailed:
            self._count_values(flat)

    def _set_aside(self, flat: Tensor) -> Tensor:
        """Counts the non-finite values; returns the others."""
        self.nan += int(flat.isnan().sum())
        self.inf += int(flat.isinf().sum())
        self.negative_inf += int(flat.isneginf().sum())
        return flat[flat.isfinite()]

    def _count_values(self, flat: Tensor) -> None:
        for chunk in _numpy_chunks(flat):
            self.zeros += int(np.count_nonzero(chunk == 0))
            self.small += int(np.count_nonzero(np.abs(chunk) < 0.01))
            if chunk.dtype == np.float64:
                chunk = np.clip(chunk, -_LARGEST, _LARGEST)
            bits = chunk.astype(np.float32, copy=False).view(np.uint32) >> _HISTOGRAM_SHIFT
            self.bins += np.bincount(bits, minlength=len(self.bins))

    def _merge(self, count: int, mean: float, squares: float) -> None:
        """Chan, Golub and LeVeque 1983, equation 2.1."""
        total = self.finite + count
        delta = mean - self.mean
        self.mean += delta * count / total
        self.squares += squares + delta * delta * self.finite * count / total
        self.finite = total

    def merge(self, other: MomentAccumulator) -> None:
        """Adds all that another accumulator has seen."""
        for name in ("count", "nan", "inf", "negative_inf", "zeros", "small"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.minimum = min(self.minimum, other.minimum)
        self.maximum = max(self.maximum, other.maximum)
        self.bins = self.bins + other.bins
        if other.finite:
            self._merge(other.finite, other.mean, other.squares)

    def read(self) -> Moments:
        """The statistics so far; NaN where there was no finite value."""
        some = self.finite > 0
        return Moments(
            count=self.count,
            mean=self.mean if some else math.nan,
            std=math.sqrt(self.squares / self.finite) if some else math.nan,
            minimum=self.minimum if some else math.nan,
            maximum=self.maximum if some else math.nan,
            zeros=self.zeros,
            small=self.small,
            nan=self.nan,
            inf=self.inf,
            negative_inf=self.negative_inf,
        )

    def histogram(self, bins: int = 64) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Counts over evenly spaced bins, and their edges, for drawing.

        The counts are kept in bins of a 32nd of an octave, and the values of such a fine bin are
        taken to lie evenly in it, so a drawn count is off by part of a fine bin at most.
        Independent of how the data were batched.
        """
        low, high = self.minimum, self.maximum
        if not self.finite or low == high:
            middle = low if self.finite else 0.0
            return np.array([self.finite], np.int64), np.array([middle - 0.5, middle + 0.5])
        first, last, counts = _fine_bins(self.bins, low, high)
        edges = np.linspace(low, high, bins + 1)
        width = np.where(last > first, last - first, 1.0)
        share = np.clip((edges[:, None] - first) / width, 0, 1)
        below = np.where((first == last) & (edges[:, None] > first), 1, share) @ counts
        below[0], below[-1] = 0, self.finite
        return np.diff(np.rint(below)).astype(np.int64), edges


def _fine_bins(
    bins: NDArray[np.int64], low: float, high: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """The bounds of the occupied fine bins, clipped to the range, and their counts."""
    occupied = np.flatnonzero(bins)
    bits = occupied.astype(np.uint32) << _HISTOGRAM_SHIFT
    near = bits.view(np.float32).astype(np.float64)
    far = (bits | (2**_HISTOGRAM_SHIFT - 1)).view(np.float32).astype(np.float64)
    first, last = np.minimum(near, far), np.maximum(near, far)
    return np.clip(first, low, high), np.clip(last, low, high), bins[occupied]


def _mean_and_squares(flat: Tensor, mean: float) -> tuple[float, float]:
    """The mean and the sum of squared deviations from it.

    Taken from the plain squares where little cancels, else in a second pass in float64 about
    the mean as float32 has it, and corrected for its error.
    """
    squares = _sum_of_squares(flat)
    about_mean = squares - flat.numel() * mean * mean
    if math.isfinite(squares) and about_mean > _CANCELS * squares:
        return mean, about_mean
    off = squares = 0.0
    for chunk in _chunks(flat):
        deviations = _double(chunk) - mean
        off += float(deviations.sum())
        squares += float(deviations.square().sum())
    off /= flat.numel()
    return mean + off, max(squares - flat.numel() * off * off, 0.0)


def _chunks(flat: Tensor) -> Sequence[Tensor]:
    return flat.tensor_split(list(range(_CHUNK, flat.numel(), _CHUNK)))


def _double(tensor: Tensor) -> Tensor:
    """In float64, on the CPU if its device has no such numbers."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def _sum_of_squares(flat: Tensor) -> float:
    whole = flat.numel() // _RUN * _RUN
    norms = torch.linalg.vector_norm(flat[:whole].view(-1, _RUN), 2, 1)
    return float(_double(norms).square().sum()) + float(_double(flat[whole:]).square().sum())


def _numpy_chunks(flat: Tensor) -> Iterator[NDArray[np.floating]]:
    for chunk in _chunks(flat):
        yield chunk.cpu().numpy()


class UnitAccumulator:
    """How often each unit of one activation call fired, and whether it ever left its flat end.

    Args:
        kind: the activation function.
        per_position: takes every position of every channel as a unit of its own.
    """

    def __init__(self, kind: Kind, *, per_position: bool = False) -> None:
        self.kind = kind
        self.per_position = per_position
        self.samples = 0
        self.positions = 0
        self.values_per_unit = 0
        self.fired: NDArray[np.int64] | None = None
        self.broken: NDArray[np.bool_]  # saw a non-finite value
        self.top: NDArray[np.float64]  # largest value, where the kind needs it
        self.bottom: NDArray[np.float64]  # smallest value, of units that may be dead
        self.least: NDArray[np.float64]  # smallest and largest mean over a sample's positions
        self.most: NDArray[np.float64]
        self.not_constant: NDArray[np.bool_]
        self.level: NDArray[np.float64]  # the one value of units that may be constant
        self.flat_values: NDArray[np.int64]
        self.reached: Tensor | None = None  # (F, C, P) bool: positions that ever fired
        self.reached_ok = True

    def _start(self, units: int) -> None:
        self.fired = np.zeros(units, np.int64)
        self.broken = np.zeros(units, np.bool_)
        self.not_constant = np.zeros(units, np.bool_)
        self.top = np.full(units, -np.inf)
        self.bottom = np.full(units, np.inf)
        self.least = np.full(units, np.inf)
        self.most = np.full(units, -np.inf)
        self.level = np.full(units, np.nan)
        self.flat_values = np.zeros(units, np.int64)

    def update(self, view: UnitView, sums: Tensor, largest: float) -> None:
        """Adds a batch.

        Args:
            view: the call's output.
            sums: `view.sums()`.
            largest: the largest value in it, so that an untouched upper bound costs no look.
        """
        if not view.values.numel():
            return
        if self.per_position:
            values = view.values.reshape(view.values.shape[0], -1, 1)
            view, sums = UnitView(values, 2, view.samples), values[:, :, 0]
        units = sums.shape[1]
        if self.fired is None:
            self._start(units)
        elif len(self.fired) != units:
            raise ValueError(f"{units} units now, {len(self.fired)} before")
        if not bool(sums.sum().isfinite()):
            view = self._set_aside(view)
            sums = _double(view.values).sum(view.positions)
        self._count(view, sums)
        self._look_for_constant(view, sums)
        self._count_saturated(view, largest)
        self.positions = view.values.shape[view.positions] * (len(sums) // view.samples)
        self.samples += view.samples
        self.values_per_unit += view.values.numel() // units

    def _set_aside(self, view: UnitView) -> UnitView:
        """Marks units with non-finite values, which neither fire nor saturate from here on."""
        finite = view.values.isfinite()
        self.broken |= _numpy(~finite.all(view.positions).all(0))
        values = torch.where(finite, view.values, self.kind.fires_above)
        return dataclasses.replace(view, values=values)

    def _count(self, view: UnitView, sums: Tensor) -> None:
        kind = self.kind
        assert self.fired is not None
        if _never_negative(kind):
            rows = sums  # a sum of values >= 0 is above 0 exactly if one of them is
            self.top = np.maximum(self.top, _numpy(rows.amax(0)))
        else:
            rows = view.values.amax(view.positions)
            self.top = np.maximum(self.top, _numpy(rows.amax(0)))
            self._look_below(view)
        fires = (rows > kind.fires_above).view(view.samples, -1, rows.shape[1]).any(1)
        self.fired += _numpy(fires.sum(0))
        if not self.per_position:
            self._note_positions(view)

    def _look_below(self, view: UnitView) -> None:
        """The smallest value of units that may be dead, for functions that dip below zero."""
        if self.kind.dead_below is None or math.isinf(self.kind.dead_above):
            return
        chosen = np.flatnonzero(self.top <= self.kind.dead_below)
        if len(chosen):
            values = view.of_units(torch.from_numpy(chosen).to(view.values.device))
            lowest = _numpy(values.amin((0, view.positions)))
            self.bottom[chosen] = np.minimum(self.bottom[chosen], lowest)

    def _note_positions(self, view: UnitView) -> None:
        if not self.reached_ok:
            return
        by_sample = view.values.view(view.samples, -1, *view.values.shape[1:])
        fires = by_sample.amax(0) > self.kind.fires_above
        fires = fires if view.positions == 2 else fires.transpose(1, 2)
        self._reach(fires)

    def _reach(self, fires: Tensor | None) -> None:
        """Adds positions that fired; gives up where their number differs between batches."""
        if fires is None or not self.reached_ok:
            self.reached = self.reached if self.reached_ok else None
        elif self.reached is None:
            self.reached = fires
        elif self.reached.shape == fires.shape:
            self.reached = self.reached | fires
        else:
            self.reached, self.reached_ok = None, False

    def _look_for_constant(self, view: UnitView, sums: Tensor) -> None:
        each = view.values.numel() // (view.samples * sums.shape[1])
        by_sample = sums.view(view.samples, -1, sums.shape[1]).sum(1) / each
        self.least = np.minimum(self.least, _numpy(by_sample.amin(0)))
        self.most = np.maximum(self.most, _numpy(by_sample.amax(0)))
        size = np.maximum(np.abs(self.least), np.abs(self.most))
        self.not_constant |= (self.most - self.least > _SAME * size) | (size == 0) | self.broken
        chosen = np.flatnonzero(~self.not_constant)
        if not len(chosen):
            return
        values = view.of_units(torch.from_numpy(chosen).to(view.values.device))
        axes = (0, view.positions)
        low, high = _numpy(values.amin(axes)), _numpy(values.amax(axes))
        level = np.where(np.isnan(self.level[chosen]), low, self.level[chosen])
        spread = np.maximum(high, level) - np.minimum(low, level)
        self.not_constant[chosen] |= spread > _SAME * np.abs(level)
        self.level[chosen] = level

    def _count_saturated(self, view: UnitView, largest: float) -> None:
        if self.kind.flat is None:
            return
        low, high = self.kind.flat
        flat = view.values > high if largest > high else None
        if math.isfinite(low):
            below = view.values < low
            flat = below if flat is None else flat | below
        if flat is not None:
            self.flat_values += _numpy(flat.sum((0, view.positions)))

    def merge(self, other: UnitAccumulator) -> None:
        """Adds all that another accumulator of the same call has seen.

        Raises:
            ValueError: their numbers of units differ.
        """
        if other.fired is None:
            return
        if self.fired is None:
            self._start(len(other.fired))
        assert self.fired is not None
        if len(self.fired) != len(other.fired):
            raise ValueError(f"{len(other.fired)} units in one, {len(self.fired)} in the other")
        self.samples += other.samples
        self.values_per_unit += other.values_per_unit
        self.positions = other.positions
        self.fired += other.fired
        self.flat_values += other.flat_values
        self.broken |= other.broken
        self.top = np.maximum(self.top, other.top)
        self.bottom = np.minimum(self.bottom, other.bottom)
        self.least, self.most = (
            np.minimum(self.least, other.least),
            np.maximum(self.most, other.most),
        )
        apart = np.abs(self.level - other.level) > _SAME * np.abs(self.level)
        size = np.maximum(np.abs(self.least), np.abs(self.most))
        apart |= self.most - self.least > _SAME * size
        self.not_constant |= other.not_constant | apart
        self.level = np.where(np.isnan(self.level), other.level, self.level)
        self.reached_ok &= other.reached_ok
        self._reach(other.reached)

    def read(self) -> Units:
        """The statistics so far.

        Raises:
            ValueError: nothing was seen.
        """
        if self.fired is None:
            raise ValueError("no batch was seen")
        reached = (
            None if self.reached is None else float(self.reached.float().mean(dtype=torch.float64))
        )
        size = np.maximum(np.abs(self.least), np.abs(self.most))
        return Units(
            samples=self.samples,
            fired=self.fired,
            dead=self._dead(),
            constant=~self.not_constant if self.samples > 1 else np.zeros_like(self.broken),
            saturated=None if self.kind.flat is None else self.flat_values / self.values_per_unit,
            varies=self.samples < 2 or bool((self.most - self.least > _SAME * size).any()),
            positions=self.positions,
            dead_positions=None if reached is None else 1 - reached,
        )

    def _dead(self) -> NDArray[np.bool_]:
        kind = self.kind
        if kind.dead_below is None:
            return np.zeros_like(self.broken)
        dead = (self.top <= kind.dead_below) & ~self.broken
        if not math.isinf(kind.dead_above):
            dead &= self.bottom >= kind.dead_above
        return dead


def _never_negative(kind: Kind) -> bool:
    """Whether the function's outputs are >= 0 and it fires just above 0."""
    return kind.fires_above == 0.0 and kind.dead_below == 0.0 and math.isinf(kind.dead_above)


def _numpy(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.cpu().numpy()
    return array
