"""The networks and batches that the benchmark runs, without any download."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torchvision
from torch import Tensor, nn


@dataclass(slots=True)
class ImageBatch:
    """Random images (N, 3, H, W) and their number N, as the probes take a batch."""

    images: Tensor
    size: int

    def call(self, model: nn.Module) -> Tensor:
        """The model's output."""
        output: Tensor = model(self.images)
        return output


def network(name: str) -> nn.Module:
    """A torchvision network with seeded random weights, in evaluation mode."""
    torch.manual_seed(0)
    model: nn.Module = torchvision.models.get_model(name, weights=None)
    return model.eval()


def batches(count: int, size: int, pixels: int = 224) -> Iterator[ImageBatch]:
    """So many batches, each made when it is asked for."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        yield ImageBatch(torch.randn(size, 3, pixels, pixels, generator=generator), size)


@torch.no_grad()
def forward(model: nn.Module, given: Iterator[ImageBatch]) -> None:
    """The plain forward pass over the batches: the limit."""
    for batch in given:
        batch.call(model)
