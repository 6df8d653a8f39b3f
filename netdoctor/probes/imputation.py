"""Fills in removed pixels from those around them, so that their outline tells nothing."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_SMALLEST = 8  # pixels a side below which the pyramid ends
_TOLERANCE = 3e-6  # of the residual, relative to the right-hand side
_MOST_ITERATIONS = 300
_DAMPING = 0.8  # of the smoothing step


def linear_imputation(images: Tensor, known: Tensor) -> Tensor:
    """Images whose unknown pixels are the weighted mean of their eight neighbours.

    Neighbours on a side weigh 1/6, those on a corner 1/12; at the border the others count the
    more. The sparse linear system is solved by conjugate gradients with a multigrid cycle, started
    from the solution at half the size. An image of which nothing is known comes back as it is.

    Args:
        images: (M, C, H, W); what stands at unknown pixels does not matter.
        known: (M, H, W) bool.

    Returns:
        (M, C, H, W) float32.

    Source: Rong et al. 2022 (ROAD), section 4.
    """
    images = images.float()
    fixed = known[:, None].float()
    free = (1 - fixed) * known.flatten(1).any(1).view(-1, 1, 1, 1)
    values = images * (1 - free)
    start = _guess(values, fixed) * free
    return values + _solve(values, free, start)


def _guess(values: Tensor, fixed: Tensor) -> Tensor:
    """What the solution at half the size says of every pixel."""
    size = values.shape[2:]
    if min(size) <= _SMALLEST:
        share = fixed.mean((2, 3), keepdim=True).clamp(min=1e-12)
        return ((values * fixed).mean((2, 3), keepdim=True) / share).expand_as(values)
    share = F.avg_pool2d(fixed, 2, ceil_mode=True)
    coarse = F.avg_pool2d(values * fixed, 2, ceil_mode=True) / share.clamp(min=1e-12)
    coarse_known = (share > 0)[:, 0]
    filled = linear_imputation(coarse, coarse_known)
    return F.interpolate(filled, size, mode="bilinear", align_corners=False)


def _solve(values: Tensor, free: Tensor, start: Tensor) -> Tensor:
    """The values of the free pixels, zero elsewhere, by preconditioned conjugate gradients."""
    levels = _pyramid(free)
    right = free * _neighbours(values)
    x = start
    residual = right - _laplacian(x, *levels[0])
    enough = (_TOLERANCE**2 * _dot(right, right)).clamp(min=1e-30)
    direction, product = torch.zeros_like(x), torch.ones_like(enough)
    for _ in range(_MOST_ITERATIONS):
        if bool((_dot(residual, residual) <= enough).all()):
            break
        smoothed = _v_cycle(residual, levels)
        last, product = product, _dot(residual, smoothed)
        direction = smoothed + product / last.clamp(min=1e-30) * direction
        image = _laplacian(direction, *levels[0])
        step = product / _dot(direction, image).clamp(min=1e-30)
        x = x + step * direction
        residual = residual - step * image
    return x


def _pyramid(free: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Masks of the free pixels and the neighbours' weights, each level half the last one's size."""
    levels = [(free, _neighbours(torch.ones_like(free)))]
    while min(levels[-1][0].shape[2:]) > 2:
        coarse = -F.max_pool2d(-levels[-1][0], 2, ceil_mode=True)
        levels.append((coarse, _neighbours(torch.ones_like(coarse))))
    return levels


def _v_cycle(residual: Tensor, levels: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Roughly the solution for a residual: one multigrid cycle, a symmetric operation."""
    free, weights = levels[0]
    x = _DAMPING * residual
    if len(levels) == 1:
        return x
    left = residual - _laplacian(x, free, weights)
    coarse = F.avg_pool2d(left, 2, ceil_mode=True, divisor_override=1) * levels[1][0]
    correction = _v_cycle(coarse, levels[1:])
    size = residual.shape[2:]
    fine = correction.repeat_interleave(2, 2).repeat_interleave(2, 3)[..., : size[0], : size[1]]
    x = x + free * fine
    return x + _DAMPING * (residual - _laplacian(x, free, weights))


def _laplacian(x: Tensor, free: Tensor, weights: Tensor) -> Tensor:
    return free * (weights * x - _neighbours(x))


def _neighbours(x: Tensor) -> Tensor:
    """(M, C, H, W): the weighted sum of each pixel's neighbours; none beyond the border."""
    rows = F.pad(x, (1, 1, 1, 1))
    # The kernel 1/12 · [[1, 2, 1], [2, 0, 2], [1, 2, 1]] is an outer product less its centre.
    across = rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]
    both = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    return (both - 4 * x) / 12


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(M, C, 1, 1)"""
    return (a * b).sum((2, 3), keepdim=True)
