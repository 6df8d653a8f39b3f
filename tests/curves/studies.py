"""A second loop, for tasks with losses, metrics and troubles of their own."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from tests.curves.training import Row, _factor

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """What is learnt.

    Attributes:
        network: to train; its parameters without gradient stay as they are.
        x, y, test_x, test_y: rows, the first axis counts them.
        loss: of outputs and targets.
        metrics: by name, of outputs and targets; `perplexity` is taken of the loss.
    """

    network: nn.Module
    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    loss: Loss
    metrics: dict[str, Loss] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Study:
    """How a task is trained, what its log holds and what is known of it.

    Attributes:
        name: of the log file.
        condition: the sickness it was made to have, or the healthy kind of log.
        cause: what was done, in words.
        task: makes it.
        layout: of the log, of `layouts.LAYOUTS`.
        columns: what the log holds, by the names of `run`'s rows.
        trouble: a bug that the loop then has, struck at the shares `when` of the run.
        half: that it belongs to.
        expected, allowed: codes, as for `training.Recipe`.
    """

    name: str
    condition: str
    cause: str
    task: Callable[[], Task]
    layout: str
    columns: tuple[str, ...] = ("train_loss", "val_loss")
    epochs: int = 20
    batch: int = 32
    optimiser: str = "adam"
    rate: float = 1e-3
    schedule: str = "constant"
    decay: float = 0.0
    clip: float = math.inf
    trouble: str = ""
    when: tuple[float, ...] = ()
    strength: float = 1.0
    warm: int = 0
    seed: int = 0
    most: int = 250
    half: str = "tuning"
    expected: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda p, **k: torch.optim.SGD(p, momentum=0.9, **k),
    "nesterov": lambda p, **k: torch.optim.SGD(p, momentum=0.9, nesterov=True, **k),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "adamax": torch.optim.Adamax,
    "adadelta": torch.optim.Adadelta,
    "rprop": lambda p, lr, weight_decay: torch.optim.Rprop(p, lr=lr),
}


def _measured(task: Task, output: Tensor, y: Tensor, loss: float) -> Row:
    row = {name: float(metric(output, y)) for name, metric in task.metrics.items()}
    if "perplexity" in row:
        row["perplexity"] = math.exp(min(loss, 50.0))
    return row


@torch.no_grad()
def _validate(task: Task, study: Study) -> Row:
    task.network.train(study.trouble == "validated in training mode")
    x, y = task.test_x, task.test_y
    if study.trouble == "validated on a few rows":
        rows = torch.randperm(len(x))[: int(study.strength)]
        x, y = x[rows], y[rows]
    output = task.network(x)
    loss = float(task.loss(output, y))
    return {"val_loss": loss} | {f"val_{k}": v for k, v in _measured(task, output, y, loss).items()}


def _batches(task: Task, study: Study) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(task.x)).split(study.batch):
        if len(rows) < 2 and study.batch > 1:
            continue
        yield task.x[rows], task.y[rows]


def _struck(x: Tensor, y: Tensor, study: Study) -> tuple[Tensor, Tensor]:
    if study.trouble == "unscaled batch":
        return x * study.strength, y
    if study.trouble == "NaN in a batch":
        x = x.clone()
        x[0].view(-1)[0] = float("nan")
    if study.trouble == "targets in another unit":
        y = y * study.strength
    if study.trouble == "wrong labels in a batch":
        y = y.roll(1, 0) if y.is_floating_point() else y[torch.randperm(len(y))]
    return x, y


def _step(
    task: Task,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    study: Study,
    share: float,
) -> tuple[float, Tensor, float]:
    """One step; returns the loss, the output and the gradient's norm before clipping."""
    if study.trouble == "unmatched labels":
        y = y[torch.randperm(len(y))]
    output = task.network(x)
    if study.trouble == "detached":
        output = output.detach().requires_grad_()
    loss = task.loss(output, y)
    if study.trouble != "gradients never cleared":
        optimiser.zero_grad()
    loss.backward()
    norm = float(nn.utils.clip_grad_norm_(task.network.parameters(), study.clip))
    if study.trouble == "ascent" and share >= min(study.when, default=0.0):
        for parameter in task.network.parameters():
            if parameter.grad is not None:
                parameter.grad.neg_()
    optimiser.step()
    return float(loss.detach()), output.detach(), norm


def run(study: Study) -> tuple[list[Row], list[Row]]:
    """The rows of each step and of each epoch, both counted from 1; the warm epochs left out."""
    torch.manual_seed(study.seed)
    task = study.task()
    tuned = study.task() if study.trouble == "optimiser of another network" else task
    learning = [p for p in tuned.network.parameters() if p.requires_grad]
    make = OPTIMISERS[study.optimiser]
    optimiser = make(learning, lr=study.rate, weight_decay=study.decay)
    total = sum(1 for _ in _batches(task, study)) * (study.epochs + study.warm)
    strikes = {int(share * total) for share in study.when}
    steps: list[Row] = []
    epochs: list[Row] = []
    at = 0
    for epoch in range(1 - study.warm, study.epochs + 1):
        task.network.train()
        sums: dict[str, float] = {}
        seen = 0
        for x, y in _batches(task, study):
            rate = study.rate * _factor(study.schedule, at / total)
            if at in strikes:
                x, y = _struck(x, y, study)
                rate *= study.strength if study.trouble == "rate spike" else 1
            if study.trouble == "rate grows" and at >= study.when[0] * total:
                rate *= study.strength ** ((at / total - study.when[0]) / (1 - study.when[0]))
            if study.trouble == "rate jumps" and at >= study.when[0] * total:
                rate *= study.strength
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss, output, norm = _step(task, optimiser, x, y, study, at / total)
            row = {"loss": loss} | _measured(task, output, y, loss)
            for key, value in row.items():
                sums[key] = sums.get(key, 0.0) + value * len(x)
            seen += len(x)
            at += 1
            row = {f"train_{key}": value for key, value in row.items()}
            steps.append({"step": at, "epoch": epoch} | row | {"lr": rate, "grad_norm": norm})
        row = {f"train_{key}": value / seen for key, value in sums.items()}
        if "train_perplexity" in row:
            row["train_perplexity"] = math.exp(min(row["train_loss"], 50.0))
        row |= _validate(task, study)
        epochs.append({"epoch": epoch, "step": at} | row | {"lr": rate})
    first = study.warm * (total // (study.epochs + study.warm))
    return _after(steps, first), _after(epochs, first)


def _after(rows: list[Row], first: int) -> list[Row]:
    return [row | {"step": row["step"] - first} for row in rows if row["epoch"] > 0]
