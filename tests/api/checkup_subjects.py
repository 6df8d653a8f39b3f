"""Small networks and data for checkups: one fault each, or none."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(
            nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()
        )
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Detached(Net):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).detach())


class Logarithm(Net):
    """NaN from the last batches only: their inputs are far from the others'."""

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)) + torch.log(20 - x.mean(1, keepdim=True))


class Raising(Net):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("no [red]kernel[/red]")


class NoTraining(Net):
    """Works in evaluation mode only."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            raise RuntimeError("the training pass is broken")
        return super().forward(x)


class OwnLoss(Net):
    """Computes its loss itself where the batch has labels."""

    def forward(self, x: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:  # type: ignore[override]
        logits = super().forward(x)
        if labels is None:
            return {"logits": logits}
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def dead() -> Net:
    net = Net()
    nn.init.constant_(net.body[3].bias, -100.0)
    return net


def poisoned() -> Net:
    net = Net()
    with torch.no_grad():
        net.body[0].weight[3] = float("nan")
    return net


class Counted(TensorDataset):
    """Counts how often a sample is read."""

    reads = 0

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        Counted.reads += 1
        return super().__getitem__(index)


def samples(number: int = 200, shift: int = 0) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(1)
    inputs = torch.randn(number, 8, generator=source)
    return inputs, torch.bucketize(inputs[:, 0].contiguous(), torch.tensor([-0.4, 0.4])) + shift


def loader(kind: type[TensorDataset] = TensorDataset, **options: Any) -> DataLoader[Any]:
    return DataLoader(kind(*samples()), 20, **options)


def ends_badly() -> DataLoader[Any]:
    inputs, target = samples()
    inputs[180:] += 30
    return DataLoader(TensorDataset(inputs, target), 20)
