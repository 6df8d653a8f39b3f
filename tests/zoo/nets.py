"""Architectures: one of each family, small enough to train in a few seconds."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Make = Callable[[], nn.Module]


def mlp(inputs: int, out: int, activation: Make, width: int = 48, depth: int = 2) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(width if index else inputs, width), activation()]
    return nn.Sequential(*layers, nn.Linear(width, out))


def selu_mlp(inputs: int, out: int) -> nn.Sequential:
    net = mlp(inputs, out, nn.SELU)
    for each in net:
        if isinstance(each, nn.Linear):
            nn.init.kaiming_normal_(each.weight, nonlinearity="linear")
            nn.init.zeros_(each.bias)
    return net


def dropout_mlp(inputs: int, out: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 96), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(96, 96), nn.ReLU(), nn.Dropout(0.5), nn.Linear(96, out),
    )  # fmt: skip


def cnn(norm: Callable[[int], nn.Module], inputs: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 12, 3, padding=1), norm(12), nn.ReLU(),
        nn.Conv2d(12, 24, 3, padding=1), norm(24), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(24, 32, 3, padding=1), norm(32), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(128, 10),
    )  # fmt: skip


def no_norm(channels: int) -> nn.Module:
    return nn.Identity()


def group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(4, channels)


def layer_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


class Residual(nn.Module):
    def __init__(self, channels: int, zero: bool = False) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        if zero:
            nn.init.zeros_(self.bn2.weight)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(inner + x)


def resnet(zero: bool = False, inputs: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Residual(16, zero), nn.MaxPool2d(2), Residual(16, zero),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10),
    )  # fmt: skip


class Dense(nn.Module):
    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(channels), nn.Conv2d(channels, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


def densenet() -> nn.Sequential:
    blocks = [Dense(12 + 8 * index, 8) for index in range(4)]
    return nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), *blocks, nn.BatchNorm2d(44), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(44, 10),
    )  # fmt: skip


class Inverted(nn.Module):
    def __init__(self, channels: int, expand: int = 3) -> None:
        super().__init__()
        wide = channels * expand
        self.body = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, padding=1, groups=wide, bias=False), nn.BatchNorm2d(wide),
            nn.ReLU6(), nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def mobilenet() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(),
        Inverted(16), nn.AvgPool2d(2), Inverted(16),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 10),
    )  # fmt: skip


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = self._block(1, 8), self._block(8, 16)
        self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
        self.last = self._block(16, 8)
        self.head = nn.Conv2d(8, 1, 1)

    @staticmethod
    def _block(channels: int, out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
            nn.Conv2d(out, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        high = self.down1(x)
        low = self.down2(F.max_pool2d(high, 2))
        return self.head(self.last(torch.cat([high, self.up(low)], 1)))


class ViT(nn.Module):
    def __init__(
        self, inputs: int = 1, patch: int = 2, side: int = 8, zero_head: bool = False
    ) -> None:
        super().__init__()
        self.patch = nn.Conv2d(inputs, 32, patch, stride=patch)
        self.cls = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(0.02 * torch.randn(1, 1 + (side // patch) ** 2, 32))
        layer = nn.TransformerEncoderLayer(
            32, 4, 64, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
        self.head = nn.Linear(32, 10)
        if zero_head:
            nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1) + self.position
        return self.head(self.encoder(tokens)[:, 0])


class Encoder(nn.Module):
    """A transformer encoder on padded tokens, mean over what is no padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 32, padding_idx=0)
        self.position = nn.Embedding(20, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        padding = x == 0
        hidden = self.embed(x) + self.position(torch.arange(x.shape[1], device=x.device))
        hidden = self.encoder(hidden, src_key_padding_mask=padding)
        keep = (~padding)[..., None].to(hidden.dtype)
        return self.head((hidden * keep).sum(1) / keep.sum(1))


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module] = nn.LSTM) -> None:
        super().__init__()
        self.rnn = kind(2, 32, batch_first=True)
        self.head = nn.Linear(32, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][:, -1])


class WordLSTM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(60, 24, padding_idx=0)
        self.rnn = nn.LSTM(24, 24, bidirectional=True, batch_first=True)
        self.head = nn.Linear(48, 4)

    def forward(self, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(x), (x != 0).sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        hidden, _ = self.rnn(packed)[1]
        return self.head(torch.cat([hidden[0], hidden[1]], 1))


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(60, 24, mode="mean", padding_idx=0)
        self.fc, self.head = nn.Linear(24, 32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.fc(self.bag(x))))


def autoencoder() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 16), nn.ReLU(),
        nn.Linear(16, 48), nn.ReLU(), nn.Linear(48, 64),
    )  # fmt: skip


class VAE(nn.Module):
    """Draws from the code in training; its mean in evaluation. The loss gets (rebuilt, mu, log)."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(64, 48), nn.Tanh())
        self.mu, self.log_var = nn.Linear(48, 8), nn.Linear(48, 8)
        self.decode = nn.Sequential(nn.Linear(8, 48), nn.Tanh(), nn.Linear(48, 64))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        hidden = self.encode(x)
        mu, log_var = self.mu(hidden), self.log_var(hidden)
        code = mu + torch.randn_like(mu) * (0.5 * log_var).exp() if self.training else mu
        return self.decode(code), mu, log_var


class Siamese(nn.Module):
    """(N, 2, 64) pairs to the logit that both are of one class."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(64, 16, nn.ReLU)
        self.scale, self.offset = nn.Parameter(torch.tensor(-1.0)), nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.body(x[:, 0]), self.body(x[:, 1])
        return self.offset + self.scale * (first - second).square().mean(1)


class Experts(nn.Module):
    """A soft mixture of experts."""

    def __init__(self, inputs: int, out: int, top: int = 0) -> None:
        super().__init__()
        self.gate = nn.Linear(inputs, 4)
        self.experts = nn.ModuleList([mlp(inputs, out, nn.ReLU, 24, 1) for _ in range(4)])
        self.top = top

    def forward(self, x: Tensor) -> Tensor:
        scores = self.gate(x)
        if self.top:
            least = scores.topk(self.top, 1).values[:, -1:]
            scores = scores.masked_fill(scores < least, float("-inf"))
        outputs = torch.stack([each(x) for each in self.experts], 1)
        return (scores.softmax(1)[..., None] * outputs).sum(1)


class Squeeze(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, channels // 4), nn.Linear(channels // 4, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * gate[:, :, None, None]


def squeeze_net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.SiLU(), Squeeze(16),
        nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.SiLU(), Squeeze(24),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 10),
    )  # fmt: skip


class Gated(nn.Module):
    """A SwiGLU block between two linear layers."""

    def __init__(self, inputs: int, out: int) -> None:
        super().__init__()
        self.stem, self.norm = nn.Linear(inputs, 32), nn.LayerNorm(32)
        self.gate, self.value, self.down = nn.Linear(32, 64), nn.Linear(32, 64), nn.Linear(64, 32)
        self.head = nn.Linear(32, out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        inner = self.norm(x)
        return self.head(x + self.down(F.silu(self.gate(inner)) * self.value(inner)))


class ReZero(nn.Module):
    """Residual blocks whose branch begins at a scale of zero."""

    def __init__(self, inputs: int, out: int, start: float = 0.0, depth: int = 4) -> None:
        super().__init__()
        self.stem = nn.Linear(inputs, 32)
        self.blocks = nn.ModuleList([mlp(32, 32, nn.ReLU, 32, 1) for _ in range(depth)])
        self.scales = nn.Parameter(torch.full((depth, 1 if start == 0 else 32), start))
        self.head = nn.Linear(32, out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for scale, block in zip(self.scales, self.blocks, strict=True):
            x = x + scale * block(x)
        return self.head(x)


class Adapted(nn.Module):
    """A frozen linear layer beside a low-rank one whose second matrix begins at zero."""

    def __init__(self, base: nn.Linear, rank: int = 4) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.a = nn.Parameter(torch.randn(rank, base.in_features) / base.in_features**0.5)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.a.T @ self.b.T


def adapted(net: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*[Adapted(each) if isinstance(each, nn.Linear) else each for each in net])


class Ordinal(nn.Module):
    """(N, 13) to the 2 cumulative logits of 3 ordered classes, sharing one direction."""

    def __init__(self) -> None:
        super().__init__()
        self.body = mlp(13, 1, nn.ReLU)
        self.cuts = nn.Parameter(torch.tensor([-1.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) - self.cuts
