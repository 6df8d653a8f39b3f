"""Heat maps from a layer's activations and gradients, each by its paper's formula.

Where papers and implementations differ, the definitions are those of pytorch-grad-cam 1.5.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from netdoctor.facts.gradcam import Method

WITH_GRADIENT: frozenset[Method] = frozenset({"gradcam", "gradcam++", "hirescam", "layercam"})


def gradcam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Channels weighted by the mean of their gradient (Selvaraju et al. 2017, eq. 1 and 2)."""
    return (gradient.mean((-2, -1), keepdim=True) * activation).sum(-3)


def gradcam_plus_plus(activation: Tensor, gradient: Tensor) -> Tensor:
    """Channels weighted by their positive gradients (Chattopadhay et al. 2018, eq. 19)."""
    squared = gradient.square()
    cubed = squared * gradient
    totals = activation.sum((-2, -1), keepdim=True)
    alpha = squared / (2 * squared + totals * cubed + 1e-6)
    alpha = torch.where(gradient != 0, alpha, 0)
    weights = (gradient.clamp(min=0) * alpha).sum((-2, -1), keepdim=True)
    return (weights * activation).sum(-3)


def hirescam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Each value times its own gradient (Draelos and Carin 2020)."""
    return (gradient * activation).sum(-3)


def layercam(activation: Tensor, gradient: Tensor) -> Tensor:
    """Each value times its own gradient where that is positive (Jiang et al. 2021)."""
    return (gradient.clamp(min=0) * activation).sum(-3)


def eigencam(activation: Tensor) -> Tensor:
    """The first principal component over the channels (Muhammad and Yeasin 2020), centred.

    The component's sign is that of LAPACK, as in pytorch-grad-cam: the method leaves it open.
    """
    maps = activation.cpu().numpy().astype(np.float32)
    rows = np.nan_to_num(maps.reshape(len(maps), -1).T, nan=0.0)
    rows = rows - rows.mean(axis=0)
    if not np.isfinite(rows).all():
        return torch.full(activation.shape[-2:], torch.nan)
    _, _, directions = np.linalg.svd(rows, full_matrices=True)
    projection = (rows @ directions[0]).reshape(maps.shape[1:])
    return torch.from_numpy(projection.astype(np.float32))


def scorecam(
    activation: Tensor, image: Tensor, values: Callable[[Tensor], Tensor], chunk: int
) -> Tensor:
    """Channels weighted by what the network says to the image seen through each (Wang 2020).

    Args:
        activation: (C, h, w).
        image: (C', H, W).
        values: (M, C', H, W) to the target's number (M,) of each.
        chunk: images at a time.
    """
    size = image.shape[-2:]
    found = []
    for at in range(0, len(activation), chunk):
        part = activation[at : at + chunk]
        masks = interpolate(part[:, None], size=size, mode="bilinear", align_corners=True)
        low, high = masks.amin((-2, -1), keepdim=True), masks.amax((-2, -1), keepdim=True)
        masks = (masks - low) / (high - low + 1e-8)
        found.append(values(image * masks.to(image.dtype)).float())
    weights = torch.cat(found).softmax(0)
    return (weights[:, None, None] * activation).sum(0)


def ablationcam(
    activation: Tensor, ablated: Callable[[list[int]], Tensor], before: float, chunk: int
) -> Tensor:
    """Channels weighted by the share that the score loses without each (Desai 2020, eq. 3).

    A channel is set to 0, as in the paper; pytorch-grad-cam does so only where the layer's
    smallest value is 0, and else to about -1e7 times the place in its batch.

    Args:
        activation: (C, h, w).
        ablated: channels to the target's number (M,) without each.
        before: the target's number with all of them.
        chunk: channels at a time.
    """
    channels = range(len(activation))
    parts = [ablated([*channels[at : at + chunk]]) for at in range(0, len(channels), chunk)]
    after = torch.cat(parts).float()
    weights = (before - after) / before
    return (weights[:, None, None] * activation).sum(0)


FORMULAS: dict[Method, Callable[[Tensor, Tensor], Tensor]] = {
    "gradcam": gradcam, "gradcam++": gradcam_plus_plus, "hirescam": hirescam, "layercam": layercam,
}  # fmt: skip
"""Activations and gradients (..., C, H, W) to maps (..., H, W), negative values kept."""
