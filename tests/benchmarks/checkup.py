"""Time of `checkup`: all its checks beside one forward and one training pass over the batches."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import netdoctor
from tests.benchmarks.networks import batches, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import processor_seconds

LIMIT = "forward + forward-backward"
BATCHES, SIZE, REPEATS = 10, 32, 3  # the defaults of the command


def rows() -> Iterator[Row]:
    """Everything that a checkup does to labelled images, the scan of the data included."""
    loader = _loader()
    for name in ("resnet18", "resnet50"):
        model = network(name)
        _plain(model, loader)  # the first pass allocates
        ratio = statistics.median(_ratio(model, loader) for _ in range(REPEATS))
        yield Row(f"checkup {name}, {BATCHES} batches", ratio, LIMIT, 1.5)


def _ratio(model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]]) -> float:
    whole = processor_seconds(lambda: netdoctor.checkup(model, loader, batches=BATCHES))
    return whole / processor_seconds(lambda: _plain(model, loader))


def _loader() -> DataLoader[tuple[torch.Tensor, ...]]:
    images = torch.cat([each.images for each in batches(BATCHES, SIZE)])
    labels = torch.randint(1000, (len(images),), generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(images, labels), SIZE, shuffle=True)


def _plain(model: nn.Module, loader: DataLoader[tuple[torch.Tensor, ...]]) -> None:
    model.eval()
    with torch.no_grad():
        for images, _ in loader:
            model(images)
    model.train()
    for images, labels in loader:
        F.cross_entropy(model(images), labels).backward()
        model.zero_grad()
