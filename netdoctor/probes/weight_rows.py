"""Moments, zeros and filters of a weight, as its rows stream by. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.weights import UNKNOWN, FilterFacts

_TINY = 1e-10
_ALIKE = 1e-6  # of a filter's norm
Rows = NDArray[np.float64]


class Sums:
    """Mean, deviation, norm, zeros and the filters of values that come in chunks.

    Args:
        filters: (number, values of each), where the chunks are whole filters; else None.
    """

    def __init__(self, filters: tuple[int, int] | None = None) -> None:
        self.count = 0
        self.zeros = 0
        self.tiny = 0
        self._mean = 0.0
        self._spread = 0.0
        self._squares = 0.0
        self._filters = filters
        self._norms: list[Rows] = []
        self._marks: list[Rows] = []
        if filters is not None:
            generator = np.random.default_rng(0)
            self._probe = generator.standard_normal((filters[1], 2))

    def add(self, values: Rows) -> None:
        """Takes (M,) numbers; those that are not finite are left out."""
        finite = np.isfinite(values)
        if self._filters is not None:
            self._add_rows(np.where(finite, values, 0.0) if not finite.all() else values)
        held = values if finite.all() else values[finite]
        if not held.size:
            return
        self.zeros += held.size - int(np.count_nonzero(held))
        self.tiny += int(np.count_nonzero(np.abs(held) < _TINY))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = float(held.mean())
            between = mean - self._mean
            total = self.count + held.size
            self._spread += float(np.square(held - mean).sum())
            self._spread += between * between * self.count * held.size / total
            self._mean += between * held.size / total
            self._squares += float(held @ held)
        self.count = total

    def moments(self) -> tuple[float, float, float]:
        """Mean, population standard deviation and L2 norm; NaN without a finite value."""
        if not self.count:
            return UNKNOWN, UNKNOWN, UNKNOWN
        return self._mean, math.sqrt(self._spread / self.count), math.sqrt(self._squares)

    def filters(self) -> FilterFacts | None:
        """The filters' norms and the groups of copies among them."""
        if self._filters is None:
            return None
        norms = np.concatenate(self._norms) if self._norms else np.empty(0)
        marks = np.concatenate(self._marks) if self._marks else np.empty((0, 2))
        return FilterFacts(norms, self._filters[1], _alike(norms, marks))

    def _add_rows(self, values: Rows) -> None:
        assert self._filters is not None
        rows = values.reshape(-1, self._filters[1])
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
            self._marks.append((rows @ self._probe) / norms[:, None])
        self._norms.append(norms)


class Sample:
    """Values at even distances of all that come, at most so many.

    Args:
        count: how many will come.
        most: how many are kept.
    """

    def __init__(self, count: int, most: int) -> None:
        kept = min(count, most)
        self._wanted = np.arange(kept) * count // max(kept, 1)
        self._seen = 0
        self._kept: list[Rows] = [np.empty(0)]

    def add(self, values: Rows) -> None:
        """Takes the next of them."""
        first, last = np.searchsorted(self._wanted, (self._seen, self._seen + len(values)))
        self._kept.append(values[self._wanted[first:last] - self._seen])
        self._seen += len(values)

    def values(self) -> Rows:
        """Those that were kept."""
        return np.concatenate(self._kept)


def _alike(norms: Rows, marks: Rows) -> tuple[tuple[int, ...], ...]:
    """Groups of filters whose directions agree in two random projections.

    Both would have to agree to a millionth by chance: for 65536 filters of nine values, once in
    hundreds of layers, and then two filters only.
    """
    alive = np.flatnonzero(np.isfinite(marks).all(1) & (norms > 0))
    order = alive[np.lexsort((marks[alive, 1], marks[alive, 0]))]
    groups: list[list[int]] = []
    for place in _runs(marks[order, 0]):
        run = order[place]
        run = run[np.argsort(marks[run, 1], kind="stable")]
        groups += [run[inner].tolist() for inner in _runs(marks[run, 1])]
    return tuple(tuple(sorted(group)) for group in sorted(groups))


def _runs(sorted_values: Rows) -> Sequence[slice]:
    """The stretches of at least two neighbours that lie within the tolerance of one another."""
    if len(sorted_values) < 2:
        return []
    scale = _ALIKE * max(float(np.abs(sorted_values).max()), 1e-300)
    breaks = np.flatnonzero(np.diff(sorted_values) > scale) + 1
    edges = [0, *breaks.tolist(), len(sorted_values)]
    return [slice(a, b) for a, b in pairwise(edges) if b - a > 1]
