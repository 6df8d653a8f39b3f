"""Networks whose dead layer is made in every way that a user makes one."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]


class Three(nn.Module):
    """Three hidden layers of 16 units; the activation is a function or a module."""

    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(10, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, 4)
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.fc1, self.fc2, self.fc3):
            x = self.activation(layer(x))
        return self.head(x)


FORMS: dict[str, tuple[Callable[[], Activation], str]] = {
    "module": (nn.ReLU, "activation#{}"),
    "in-place module": (lambda: nn.ReLU(inplace=True), "activation#{}"),
    "F.relu": (lambda: F.relu, "/relu#{}"),
    "F.relu in place": (lambda: lambda x: F.relu(x, inplace=True), "/relu#{}"),
    "torch.relu": (lambda: torch.relu, "/relu#{}"),
    "Tensor.relu_": (lambda: Tensor.relu_, "/relu#{}"),
    "torch.clamp": (lambda: lambda x: torch.clamp(x, min=0), "/clamp#{}"),
    "Tensor.clamp_": (lambda: lambda x: x.clamp_(0), "/clamp#{}"),
    "Tensor.clip": (lambda: lambda x: x.clip(min=0.0), "/clip#{}"),
    "clamp_min": (lambda: lambda x: x.clamp_min(0), "/clamp_min#{}"),
    "maximum": (lambda: lambda x: torch.maximum(x, torch.zeros(())), "/maximum#{}"),
    "max": (lambda: lambda x: torch.max(x, torch.zeros_like(x)), "/max#{}"),
    "threshold": (lambda: lambda x: F.threshold(x, 0, 0), "/threshold#{}"),
    "ReLU6": (nn.ReLU6, "activation#{}"),
    "F.relu6": (lambda: F.relu6, "/relu6#{}"),
    "hardswish": (nn.Hardswish, "activation#{}"),
    "GELU": (nn.GELU, "activation#{}"),
    "F.gelu": (lambda: F.gelu, "/gelu#{}"),
    "SiLU": (nn.SiLU, "activation#{}"),
    "Mish": (nn.Mish, "activation#{}"),
    "ELU": (nn.ELU, "activation#{}"),
    "SELU": (nn.SELU, "activation#{}"),
    "CELU": (lambda: nn.CELU(0.5), "activation#{}"),
    "Softplus": (nn.Softplus, "activation#{}"),
}


class ConvStage(nn.Module):
    """Convolution, norm, ReLU, three times; `channels_last` puts the channels on the last axis."""

    def __init__(self, *, in_place: bool = True) -> None:
        super().__init__()
        sizes = [(3, 16), (16, 24), (24, 32)]
        self.stages = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU(inplace=in_place)
                )
                for i, o in sizes
            )
        )
        self.head = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stages(x).mean((2, 3)))
