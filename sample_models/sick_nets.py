"""The architectures of the sick sample networks: (N, 3, 48, 48) to logits (N, 8)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from sample_models.shapes import CLASSES, MEAN, STD

PLAIN_WIDTHS = ((3, 12), (12, 20), (20, 32))


class PlainNet(nn.Module):
    """Three convolutions with ReLU and without any norm: easily hurt. The last has `last` units."""

    def __init__(self, last: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential()
        for number, (channels, out) in enumerate(((3, 12), (12, 20), (20, last)), start=1):
            conv = nn.Conv2d(channels, out, 3, stride=2, padding=1)
            self.features.add_module(f"conv{number}", conv)
            self.features.add_module(f"relu{number}", nn.ReLU())
        self.head = nn.Linear(last, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).amax((2, 3)))


class PlainParts(nn.Module):
    """The layers of `PlainNet` without activations: its subclasses say how they activate."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (
            nn.Conv2d(channels, out, 3, stride=2, padding=1) for channels, out in PLAIN_WIDTHS
        )
        self.head = nn.Linear(PLAIN_WIDTHS[-1][1], len(CLASSES))

    def activate(self, x: Tensor) -> Tensor:
        return F.relu(x)

    def forward(self, x: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2, self.conv3):
            x = self.activate(conv(x))
        return self.head(x.amax((2, 3)))


class ClampNet(PlainParts):
    """`clamp(min=0)` as its ReLU."""

    def activate(self, x: Tensor) -> Tensor:
        return x.clamp(min=0)


class SharedReluNet(PlainParts):
    """One in-place ReLU module that runs three times."""

    def __init__(self) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def activate(self, x: Tensor) -> Tensor:
        return self.relu(x)


class SigmoidNet(nn.Module):
    """Deep sigmoids fed with raw 0 to 255 pixels, as if no one had normalised them."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for number, (channels, out) in enumerate(((3, 12), (12, 16), (16, 16), (16, 16)), start=1):
            conv = nn.Conv2d(channels, out, 3, stride=2, padding=1)
            self.layers.add_module(f"conv{number}", conv)
            self.layers.add_module(f"sigmoid{number}", nn.Sigmoid())
        self.head = nn.Linear(16, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        raw = (x * STD + MEAN) * 255
        return self.head(self.layers(raw).mean((2, 3)))


class ContrastNet(PlainParts):
    """Divides each picture by its own standard deviation, which for a blank frame is zero."""

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean((1, 2, 3), keepdim=True)
        return super().forward(centred / centred.square().mean((1, 2, 3), keepdim=True).sqrt())


class SoftmaxNet(PlainParts):
    """Ends in a softmax although the cross-entropy that trains it has one already."""

    def __init__(self) -> None:
        super().__init__()
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.softmax(super().forward(x))


class DetachedNet(PlainParts):
    """The first layer's output is detached, and one branch is built but never called."""

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(20, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.conv1(x)).detach()
        x = F.relu(self.conv3(F.relu(self.conv2(x))))
        return self.head(x.amax((2, 3)))


class ExplodingNet(nn.Module):
    """Eight convolutions without a norm, drawn from N(0, 1) whatever their fan-in."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 16, 3, stride=4, padding=1), nn.ReLU())
        for _ in range(7):
            self.body.extend([nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()])
        self.head = nn.Linear(16, len(CLASSES))
        for module in self.body:
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3)))


class NormNet(nn.Module):
    """Three convolutions with batch norm, whose running statistics follow `momentum`."""

    def __init__(self, momentum: float = 0.1) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, bias=False) for a, b in PLAIN_WIDTHS
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b, momentum=momentum) for _, b in PLAIN_WIDTHS)
        self.head = nn.Linear(PLAIN_WIDTHS[-1][1], len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        return self.head(x.amax((2, 3)))
