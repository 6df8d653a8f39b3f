"""Losses that need a name of their own."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def smoothed(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, label_smoothing=0.1)


def l1(output: Tensor, target: Tensor) -> Tensor:
    return F.l1_loss(output, target)


def huber(output: Tensor, target: Tensor) -> Tensor:
    return F.huber_loss(output, target)


def elbo(output: tuple[Tensor, Tensor, Tensor], target: Tensor) -> Tensor:
    """Squared error and a tenth of the divergence, per sample."""
    rebuilt, mu, log_var = output
    divergence = -0.5 * (1 + log_var - mu.square() - log_var.exp()).sum(1).mean()
    return F.mse_loss(rebuilt, target) + 0.01 * divergence


def nll(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(output, target)


def bce_probabilities(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy(output, target)


def soft_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Targets are probabilities (N, C)."""
    return -(target * torch.log_softmax(output, 1)).sum(1).mean()
