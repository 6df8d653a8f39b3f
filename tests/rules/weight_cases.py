"""Facts of weights: a small trained network, and what can be wrong with it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from netdoctor.facts.weight_files import ChangeFacts, TensorChange
from netdoctor.facts.weights import FilterFacts, TensorFacts, WeightFacts


def weight(name: str, shape: tuple[int, ...] = (20, 16, 1, 1), **changes: Any) -> TensorFacts:
    """A healthy convolution's weight: deviation 0.1, no zeros, filters of one norm."""
    values = math.prod(shape)
    role = "convolution" if len(shape) > 2 else "linear"
    one = TensorFacts(
        name, "float32", shape, role, values, zeros=0, tiny=0, minimum=-0.3, maximum=0.3, mean=0.0,
        std=0.1, norm=0.1 * math.sqrt(values), initialisation="",
        filters=FilterFacts(np.ones(shape[0]), values // shape[0]),
    )  # fmt: skip
    return dataclasses.replace(one, **changes)


def trained_weights(*more: TensorFacts, fresh: bool | None = False) -> WeightFacts:
    """Two healthy convolutions, and others between them."""
    return WeightFacts("net", (weight("conv1.weight"), *more, weight("conv9.weight")), fresh)


def zeros(name: str = "conv2.weight", **more: Any) -> WeightFacts:
    """A convolution in the middle of zeros only."""
    nothing = weight(
        name, minimum=0.0, maximum=0.0, std=0.0, norm=0.0, zeros=320, tiny=320, constant=True,
        filters=FilterFacts(np.zeros(20), 16),
    )  # fmt: skip
    return trained_weights(nothing, **more)


def constant() -> WeightFacts:
    """A convolution in the middle with one value throughout."""
    return trained_weights(weight("conv2.weight", minimum=0.5, maximum=0.5, std=0.0, constant=True))


def dead(count: int) -> WeightFacts:
    """So many of 20 filters are next to nothing."""
    norms = np.where(np.arange(20) < count, 1e-5, 1.0)
    return trained_weights(weight("conv2.weight", filters=FilterFacts(norms, 16)))


def copies(count: int) -> WeightFacts:
    """So many of 20 filters repeat filter 19."""
    group = (*range(count), 19)
    return trained_weights(weight("conv2.weight", filters=FilterFacts(np.ones(20), 16, (group,))))


def scaled(gain: float) -> WeightFacts:
    """The layer multiplies the scale of its input by so much; a single other one is healthy."""
    rms = gain / 4
    large = weight(
        "conv2.weight", shape=(16, 16, 1, 1), maximum=3 * rms, minimum=-3 * rms, std=rms,
        norm=rms * 16,
    )  # fmt: skip
    return WeightFacts("net", (large, weight("conv9.weight")), False)


def untrained(values: int) -> WeightFacts:
    """A head of so many values looks as drawn."""
    return trained_weights(
        weight("head.weight", (values, 1), std=3**-0.5, initialisation="uniform within ±1")
    )


def since(moved: int) -> ChangeFacts:
    """Ten weights, of which so many have changed since an earlier file."""
    tensors = [
        TensorChange(
            f"layers.{number}.weight", "linear", "changed" if number < moved else "identical"
        )
        for number in range(10)
    ]
    return ChangeFacts("after.safetensors", "before.safetensors", tuple(tensors))
