"""Training of small networks, with a log as people write it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

Loss = Callable[[Any, Any], Tensor]


def train(
    model: nn.Module,
    loader: Iterable[Any],
    val: Iterable[Any],
    loss: Loss,
    *,
    epochs: int = 20,
    lr: float = 3e-3,
    weight_decay: float = 1e-4,
    log: Path | None = None,
    after_step: Callable[[nn.Module], None] | None = None,
    patience: int = 5,
) -> nn.Module:
    """Trains with AdamW and a cosine schedule and keeps the best weights, as people do.

    It stops early once validation has not improved for `patience` epochs.
    """
    optimizer = torch.optim.AdamW(
        [each for each in model.parameters() if each.requires_grad], lr, weight_decay=weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs, eta_min=lr / 50)
    rows: list[dict[str, float]] = []
    best, kept, since = float("inf"), model.state_dict(), 0
    for epoch in range(epochs):
        model.train()
        total = right = count = 0.0
        for x, y in loader:
            output = model(x)
            value = loss(output, y)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            if after_step is not None:
                after_step(model)
            total, count = total + float(value.detach()) * len(y), count + len(y)
            right += _right(output, y)
        schedule.step()
        val_loss, val_right = evaluate(model, val, loss)
        rows.append({"epoch": epoch, "loss": total / count, "val_loss": val_loss,
                     "accuracy": right / count, "val_accuracy": val_right})  # fmt: skip
        if val_loss < best:
            best, since = val_loss, 0
            kept = {name: each.clone() for name, each in model.state_dict().items()}
        else:
            since += 1
            if since >= patience:
                break
    model.load_state_dict(kept)
    if log is not None:
        write(log, rows)
    return model.eval()


def evaluate(model: nn.Module, loader: Iterable[Any], loss: Loss) -> tuple[float, float]:
    model.eval()
    total = right = count = 0.0
    with torch.no_grad():
        for x, y in loader:
            output = model(x)
            total, count = total + float(loss(output, y)) * len(y), count + len(y)
            right += _right(output, y)
    return total / count, right / count


def _right(output: Any, y: Any) -> float:
    if isinstance(output, Tensor) and isinstance(y, Tensor) and output.ndim == 2 and y.ndim == 1:
        return float((output.argmax(1) == y).sum())
    return 0.0


def write(path: Path, rows: list[dict[str, float]]) -> None:
    if not any(row["accuracy"] for row in rows):
        rows = [{key: row[key] for key in ("epoch", "loss", "val_loss")} for row in rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
