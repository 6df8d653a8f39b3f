"""Tasks of the second held-out set: sequences, and losses of several labels."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from tests.curves.fresh_tasks import flowers, mae, task
from tests.curves.studies import Task
from tests.curves.tasks import accuracy, layers, perplexity


class Forecaster(nn.Module):
    """A GRU that says the next value."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru, self.head = nn.GRU(1, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.gru(x)[0][:, -1])


def forecast(width: int = 20, noise: float = 0.15, rows: int = 10**6) -> Task:
    """The next value of a sum of waves and a trend."""
    rng = np.random.default_rng(21)
    time = np.arange(1000)
    values = np.sin(time / 5) + 0.6 * np.sin(time / 17 + 1) + rng.normal(0, noise, 1000)
    windows = np.stack([values[i : i + 25] for i in range(970)])
    x, y = torch.tensor(windows[:, :24, None]).float(), torch.tensor(windows[:, 24:]).float()
    return task(Forecaster(width), x, y, F.mse_loss, 200, {"mae": mae}, rows)


class Copier(nn.Module):
    """A transformer that looks both ways; logits (N, symbols, T)."""

    def __init__(self, symbols: int, length: int, width: int = 32) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.place = nn.Parameter(0.1 * torch.randn(length, width))
        block = nn.TransformerEncoderLayer(width, 4, 64, 0.0, batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x) + self.place)).transpose(1, 2)


def reversal(symbols: int = 12, length: int = 8, rows: int = 2000) -> Task:
    """The row of symbols backwards."""
    x = torch.randint(0, symbols, (rows, length), generator=torch.Generator().manual_seed(22))
    return task(Copier(symbols, length), x, x.flip(1), F.cross_entropy, 200,
                {"accuracy": accuracy})  # fmt: skip


class Chain(nn.Module):
    """An LSTM over symbols; logits (N, symbols, T)."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.lstm = nn.LSTM(width, width, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embed(x))[0]).transpose(1, 2)


def markov(symbols: int = 40, width: int = 32, rows: int = 800, sharp: float = 1.5) -> Task:
    """A drawn language, whose next symbol depends on the last one."""
    rng = np.random.default_rng(23)
    odds = np.exp(sharp * rng.normal(size=(symbols, symbols)))
    odds = (odds / odds.sum(1, keepdims=True)).cumsum(1)
    now, all_of = rng.integers(0, symbols, 1000), []
    for _ in range(17):
        all_of.append(now)
        now = (rng.random((1000, 1)) > odds[now]).sum(1).clip(0, symbols - 1)
    text = torch.tensor(np.stack(all_of, 1))
    metrics = {"accuracy": accuracy, "perplexity": perplexity}
    return task(Chain(symbols, width), text[:, :-1], text[:, 1:], F.cross_entropy, 200, metrics,
                rows)  # fmt: skip


def f1(output: Tensor, y: Tensor) -> Tensor:
    there = (output > 0).float()
    return 2 * (there * y).sum() / (there.sum() + y.sum()).clamp_min(1)


def several(width: int = 32, rows: int = 10**6) -> Task:
    """Six labels of which several may hold."""
    x, y = datasets.make_multilabel_classification(1600, 20, n_classes=6, n_labels=2,
                                                   random_state=7)  # fmt: skip
    x = (x - x.mean(0)) / x.std(0)
    net = layers([20, width, 6], nn.Hardswish)
    return task(net, torch.tensor(x).float(), torch.tensor(y).float(),
                F.binary_cross_entropy_with_logits, 400, {"f1": f1}, rows)  # fmt: skip


def graded(width: int = 24) -> Task:
    """Grades of one to five, as four questions whether it is higher."""
    rng = np.random.default_rng(24)
    x = rng.normal(size=(1500, 8))
    score = x[:, 0] + np.tanh(2 * x[:, 1]) + 0.3 * rng.normal(size=1500)
    grade = np.digitize(score, np.quantile(score, [0.2, 0.4, 0.6, 0.8]))
    above = torch.tensor(grade[:, None] > np.arange(4)).float()

    def off(output: Tensor, y: Tensor) -> Tensor:
        return ((output > 0).sum(1) - y.sum(1)).abs().float().mean()

    return task(layers([8, width, 4], nn.Softplus), torch.tensor(x).float(), above,
                F.binary_cross_entropy_with_logits, 300, {"mae": off})  # fmt: skip


def counts(width: int = 24, raw: bool = False) -> Task:
    """Poisson counts; the loss goes below zero. `raw` leaves the rate without its exponential."""
    draw = torch.Generator().manual_seed(25)
    x = torch.randn(1500, 5, generator=draw)
    y = torch.poisson((1.2 + 0.8 * x[:, :1] + 0.4 * x[:, 1:2]).exp(), generator=draw)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        if raw:
            return (output - y * output.log()).mean()
        return F.poisson_nll_loss(output, y)

    net = layers([5, width, 1], nn.GELU)
    if raw:
        nn.init.constant_(net[-1].bias, 3.0)
    return task(net, x, y, loss, 300)


def distilled() -> Task:
    """What a fixed wide network says of random rows."""
    torch.manual_seed(26)
    teacher = layers([12, 64, 10], nn.Tanh)
    x = torch.randn(1500, 12)
    with torch.no_grad():
        y = (3 * teacher(x)).softmax(1)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.kl_div(output.log_softmax(1), y, reduction="batchmean")

    return task(layers([12, 48, 10], nn.SiLU), x, y, loss, 300)


class Triplets(nn.Module):
    """Three rows side by side, embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.body = layers([16, 32, 8], nn.ReLU6)

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.body(part) for part in x.chunk(3, 1)], 1)


def apart() -> Task:
    """A row, one of its kind and one of another."""
    draw = torch.Generator().manual_seed(27)
    centres = torch.randn(20, 16, generator=draw)
    kinds = torch.randint(0, 20, (1500,), generator=draw)
    others = (kinds + torch.randint(1, 20, (1500,), generator=draw)) % 20
    x = torch.cat([centres[k] + 0.9 * torch.randn(1500, 16, generator=draw)
                   for k in (kinds, kinds, others)], 1)  # fmt: skip

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.triplet_margin_loss(output[:, 0], output[:, 1], output[:, 2])

    return task(Triplets(), x, kinds, loss, 300)


def tuned_flowers() -> Task:
    """A network that has learnt them already for the most part."""
    made = flowers(24)
    optimiser = torch.optim.Adam(made.network.parameters(), 0.02)
    for _ in range(60):
        optimiser.zero_grad()
        made.loss(made.network(made.x), made.y).backward()
        optimiser.step()
    return made
