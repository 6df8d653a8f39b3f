"""The loop of the third held-out set: torch's own schedules, averaged weights, any trouble."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from tests.curves.studies import Task
from tests.curves.training import Row

Rows = tuple[list[Row], list[Row]]
Layout = Callable[[Path, str, Rows], Path]
Spoil = Callable[[float, Tensor, Tensor, Optimizer], tuple[Tensor, Tensor]]


@dataclasses.dataclass(frozen=True, slots=True)
class Trial:
    """A log of the third held-out set.

    Attributes:
        name: of the log file.
        condition: the sickness it was made to have, or the healthy kind of log.
        cause: what was done, in words.
        curves: trains, and returns the rows of each step and of each epoch.
        layout: writes them.
        expected, allowed: codes, as for `training.Recipe`.
        half: that it belongs to.
    """

    name: str
    condition: str
    cause: str
    curves: Callable[[], Rows]
    layout: Layout
    expected: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    half: str = "held-out-3"


@dataclasses.dataclass(frozen=True, slots=True)
class Fit:
    """How a task is trained; called, it trains.

    Attributes:
        optimiser: of the parameters that learn.
        schedule: of the optimiser and the number of steps; stepped after each batch.
        on_validation: of the optimiser; told the validation loss after each epoch.
        average: decay of the averaged weights that are validated; 0 validates the weights.
        augment: of the inputs of a batch.
        spoil: of the share of the run that is over, a batch and the optimiser, before each step.
        gradients: of that share and the network, between backward and step.
        stranger: the optimiser is given another network's parameters.
        clear: gradients are set to nothing before each step.
        validate: "eval", "train" (the network left in training mode), or a number of rows drawn
            anew each time.
    """

    task: Callable[[], Task]
    optimiser: Callable[..., Optimizer]
    epochs: int = 20
    batch: int = 32
    schedule: Callable[[Optimizer, int], Any] | None = None
    on_validation: Callable[[Optimizer], Any] | None = None
    clip: float = math.inf
    average: float = 0.0
    augment: Callable[[Tensor], Tensor] | None = None
    spoil: Spoil | None = None
    gradients: Callable[[float, nn.Module], None] | None = None
    stranger: bool = False
    clear: bool = True
    bfloat: bool = False
    validate: str | int = "eval"
    seed: int = 0

    def __call__(self) -> Rows:
        """The rows of each step and of each epoch, both counted from 1."""
        torch.manual_seed(self.seed)
        task = self.task()
        learning = self.task().network if self.stranger else task.network
        optimiser = self.optimiser([p for p in learning.parameters() if p.requires_grad])
        total = self.epochs * max(1, -(-len(task.x) // self.batch))
        schedule = self.schedule(optimiser, total) if self.schedule else None
        watch = self.on_validation(optimiser) if self.on_validation else None
        averaged = copy.deepcopy(task.network) if self.average else task.network
        steps: list[Row] = []
        epochs: list[Row] = []
        for epoch in range(1, self.epochs + 1):
            task.network.train()
            sums: Row = {}
            for rows in torch.randperm(len(task.x)).split(self.batch):
                x, y = task.x[rows], task.y[rows]
                x = self.augment(x) if self.augment else x
                if self.spoil:
                    x, y = self.spoil(len(steps) / total, x, y, optimiser)
                rate = float(optimiser.param_groups[0]["lr"])
                row, norm = self._step(task, optimiser, x, y, len(steps) / total)
                if schedule:
                    schedule.step()
                if self.average:
                    _drift(averaged, task.network, self.average)
                for key, value in row.items():
                    sums[key] = sums.get(key, 0.0) + value * len(x)
                named = {f"train_{key}": value for key, value in row.items()}
                at = {"step": len(steps) + 1, "epoch": epoch}
                steps.append(at | named | {"lr": rate, "grad_norm": norm})
            means = {key: value / len(task.x) for key, value in sums.items()}
            row = {f"train_{key}": value for key, value in _with_perplexity(task, means).items()}
            row |= {f"val_{key}": value for key, value in self._validated(task, averaged).items()}
            epochs.append({"epoch": epoch, "step": len(steps)} | row | {"lr": rate})
            if watch:
                watch.step(row["val_loss"])
        return steps, epochs

    def _step(
        self, task: Task, optimiser: Optimizer, x: Tensor, y: Tensor, share: float
    ) -> tuple[Row, float]:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat):
            output = task.network(x)
            loss = task.loss(output, y)
        if self.clear:
            optimiser.zero_grad()
        if loss.requires_grad:
            loss.backward()
        if self.gradients:
            self.gradients(share, task.network)
        norm = float(nn.utils.clip_grad_norm_(task.network.parameters(), self.clip))
        optimiser.step()
        value = float(loss.detach())
        return _with_perplexity(task, {"loss": value} | _measured(task, output.detach(), y)), norm

    @torch.no_grad()
    def _validated(self, task: Task, network: nn.Module) -> Row:
        network.train(self.validate == "train")
        x, y = task.test_x, task.test_y
        if isinstance(self.validate, int):
            rows = torch.randperm(len(x))[: self.validate]
            x, y = x[rows], y[rows]
        output = network(x)
        row = {"loss": float(task.loss(output, y))} | _measured(task, output, y)
        return _with_perplexity(task, row)


def _measured(task: Task, output: Tensor, y: Tensor) -> Row:
    return {name: float(metric(output.float(), y)) for name, metric in task.metrics.items()}


def _with_perplexity(task: Task, row: Row) -> Row:
    if "perplexity" in task.metrics:
        row["perplexity"] = math.exp(min(row["loss"], 50.0))
    return row


@torch.no_grad()
def _drift(averaged: nn.Module, network: nn.Module, decay: float) -> None:
    for mean, now in zip(averaged.parameters(), network.parameters(), strict=True):
        mean.lerp_(now, 1 - decay)
    for mean, now in zip(averaged.buffers(), network.buffers(), strict=True):
        mean.copy_(now)


def struck(when: tuple[float, ...], length: float, do: Spoil) -> Spoil:
    """That trouble for a share `length` of the run after each of the moments `when`."""

    def spoil(share: float, x: Tensor, y: Tensor, optimiser: Optimizer) -> tuple[Tensor, Tensor]:
        inside = any(start <= share < start + length for start in when)
        return do(share, x, y, optimiser) if inside else (x, y)

    return spoil


def rate(of: Callable[[float], float]) -> Spoil:
    """Sets the learning rate by the share of the run that is over."""

    def spoil(share: float, x: Tensor, y: Tensor, optimiser: Optimizer) -> tuple[Tensor, Tensor]:
        for group in optimiser.param_groups:
            group["lr"] = of(share)
        return x, y

    return spoil


def pretrained(
    task: Callable[[], Task], steps: int, rate: float, rows: slice | None = None
) -> Callable[[], Task]:
    """That task, its network trained before on some of the rows."""

    def make() -> Task:
        made = task()
        x, y = (made.x[rows], made.y[rows]) if rows else (made.x, made.y)
        optimiser = torch.optim.Adam(made.network.parameters(), rate)
        for _ in range(steps):
            some = torch.randint(0, len(x), (64,))
            optimiser.zero_grad()
            made.loss(made.network(x[some]), y[some]).backward()
            optimiser.step()
        return made

    return make
