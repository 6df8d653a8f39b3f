"""Tasks of the third held-out set on tables, graphs and densities."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from tests.curves.studies import Task
from tests.curves.tasks import accuracy, layers, r2
from tests.curves.unseen_pictures import split
from tests.curves.unseen_text import rmse


class Tastes(nn.Module):
    """A matrix factorised: users, things and what each of them adds."""

    def __init__(self, users: int, things: int, width: int) -> None:
        super().__init__()
        self.users, self.things = nn.Embedding(users, width), nn.Embedding(things, width)
        self.user_bias, self.thing_bias = nn.Embedding(users, 1), nn.Embedding(things, 1)
        self.mean = nn.Parameter(torch.tensor(3.5))
        for table in (self.users, self.things, self.user_bias, self.thing_bias):
            nn.init.normal_(table.weight, std=0.1)

    def forward(self, x: Tensor) -> Tensor:
        user, thing = x[:, 0], x[:, 1]
        added = self.user_bias(user) + self.thing_bias(thing) + self.mean
        return (self.users(user) * self.things(thing)).sum(1, keepdim=True) + added


def ratings(width: int = 4, rows: int = 10**6, noise: float = 0.5) -> Task:
    """Stars that 150 users gave to 120 things."""
    rng = np.random.default_rng(41)
    user, thing = rng.normal(size=(150, 3)), rng.normal(size=(120, 3))
    x = np.stack([rng.integers(0, 150, 7000), rng.integers(0, 120, 7000)], 1)
    stars = 3.5 + 0.5 * (user[x[:, 0]] * thing[x[:, 1]]).sum(1) + rng.normal(0, noise, 7000)
    y = torch.tensor(stars.clip(1, 5)[:, None]).float()
    return split(Tastes(150, 120, width), torch.tensor(x), y, F.mse_loss, 1500, {"rmse": rmse},
                 rows)  # fmt: skip


class Graph(nn.Module):
    """Convolutions over a fixed graph; rows are names of nodes."""

    def __init__(self, links: Tensor, traits: Tensor, width: int, depth: int, drop: float) -> None:
        super().__init__()
        self.register_buffer("links", links)
        self.register_buffer("traits", traits)
        sizes = [traits.shape[1], *[width] * (depth - 1), 4]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.drop = nn.Dropout(drop)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.traits
        for index, layer in enumerate(self.layers):
            hidden = self.links @ layer(self.drop(hidden if index == 0 else hidden.relu()))
        return hidden[x]


def communities(width: int = 16, depth: int = 2, drop: float = 0.5, learnt: int = 80,
                inside: float = 0.05, wide: int = 64) -> Task:  # fmt: skip
    """To which of four circles a node belongs: all nodes of the training set in one step."""
    rng = np.random.default_rng(42)
    y = np.arange(400) % 4
    odds = np.where(y[:, None] == y[None], inside, 0.012)
    links = np.triu(rng.random((400, 400)) < odds, 1)
    links = (links | links.T) + np.eye(400)
    links = links / links.sum(1, keepdims=True)
    traits = rng.normal(size=(400, wide)) + 0.6 * rng.normal(size=(4, wide))[y]
    net = Graph(torch.tensor(links).float(), torch.tensor(traits).float(), width, depth, drop)
    return split(net, torch.arange(400), torch.tensor(y), F.cross_entropy, 200,
                 {"accuracy": accuracy}, learnt)  # fmt: skip


class Couplings(nn.Module):
    """RealNVP in two dimensions: the log density of each row."""

    def __init__(self, width: int, depth: int = 4) -> None:
        super().__init__()
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 2)) for _ in range(depth)
        )

    def forward(self, x: Tensor) -> Tensor:
        volume = torch.zeros(len(x))
        for net in self.nets:
            scale, shift = net(x[:, :1]).chunk(2, 1)
            scale = scale.tanh() * 2
            x = torch.cat([(x[:, 1:] - shift) * (-scale).exp(), x[:, :1]], 1)
            volume = volume - scale[:, 0]
        return (-0.5 * x.square().sum(1) - math.log(2 * math.pi) + volume)[:, None]


def density(width: int = 24, size: float = 0.1, rows: int = 10**6, noise: float = 0.08) -> Task:
    """How two half moons lie: a likelihood below zero where they are small."""
    x, _ = datasets.make_moons(1500, noise=noise, random_state=43)
    x = torch.tensor((x - x.mean(0)) * size).float()
    return split(Couplings(width), x, x, lambda o, _: -o.mean(), 400, {}, rows)


class Diffuser(nn.Module):
    """Says what noise was added to a point; the noise and what is said side by side."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = layers([3, width, width, 2], nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        noise, time = torch.randn_like(x), torch.rand(len(x), 1)
        kept = (time * math.pi / 2).cos()
        mixed = kept * x + (1 - kept**2).sqrt() * noise
        return torch.stack([self.body(torch.cat([mixed, time], 1)), noise], 1)


def diffused(width: int = 48) -> Task:
    """The noise on points of a Swiss roll: a loss that falls early and then hardly."""
    x, _ = datasets.make_swiss_roll(2000, noise=0.3, random_state=44)
    x = torch.tensor(x[:, [0, 2]] / 8).float()
    return split(Diffuser(width), x, x, lambda o, _: F.mse_loss(o[:, 0], o[:, 1]), 500)


def survival(width: int = 16, wide: int = 10, rows: int = 10**6) -> Task:
    """Who lives longer: Cox's partial likelihood over the rows of a batch."""
    draw = torch.Generator().manual_seed(45)
    x = torch.randn(1200, wide, generator=draw)
    risk = x[:, 0] + 0.7 * (x[:, 1] * x[:, 2])
    time = torch.rand(1200, generator=draw).clamp_min(1e-6).log().neg() / risk.exp()
    event = (torch.rand(1200, generator=draw) < 0.7).float()

    def loss(output: Tensor, y: Tensor) -> Tensor:
        order = y[:, 0].argsort(descending=True)
        score, seen = output[order, 0], y[order, 1]
        return -((score - score.logcumsumexp(0)) * seen).sum() / seen.sum().clamp_min(1)

    def concordance(output: Tensor, y: Tensor) -> Tensor:
        earlier = (y[:, None, 0] < y[None, :, 0]) & (y[:, None, 1] > 0)
        right = output[:, None, 0] > output[None, :, 0]
        return (right & earlier).sum() / earlier.sum().clamp_min(1)

    return split(layers([wide, width, 1], nn.ELU), x, torch.stack([time, event], 1), loss, 300,
                 {"c_index": concordance}, rows)  # fmt: skip


def pendulum(width: int = 32, rows: int = 10**6) -> Task:
    """A pendulum's change within a hundredth of a second: losses near 1e-6."""
    draw = torch.Generator().manual_seed(46)
    x = torch.rand(1500, 2, generator=draw) * 4 - 2
    y = 0.01 * torch.stack([x[:, 1], -3 * x[:, 0].sin() - 0.2 * x[:, 1]], 1)
    y = y + 3e-4 * torch.randn(y.shape, generator=draw)
    net = layers([2, width, width, 2], nn.Tanh)
    with torch.no_grad():
        net[-1].weight.mul_(0.1)
        net[-1].bias.zero_()
    return split(net, x, y, F.mse_loss, 300, {"rmse": rmse}, rows)


def auc(output: Tensor, y: Tensor) -> Tensor:
    """The area under the ROC curve; 0.5 where one class is missing."""
    true = y.flatten() > 0
    above, below = output.flatten()[true], output.flatten()[~true]
    if not len(above) or not len(below):
        return torch.tensor(0.5)
    return (above[:, None] > below[None]).float().mean()


def fraud(width: int = 24, share: float = 0.02, apart: float = 2.0, focal: float = 0.0,
          rows: int = 10**6, drop: float = 0.0) -> Task:  # fmt: skip
    """Few are positive."""
    draw = torch.Generator().manual_seed(47)
    y = (torch.rand(3000, 1, generator=draw) < share).float()
    x = torch.randn(3000, 12, generator=draw)
    x[:, :2] += apart * y * torch.tensor([1.0, -1.0])

    def loss(output: Tensor, y: Tensor) -> Tensor:
        plain = F.binary_cross_entropy_with_logits(output, y, reduction="none")
        return ((1 - (-plain).exp()) ** focal * plain).mean()

    return split(layers([12, width, 1], nn.ReLU, drop), x, y, loss, 900, {"auc": auc}, rows)


def clicks(width: int = 4, rows: int = 10**6) -> Task:
    """Whether somebody clicks, of which most is chance."""
    draw = torch.Generator().manual_seed(48)
    x = torch.stack([torch.randint(0, 40, (4000,), generator=draw) + 40 * k for k in range(4)], 1)
    odds = 0.5 * torch.randn(160, generator=draw)
    y = (torch.rand(4000, generator=draw) < (odds[x].sum(1) - 1.2).sigmoid()).float()[:, None]

    class Machine(nn.Module):
        """A factorisation machine."""

        def __init__(self) -> None:
            super().__init__()
            self.single, self.pair = nn.Embedding(160, 1), nn.Embedding(160, width)
            nn.init.zeros_(self.single.weight)
            nn.init.normal_(self.pair.weight, std=0.05)

        def forward(self, x: Tensor) -> Tensor:
            pair = self.pair(x)
            cross = (pair.sum(1).square() - pair.square().sum(1)).sum(1, keepdim=True) / 2
            return self.single(x).sum(1) + cross

    return split(Machine(), x, y, F.binary_cross_entropy_with_logits, 1000, {"auc": auc}, rows)


def houses(width: int = 32, rows: int = 10**6, drop: float = 0.0, noise: float = 0.3,
           hidden: int = 2, test: int = 500, heavy: float = 0.0) -> Task:  # fmt: skip
    """Prices by place and size, with bends; `heavy` draws some prices far out."""
    rng = np.random.default_rng(49)
    x = rng.uniform(-1, 1, (2000, 7))
    coast = np.hypot(x[:, 0] + 0.5, x[:, 1] - 0.3)
    price = 2 * np.exp(-3 * coast**2) + np.abs(x[:, 2]) + x[:, 3] * (x[:, 4] > 0) - 0.9
    price = price + rng.normal(0, noise, 2000) + heavy * rng.standard_t(1.6, 2000)
    net = layers([7, *[width] * hidden, 1], nn.Mish, drop)
    return split(net, torch.tensor(x).float(), torch.tensor(price[:, None]).float(), F.mse_loss,
                 test, {"rmse": rmse, "r2": r2}, rows)  # fmt: skip


def decided(width: int = 48, rows: int = 10**6, wrong: float = 0.0, drop: float = 0.0,
            hidden: int = 2, momentum: float = 0.0, act: type = nn.SELU) -> Task:  # fmt: skip
    """Four classes by a drawn tree of questions."""
    rng = np.random.default_rng(50)
    x = rng.uniform(-1, 1, (2400, 10))
    first, second = x[:, 0] + 0.5 * x[:, 1] > 0, np.where(x[:, 2] > 0, x[:, 3], x[:, 4]) > 0
    y = 2 * first + second
    y = np.where(rng.random(2400) < wrong, rng.integers(0, 4, 2400), y)
    net: nn.Module = layers([10, *[width] * hidden, 4], act, drop)
    if momentum:
        parts: list[nn.Module] = []
        for size in (10, *[width] * (hidden - 1)):
            parts += [nn.Linear(size, width), nn.BatchNorm1d(width, momentum=momentum), nn.ReLU()]
        net = nn.Sequential(*parts, nn.Linear(width, 4))
    return split(net, torch.tensor(x).float(), torch.tensor(y), F.cross_entropy, 500,
                 {"accuracy": accuracy}, rows)  # fmt: skip


def deep_lines(depth: int = 4, scale: float = 0.1, width: int = 8) -> Task:
    """A chain of matrices that learns one direction after the other."""
    draw = torch.Generator().manual_seed(51)
    x = torch.randn(1000, width, generator=draw)
    strong = torch.diag(torch.tensor([4.0, 1.0, 0.25, *[0.0] * (width - 3)]))
    y = x @ strong + 0.05 * torch.randn(1000, width, generator=draw)
    net = nn.Sequential(*[nn.Linear(width, width, bias=False) for _ in range(depth)])
    with torch.no_grad():
        for layer in net:
            layer.weight.mul_(0.1).add_(scale * torch.eye(width))
    return split(net, x, y, F.mse_loss, 250, {"rmse": rmse})


def mixtures(width: int = 24, rows: int = 10**6) -> Task:
    """A value with its spread: the Gaussian likelihood, which may go below zero."""
    draw = torch.Generator().manual_seed(52)
    x = torch.rand(1500, 1, generator=draw) * 6 - 3
    y = x.sin() / 4 + (0.02 + 0.04 * x.abs()) * torch.randn(1500, 1, generator=draw)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.gaussian_nll_loss(output[:, :1], y, output[:, 1:].exp(), full=True)

    return split(layers([1, width, width, 2], nn.Tanh), x, y, loss, 300, {}, rows)
