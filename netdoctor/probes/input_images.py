"""The images of a batch, and how they are shown: as the network was given them."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.facts.featuremaps import InputImage, finite_range
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.inputs.images import Preprocessing

_LARGEST_INPUT = 224


def image_tensor(batch: Batch) -> Tensor | None:
    """The images (N, C, H, W) of a batch, or the first (C, H, W) of a list."""
    for value in (*batch.args, *batch.kwargs.values()):
        each = value[0] if isinstance(value, (list, tuple)) and value else value
        if isinstance(each, Tensor) and each.is_floating_point() and each.ndim in (3, 4):
            if each.ndim == 3 and each is value:
                continue
            return each if each.shape[-3] <= 16 and min(each.shape[-2:]) > 1 else None
    return None


def image_size(batch: Batch) -> tuple[int, int] | None:
    """Height and width of the images of a batch."""
    found = image_tensor(batch)
    return None if found is None else (int(found.shape[-2]), int(found.shape[-1]))


def inputs_of(
    batch: Batch, take: int, first: int, data: Data, *, largest: int = _LARGEST_INPUT
) -> list[InputImage]:
    """The first `take` images of a batch, numbered from `first`, no side longer than `largest`."""
    images = image_tensor(batch)
    found = []
    for at in range(take):
        number = first + at
        name = data.samples[number] if number < len(data.samples) else f"sample {number}"
        image = None
        if images is not None and (images.ndim == 4 or at == 0):
            image = _pixels(images[at] if images.ndim == 4 else images, data.preprocessing, largest)
        found.append(InputImage(name, image))
    return found


def _pixels(image: Tensor, done: Preprocessing | None, largest: int) -> NDArray[Any] | None:
    """The image (H, W, 3) uint8 with its normalisation undone, made smaller where it is large."""
    if image.shape[0] not in (1, 3):
        return None
    step = -(-max(image.shape[-2:]) // largest)
    pixels = nn.functional.avg_pool2d(image.detach().float().cpu(), step, ceil_mode=True)
    if done is not None:
        done = done.for_channels(len(pixels))
        std, mean = torch.tensor(done.std).view(-1, 1, 1), torch.tensor(done.mean).view(-1, 1, 1)
        pixels = pixels * std + mean
    elif pixels.min() < 0 or pixels.max() > 1:
        low, high = finite_range(pixels.numpy())
        pixels = (pixels - low) / max(high - low, 1e-12)
    levels = (pixels.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round().to(torch.uint8)
    shown: NDArray[Any] = levels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
    return shown
