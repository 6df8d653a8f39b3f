"""How each unit of an activation call behaved."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.activations import Units
from netdoctor.observe.kinds import Kind
from netdoctor.stats.view import UnitView, double

_SAME = 1e-5  # relative difference that batched arithmetic may make between equal samples


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
        self.given_zero: NDArray[np.bool_]  # of these: gave zero for an input that is not negative
        self.least: NDArray[np.float64]  # smallest and largest mean over a sample's positions
        self.most: NDArray[np.float64]
        self.not_constant: NDArray[np.bool_]
        self.level: NDArray[np.float64]  # the one value of units that may be constant
        self.flat_values: NDArray[np.int64]
        self.on_values: NDArray[np.int64]  # values above the lower bound, where that means off
        self.reached: Tensor | None = None  # (F, C, P) bool: positions that ever fired
        self.reached_ok = True

    def _start(self, units: int) -> None:
        self.fired = np.zeros(units, np.int64)
        self.broken = np.zeros(units, np.bool_)
        self.not_constant = np.zeros(units, np.bool_)
        self.top = np.full(units, -np.inf)
        self.bottom = np.full(units, np.inf)
        self.given_zero = np.zeros(units, np.bool_)
        self.least = np.full(units, np.inf)
        self.most = np.full(units, -np.inf)
        self.level = np.full(units, np.nan)
        self.flat_values = np.zeros(units, np.int64)
        self.on_values = np.zeros(units, np.int64)

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
            sums = double(view.values).sum(view.positions)
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
        """The smallest value of units that may be dead, for functions that dip below zero.

        These are steep at zero and flat far below it, where what underflows is -0.
        """
        if self.kind.dead_below is None or math.isinf(self.kind.dead_above):
            return
        chosen = np.flatnonzero(self.top <= self.kind.dead_below)
        if len(chosen):
            values = view.of_units(torch.from_numpy(chosen).to(view.values.device))
            axes = (0, view.positions)
            self.bottom[chosen] = np.minimum(self.bottom[chosen], _numpy(values.amin(axes)))
            self.given_zero[chosen] |= _numpy(~values.signbit().all(axes))

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
        else:
            self.on_values += _numpy((view.values > self.kind.fires_above).sum((0, view.positions)))
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
        self.on_values += other.on_values
        self.broken |= other.broken
        self.top = np.maximum(self.top, other.top)
        self.bottom = np.minimum(self.bottom, other.bottom)
        self.given_zero |= other.given_zero
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
            saturated=self._saturated(),
            varies=self.samples < 2 or bool((self.most - self.least > _SAME * size).any()),
            positions=self.positions,
            dead_positions=None if reached is None else 1 - reached,
        )

    def _saturated(self) -> NDArray[np.float64] | None:
        if self.kind.flat is None:
            return None
        if math.isfinite(self.kind.flat[0]):
            return self.flat_values / self.values_per_unit
        return self.flat_values / np.maximum(self.on_values, 1)

    def _dead(self) -> NDArray[np.bool_]:
        kind = self.kind
        if kind.dead_below is None:
            return np.zeros_like(self.broken)
        dead = (self.top <= kind.dead_below) & ~self.broken
        if not math.isinf(kind.dead_above):
            dead &= (self.bottom >= kind.dead_above) & ~self.given_zero
        return dead


def _never_negative(kind: Kind) -> bool:
    """Whether the function's outputs are >= 0 and it fires just above 0."""
    return kind.fires_above == 0.0 and kind.dead_below == 0.0 and math.isinf(kind.dead_above)


def _numpy(tensor: Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.cpu().numpy()
    return array
