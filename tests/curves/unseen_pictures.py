"""Picture tasks of the third held-out set: photographs of scikit-learn, drawn scenes, digits."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from sklearn import datasets
from torch import Tensor, nn

from tests.curves.studies import Loss, Task
from tests.curves.tasks import accuracy, layers


def split(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, test: int,
          metrics: dict[str, Loss] | None = None, rows: int = 10**6) -> Task:  # fmt: skip
    """The last rows of a drawn order validate; of the others at most `rows` are learnt."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(31))
    x, y = x[order], y[order]
    return Task(net, x[:-test][:rows], y[:-test][:rows], x[-test:], y[-test:], loss, metrics or {})


def _corners(count: int, size: int = 12) -> np.ndarray:
    return np.random.default_rng(32).integers(0, (427 - 3 * size, 640 - 3 * size), (count, 2))


def halves(count: int) -> Tensor:
    """0 to 3: temple or flower, and whether the piece is from below the middle."""
    return torch.tensor(np.arange(count) % 2 * 2 + (_corners(count)[:, 0] > 195))


@cache
def patches(count: int = 1600, size: int = 12) -> Tensor:
    """Pieces of a temple and of a flower, (N, 3, size, size) in [0, 1]."""
    photographs = [image / 255 for image in datasets.load_sample_images().images]
    out = []
    for index, (top, left) in enumerate(_corners(count, size)):
        photograph = photographs[index % 2]
        piece = photograph[top : top + 3 * size, left : left + 3 * size]
        out.append(piece.reshape(size, 3, size, 3, 3).mean((1, 3)).transpose(2, 0, 1))
    return torch.tensor(np.stack(out)).float()


def conv_net(width: int, classes: int, drop: float = 0.0, momentum: float | None = None,
             channels: int = 3, size: int = 12) -> nn.Sequential:  # fmt: skip
    """Two convolutions; batch normalisation where a momentum is given."""
    norm = [nn.BatchNorm2d(width, momentum=momentum)] if momentum else []
    again = [nn.BatchNorm2d(2 * width, momentum=momentum)] if momentum else []
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1), *norm, nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1), *again, nn.ReLU(), nn.AdaptiveAvgPool2d(2),
        nn.Flatten(), nn.Dropout(drop), nn.Linear(8 * width, classes),
    )  # fmt: skip


def photographs(width: int = 8, rows: int = 10**6, drop: float = 0.0, wrong: float = 0.0,
                bright: float = 0.0, momentum: float | None = None, test: int = 300,
                smooth: float = 0.0) -> Task:  # fmt: skip
    """Temple or flower."""
    x = patches()
    y = torch.arange(len(x)) % 2
    made = split(conv_net(width, 2, drop, momentum), x - 0.4, y,
                 lambda o, t: F.cross_entropy(o, t, label_smoothing=smooth), test,
                 {"accuracy": accuracy}, rows)  # fmt: skip
    flips = torch.rand(len(made.y), generator=torch.Generator().manual_seed(33)) < wrong
    made.y[flips] = 1 - made.y[flips]
    made.test_x.mul_(1 - bright).add_(bright)
    return made


def placed(width: int = 12, rows: int = 10**6, drop: float = 0.0,
           momentum: float | None = 0.1) -> Task:  # fmt: skip
    """From the upper or the lower half of which photograph."""
    x, y = patches(2000), halves(2000)
    return split(conv_net(width, 4, drop, momentum), x - 0.4, y, F.cross_entropy, 400,
                 {"accuracy": accuracy}, rows)  # fmt: skip


def psnr(output: Tensor, y: Tensor) -> Tensor:
    return -10 * (output - y).square().mean().log10()


def denoised(width: int = 8, noise: float = 0.1, rows: int = 10**6) -> Task:
    """The piece without the noise: losses near 0.002."""
    x = patches()
    dirty = x + noise * torch.randn(x.shape, generator=torch.Generator().manual_seed(34))
    net = nn.Sequential(nn.Conv2d(3, width, 5, padding=2), nn.PReLU(),
                        nn.Conv2d(width, width, 3, padding=1), nn.PReLU(),
                        nn.Conv2d(width, 3, 3, padding=1))  # fmt: skip
    return split(net, dirty, x, F.mse_loss, 300, {"psnr": psnr}, rows)


class Sines(nn.Module):
    """A SIREN: colours from coordinates."""

    def __init__(self, width: int, pace: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, width), nn.Linear(width, width)])
        self.head, self.pace = nn.Linear(width, 3), pace
        nn.init.uniform_(self.layers[1].weight, -((6 / width) ** 0.5) / pace,
                         (6 / width) ** 0.5 / pace)  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = (self.pace * layer(x)).sin()
        return self.head(x)


def painting(width: int = 48, pace: float = 15.0) -> Task:
    """The flower as a function of place."""
    image = torch.tensor(datasets.load_sample_images().images[1][40:424:8, 100:484:8] / 255).float()
    place = torch.cartesian_prod(torch.linspace(-1, 1, 48), torch.linspace(-1, 1, 48))
    return split(Sines(width, pace), place, image.reshape(-1, 3), F.mse_loss, 400, {"psnr": psnr})


@cache
def moved() -> tuple[Tensor, Tensor]:
    """Digits about the middle of a field of 12 x 12 pixels."""
    bunch = datasets.load_digits()
    rng = np.random.default_rng(35)
    x = np.zeros((len(bunch.images), 1, 12, 12), np.float32)
    for field, image in zip(x, bunch.images, strict=True):
        top, left = rng.integers(1, 3, 2)
        field[0, top : top + 8, left : left + 8] = image / 16
    return torch.tensor(x), torch.tensor(bunch.target)


class Glances(nn.Module):
    """A vision transformer on pieces of 3 x 3 pixels."""

    def __init__(self, width: int = 32, depth: int = 2, drop: float = 0.0) -> None:
        super().__init__()
        self.pieces = nn.Conv2d(1, width, 3, stride=3)
        self.place = nn.Parameter(0.02 * torch.randn(16, width))
        block = nn.TransformerEncoderLayer(width, 4, 2 * width, drop, batch_first=True,
                                           norm_first=True)  # fmt: skip
        self.blocks = nn.TransformerEncoder(block, depth, enable_nested_tensor=False)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        pieces = self.pieces(x).flatten(2).transpose(1, 2)
        return self.head(self.blocks(pieces + self.place).mean(1))


def top3(output: Tensor, y: Tensor) -> Tensor:
    return (output.topk(3, 1).indices == y[:, None]).any(1).float().mean()


def glanced(width: int = 32, depth: int = 2, drop: float = 0.0, rows: int = 800,
            smooth: float = 0.0) -> Task:  # fmt: skip
    """Moved digits with a vision transformer."""
    x, y = moved()
    return split(Glances(width, depth, drop), x, y,
                 lambda o, t: F.cross_entropy(o, t, label_smoothing=smooth), 400,
                 {"accuracy": accuracy, "top3": top3}, rows)  # fmt: skip


def moved_digits(width: int = 8, rows: int = 10**6, drop: float = 0.0, turn: bool = False,
                 momentum: float | None = None, test: int = 400, penalty: float = 0.0,
                 shuffled: bool = False) -> Task:  # fmt: skip
    """Moved digits with convolutions; `turn` lays those that validate on their side."""
    x, y = moved()
    if shuffled:
        y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(36))]
    net = conv_net(width, 10, drop, momentum, 1)

    def loss(output: Tensor, y: Tensor) -> Tensor:
        size = sum(p.abs().sum() for p in net.parameters())
        return F.cross_entropy(output, y) + penalty * size

    made = split(net, x, y, loss, test, {"accuracy": accuracy}, rows)
    if turn:
        made.test_x.copy_(torch.rot90(made.test_x, 1, (2, 3)))
    return made


class Twins(nn.Module):
    """Two noisy views of each row, embedded on the sphere."""

    def __init__(self, noise: float) -> None:
        super().__init__()
        self.noise = noise
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(144, 96), nn.ReLU(), nn.Linear(96, 24))

    def forward(self, x: Tensor) -> Tensor:
        views = [x * (torch.rand_like(x) > 0.2) + self.noise * torch.randn_like(x) for _ in "ab"]
        return torch.stack([F.normalize(self.body(view), dim=1) for view in views], 1)


def twins(noise: float = 0.3, heat: float = 0.2, cosine: bool = False, test: int = 64) -> Task:
    """NT-Xent, which begins at the log of the number of others; or the negative cosine."""
    x, y = moved()

    def loss(output: Tensor, y: Tensor) -> Tensor:
        if cosine:
            spread = output.mean(0).square().sum()
            return -(output[:, 0] * output[:, 1]).sum(1).mean() + spread
        both = output.transpose(0, 1).flatten(0, 1)
        near = (both @ both.T / heat).fill_diagonal_(-1e4)
        return F.cross_entropy(near, torch.arange(len(both)).roll(len(both) // 2))

    return split(Twins(noise), x, y, loss, test, {}, 1280)


@cache
def scenes(count: int = 900) -> tuple[Tensor, Tensor, Tensor]:
    """Discs, squares and bars on noise, (N, 1, 16, 16); where, and the kind of each pixel."""
    rng = np.random.default_rng(37)
    down, across = np.mgrid[0:16, 0:16] + 0.5
    x, places, kinds = [], [], []
    for index in range(count):
        half = rng.uniform(2, 4.5, 2)
        centre = rng.uniform(4.5, 11.5, 2)
        kind = index % 3
        half = half if kind == 2 else np.full(2, half[0])
        u, v = (down - centre[0]) / half[0], (across - centre[1]) / half[1]
        there = u**2 + v**2 < 1 if kind == 0 else np.maximum(abs(u), abs(v)) < 1
        x.append(
            there * (0.45 + 0.25 * kind + rng.uniform(-0.06, 0.06))
            + rng.normal(0, 0.12, there.shape)
        )
        places.append([*centre / 16, *half / 8, kind])
        kinds.append(there * (kind + 1))
    return (torch.tensor(np.stack(x)[:, None]).float(), torch.tensor(places).float(),
            torch.tensor(np.stack(kinds)).long())  # fmt: skip


def mean_iou(output: Tensor, y: Tensor) -> Tensor:
    said = output.argmax(1)
    parts = [((said == k) & (y == k)).sum() / ((said == k) | (y == k)).sum().clamp_min(1)
             for k in range(4)]  # fmt: skip
    return torch.stack(parts).mean()


def segmented(width: int = 8, rows: int = 10**6, drop: float = 0.0) -> Task:
    """The kind of each pixel, with dilated convolutions."""
    x, _, y = scenes()
    parts: list[nn.Module] = []
    for index, spread in enumerate((1, 2, 4, 1)):
        parts += [nn.Conv2d(width if index else 1, width, 3, padding=spread, dilation=spread),
                  nn.LeakyReLU(0.1), nn.Dropout2d(drop)]  # fmt: skip
    return split(nn.Sequential(*parts, nn.Conv2d(width, 4, 1)), x, y, F.cross_entropy, 200,
                 {"miou": mean_iou}, rows)  # fmt: skip


def box_part(output: Tensor, y: Tensor) -> Tensor:
    return F.smooth_l1_loss(output[:, :4].sigmoid(), y[:, :4], beta=0.05)


def kind_part(output: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(output[:, 4:], y[:, 4].long())


def found(output: Tensor, y: Tensor) -> Tensor:
    right = output[:, 4:].argmax(1) == y[:, 4].long()
    near = (output[:, :4].sigmoid() - y[:, :4]).abs().amax(1) < 0.06
    return (right & near).float().mean()


def boxes(width: int = 8, rows: int = 10**6) -> Task:
    """Where the thing is and of which kind."""
    x, y, _ = scenes()
    net = nn.Sequential(nn.Conv2d(1, width, 3, stride=2, padding=1), nn.SiLU(),
                        nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.SiLU(),
                        nn.Flatten(), layers([32 * width, 48, 7], nn.SiLU))  # fmt: skip
    return split(net, x, y, lambda o, t: 7.5 * box_part(o, t) + 0.5 * kind_part(o, t), 200,
                 {"box": box_part, "cls": kind_part, "map50": found}, rows)  # fmt: skip
