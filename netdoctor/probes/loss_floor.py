"""How low a loss can get on a batch, read off the call of the torch function that computed it."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_MOST_ENTRIES = 20_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Floor:
    """The lowest loss that can be had on a batch.

    Attributes:
        value: of a network that can tell all different inputs apart.
        ignorant: of one and the same output for every sample and position; regression and binary
            targets have one for each channel.
    """

    value: float
    ignorant: float


@dataclasses.dataclass(frozen=True, slots=True)
class LossCall:
    """A call of one of torch's losses, its arguments by name."""

    name: str
    arguments: Mapping[str, Any]

    @property
    def input(self) -> Tensor:
        """The predictions."""
        tensor: Tensor = self.arguments["input"].detach()
        return tensor

    @property
    def target(self) -> Tensor:
        """The targets."""
        tensor: Tensor = self.arguments["target"].detach()
        return tensor


def loss_call(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> LossCall:
    """The call of a loss of `torch.nn.functional` with every argument by its name."""
    bound = inspect.signature(func).bind(*args, **kwargs)
    bound.apply_defaults()
    return LossCall(func.__name__, bound.arguments)


def floor_of(call: LossCall, groups: Ints) -> Floor | None:
    """The lowest loss for that call's targets; None where it is not known.

    Args:
        call: of a loss in `FLOORS`.
        groups: (N,) equal numbers for samples with equal inputs.
    """
    arguments = call.arguments
    legacy = any(arguments.get(name) is not None for name in ("size_average", "reduce"))
    if legacy or arguments["reduction"] not in ("mean", "sum") or call.target.numel() == 0:
        return None
    return FLOORS[call.name](call, groups)


def accuracy(call: LossCall) -> float | None:
    """The share of right predictions, or of the targets' variance that is explained."""
    predicted, target = call.input, call.target
    if call.name in ("cross_entropy", "nll_loss"):
        axis = 0 if predicted.ndim == 1 else 1
        if target.is_floating_point():
            right = predicted.argmax(axis) == target.argmax(axis)
        else:
            counted = target != call.arguments["ignore_index"]
            right = (predicted.argmax(axis) == target)[counted]
        return float(right.float().mean()) if right.numel() else None
    if call.name.startswith("binary"):
        middle = 0.0 if call.name.endswith("logits") else 0.5
        return float(((predicted > middle) == (target > 0.5)).float().mean())
    spread = float((target - target.mean()).square().mean())
    error = float((predicted - target).square().mean())
    return 1 - error / spread if spread > 0 and predicted.shape == target.shape else None


def _cross_entropy(call: LossCall, groups: Ints) -> Floor | None:
    """Σ over groups of M log M - Σ m log m, m the mass of a class in its group, M their sum.

    A network that tells the groups apart can do no better than to predict each group's own shares.
    """
    logits, target = call.input, call.target
    classes = logits.shape[0] if logits.ndim == 1 else logits.shape[1]
    weight = call.arguments["weight"]
    weights = np.ones(classes) if weight is None else _numbers(weight)
    smoothing = float(call.arguments.get("label_smoothing", 0.0))
    if target.is_floating_point():
        shares = _numbers(target if logits.ndim == 1 else target.movedim(1, -1))
        shares = shares.reshape(-1, classes)
        shares = (1 - smoothing) * shares + smoothing / classes
        return _dense(call, groups, shares * weights, len(shares))
    labels = target.reshape(-1).cpu().numpy().astype(np.int64)
    counted = labels != call.arguments["ignore_index"]
    total = float(weights[labels[counted]].sum())
    if smoothing:
        if labels.size * classes > _MOST_ENTRIES:
            return None
        shares = np.full((labels.size, classes), smoothing / classes)
        shares[counted, labels[counted]] += 1 - smoothing
        return _dense(call, groups, shares * weights * counted[:, None], total)
    mass = np.where(counted, weights[np.where(counted, labels, 0)], 0.0)
    labels = np.where(counted, labels, 0)
    return _floor(call, _places(groups, labels.size), np.zeros_like(labels), labels, mass, total)


def _dense(call: LossCall, groups: Ints, mass: Floats, total: float) -> Floor | None:
    """The floor for the mass (M, C) of every class at every place."""
    rows, classes = mass.shape
    places = np.repeat(_places(groups, rows), classes)
    labels = np.tile(np.arange(classes), rows)
    return _floor(call, places, np.zeros_like(places), labels, mass.reshape(-1), total)


def _binary(call: LossCall, groups: Ints) -> Floor | None:
    target = _numbers(call.target)
    weight = call.arguments.get("weight")
    scale = np.ones(1) if weight is None else _numbers(weight)
    positive = call.arguments.get("pos_weight")
    yes = np.broadcast_to(scale, target.shape) * target
    no = np.broadcast_to(scale, target.shape) * (1 - target)
    if positive is not None:
        yes = yes * _numbers(positive)
    places, channels = _places(groups, target.size), _channels(target)
    return _floor(
        call, np.tile(places, 2), np.tile(channels, 2), np.repeat([0, 1], target.size),
        np.concatenate([no.reshape(-1), yes.reshape(-1)]), target.size,
    )  # fmt: skip


def _floor(
    call: LossCall, places: Ints, channels: Ints, labels: Ints, mass: Floats, total: float
) -> Floor | None:
    divisor = total if call.arguments["reduction"] == "mean" else 1.0
    if divisor <= 0:
        return None
    value = _entropy(places, labels, mass) / divisor
    return Floor(value, _entropy(channels, labels, mass) / divisor)


def _entropy(places: Ints, labels: Ints, mass: Floats) -> float:
    """The sum over places of the entropy of the mass there, in nats times mass."""
    cells = np.unique(places * (labels.max() + 1) + labels, return_inverse=True)[1]
    whole = np.unique(places, return_inverse=True)[1]
    return max(_xlogx(whole, mass) - _xlogx(cells, mass), 0.0)


def _xlogx(keys: Ints, mass: Floats) -> float:
    """Σ M log M, M the mass of each key."""
    sums = np.bincount(keys.reshape(-1), mass).astype(np.float64)
    return float((sums * np.log(np.where(sums > 0, sums, 1.0))).sum())


def _squared(call: LossCall, groups: Ints) -> Floor | None:
    return _around(call, groups, np.mean, np.square)


def _absolute(call: LossCall, groups: Ints) -> Floor | None:
    return _around(call, groups, np.median, np.abs)


def _around(
    call: LossCall, groups: Ints, centre: Callable[..., Any], distance: Callable[..., Any]
) -> Floor | None:
    """The mean distance of the targets from the best constant of their group, or channel."""
    if call.input.shape != call.target.shape or call.arguments.get("weight") is not None:
        return None
    target = _numbers(call.target)
    values = target.reshape(-1)
    if not np.isfinite(values).all():
        return None
    parts = 1 if call.arguments["reduction"] == "sum" else values.size
    found = []
    for keys in (_places(groups, values.size), _channels(target)):
        _, counts = np.unique(keys, return_counts=True)
        if (counts == 1).all():
            found.append(0.0)
            continue
        order = np.argsort(keys, kind="stable")
        pieces = np.split(values[order], np.cumsum(counts)[:-1])
        apart = (float(distance(each - centre(each)).sum()) for each in pieces if len(each) > 1)
        found.append(sum(apart) / parts)
    return Floor(*found)


def _places(groups: Ints, count: int) -> Ints:
    """(count,) a number for each group of equal inputs and each position within the sample.

    Where the values cannot be dealt out evenly to the samples, each is a place of its own.
    """
    if count % len(groups):
        return np.arange(count)
    positions = count // len(groups)
    return (groups[:, None] * positions + np.arange(positions)).reshape(-1)


def _channels(target: NDArray[Any]) -> Ints:
    """The number of its channel, axis 1, for each value of a target in its order."""
    if target.ndim < 2:
        return np.zeros(target.size, np.int64)
    shape = (1, target.shape[1], *(1 for _ in target.shape[2:]))
    numbers = np.broadcast_to(np.arange(target.shape[1]).reshape(shape), target.shape)
    return numbers.reshape(-1)


def _numbers(tensor: Tensor) -> Floats:
    return tensor.detach().cpu().to(torch.float64).numpy()


FLOORS: dict[str, Callable[[LossCall, Ints], Floor | None]] = {
    F.cross_entropy.__name__: _cross_entropy,
    F.nll_loss.__name__: _cross_entropy,
    F.binary_cross_entropy.__name__: _binary,
    F.binary_cross_entropy_with_logits.__name__: _binary,
    F.mse_loss.__name__: _squared,
    F.l1_loss.__name__: _absolute,
}
"""The losses whose floor is known, by their function's name."""
