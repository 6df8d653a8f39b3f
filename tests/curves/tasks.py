"""Tasks of the studies for the tuning half: data drawn by code, or shipped with scikit-learn."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.curves.sets import LICENCE, SETS
from tests.curves.studies import Loss, Task


def accuracy(output: Tensor, y: Tensor) -> Tensor:
    return (output.argmax(1) == y).float().mean()


def r2(output: Tensor, y: Tensor) -> Tensor:
    return 1 - (output - y).square().sum() / (y - y.mean()).square().sum().clamp_min(1e-9)


def perplexity(output: Tensor, y: Tensor) -> Tensor:
    return torch.zeros(())


def smoothed(share: float) -> Loss:
    return lambda output, y: F.cross_entropy(output, y, label_smoothing=share)


def layers(sizes: list[int], act: Callable[[], nn.Module] = nn.ReLU, drop: float = 0.0,
           norm: bool = False) -> nn.Sequential:  # fmt: skip
    """A multilayer perceptron."""
    parts: list[nn.Module] = [nn.Flatten()]
    for before, after in itertools.pairwise(sizes[:-1]):
        parts += [nn.Linear(before, after), *([nn.LayerNorm(after)] if norm else []), act()]
        parts += [nn.Dropout(drop)] if drop else []
    return nn.Sequential(*parts, nn.Linear(sizes[-2], sizes[-1]))


def _halves(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, metrics: dict[str, Loss],
            test: int) -> Task:  # fmt: skip
    return Task(net, x[:-test], y[:-test], x[-test:], y[-test:], loss, metrics)


class Reader(nn.Module):
    """A GRU over symbols; logits (N, symbols, T)."""

    def __init__(self, symbols: int, width: int, drop: float = 0.0) -> None:
        super().__init__()
        self.embed, self.drop = nn.Embedding(symbols, width), nn.Dropout(drop)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.gru(self.embed(x))[0])).transpose(1, 2)


class Pairs(nn.Module):
    """Each symbol from the one before it alone."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, symbols)

    def forward(self, x: Tensor) -> Tensor:
        return self.table(x).transpose(1, 2)


def words(width: int = 32, least: int = 3, drop: float = 0.1, rows: int = 10**6) -> Task:
    """The next word of the licence; rare words are one symbol."""
    found = re.findall(r"[a-z]+|[^a-z\s]", LICENCE.read_text(encoding="utf-8").lower())
    often = sorted({word for word in found if found.count(word) >= least})
    codes = torch.tensor([often.index(w) + 1 if w in often else 0 for w in found])
    windows = torch.stack([codes[i : i + 13] for i in range(0, len(codes) - 13, 3)])
    windows = windows[torch.randperm(len(windows), generator=torch.Generator().manual_seed(1))]
    windows = windows[:rows]
    net = Reader(len(often) + 1, width, drop)
    metrics = {"accuracy": accuracy, "perplexity": perplexity}
    return _halves(net, windows[:, :-1], windows[:, 1:], F.cross_entropy, metrics, 150)


def letters(kind: str = "gru", width: int = 32, rows: int = 10**6) -> Task:
    """The next character of the licence."""
    data = SETS["text"]()
    net = Pairs(data.classes) if kind == "pairs" else Reader(data.classes, width)
    x, y = data.x[:rows], data.y[:rows]
    metrics = {"accuracy": accuracy, "perplexity": perplexity}
    return Task(net, x, y, data.test_x[:200], data.test_y[:200], F.cross_entropy, metrics)


def modular(p: int = 17, width: int = 64) -> Task:
    """Sums modulo p, from two one-hot rows."""
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    order = torch.randperm(len(pairs), generator=torch.Generator().manual_seed(2))
    pairs = pairs[order]
    x = F.one_hot(pairs, p).float().flatten(1)
    return _halves(layers([2 * p, width, width, p], nn.ReLU), x, pairs.sum(1) % p,
                   F.cross_entropy, {"accuracy": accuracy}, 30)  # fmt: skip


def parity(bits: int = 4, of: int = 10, rows: int = 1500, width: int = 48) -> Task:
    """Whether the first few of ten bits are odd in number."""
    x = torch.randint(0, 2, (rows, of), generator=torch.Generator().manual_seed(3)).float() * 2 - 1
    y = (x[:, :bits].prod(1) > 0).long()
    return _halves(layers([of, width, 2]), x, y, F.cross_entropy, {"accuracy": accuracy}, 300)


def deep(depth: int = 12, act: Callable[[], nn.Module] = nn.Tanh, data: str = "digits",
         gain: float = 1.0) -> Task:  # fmt: skip
    """A deep plain network."""
    split = SETS[data]()
    net = layers([split.x[0].numel(), *[32] * depth, split.classes], act)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.dim() > 1:
                parameter.mul_(gain)
    return Task(net, split.x, split.y, split.test_x, split.test_y, F.cross_entropy,
                {"accuracy": accuracy})  # fmt: skip


def sheet(data: str = "digits", width: int = 48, drop: float = 0.0, test: int = 10**6,
          rows: int = 10**6, smooth: float = 0.0, norm: bool = False,
          hidden: int = 2) -> Task:  # fmt: skip
    """A set of `sets`, with a perceptron."""
    split = SETS[data]()
    net = layers([split.x[0].numel(), *[width] * hidden, split.classes or 1], nn.ReLU, drop, norm)
    loss = smoothed(smooth) if split.classes else F.mse_loss
    metrics: dict[str, Loss] = {"accuracy": accuracy} if split.classes else {"r2": r2}
    return Task(net, split.x[:rows], split.y[:rows], split.test_x[:test], split.test_y[:test],
                loss, metrics)  # fmt: skip


def prototypes(classes: int = 100, rows: int = 4000, noise: float = 1.0, width: int = 64,
               smooth: float = 0.0, drop: float = 0.0) -> Task:  # fmt: skip
    """Noisy copies of one point a class."""
    rng = torch.Generator().manual_seed(4)
    centres = torch.randn(classes, 24, generator=rng)
    y = torch.randint(0, classes, (rows,), generator=rng)
    x = centres[y] + noise * torch.randn(rows, 24, generator=rng)
    return _halves(layers([24, width, classes], nn.ReLU, drop), x, y, smoothed(smooth),
                   {"accuracy": accuracy}, rows // 4)  # fmt: skip


def rare(share: float = 0.05, rows: int = 2000, overlap: float = 1.0) -> Task:
    """Two classes, one of them rare."""
    rng = torch.Generator().manual_seed(5)
    y = (torch.rand(rows, generator=rng) < share).long()
    x = torch.randn(rows, 12, generator=rng) + overlap * y[:, None]
    return _halves(layers([12, 24, 2]), x, y, F.cross_entropy, {"accuracy": accuracy}, rows // 4)


def flipped(share: float = 0.35, rows: int = 4000, classes: int = 2, test: int = 1000) -> Task:
    """A simple rule whose labels are wrong in some of the rows, of both splits."""
    rng = torch.Generator().manual_seed(6)
    x = torch.randn(rows, 10, generator=rng)
    y = (x @ torch.randn(10, classes, generator=rng)).argmax(1)
    wrong = torch.rand(rows, generator=rng) < share
    y = torch.where(wrong, (y + torch.randint(1, classes, (rows,), generator=rng)) % classes, y)
    return _halves(layers([10, 8, classes]), x, y, F.cross_entropy, {"accuracy": accuracy}, test)


def weak(strength: float = 0.35, rows: int = 4000) -> Task:
    """A value that is noise for the most part."""
    rng = torch.Generator().manual_seed(7)
    x = torch.randn(rows, 10, generator=rng)
    y = strength * (x[:, :1] + x[:, 1:2].abs() - 0.8) + torch.randn(rows, 1, generator=rng)
    return _halves(layers([10, 16, 1]), x, y, F.mse_loss, {"r2": r2}, 1000)


def tuned(frozen: bool = True, data: str = "digits") -> Task:
    """A body that learnt the first half of the classes a moment before, and a new head."""
    split = SETS[data]()
    half = split.classes // 2
    body = layers([split.x[0].numel(), 64, 64])
    head = nn.Linear(64, half)
    optimiser = torch.optim.Adam([*body.parameters(), *head.parameters()], 3e-3)
    mine = split.y < half
    for _ in range(150):
        rows = torch.randint(0, int(mine.sum()), (64,))
        optimiser.zero_grad()
        F.cross_entropy(head(body(split.x[mine][rows])), split.y[mine][rows]).backward()
        optimiser.step()
    for parameter in body.parameters():
        parameter.requires_grad_(not frozen)
    net = nn.Sequential(body, nn.ReLU(), nn.Linear(64, split.classes))
    return Task(net, split.x, split.y, split.test_x, split.test_y, F.cross_entropy,
                {"accuracy": accuracy})  # fmt: skip


class Views(nn.Module):
    """Two noisy views of each row, embedded on the unit sphere: (2 N, width)."""

    def __init__(self, size: int, width: int = 16) -> None:
        super().__init__()
        self.body = layers([size, 48, width])

    def forward(self, x: Tensor) -> Tensor:
        both = torch.cat([x, x]) + 0.3 * torch.randn(2 * len(x), *x.shape[1:])
        return F.normalize(self.body(both), dim=1)


def contrast(output: Tensor, y: Tensor) -> Tensor:
    """InfoNCE of the two views."""
    first, second = output.chunk(2)
    return F.cross_entropy(first @ second.T / 0.2, torch.arange(len(first)))


def likeness(output: Tensor, y: Tensor) -> Tensor:
    """Minus the cosine of the views, and how far the rows lie apart."""
    first, second = output.chunk(2)
    return -(first * second).sum(1).mean() + 0.3 * (first.mean(0) ** 2).sum()


def views(loss: Loss = contrast, data: str = "digits") -> Task:
    """Self-supervised."""
    split = SETS[data]()
    x, test = split.x.flatten(1), split.test_x.flatten(1)[:32]
    return Task(Views(x.shape[1]), x, split.y, test, split.test_y[:32], loss)


def likelihood(data: str = "friedman") -> Task:
    """A mean and a log variance; the loss goes below zero where targets are exact."""

    def loss(output: Tensor, y: Tensor) -> Tensor:
        mean, log = output[:, :1], output[:, 1:].clamp(-6, 6)
        return (0.5 * (log + (y - mean) ** 2 / log.exp())).mean()

    rng = torch.Generator().manual_seed(8)
    x = torch.randn(2000, 4, generator=rng)
    y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] + 0.05 * torch.randn(2000, 1, generator=rng)
    return _halves(layers([4, 48, 48, 2]), x, y, loss, {}, 400)


def small_steps(data: str = "blobs", momentum: float = 1.0, width: int = 48) -> Task:
    """Batch normalisation whose running statistics are those of the last batch."""
    split = SETS[data]()
    size = split.x[0].numel()
    net = nn.Sequential(
        nn.Flatten(), nn.Linear(size, width), nn.BatchNorm1d(width, momentum=momentum), nn.ReLU(),
        nn.Linear(width, split.classes or 1),
    )  # fmt: skip
    loss: Loss = F.cross_entropy if split.classes else F.mse_loss
    metrics: dict[str, Loss] = {"accuracy": accuracy} if split.classes else {"r2": r2}
    return Task(net, split.x, split.y, split.test_x, split.test_y, loss, metrics)


def pictures(data: str = "digits", width: int = 12, rows: int = 10**6, drop: float = 0.0) -> Task:
    """A small convolutional network."""
    split = SETS[data]()
    net = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(drop), nn.Linear(8 * width, split.classes),
    )  # fmt: skip
    return Task(net, split.x[:rows], split.y[:rows], split.test_x, split.test_y, F.cross_entropy,
                {"accuracy": accuracy})  # fmt: skip
