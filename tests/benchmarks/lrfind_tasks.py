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
        name: of the data and the network.
        optimizer: `sgd`, `adam` or `adamw`.
        network: makes the fresh network, drawn from torch's global seed.
        batch: draws `(inputs, target)` of so many samples.
        loss: of the output and the target.
    """

    name: str
    optimizer: str
    network: Callable[[], nn.Module]
    batch: Callable[[int, torch.Generator], Pair]
    loss: Loss = F.cross_entropy

    def fresh(self, seed: int) -> nn.Module:
        """The untrained network in training mode."""
        torch.manual_seed(seed)
        return self.network().train()

    def made_optimizer(self, network: nn.Module, rate: float) -> torch.optim.Optimizer:
        """The optimiser, with momentum 0.9 for SGD."""
        if self.optimizer == "sgd":
            return torch.optim.SGD(network.parameters(), rate, momentum=0.9)
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
        return kinds[self.optimizer](network.parameters(), rate)

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


@functools.cache
def _teacher() -> Tensor:
    return torch.randn(8, 12, generator=torch.Generator().manual_seed(5))


def teacher(size: int, source: torch.Generator) -> Pair:
    """(N, 8) normal features and a smooth function (N, 1) of them, with a little noise."""
    features = torch.randn(size, 8, generator=source)
    target = torch.sin(features @ _teacher() / 3).sum(1, keepdim=True)
    return features, target + 0.1 * torch.randn(size, 1, generator=source)


def _one(make: Callable[[int, int, int], list[Any]]) -> Callable[[int, torch.Generator], Pair]:
    def batch(size: int, source: torch.Generator) -> Pair:
        seed = int(torch.randint(2**31, (), generator=source))
        inputs, target = make(1, size, seed)[0]
        return inputs, target

    return batch


def short_waves(size: int, source: torch.Generator) -> Pair:
    """(N, 12, 2) noisy waves, channels last, and labels below 4."""
    signal, labels = _one(healthy.steps)(size, source)
    return signal[:, ::4], labels


class LSTMNet(nn.Module):
    """PyTorch's own LSTM, its mean output to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 24, batch_first=True), nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0].mean(1))


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


class Transformer(nn.Module):
    """One of PyTorch's encoder layers on token numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(80, 16)
        self.position = nn.Parameter(0.02 * torch.randn(20, 16))
        self.encoder = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1, batch_first=True)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x) + self.position).mean(1))


CHOSEN_ON: tuple[Task, ...] = (
    Task("digits-mlp", "sgd", functools.partial(_mlp, (64, 64, 64, 10), nn.ReLU), digits),
    Task("digits-cnn", "adam", functools.partial(_cnn, False), digits),
    Task("digits-cnn-bn", "adamw", functools.partial(_cnn, True), digits),
    Task(
        "regression-mlp", "sgd", functools.partial(_mlp, (8, 64, 64, 1), nn.GELU), teacher,
        F.mse_loss,
    ),
    Task("tint-cnn-bn", "sgd", _tinted_cnn, _one(healthy.pictures)),
    Task("waves-lstm", "adam", LSTMNet, short_waves),
    Task("waves-gru", "adam", healthy_nets.GRUNet, short_waves),
    Task("blob-generator", "adam", healthy_nets.generator, _one(healthy.codes), F.mse_loss),
)  # fmt: skip
"""The rule's few constants were chosen while looking at these, and at more like them."""

UNSEEN: tuple[Task, ...] = (
    Task("words-transformer", "adamw", Transformer, _one(healthy.words)),
    Task("words-bag", "sgd", healthy_nets.BagOfWords, _one(healthy.words)),
    Task("waves-tokens", "adam", healthy_nets.TokenNet, _one(healthy.steps)),
    Task("tint-depthwise", "sgd", healthy_nets.depthwise_relu6, _one(healthy.pictures)),
    Task("tint-se-net", "adamw", healthy_nets.SqueezeExcitationNet, _one(healthy.pictures)),
    Task("tint-convnext", "adam", healthy_nets.ChannelsLastNet, _one(healthy.pictures)),
)
"""The rule was settled before anybody looked at these."""
