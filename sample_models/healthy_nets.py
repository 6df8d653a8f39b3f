"""The architectures of the healthy sample networks: (N, 3, 48, 48) to logits (N, 8)."""

from __future__ import annotations

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from sample_models.shapes import CLASSES


class Residual(nn.Module):
    """Two convolutions with batch norm; its one in-place ReLU runs twice."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.relu(self.bn1(self.conv1(x)))
        return self.relu(x + self.bn2(self.conv2(inner)))


class ResidualNet(nn.Module):
    """A small ResNet: batch norm and in-place ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = self._halve(3, 16)
        self.block1 = Residual(16)
        self.down1 = self._halve(16, 32)
        self.block2 = Residual(32)
        self.down2 = self._halve(32, 48)
        self.head = nn.Linear(48, len(CLASSES))

    @staticmethod
    def _halve(channels: int, out: int) -> nn.Sequential:
        conv = nn.Conv2d(channels, out, 3, stride=2, padding=1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(out), nn.ReLU(inplace=True))

    def forward(self, x: Tensor) -> Tensor:
        x = self.block2(self.down1(self.block1(self.stem(x))))
        return self.head(self.down2(x).mean((2, 3)))


class FunctionalNet(nn.Module):
    """Batch norm and `F.relu`: there is no activation module to hook."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 24, 32, 40)
        pairs = list(itertools.pairwise(widths))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1, bias=False) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for _, b in pairs)
        self.head = nn.Linear(widths[-1], len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(F.max_pool2d(norm(conv(x)), 2))
        return self.head(x.mean((2, 3)))


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution, then layer norm, GELU and linear layers with channels last."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, 2 * channels)
        self.act = nn.GELU()
        self.narrow = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        inner = self.narrow(self.act(self.widen(inner)))
        return x + inner.permute(0, 3, 1, 2)


class ConvNeXtNet(nn.Module):
    """A small ConvNeXt: layer norm and GELU in (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 5, stride=3, padding=2)
        self.stage1 = nn.Sequential(ConvNeXtBlock(24), ConvNeXtBlock(24))
        self.down = nn.Conv2d(24, 40, 2, stride=2)
        self.stage2 = nn.Sequential(ConvNeXtBlock(40), ConvNeXtBlock(40))
        self.norm = nn.LayerNorm(40)
        self.head = nn.Linear(40, len(CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.down(self.stage1(self.stem(x))))
        return self.head(self.norm(x.amax((2, 3))))


class TanhNet(nn.Module):
    """Convolutions with batch norm, then a small multilayer perceptron; all with tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *self._layer(3, 16, stride=2),
            *self._layer(16, 24),
            nn.MaxPool2d(2),
            *self._layer(24, 32),
            nn.MaxPool2d(2),
            *self._layer(32, 40),
            nn.AdaptiveMaxPool2d(1),
        )
        self.fc = nn.Linear(40, 48)
        self.tanh = nn.Tanh()
        self.head = nn.Linear(48, len(CLASSES))

    @staticmethod
    def _layer(channels: int, out: int, stride: int = 1) -> tuple[nn.Module, ...]:
        conv = nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False)
        return conv, nn.BatchNorm2d(out), nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.tanh(self.fc(self.features(x).flatten(1))))


class DilatedNet(nn.Module):
    """Dilated convolutions that keep a fine map, 24×24, up to the average that the head takes.

    The even kernel shifts nothing: cell (r, c) is centred at (2r + 0.5, 2c + 0.5) of the image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            self._layer(3, kernel_size=4, stride=2, padding=1),
            *(self._layer(16, kernel_size=3, padding=by, dilation=by) for by in (1, 2, 2, 3)),
        )
        self.head = nn.Linear(16, len(CLASSES))

    @staticmethod
    def _layer(channels: int, **geometry: int) -> nn.Sequential:
        conv = nn.Conv2d(channels, 16, bias=False, **geometry)
        return nn.Sequential(conv, nn.BatchNorm2d(16), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x).mean((2, 3)))
