"""Small networks for the training runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.curves.sets import CONTEXT, Split


class Residual(nn.Module):
    """Two convolutions beside a short cut."""

    def __init__(self, width: int, momentum: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width, momentum=momentum),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width, momentum=momentum),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.body(x))


class Recurrent(nn.Module):
    """A recurrent layer read at its last step."""

    def __init__(self, layer: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.layer, self.drop = layer, nn.Dropout(dropout)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.layer(x)[0][:, -1]))


class Characters(nn.Module):
    """A causal transformer over characters; logits (N, characters, T)."""

    def __init__(self, classes: int, width: int, dropout: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(classes, width)
        self.place = nn.Parameter(torch.randn(CONTEXT, width) * 0.02)
        block = nn.TransformerEncoderLayer(
            width, 2, 2 * width, dropout, batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, classes)
        mask = torch.triu(torch.full((CONTEXT, CONTEXT), float("-inf")), 1)
        self.register_buffer("mask", mask)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.blocks(self.embed(x) + self.place, mask=self.mask, is_causal=True)
        return self.head(hidden).transpose(1, 2)


def logistic(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """One linear layer."""
    return nn.Sequential(nn.Flatten(), nn.Linear(data.x[0].numel(), data.classes or 1))


def mlp(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """Two hidden layers of ReLUs."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(data.x[0].numel(), width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout),
        nn.Linear(width, data.classes or 1),
    )  # fmt: skip


def norm_mlp(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """Two hidden layers with batch normalisation."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(data.x[0].numel(), width), nn.BatchNorm1d(width, momentum=momentum), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width, momentum=momentum), nn.ReLU(),
        nn.Dropout(dropout), nn.Linear(width, data.classes or 1),
    )  # fmt: skip


def deep_sigmoid(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """Six hidden layers of sigmoids, as of the time before ReLU."""
    sizes = [data.x[0].numel(), *[width] * 6]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Sigmoid()]
    return nn.Sequential(*layers, nn.Linear(width, data.classes or 1))


def cnn(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """Two convolutions without normalisation."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(dropout), nn.Linear(4 * width, data.classes),
    )  # fmt: skip


def cnn_bn(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """Two convolutions with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.BatchNorm2d(width, momentum=momentum), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width, momentum=momentum), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(4 * width, data.classes),
    )  # fmt: skip


def resnet(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """A stem and two residual blocks."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        Residual(width, momentum), Residual(width, momentum),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(width, data.classes),
    )  # fmt: skip


def gru(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """A GRU."""
    return Recurrent(nn.GRU(1, width, batch_first=True), width, data.classes, dropout)


def lstm(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """An LSTM."""
    return Recurrent(nn.LSTM(1, width, batch_first=True), width, data.classes, dropout)


def charformer(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """A small language model."""
    return Characters(data.classes, width, dropout)


def autoencoder(data: Split, width: int, dropout: float, momentum: float) -> nn.Module:
    """An autoencoder with eight numbers in the middle."""
    size = data.x[0].numel()
    return nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, 8),
        nn.Linear(8, width), nn.ReLU(), nn.Linear(width, size),
    )  # fmt: skip


NETS: dict[str, Callable[[Split, int, float, float], nn.Module]] = {
    function.__name__: function
    for function in (
        logistic, mlp, norm_mlp, deep_sigmoid, cnn, cnn_bn, resnet, gru, lstm, charformer,
        autoencoder,
    )
}  # fmt: skip
