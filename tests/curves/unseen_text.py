"""Text and sequence tasks of the third held-out set: Python's manual, its sources, sums, chaos."""

from __future__ import annotations

import importlib
import inspect
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.curves.studies import Task
from tests.curves.tasks import accuracy, perplexity
from tests.curves.unseen_pictures import split

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 .,()[]=_\n"
MODULES = ("argparse", "decimal", "tarfile", "turtle", "unittest.mock", "typing")


@cache
def manual(source: str = "pydoc_data.topics") -> Tensor:
    """Characters of Python's manual, or of a module's source."""
    module = importlib.import_module(source)
    if source == "pydoc_data.topics":
        topics = module.topics
        text = "".join(topics[key] for key in sorted(topics))[:120_000]
    else:
        text = inspect.getsource(module)
    known = {letter: index for index, letter in enumerate(LETTERS)}
    return torch.tensor([known[letter] for letter in text.lower() if letter in known])


class Recurrent(nn.Module):
    """A recurrent network over symbols; logits (N, symbols, T)."""

    def __init__(self, symbols: int, width: int, kind: type[nn.RNNBase], drop: float = 0.0,
                 gain: float = 1.0) -> None:  # fmt: skip
        super().__init__()
        self.embed, self.drop = nn.Embedding(symbols, width), nn.Dropout(drop)
        self.body = kind(width, width, batch_first=True)
        self.head = nn.Linear(width, symbols)
        with torch.no_grad():
            self.body.weight_hh_l0.mul_(gain)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.drop(self.body(self.drop(self.embed(x)))[0])).transpose(1, 2)


class Decoder(nn.Module):
    """A small GPT; logits (N, symbols, T)."""

    def __init__(self, symbols: int, length: int, width: int, depth: int, drop: float) -> None:
        super().__init__()
        self.embed = nn.Embedding(symbols, width)
        self.place = nn.Parameter(0.02 * torch.randn(length, width))
        block = nn.TransformerEncoderLayer(width, 4, 4 * width, drop, F.gelu, batch_first=True,
                                           norm_first=True)  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, symbols)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length))

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        hidden = self.embed(x) + self.place[:length]
        hidden = self.blocks(hidden, self.mask[:length, :length], is_causal=True)
        return self.head(self.norm(hidden)).transpose(1, 2)


def prose(kind: str = "gpt", width: int = 32, windows: int = 700, drop: float = 0.0,
          depth: int = 2, other: str = "", gain: float = 1.0) -> Task:  # fmt: skip
    """The next character of the manual; `other` names the source that validates."""
    cut = lambda text, at: torch.stack([text[i : i + 33] for i in at])  # noqa: E731
    text = manual()
    learn = cut(text, range(0, 32 * windows, 32))
    test = cut(text, range(32 * windows + 500, 32 * windows + 500 + 32 * 150, 32))
    if other:
        test = cut(manual(other), range(5000, 5000 + 32 * 150, 32))
    symbols = len(LETTERS)
    if kind == "gpt":
        net: nn.Module = Decoder(symbols, 32, width, depth, drop)
    else:
        net = Recurrent(symbols, width, {"gru": nn.GRU, "lstm": nn.LSTM, "rnn": nn.RNN}[kind],
                        drop, gain)  # fmt: skip
    return Task(net, learn[:, :-1], learn[:, 1:], test[:, :-1], test[:, 1:], F.cross_entropy,
                {"accuracy": accuracy, "perplexity": perplexity})  # fmt: skip


@cache
def _lines() -> tuple[Tensor, Tensor]:
    x, y = [], []
    for label, name in enumerate(MODULES):
        lines = inspect.getsource(importlib.import_module(name)).splitlines()
        lines = [line.strip() for line in lines if len(line.strip()) > 25][:500]
        for line in lines:
            codes = [ord(letter) % 96 + 1 for letter in line[:48]]
            x.append(codes + [0] * (48 - len(codes)))
            y.append(label)
    return torch.tensor(x), torch.tensor(y)


def f1(output: Tensor, y: Tensor) -> Tensor:
    """The mean of the classes' F1."""
    said = output.argmax(1)
    parts = [2 * ((said == k) & (y == k)).sum() / ((said == k).sum() + (y == k).sum()).clamp_min(1)
             for k in range(output.shape[1])]  # fmt: skip
    return torch.stack(parts).mean()


def sources(width: int = 24, rows: int = 10**6, drop: float = 0.0, bag: bool = False,
            smooth: float = 0.0) -> Task:  # fmt: skip
    """From which module a line of code is."""
    x, y = _lines()
    if bag:
        net: nn.Module = nn.Sequential(nn.EmbeddingBag(97, width), nn.Linear(width, len(MODULES)))
    else:
        net = nn.Sequential(
            nn.Embedding(97, 16), _Transposed(), nn.Conv1d(16, width, 5), nn.ReLU(),
            nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Dropout(drop),
            nn.Linear(width, len(MODULES)),
        )  # fmt: skip
    return split(net, x, y, lambda o, t: F.cross_entropy(o, t, label_smoothing=smooth), 500,
                 {"accuracy": accuracy, "f1": f1}, rows)  # fmt: skip


class _Transposed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Neighbours(nn.Module):
    """Skip-gram with five drawn negatives; logits (N, 6), the first is the true neighbour."""

    def __init__(self, symbols: int, width: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Embedding(symbols, width), nn.Embedding(symbols, width)
        nn.init.uniform_(self.inner.weight, -0.5 / width, 0.5 / width)
        nn.init.zeros_(self.outer.weight)

    def forward(self, x: Tensor) -> Tensor:
        drawn = torch.randint(0, self.inner.num_embeddings, (len(x), 5))
        others = self.outer(torch.cat([x[:, 1:], drawn], 1))
        return (others @ self.inner(x[:, 0])[:, :, None])[:, :, 0]


def skipgram(width: int = 24) -> Task:
    """Neighbours of words in the manual; begins at 6 ln 2."""
    words = "".join(LETTERS[i] for i in manual().tolist() if LETTERS[i] in LETTERS[:26] + " \n")
    found = words.split()[:9000]
    often = sorted(set(found))
    codes = torch.tensor([often.index(word) for word in found])
    pairs = torch.stack([codes[:-2], codes[2:]], 1)[::2]
    truth = torch.zeros(len(pairs), 6)
    truth[:, 0] = 1

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(output, y, reduction="none").sum(1).mean()

    return split(Neighbours(len(often), width), pairs, truth, loss, 500)


def sums(rows: int = 10**6, width: int = 48, top: int = 30) -> Task:
    """The last two figures of `17+25=42`, as symbols."""
    pairs = torch.cartesian_prod(torch.arange(top), torch.arange(top))
    total = pairs.sum(1)
    figures = torch.stack([pairs[:, 0] // 10, pairs[:, 0] % 10, torch.full_like(total, 10),
                           pairs[:, 1] // 10, pairs[:, 1] % 10, torch.full_like(total, 11),
                           total // 10], 1)  # fmt: skip
    y = torch.stack([total // 10, total % 10], 1)
    net = Decoder(12, 7, width, 2, 0.0)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output[:, :, -2:], y)

    def exact(output: Tensor, y: Tensor) -> Tensor:
        return (output[:, :, -2:].argmax(1) == y).all(1).float().mean()

    return split(net, figures, y, loss, 150, {"exact_match": exact}, rows)


class Follower(nn.Module):
    """A recurrent network that says the next three values."""

    def __init__(self, width: int, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.body, self.head = kind(3, width, batch_first=True), nn.Linear(width, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x)[0][:, -1])


def rmse(output: Tensor, y: Tensor) -> Tensor:
    return (output - y).square().mean().sqrt()


def lorenz(width: int = 24, kind: type[nn.RNNBase] = nn.LSTM, noise: float = 0.05,
           rows: int = 10**6) -> Task:  # fmt: skip
    """The weather of Lorenz, a few steps on."""
    rng = np.random.default_rng(38)
    now, path = np.array([1.0, 1.0, 20.0]), []
    for _ in range(6000):
        a, b, c = now
        now = now + 0.01 * np.array([10 * (b - a), a * (28 - c) - b, a * b - 8 / 3 * c])
        path.append(now)
    values = np.stack(path)[::4]
    values = (values - values.mean(0)) / values.std(0) + rng.normal(0, noise, values.shape)
    windows = torch.tensor(np.stack([values[i : i + 20] for i in range(1440)])).float()
    x, y = windows[:, :16], windows[:, 18]
    return Task(Follower(width, kind), x[:1100][:rows], y[:1100][:rows], x[1150:], y[1150:],
                F.mse_loss, {"rmse": rmse})  # fmt: skip


def recall(width: int = 32, gap: int = 12, gain: float = 1.0, kind: str = "rnn") -> Task:
    """The first symbol of a row, said at its end, by a plain recurrent network."""
    x = torch.randint(1, 9, (1200, gap), generator=torch.Generator().manual_seed(39))
    net = Recurrent(9, width, {"rnn": nn.RNN, "gru": nn.GRU}[kind], gain=gain)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(output[:, :, -1], y)

    def right(output: Tensor, y: Tensor) -> Tensor:
        return (output[:, :, -1].argmax(1) == y).float().mean()

    return split(net, x, x[:, 0], loss, 200, {"accuracy": right})
