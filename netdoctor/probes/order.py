"""Whether class labels come in a random order: a runs test over several classes."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.loader import OrderFacts
from netdoctor.inputs.scan import LoaderSource
from netdoctor.probes.batch_fields import fields_of

_LOOKED_AT = 64  # samples of the rest of the data set, where those seen have one class


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


def order_facts(
    source: LoaderSource, labels: NDArray[np.int64], sizes: Sequence[int], *, whole: bool
) -> OrderFacts:
    """In which order class labels came.

    Args:
        source: the loader.
        labels: (N,) class indices as they came; empty for other targets.
        sizes: of the batches.
        whole: whether they are of the whole data set.
    """
    runs, expected, deviations = runs_test(labels)
    order = OrderFacts(
        drawn=source.order, ready=source.ready, labels=len(labels), runs=runs, expected=expected,
        deviations=deviations, single_class_batches=single_class_share(labels, sizes),
        repeats=source.repeats,
    )  # fmt: skip
    if whole or not source.ready or len(np.unique(labels)) != 1:
        return order
    return dataclasses.replace(order, elsewhere=_elsewhere(source))


def _elsewhere(source: LoaderSource) -> tuple[int, ...]:
    """The classes of some samples from all over the data set, where it can be read at will."""
    if source.total is None or source.order not in ("sequential", "own"):
        return ()
    chosen = random.Random(source.seed).sample(range(source.total), min(_LOOKED_AT, source.total))
    found: set[int] = set()
    for index in chosen:
        raw = source.sample(index)
        fields = fields_of(raw, None).fields if raw is not None else ()
        for field in fields:
            values = field.values
            index = (
                isinstance(values, Tensor)
                and values.numel() == 1
                and not values.is_floating_point()
            )
            if field.role == "target" and index and isinstance(values, Tensor):
                found.add(int(values))
    return tuple(sorted(found))
