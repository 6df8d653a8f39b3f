"""Whether class labels come in a random order: a runs test over several classes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def runs_test(labels: NDArray[np.int64]) -> tuple[int, float, float]:
    """Runs of equal labels, how many a random order has, and how far fewer there are.

    Args:
        labels: (N,) class indices in the order in which they came.

    Returns:
        The runs; their mean over all orders of these labels; by how many standard deviations
        there are fewer, 0 where the order cannot tell (fewer than two classes).

    Source: Barton and David 1957, Multiple runs, equations for mean and variance.
    """
    count = len(labels)
    if count < 2:
        return count, float(count), 0.0
    runs = 1 + int(np.count_nonzero(labels[1:] != labels[:-1]))
    _, sizes = np.unique(labels, return_counts=True)
    n = float(count)
    squares, cubes = (
        float((sizes.astype(float) ** 2).sum()),
        float((sizes.astype(float) ** 3).sum()),
    )
    expected = 1 + (n * n - squares) / n
    variance = (squares * (squares + n * (n + 1)) - 2 * n * cubes - n**3) / (n * n * (n - 1))
    if len(sizes) < 2 or variance <= 0:
        return runs, expected, 0.0
    return runs, expected, (expected - runs) / math.sqrt(variance)


def single_class_share(labels: NDArray[np.int64], sizes: Sequence[int]) -> float:
    """Share of the batches of several samples in which all labels are the same."""
    if sum(sizes) != len(labels):
        return 0.0
    ends = np.cumsum(sizes)
    parts = [labels[end - size : end] for end, size in zip(ends, sizes, strict=True) if size > 1]
    return sum(bool((part == part[0]).all()) for part in parts) / len(parts) if parts else 0.0
