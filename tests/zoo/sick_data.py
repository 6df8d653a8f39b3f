"""Sick data and sick logs, one fault each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tests.zoo.data import Split
from tests.zoo.healthy import TASKS, Subject
from tests.zoo.sick import SICK, Sick, subject, trained

Change = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def _loader(task: str, change: Change, **options: Any) -> DataLoader[Any]:
    each = TASKS[task].split()
    x, y = change(each.x.clone(), each.y.clone())
    return Split(x, y, each.val_x, each.val_y).train(TASKS[task].size, **options)


def _data(codes: str, name: str, tasks: str, change: Change, **options: Any) -> None:
    for task in tasks.split():
        for fresh in (False, True):

            def make(task: str = task, fresh: bool = fresh) -> Subject:
                torch.manual_seed(1)
                net = TASKS[task].fresh() if fresh else trained(task)
                return subject(task, net, _loader(task, change, **options))

            SICK.append(Sick(f"{name}, {'fresh' if fresh else 'trained'}, {task}",
                             frozenset(codes.split()), make))  # fmt: skip


def _some(x: Tensor, value: float) -> Tensor:
    x[::40].view(len(x[::40]), -1)[:, 3] = value
    return x


def _doubled(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    part = len(x) // 3
    return torch.cat([x[:part]] * 3), torch.cat([y[:part]] * 3)


def _sorted(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    order = y.argsort(stable=True)
    return x[order], y[order]


def _rare(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Class 0 and a few of the others, four times with a little noise."""
    keep = (y == 0) | (torch.arange(len(y)) % 60 == 0)
    x = x[keep].repeat(4, *[1] * (x.ndim - 1))
    return x + 0.05 * torch.randn(x.shape), y[keep].repeat(4)


def _pixels(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    low, high = x.min(), x.max()
    return ((x - low) / (high - low) * 255).round(), y


def _again(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in 0 to 1, normalised with ImageNet's mean and deviation, twice."""
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    x = (x - x.amin()) / (x.amax() - x.amin())
    x = ((x - 0.3) * 2).clamp(0, 1)
    return ((x - mean) / std - mean) / std, y


_data("DAT004", "labels from 1", "mlp-ReLU cnn-batch-norm mlp-wine bag", lambda x, y: (x, y + 1))
_data("DAT004", "label -1", "mlp-GELU cnn", lambda x, y: (x, torch.where(y == 3, -1, y)))
_data(
    "DAT004", "more classes than outputs", "mlp-wine", lambda x, y: (x, torch.where(y == 2, 7, y))
)
_data("DAT010", "float labels", "mlp-ReLU cnn mlp-wine", lambda x, y: (x, y.float()))
_data("DAT010", "whole targets", "mlp-cancer-bce multi-label", lambda x, y: (x, y.long()))
_data(
    "DAT005",
    "single class",
    "mlp-ReLU cnn-batch-norm mlp-wine",
    lambda x, y: (x, torch.zeros_like(y)),
)
_data("DAT006", "imbalanced", "mlp-ReLU cnn mlp-cancer", _rare)
_data("DAT009", "unshuffled", "mlp-ReLU cnn encoder mlp-wine", _sorted, shuffle=False)
_data("DAT007", "duplicates", "mlp-ReLU cnn mlp-cancer", _doubled)
_data(
    "DAT001", "nan input", "mlp-ReLU cnn-batch-norm lstm", lambda x, y: (_some(x, float("nan")), y)
)
_data("DAT002", "inf input", "mlp-wine cnn", lambda x, y: (_some(x, float("inf")), y))
_data("DAT008", "constant images", "cnn cnn-coloured", lambda x, y: (torch.where(
    (torch.arange(len(x)) % 3 == 0).view(-1, 1, 1, 1), 0.3, x), y))  # fmt: skip
_data("DAT003", "0 to 255", "cnn cnn-coloured mlp-ReLU", _pixels)
_data("DAT017", "normalised twice", "cnn-coloured", _again)
_data("DAT012", "channels last", "cnn-coloured", lambda x, y: (x.permute(0, 2, 3, 1), y))


def _alone(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    count = len(x) // 32 * 32 - 31
    return x[:count], y[:count]


_data("DAT016", "a batch of one", "cnn-batch-norm resnet", lambda x, y: _alone(x[:320], y[:320]))


class Ragged(Dataset[Any]):
    """Rows of different lengths."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.x[index][: 10 + index % 7], self.y[index]


class Drawn(Dataset[Any]):
    """Digits with noise from a generator that each worker has a copy of."""

    def __init__(self, x: Tensor, y: Tensor, numpy: bool) -> None:
        self.x, self.y = x, y
        self.source = np.random.default_rng(0) if numpy else torch.Generator().manual_seed(0)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shape = tuple(self.x[index].shape)
        if isinstance(self.source, torch.Generator):
            noise = torch.randn(shape, generator=self.source)
        else:
            noise = torch.tensor(self.source.standard_normal(shape), dtype=torch.float32)
        return self.x[index] + 0.3 * noise, self.y[index]


def _ragged(task: str) -> Subject:
    each = TASKS[task].split()
    return subject(task, trained(task), DataLoader(Ragged(each.x, each.y), 32, shuffle=True))


def _drawn(task: str, numpy: bool) -> Subject:
    each = TASKS[task].split()
    loader = DataLoader(Drawn(each.x, each.y, numpy), 32, shuffle=True, num_workers=2)
    return subject(task, trained(task), loader)


for _task in ("bag", "lstm"):
    SICK.append(Sick(f"ragged, {_task}", frozenset({"DAT011"}), lambda t=_task: _ragged(t)))
for _task, _numpy in (("cnn", True), ("mlp-ReLU", False), ("cnn-batch-norm", False)):
    SICK.append(Sick(f"workers draw the same, {_task}", frozenset({"DAT013"}),
                     lambda t=_task, n=_numpy: _drawn(t, n)))  # fmt: skip
