"""The architectures of `tests.healthy`: one of each family, a few thousand parameters each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLASSES = 4


def mlp(activation: type[nn.Module]) -> nn.Module:
    """(N, 16) to logits."""
    hidden = (nn.Linear(16, 32), activation(), nn.Linear(32, 32), activation())
    return nn.Sequential(*hidden, nn.Linear(32, CLASSES))


def _conv(channels: int, out: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, out, 3, stride, padding=1, groups=groups, bias=False)


def _layer(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(_conv(channels, out, stride), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


class Pooled(nn.Module):
    """Mean over height and width."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class UNet(nn.Module):
    """(N, 3, 24, 24) to mask logits (N, 1, 24, 24), with one skip connection."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _layer(3, 12)
        self.middle = nn.Sequential(_layer(12, 24, stride=2), _layer(24, 24))
        self.up = nn.ConvTranspose2d(24, 12, 2, stride=2)
        self.decoder = _layer(24, 12)
        self.head = nn.Conv2d(12, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        skip = self.encoder(x)
        return self.head(self.decoder(torch.cat([skip, self.up(self.middle(skip))], 1)))


def autoencoder() -> nn.Module:
    """(N, 3, 24, 24) to itself through 12 channels of 6 x 6."""
    encoder = (nn.Conv2d(3, 16, 4, 2, 1), nn.LeakyReLU(0.1), nn.Conv2d(16, 12, 4, 2, 1), nn.ELU())
    decoder = (nn.ConvTranspose2d(12, 16, 4, 2, 1), nn.SiLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1))
    return nn.Sequential(*encoder, *decoder)


class SqueezeExcitation(nn.Module):
    """Scales each channel by a sigmoid gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 4, 1)
        self.relu = nn.ReLU()
        self.expand = nn.Conv2d(channels // 4, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        squeezed = x.mean((2, 3), keepdim=True)
        return x * self.gate(self.expand(self.relu(self.reduce(squeezed))))


class SqueezeExcitationNet(nn.Module):
    """Hardswish convolutions with squeeze-and-excitation between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv(3, 16, 2), nn.BatchNorm2d(16), nn.Hardswish())
        self.attention = SqueezeExcitation(16)
        self.body = nn.Sequential(_conv(16, 24, 2), nn.BatchNorm2d(24), nn.Hardswish())
        self.head = nn.Sequential(Pooled(), nn.Linear(24, CLASSES))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.attention(self.stem(x))))


def depthwise_relu6() -> nn.Module:
    """Depthwise-separable convolutions with ReLU6, as in MobileNet."""
    layers: list[nn.Module] = [_conv(3, 16, 2), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)]
    for channels, out in ((16, 24), (24, 32)):
        layers += [_conv(channels, channels, 1, groups=channels), nn.BatchNorm2d(channels)]
        layers += [nn.ReLU6(inplace=True), nn.Conv2d(channels, out, 1, bias=False)]
        layers += [nn.BatchNorm2d(out), nn.ReLU6(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, Pooled(), nn.Linear(32, CLASSES))


class ZeroInitResidual(nn.Module):
    """A residual block whose last batch norm starts at a scale of zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _conv(channels, channels), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = _conv(channels, channels), nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ZeroInitResidualNet(nn.Module):
    """Two zero-initialised residual blocks and a zero-initialised head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _layer(3, 16, stride=2)
        self.blocks = nn.Sequential(ZeroInitResidual(16), nn.MaxPool2d(2), ZeroInitResidual(16))
        self.head = nn.Linear(16, CLASSES)
        nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


class ChannelsLastBlock(nn.Module):
    """A ConvNeXt block with a layer scale of 1e-6."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen, self.narrow = (
            nn.Linear(channels, 2 * channels),
            nn.Linear(2 * channels, channels),
        )
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        inner = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        inner = self.scale * self.narrow(F.gelu(self.widen(inner)))
        return x + inner.permute(0, 3, 1, 2)


class ChannelsLastNet(nn.Module):
    """A ConvNeXt in miniature: layer norm and GELU in (N, H, W, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, stride=3)
        self.blocks = nn.Sequential(ChannelsLastBlock(16), ChannelsLastBlock(16))
        self.norm, self.head = nn.LayerNorm(16), nn.Linear(16, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.blocks(self.stem(x)).mean((2, 3))))


class MixerNet(nn.Module):
    """One MLP over the patches, one over the channels, with GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 24, 4, stride=4)
        self.norm1, self.norm2 = nn.LayerNorm(24), nn.LayerNorm(24)
        self.over_patches = nn.Sequential(nn.Linear(36, 24), nn.GELU(), nn.Linear(24, 36))
        self.over_channels = nn.Sequential(nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        tokens = tokens + self.over_patches(self.norm1(tokens).transpose(1, 2)).transpose(1, 2)
        tokens = tokens + self.over_channels(self.norm2(tokens))
        return self.head(tokens.mean(1))


class Detector(nn.Module):
    """Returns `logits` (N, 4) and `boxes` (N, 4), the latter through a sigmoid."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(_layer(3, 16, 2), _layer(16, 24, 2), _layer(24, 24, 2))
        self.neck = nn.Linear(24 * 9, 32)
        self.classes, self.box = nn.Linear(32, CLASSES), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        neck = F.relu(self.neck(self.backbone(x).flatten(1)))
        return {"logits": self.classes(neck), "boxes": self.box(neck).sigmoid()}


def generator() -> nn.Module:
    """(N, 8) codes to pictures (N, 1, 16, 16) in [-1, 1], as in a DCGAN."""
    grow = (nn.Linear(8, 24 * 16), nn.Unflatten(1, (24, 4, 4)), nn.BatchNorm2d(24), nn.ReLU(True))
    widen = (nn.ConvTranspose2d(24, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True))
    return nn.Sequential(*grow, *widen, nn.ConvTranspose2d(16, 1, 4, 2, 1), nn.Tanh())


def conv1d() -> nn.Module:
    """(N, 2, 48) in channels first to logits."""
    hidden = (nn.Conv1d(2, 16, 5, stride=2), nn.ReLU(), nn.Conv1d(16, 24, 5, stride=2), nn.PReLU())
    return nn.Sequential(*hidden, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(24, CLASSES))


class HandWrittenLSTM(nn.Module):
    """An LSTM cell written out: three sigmoid gates and two tanh in every step."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.width = width
        self.gates = nn.Linear(2 + width, 4 * width)
        self.head = nn.Linear(width, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        hidden = cell = x.new_zeros(len(x), self.width)
        for step in x[:, ::4].unbind(1):
            gates = self.gates(torch.cat([step, hidden], 1))
            keep, write, read, new = gates.chunk(4, 1)
            cell = torch.sigmoid(keep) * cell + torch.sigmoid(write) * torch.tanh(new)
            hidden = torch.sigmoid(read) * torch.tanh(cell)
        return self.head(hidden)


class GRUNet(nn.Module):
    """PyTorch's own GRU, then a ReLU layer."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(2, 24, batch_first=True)
        self.fc, self.relu, self.head = nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.fc(self.gru(x)[0].mean(1))))


class TokenNet(nn.Module):
    """Linear layers and ReLU on (N, T, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(2, 24)
        self.norm = nn.LayerNorm(24)
        self.fc1, self.act, self.fc2 = nn.Linear(24, 48), nn.ReLU(), nn.Linear(48, 24)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x + x.roll(1, 1) * x.roll(2, 1))
        tokens = tokens + self.fc2(self.act(self.fc1(self.norm(tokens))))
        return self.head(tokens.mean(1))


class TransformerNet(nn.Module):
    """Two of PyTorch's encoder layers on token numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(80, 24)
        self.position = nn.Parameter(0.02 * torch.randn(20, 24))
        layer = nn.TransformerEncoderLayer(24, 2, 48, dropout=0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(24, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embed(x) + self.position).mean(1))


class BagOfWords(nn.Module):
    """The mean embedding of the tokens, then a ReLU layer."""

    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(80, 24, mode="mean")
        self.fc, self.head = nn.Linear(24, 32), nn.Linear(32, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(self.bag(x)).relu())
