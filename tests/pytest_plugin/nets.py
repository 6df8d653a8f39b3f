"""A healthy and a sick network, and data that they can be told apart by."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def healthy() -> nn.Module:
    """Two layers of usual scale, in training mode, with statistics that a pass would move."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4))


def sick() -> nn.Module:
    """The same, but no unit of it ever fires."""
    network = healthy()
    with torch.no_grad():
        network[1].bias -= 1000  # type: ignore[operator]
    return network


def loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    """512 samples of 4 classes."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(512, 8, generator=generator)
    labels = inputs[:, :4].argmax(1)
    return DataLoader(TensorDataset(inputs, labels), batch_size=64)
