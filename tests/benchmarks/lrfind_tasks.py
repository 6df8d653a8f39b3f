"""Small learning tasks of every family, for the learning rate finder's quality benchmark."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from tests import healthy, healthy_nets

Pair = tuple[Tensor, Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A network, its data and its loss.

    Attributes:
        name: short and unique.
        network: makes the fresh network, drawn from torch's global seed.
        batch: draws `(inputs, target)` of so many samples.
        loss: of the output and the target.
    """

    name: str
    network: Callable[[], nn.Module]
    batch: Callable[[int, torch.Generator], Pair]
    loss: Loss = F.cross_entropy

    def fresh(self, seed: int) -> nn.Module:
        """The untrained network in training mode."""
        torch.manual_seed(seed)
        return self.network().train()

    def batches(self, count: int, seed: int, size: int = 32) -> Iterator[Pair]:
        """So many seeded batches."""
        source = torch.Generator().manual_seed(seed)
        for _ in range(count):
            yield self.batch(size, source)


@functools.cache
def _digits() -> Pair:
    """1797 digits (N, 1, 8, 8), normalised, and their labels."""
    found: Any = load_digits()
    images = torch.tensor(found.images, dtype=torch.float32)[:, None]
    return (images - 4.9) / 6.0, torch.tensor(found.target)


def digits(size: int, source: torch.Generator) -> Pair:
    """(N, 1, 8, 8) and labels below 10."""
    images, labels = _digits()
    rows = torch.randint(len(labels), (size,), generator=source)
    return images[rows], labels[rows]


def copied_digits(size: int, source: torch.Generator) -> Pair:
    """(N, 1, 8, 8) with themselves, flat, as target."""
    images, _ = digits(size, source)
    return images, images.flatten(1)


@functools.cache
def _teacher() -> Tensor:
    return torch.randn(8, 12, generator=torch.Generator().manual_seed(5))


def teacher(size: int, source: torch.Generator) -> Pair:
    """(N, 8) normal features and a smooth function (N, 1) of them, with a little noise."""
    features = torch.randn(size, 8, generator=source)
    target = torch.sin(features @ _teacher() / 3).sum(1, keepdim=True)
    return features, target + 0.1 * torch.randn(size, 1, generator=source)


def scaled_line(size: int, source: torch.Generator) -> Pair:
    """(N, 16) features whose scales span a factor of 10, and a linear function of them."""
    features = torch.randn(size, 16, generator=source) * torch.logspace(-0.5, 0.5, 16)
    target = features.sum(1, keepdim=True)
    return features, target + 0.5 * torch.randn(size, 1, generator=source)


def _one(make: Callable[[int, int, int], list[Any]]) -> Callable[[int, torch.Generator], Pair]:
    def batch(size: int, source: torch.Generator) -> Pair:
        seed = int(torch.randint(2**31, (), generator=source))
        inputs, target = make(1, size, seed)[0]
        return inputs, target

    return batch


class LSTMNet(nn.Module):
    """PyTorch's own LSTM, its mean output to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 24, batch_first=True), nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x[:, ::4])[0].mean(1))


def _mlp(sizes: tuple[int, ...], activation: type[nn.Module]) -> nn.Module:
    layers: list[nn.Module] = [nn.Flatten()]
    for width, out in pairwise(sizes[:-1]):
        layers += [nn.Linear(width, out), activation()]
    return nn.Sequential(*layers, nn.Linear(*sizes[-2:]))


def _cnn(norm: bool) -> nn.Module:
    layers: list[nn.Module] = []
    for width, out in ((1, 12), (12, 24)):
        layers.append(nn.Conv2d(width, out, 3, padding=1, bias=not norm))
        layers += [nn.BatchNorm2d(out)] if norm else []
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(24 * 4, 10))


def _tinted_cnn() -> nn.Module:
    return nn.Sequential(
        healthy_nets._layer(3, 12, 2), healthy_nets._layer(12, 24, 2), healthy_nets.Pooled(),
        nn.Linear(24, 4),
    )  # fmt: skip


ARCHITECTURES: dict[str, Task] = {
    each.name: each
    for each in (
        Task("digits-linear", functools.partial(_mlp, (64, 10), nn.ReLU), digits),
        Task("digits-mlp", functools.partial(_mlp, (64, 64, 64, 10), nn.ReLU), digits),
        Task("digits-tanh", functools.partial(_mlp, (64, 32, 32, 32, 32, 10), nn.Tanh), digits),
        Task("digits-cnn", functools.partial(_cnn, False), digits),
        Task("digits-cnn-bn", functools.partial(_cnn, True), digits),
        Task(
            "digits-autoencoder",
            functools.partial(_mlp, (64, 32, 8, 32, 64), nn.ELU),
            copied_digits,
            F.mse_loss,
        ),
        Task("teacher-mlp", functools.partial(_mlp, (8, 64, 64, 1), nn.GELU), teacher, F.mse_loss),
        Task("line", functools.partial(_mlp, (16, 1), nn.ReLU), scaled_line, F.mse_loss),
        Task("words-transformer", healthy_nets.TransformerNet, _one(healthy.words)),
        Task("waves-lstm", LSTMNet, _one(healthy.steps)),
        Task("tint-cnn-bn", _tinted_cnn, _one(healthy.pictures)),
        Task(
            "masks-unet", healthy_nets.UNet, _one(healthy.masks), F.binary_cross_entropy_with_logits
        ),
        Task("waves-conv1d", healthy_nets.conv1d, _one(healthy.waves)),
        Task("tint-mixer", healthy_nets.MixerNet, _one(healthy.pictures)),
    )
}


def optimizer_of(name: str, network: nn.Module, rate: float) -> torch.optim.Optimizer:
    """`sgd` with momentum 0.9, `adam` or `adamw`."""
    if name == "sgd":
        return torch.optim.SGD(network.parameters(), rate, momentum=0.9)
    kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return kinds[name](network.parameters(), rate)
