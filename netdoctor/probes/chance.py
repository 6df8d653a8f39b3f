"""The loss that the best constant answer would have: what knowing nothing costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def chance_loss(loss: str, targets: Sequence[Any]) -> float | None:
    """The mean loss of the constant answer that fits these targets best.

    Entropy of the labels for `cross-entropy` (targets are indices, or probabilities in axis 1),
    of each output's share of ones for `bce`, variance of the targets for `mse`.

    Args:
        loss: its name.
        targets: of some batches.

    Returns:
        None for any other loss, and without targets.
    """
    tensors = [target.detach() for target in targets if isinstance(target, Tensor)]
    if not tensors or loss not in ("cross-entropy", "bce", "mse"):
        return None
    if loss == "cross-entropy":
        return _entropy(tensors)
    values = torch.cat([each.reshape(-1).cpu().to(torch.float64) for each in tensors])
    if loss == "mse":
        return float(values.var(correction=0))
    share = float(values.mean())
    return _of_shares(torch.tensor([share, 1 - share], dtype=torch.float64))


def _entropy(targets: Sequence[Tensor]) -> float:
    if targets[0].is_floating_point():
        means = [each.transpose(0, 1).flatten(1).mean(1) for each in targets]
        return _of_shares(torch.stack(means).cpu().to(torch.float64).mean(0))
    labels = torch.cat([each.reshape(-1).cpu() for each in targets])
    counts = labels[labels >= 0].long().bincount()
    return _of_shares(counts.to(torch.float64) / max(int(counts.sum()), 1))


def _of_shares(shares: Tensor) -> float:
    return float(torch.special.entr(shares).sum())
