"""Tasks of the second held-out set: data, networks and losses that the other logs have not."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from tests.curves.studies import Loss, Task
from tests.curves.tasks import accuracy, layers, r2


def mae(output: Tensor, y: Tensor) -> Tensor:
    return (output - y).abs().mean()


def task(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, test: int,
         metrics: dict[str, Loss] | None = None, rows: int = 10**6) -> Task:  # fmt: skip
    """The last rows validate; of the others at most `rows` are learnt."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(9))
    x, y = x[order], y[order]
    return Task(net, x[:-test][:rows], y[:-test][:rows], x[-test:], y[-test:], loss, metrics or {})


def _tensors(x: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    x = (x - x.mean(0)) / (x.std(0) + 1e-9)
    whole = y.dtype.kind in "iu"
    if not whole:
        y = ((y - y.mean(0)) / y.std(0)).reshape(len(y), -1)
    return torch.tensor(x).float(), torch.tensor(y).long() if whole else torch.tensor(y).float()


@cache
def _faces(people: int = 12, each: int = 40) -> tuple[Tensor, Tensor, Tensor]:
    """Drawn faces of 20 x 20 pixels, who it is, and which pixels are the face."""
    rng = np.random.default_rng(11)
    builds = rng.uniform(0, 1, (people, 5))
    down, across = np.mgrid[-1:1:20j, -1:1:20j]
    pictures, masks, labels = [], [], []
    for index in range(people * each):
        build, shift = builds[index % people], rng.normal(0, 0.08, 2)
        u, v = across - shift[0], down - shift[1]
        face = (u / (0.45 + 0.35 * build[0])) ** 2 + (v / (0.6 + 0.3 * build[1])) ** 2 < 1
        apart, size = 0.15 + 0.25 * build[2], 0.06 + 0.1 * build[3]
        eyes = sum(((u - s * apart) ** 2 + (v + 0.2) ** 2 < size**2) for s in (-1, 1))
        mouth = (np.abs(u) < 0.1 + 0.25 * build[4]) & (np.abs(v - 0.35) < 0.07)
        grey = 0.2 + 0.6 * face - 0.5 * (eyes + mouth).clip(0, 1) + rng.normal(0, 0.12, face.shape)
        pictures.append(grey)
        masks.append(face)
        labels.append(index % people)
    x = torch.tensor(np.stack(pictures)[:, None]).float()
    return x, torch.tensor(labels), torch.tensor(np.stack(masks)[:, None]).float()


def _face_net(width: int, classes: int, drop: float) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, width, 5, stride=2), nn.GroupNorm(2, width), nn.GELU(),
        nn.Conv2d(width, 2 * width, 3, stride=2), nn.GELU(), nn.Flatten(), nn.Dropout(drop),
        nn.Linear(18 * width, classes),
    )  # fmt: skip


def faces(width: int = 8, rows: int = 10**6, drop: float = 0.0, wrong: float = 0.0,
          shift: float = 0.0) -> Task:  # fmt: skip
    """Who is on the picture."""
    x, y, _ = _faces()
    if wrong:
        draw = torch.Generator().manual_seed(12)
        y = torch.where(torch.rand(len(y), generator=draw) < wrong,
                        torch.randint(0, 12, y.shape, generator=draw), y)  # fmt: skip
    made = task(_face_net(width, 12, drop), x - 0.5, y, F.cross_entropy, 120,
                {"accuracy": accuracy}, rows)  # fmt: skip
    if shift:
        made.test_x.add_(shift * torch.randn(made.test_x.shape))
    return made


class Mixer(nn.Module):
    """Patches of 4 x 4 pixels, mixed across places and across channels."""

    def __init__(self, width: int = 24, classes: int = 12) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, width, 4, stride=4)
        self.places = nn.Sequential(nn.Linear(25, 32), nn.GELU(), nn.Linear(32, 25))
        self.channels = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.patches(x).flatten(2).transpose(1, 2)
        hidden = hidden + self.places(self.first(hidden).transpose(1, 2)).transpose(1, 2)
        hidden = hidden + self.channels(self.second(hidden))
        return self.head(hidden.mean(1))


def mixer(rows: int = 10**6) -> Task:
    """Faces, with a mixer."""
    x, y, _ = _faces()
    return task(Mixer(), x - 0.5, y, F.cross_entropy, 120, {"accuracy": accuracy}, rows)


class UNet(nn.Module):
    """Down once, up once, and a way around."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.SiLU())
        self.low = nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), nn.SiLU())
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.head = nn.Conv2d(2 * width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        high = self.down(x)
        low = self.low(F.max_pool2d(high, 2))
        return self.head(torch.cat([high, self.up(low)], 1))


def dice(output: Tensor, y: Tensor) -> Tensor:
    there = (output > 0).float()
    return 2 * (there * y).sum() / (there.sum() + y.sum()).clamp_min(1)


def overlap(output: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy and the soft Dice loss."""
    soft = output.sigmoid()
    missed = 1 - 2 * (soft * y).sum() / (soft.sum() + y.sum() + 1)
    return F.binary_cross_entropy_with_logits(output, y) + missed


def masks(width: int = 6, rows: int = 10**6, noise: float = 0.25, flip: float = 0.0) -> Task:
    """Which pixels are the face."""
    x, _, y = _faces()
    draw = torch.Generator().manual_seed(13)
    x = x + noise * torch.randn(x.shape, generator=draw)
    y = torch.where(torch.rand(y.shape, generator=draw) < flip, 1 - y, y)
    return task(UNet(width), x, y, overlap, 100, {"dice": dice}, rows)


def rebuilt() -> Task:
    """An autoencoder of faces with cross-entropy, which has a high floor."""
    x, _, _ = _faces()
    x = x.clamp(0, 1)
    net = nn.Sequential(layers([400, 64, 10]), nn.ELU(), layers([10, 64, 400]))
    return task(net, x, x.flatten(1), F.binary_cross_entropy_with_logits, 100)


class Dreamer(nn.Module):
    """A variational autoencoder: the rebuilt row, the mean and the log variance side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.code, self.back = layers([400, 64, 12]), layers([6, 64, 400])

    def forward(self, x: Tensor) -> Tensor:
        mean, log = self.code(x).chunk(2, 1)
        drawn = mean + (0.5 * log).exp() * torch.randn_like(mean)
        return torch.cat([self.back(drawn), mean, log], 1)


def elbo(output: Tensor, y: Tensor) -> Tensor:
    """Summed squared error and the divergence of the code."""
    back, mean, log = output[:, :400], output[:, 400:406], output[:, 406:]
    apart = -0.5 * (1 + log - mean**2 - log.exp()).sum(1).mean()
    return 10 * F.mse_loss(back, y, reduction="sum") / len(y) / 2 + apart


def dreamt() -> Task:
    """A variational autoencoder of faces."""
    x, _, _ = _faces()
    return task(Dreamer(), x, x.flatten(1), elbo, 100)


def curves(rows: int = 10**6, width: int = 48, kind: int = 2) -> Task:
    """Friedman's second or third function."""
    make = datasets.make_friedman2 if kind == 2 else datasets.make_friedman3
    x, y = _tensors(*make(1200, noise=0.05, random_state=3))
    return task(layers([4, width, width, 1], nn.SiLU), x, y, F.mse_loss, 300,
                {"r2": r2, "mae": mae}, rows)  # fmt: skip


def roll(rows: int = 10**6, width: int = 32, shift: float = 0.0, quantile: float = 0.0) -> Task:
    """Where on the Swiss roll a point lies."""
    x, y = _tensors(*datasets.make_swiss_roll(1200, noise=0.3, random_state=4))

    def pinball(output: Tensor, y: Tensor) -> Tensor:
        return torch.maximum(quantile * (y - output), (quantile - 1) * (y - output)).mean()

    loss: Loss = pinball if quantile else F.smooth_l1_loss
    made = task(layers([3, width, width, 1], nn.Mish), x, y, loss, 300, {"mae": mae}, rows)
    made.test_x.mul_(1 + shift)
    return made


def flowers(width: int = 16) -> Task:
    """Iris."""
    x, y = _tensors(*datasets.load_iris(return_X_y=True))
    return task(layers([4, width, 3], nn.Tanh), x, y, F.cross_entropy, 40, {"accuracy": accuracy})


def quantiles(noise: float = 0.0, width: int = 24) -> Task:
    """Shells of a normal cloud, three classes."""
    x, y = _tensors(*datasets.make_gaussian_quantiles(n_samples=3000, n_features=4, n_classes=3,
                                                      random_state=5))  # fmt: skip
    draw = torch.Generator().manual_seed(14)
    y = torch.where(torch.rand(len(y), generator=draw) < noise,
                    torch.randint(0, 3, y.shape, generator=draw), y)  # fmt: skip
    return task(layers([4, width, width, 3], nn.ELU), x, y, F.cross_entropy, 800,
                {"accuracy": accuracy})  # fmt: skip


def hastie(width: int = 32, hidden: int = 2, rows: int = 10**6, momentum: float = 0.0) -> Task:
    """Whether ten squares sum to more than their median."""
    x, y = datasets.make_hastie_10_2(2000, random_state=6)
    x, y = _tensors(x, (y > 0).astype(np.int64))
    net: nn.Module = layers([10, *[width] * hidden, 2], nn.LeakyReLU)
    if momentum:
        net = nn.Sequential(nn.Linear(10, width), nn.BatchNorm1d(width, momentum=momentum),
                            nn.LeakyReLU(), nn.Linear(width, 2))  # fmt: skip
    return task(net, x, y, F.cross_entropy, 500, {"accuracy": accuracy}, rows)


def cover(width: int = 48, rows: int = 10**6, momentum: float = 0.0, wrong: float = 0.0) -> Task:
    """Seven classes of uneven size, told by heights, slopes and soils."""
    rng = np.random.default_rng(15)
    y = rng.choice(7, 2500, p=[0.36, 0.3, 0.12, 0.08, 0.06, 0.05, 0.03])
    centres = rng.normal(0, 1.1, (7, 8))
    soil = (rng.random((2500, 12)) < (rng.random((7, 12)) * 0.6)[y]).astype(float)
    x, y = _tensors(np.hstack([centres[y] + rng.normal(0, 1, (2500, 8)), soil]), y)
    y = torch.where(torch.rand(len(y), generator=torch.Generator().manual_seed(16)) < wrong,
                    (y + 1) % 7, y)  # fmt: skip
    net: nn.Module = layers([20, width, width, 7], nn.SELU)
    if momentum:
        net = nn.Sequential(nn.Linear(20, width), nn.BatchNorm1d(width, momentum=momentum),
                            nn.SELU(), nn.Linear(width, 7))  # fmt: skip
    return task(net, x, y, F.cross_entropy, 600, {"accuracy": accuracy}, rows)
