"""Small real data, standardised on the training part, and loaders over them."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


@dataclasses.dataclass(frozen=True)
class Split:
    """Training and validation samples, inputs beside targets."""

    x: Tensor
    y: Tensor
    val_x: Tensor
    val_y: Tensor

    def with_targets(self, y: Tensor, val_y: Tensor) -> Split:
        return Split(self.x, y, self.val_x, val_y)

    def train(self, size: int = 32, **options: Any) -> DataLoader[Any]:
        options = {"shuffle": "sampler" not in options} | options
        return DataLoader(TensorDataset(self.x, self.y), size, **options)

    def val(self, size: int = 32, **options: Any) -> DataLoader[Any]:
        return DataLoader(TensorDataset(self.val_x, self.val_y), size, **options)


def split(x: Tensor, y: Tensor, share: float = 0.75, seed: int = 0) -> Split:
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    cut = int(share * len(x))
    a, b = order[:cut], order[cut:]
    return Split(x[a], y[a], x[b], y[b])


def standardised(parts: Split, *, one: bool = False) -> Split:
    over = tuple(range(parts.x.ndim)) if one else (0,)
    mean, std = parts.x.mean(over), parts.x.std(over).clamp_min(1e-3)
    return Split((parts.x - mean) / std, parts.y, (parts.val_x - mean) / std, parts.val_y)


@functools.cache
def digits() -> Split:
    """(N, 1, 8, 8) and 10 classes."""
    bunch = datasets.load_digits()
    x = torch.tensor(bunch.images, dtype=torch.float32)[:, None]
    return standardised(split(x, torch.tensor(bunch.target)), one=True)


@functools.cache
def flat_digits() -> Split:
    each = digits()
    return Split(each.x.flatten(1), each.y, each.val_x.flatten(1), each.val_y)


@functools.cache
def large_digits() -> Split:
    """(N, 3, 24, 24): the digits on a coloured ground that is noise."""
    each = digits()
    source = torch.Generator().manual_seed(1)

    def paint(x: Tensor) -> Tensor:
        big = torch.nn.functional.interpolate(x, size=24, mode="bilinear")
        tint = 0.5 + torch.rand(len(x), 3, 1, 1, generator=source)
        return big * tint + 0.3 * torch.randn(len(x), 3, 24, 24, generator=source)

    return Split(paint(each.x), each.y, paint(each.val_x), each.val_y)


@functools.cache
def wine() -> Split:
    bunch = datasets.load_wine()
    x = torch.tensor(bunch.data, dtype=torch.float32)
    return standardised(split(x, torch.tensor(bunch.target)))


@functools.cache
def cancer() -> Split:
    bunch = datasets.load_breast_cancer()
    x = torch.tensor(bunch.data, dtype=torch.float32)
    return standardised(split(x, torch.tensor(bunch.target)))


@functools.cache
def diabetes() -> Split:
    bunch = datasets.load_diabetes()
    x = torch.tensor(bunch.data, dtype=torch.float32)
    y = torch.tensor(bunch.target, dtype=torch.float32)[:, None]
    parts = standardised(split(x, y))
    mean, std = parts.y.mean(), parts.y.std()
    return parts.with_targets((parts.y - mean) / std, (parts.val_y - mean) / std)


@functools.cache
def friedman() -> Split:
    x, y = datasets.make_friedman1(1200, noise=0.5, random_state=3)
    parts = split(
        torch.tensor(x, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)[:, None]
    )
    parts = standardised(parts)
    mean, std = parts.y.mean(), parts.y.std()
    return parts.with_targets((parts.y - mean) / std, (parts.val_y - mean) / std)


@functools.cache
def tokens() -> Split:
    """(N, 20) numbers below 60 with padding 0 at the end; 4 topics of preferred words."""
    source = np.random.default_rng(5)
    labels = source.integers(0, 4, 1500)
    x = np.zeros((1500, 20), dtype=np.int64)
    for row, label in enumerate(labels):
        length = source.integers(8, 21)
        topical = source.random(length) < 0.45
        x[row, :length] = np.where(
            topical, 4 + label * 14 + source.integers(0, 14, length), source.integers(1, 60, length)
        )
    return split(torch.tensor(x), torch.tensor(labels))


@functools.cache
def waves() -> Split:
    """(N, 24, 2): sines of 3 frequencies and a random phase, in noise."""
    source = np.random.default_rng(6)
    labels = source.integers(0, 3, 900)
    time = np.arange(24) / 24
    phase = source.random((900, 1)) * 2 * np.pi
    angle = 2 * np.pi * (1 + labels[:, None]) * time + phase
    x = np.stack([np.sin(angle), np.cos(angle)], 2) + 0.3 * source.standard_normal((900, 24, 2))
    return split(torch.tensor(x, dtype=torch.float32), torch.tensor(labels))


@functools.cache
def masks() -> Split:
    """(N, 1, 16, 16) and the mask of a bright disc in it."""
    source = torch.Generator().manual_seed(7)
    centre = 4 + 8 * torch.rand(500, 2, generator=source)
    radius = 2 + 2 * torch.rand(500, 1, 1, generator=source)
    grid = torch.arange(16.0)
    far = (grid[None, :, None] - centre[:, 0, None, None]) ** 2
    far = far + (grid[None, None, :] - centre[:, 1, None, None]) ** 2
    inside = (far < radius**2).float()[:, None]
    x = inside * 1.5 + 0.7 * torch.randn(500, 1, 16, 16, generator=source)
    return standardised(split(x, inside), one=True)
