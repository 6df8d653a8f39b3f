"""One training run: a recipe and the loop that carries it out and notes its curves."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.curves.nets import NETS
from tests.curves.sets import SETS, Split

Row = dict[str, float]


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """How a run is trained, what its log holds and what is known of it.

    Attributes:
        name: of the log file.
        condition: the sickness it was made to have, or the healthy kind of log.
        cause: what was done, in words.
        writer: the format of the log, of `loggers.WRITERS`.
        columns: what the log holds: `all`, `loss` (train and validation loss), `train` (training
            loss alone), `accuracy` (accuracies alone).
        expected: codes of which a good diagnosis names one; empty for a healthy run.
        allowed: further codes that are no mistake here.
        trouble: a bug that the loop then has.
        when: at which shares of the run the trouble strikes.
    """

    name: str
    condition: str
    cause: str
    writer: str
    net: str
    data: str
    epochs: int = 20
    batch: int = 32
    optimiser: str = "adam"
    rate: float = 1e-3
    schedule: str = "constant"
    decay: float = 0.0
    width: int = 32
    dropout: float = 0.0
    momentum: float = 0.1
    train_size: int = 10**6
    test_size: int = 10**6
    label_noise: float = 0.0
    smoothing: float = 0.0
    augment: float = 0.0
    test_noise: float = 0.0
    clip: float = 0.0
    gain: float = 1.0
    trouble: str = ""
    when: tuple[float, ...] = ()
    warm: int = 0
    columns: str = "all"
    seed: int = 0
    expected: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """What a run noted: one row a step, and one row an epoch, counted from 1."""

    steps: list[Row]
    epochs: list[Row]
    classes: int


def _optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    parameters, rate, decay = list(network.parameters()), recipe.rate, recipe.decay
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(parameters, rate, weight_decay=decay)
    if recipe.optimiser == "momentum":
        return torch.optim.SGD(parameters, rate, momentum=0.9, weight_decay=decay)
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(parameters, rate, weight_decay=decay or 0.01)
    return torch.optim.Adam(parameters, rate, weight_decay=decay)


def _factor(schedule: str, share: float) -> float:
    """The learning rate's factor at that share of the run."""
    if schedule == "step":
        return 0.1 ** ((share >= 0.5) + (share >= 0.75))
    if schedule == "early drop":
        return 1.0 if share < 0.06 else 1e-4
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    if schedule == "warm-up":
        return min(1.0, (share + 0.002) / 0.2)
    if schedule == "one-cycle":
        return (
            0.04 + share / 0.3
            if share < 0.3
            else 0.5 * (1 + math.cos(math.pi * (share - 0.3) / 0.7))
        )
    if schedule == "restarts":
        return 0.5 * (1 + math.cos(math.pi * (share * 4 % 1)))
    if schedule == "cyclic":
        return 0.1 + 0.9 * abs(share * 8 % 2 - 1)
    if schedule == "ramp":
        return 1000**share / 10
    if schedule == "late jump":
        return 1.0 if share < 0.55 else 400.0
    return 1.0


def _poisoned(x: Tensor, y: Tensor, recipe: Recipe, strikes: bool) -> tuple[Tensor, Tensor]:
    if recipe.trouble == "unmatched labels":
        return x, y[torch.randperm(len(y))]
    if not strikes:
        return x, y
    if recipe.trouble == "unscaled batch":
        return x * 20 + 30, y
    if recipe.trouble == "NaN in a batch":
        x = x.clone()
        x[0].view(-1)[0] = float("nan")
    if recipe.trouble == "wrong labels in a batch":
        y = (
            y.roll(1, -1)
            if y.dim() > 1 and y.dtype == torch.int64
            else ((y + 1) % max(int(y.max()) + 1, 2) if y.dtype == torch.int64 else y * -20)
        )
    return x, y


def _loss(output: Tensor, y: Tensor, recipe: Recipe) -> Tensor:
    if y.dtype != torch.int64:
        if recipe.trouble == "log of the output":
            return (output.log() - y.clamp_min(0.1).log()).square().mean()
        return F.mse_loss(output, y)
    if recipe.trouble == "softmax by hand":
        powers = output.exp()
        return -(powers / powers.sum(1, keepdim=True)).gather(1, y.unsqueeze(1)).log().mean()
    if recipe.trouble == "half precision":
        return F.cross_entropy((output.half() * 256).float() / 256, y)
    return F.cross_entropy(output, y, label_smoothing=recipe.smoothing)


def _hits(output: Tensor, y: Tensor) -> float:
    return float((output.argmax(1) == y).double().mean()) if y.dtype == torch.int64 else math.nan


def _data(recipe: Recipe) -> Split:
    full = SETS[recipe.data]()
    x, y = full.x[: recipe.train_size], full.y[: recipe.train_size]
    test_x, test_y = full.test_x[: recipe.test_size], full.test_y[: recipe.test_size]
    if recipe.label_noise:
        wrong = torch.rand(y.shape) < recipe.label_noise
        y = torch.where(wrong, torch.randint_like(y, full.classes), y)
    if recipe.test_noise:
        test_x = test_x * 0.7 + recipe.test_noise * torch.randn_like(test_x)
    if recipe.trouble == "NaN in the validation set":
        test_x = test_x.clone()
        test_x[3].view(-1)[0] = float("nan")
    if recipe.net == "autoencoder":
        y, test_y = x.flatten(1), test_x.flatten(1)
        return Split(x, y, test_x, test_y, 0)
    return Split(x, y, test_x, test_y, full.classes)


def _network(recipe: Recipe, data: Split) -> nn.Module:
    network = NETS[recipe.net](data, recipe.width, recipe.dropout, recipe.momentum)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if recipe.trouble == "equal weights":
                parameter.fill_(0.05)
            elif recipe.trouble == "zero weights":
                parameter.zero_()
            elif recipe.trouble == "dead ReLU" and parameter.dim() == 1 and name.startswith("1."):
                parameter.fill_(-30.0)
            elif parameter.dim() > 1:
                parameter.mul_(recipe.gain)
    if recipe.trouble == "frozen body":
        parameters = list(network.parameters())
        for parameter in parameters[:-2]:
            parameter.requires_grad_(False)
    return network


def _batches(data: Split, recipe: Recipe) -> Iterator[tuple[Tensor, Tensor]]:
    for rows in torch.randperm(len(data.x)).split(recipe.batch):
        if len(rows) < 2:
            continue
        x, y = data.x[rows], data.y[rows]
        if recipe.augment:
            keep = torch.rand_like(x) > recipe.augment / 3
            x = x * keep + recipe.augment * torch.randn_like(x)
        yield x, y


@torch.no_grad()
def _validate(network: nn.Module, data: Split, recipe: Recipe) -> tuple[float, float]:
    network.eval()
    if recipe.trouble == "validated in training mode":
        network.train()
    output = network(data.test_x)
    plain = dataclasses.replace(recipe, smoothing=0.0)
    return float(_loss(output, data.test_y, plain)), _hits(output, data.test_y)


def _descend(
    network: nn.Module, optimiser: torch.optim.Optimizer, loss: Tensor, recipe: Recipe
) -> float:
    """One step; returns the gradient's norm before clipping."""
    if recipe.trouble != "gradients never cleared":
        optimiser.zero_grad()
    loss.backward()
    clip = recipe.clip or math.inf
    norm = float(nn.utils.clip_grad_norm_(network.parameters(), clip)) if clip < math.inf else 0.0
    if recipe.trouble == "ascent":
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter.grad.neg_()
    optimiser.step()
    return norm


def train(recipe: Recipe) -> History:
    """The curves of the run that the recipe describes."""
    torch.manual_seed(recipe.seed)
    data = _data(recipe)
    network = _network(recipe, data)
    stranger = _network(recipe, data)
    wrong = recipe.trouble == "optimiser of another network"
    optimiser = _optimiser(recipe, stranger if wrong else network)
    an_epoch = sum(1 for _ in _batches(data, recipe))
    total = an_epoch * (recipe.epochs + recipe.warm)
    strikes = {int(share * total) for share in recipe.when}
    steps: list[Row] = []
    epochs: list[Row] = []
    step = 0
    for epoch in range(1, recipe.warm + recipe.epochs + 1):
        network.train()
        sums, seen = [0.0, 0.0], 0
        for x, y in _batches(data, recipe):
            struck = step in strikes
            x, y = _poisoned(x, y, recipe, struck)
            rate = recipe.rate * _factor(recipe.schedule, step / total)
            if struck and recipe.trouble == "rate spike":
                rate *= 300
            for group in optimiser.param_groups:
                group["lr"] = rate
            output = network(x)
            if recipe.trouble == "detached":
                output = output.detach().requires_grad_()
            loss = _loss(output, y, recipe)
            norm = _descend(network, optimiser, loss, recipe)
            value, hits = float(loss.detach()), _hits(output, y)
            sums = [sums[0] + value * len(x), sums[1] + hits * len(x)]
            seen += len(x)
            step += 1
            row = {"step": step, "epoch": epoch, "train_loss": value, "train_accuracy": hits}
            steps.append({**row, "lr": rate, "grad_norm": norm})
        val_loss, val_accuracy = _validate(network, data, recipe)
        row = {"epoch": epoch, "step": step, "train_loss": sums[0] / seen, "val_loss": val_loss}
        row |= {"train_accuracy": sums[1] / seen, "val_accuracy": val_accuracy, "lr": rate}
        epochs.append(row)
    return History(*_without_warm(steps, epochs, recipe.warm), data.classes)


def _without_warm(steps: list[Row], epochs: list[Row], warm: int) -> tuple[list[Row], list[Row]]:
    """The rows after the first `warm` epochs, counted anew: a run with a good start."""
    if not warm:
        return steps, epochs
    first = int(epochs[warm - 1]["step"])
    steps = [
        row | {"step": row["step"] - first, "epoch": row["epoch"] - warm}
        for row in steps
        if row["epoch"] > warm
    ]
    epochs = [
        row | {"step": row["step"] - first, "epoch": row["epoch"] - warm}
        for row in epochs
        if row["epoch"] > warm
    ]
    return steps, epochs
