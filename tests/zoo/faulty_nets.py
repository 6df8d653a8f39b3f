"""Networks with one fault in how they are written: (N, ...) of a task to its outputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Parts(nn.Module):
    """A network in two parts with something between them, and something at the end."""

    def __init__(
        self,
        body: nn.Module,
        head: nn.Module,
        between: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[Tensor], Tensor] = lambda x: x,
        before: Callable[[Tensor], Tensor] = lambda x: x,
    ) -> None:
        super().__init__()
        self.body, self.head = body, head
        self.before, self.between, self.after = before, between, after

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.head(self.between(self.body(self.before(x)))))


def cut(net: nn.Sequential, at: int, **functions: Any) -> Parts:
    return Parts(net[:at], net[at:], **functions)


def log_of(x: Tensor) -> Tensor:
    return torch.log(x)


def divided_by_spread(x: Tensor) -> Tensor:
    low = x.amin(-1, keepdim=True).clamp_max(0)
    return x / (x.amax(-1, keepdim=True).clamp_max(0) - low * 0)


def exponential(x: Tensor) -> Tensor:
    return torch.exp(x * 200)


def root(x: Tensor) -> Tensor:
    return torch.sqrt(x)


def inverse_norm(x: Tensor) -> Tensor:
    clipped = F.relu(x - 3)
    return x + clipped / clipped.norm(dim=-1, keepdim=True)


def detached(x: Tensor) -> Tensor:
    return x.detach()


def as_data(x: Tensor) -> Tensor:
    return x.data * 1.0


def hardened(x: Tensor) -> Tensor:
    """The index of the largest of each pair."""
    pairs = x.unflatten(1, (-1, 2))
    return F.one_hot(pairs.argmax(2), 2).float().movedim(-1, 2).flatten(1, 2)


def stepped(x: Tensor) -> Tensor:
    return (x > 0).float()


def rounded(x: Tensor) -> Tensor:
    return torch.round(x)


def through_numpy(x: Tensor) -> Tensor:
    return torch.tensor(x.detach().numpy())


def times_zero(x: Tensor) -> Tensor:
    return x * 0 + x.detach()


def clamped(x: Tensor) -> Tensor:
    return x.clamp(100, 101) - 100 + x.detach()


def root_of_gated(x: Tensor) -> Tensor:
    """The square root of what a hard gate lets through: of nothing, mostly."""
    return torch.sqrt(x.abs() * (x > 0.5))


def distance_to_itself(x: Tensor) -> Tensor:
    return x + (x - x.detach()).pow(2).sum(1, keepdim=True).sqrt()


def where_power(x: Tensor) -> Tensor:
    """The gradient of the branch that is not taken is infinite times zero."""
    gate = (x > 0.2).float()
    return torch.where(x > 0.2, (x.abs() * gate).pow(0.3), torch.zeros_like(x))


def mean_over_batch(x: Tensor) -> Tensor:
    return x - x.mean(0, keepdim=True)


def scaled_by_batch(x: Tensor) -> Tensor:
    return x / x.abs().amax().clamp_min(1e-6)


def batch_statistics(x: Tensor) -> Tensor:
    return F.batch_norm(x, None, None, training=True)


def softmax_over_batch(x: Tensor) -> Tensor:
    return x * torch.softmax(x, 0)


def mixed_axes(x: Tensor) -> Tensor:
    """A view where a transpose belongs: the samples' values change places."""
    return x.T.reshape(x.shape)


class WrongAttention(nn.Module):
    """Attention that takes (N, T, C) for (T, N, C)."""

    def __init__(self, inputs: int, out: int) -> None:
        super().__init__()
        self.embed = nn.Linear(inputs, 32)
        self.attention = nn.MultiheadAttention(32, 4)
        self.head = nn.Linear(32, out)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.embed(x)
        hidden = hidden + self.attention(hidden, hidden, hidden, need_weights=False)[0]
        return self.head(hidden.mean(1))


class Unused(nn.Module):
    """A network with a layer that nobody calls."""

    def __init__(self, net: nn.Module, inputs: int) -> None:
        super().__init__()
        self.net, self.auxiliary = net, nn.Linear(inputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class Forgotten(nn.Module):
    """Its own projection's result is thrown away."""

    def __init__(self, net: nn.Module, inputs: int) -> None:
        super().__init__()
        self.net, self.project = net, nn.Linear(inputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        self.project(x)
        return self.net(x)


class NoGrad(nn.Module):
    """A backbone that runs without gradients although its parameters are to be trained."""

    def __init__(self, body: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.body, self.head = body, head

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            x = self.body(x)
        return self.head(x)


class Blind(nn.Module):
    """Multiplies its input with zero, as a mask that was never set."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mask", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x * self.mask)


class Learned(nn.Module):
    """Answers with what it has learned of the classes' shares, whatever the input."""

    def __init__(self, net: nn.Module, out: int) -> None:
        super().__init__()
        self.net = net
        self.prior = nn.Parameter(torch.linspace(-1, 1, out))

    def forward(self, x: Tensor) -> Tensor:
        return self.prior.expand(len(x), -1) + 0 * self.net(x)


class EvalScaled(nn.Module):
    """Multiplies by what dropout keeps, in evaluation, although dropout has done so itself."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x) if self.training else self.net(-x)


class AlwaysTraining(nn.Module):
    """Sets its norms to training mode in each forward pass."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        for each in self.net.modules():
            if isinstance(each, nn.BatchNorm2d):
                each.train()
        return self.net(x)


def deep(
    inputs: int, out: int, depth: int, activation: type[nn.Module], std: float | None
) -> nn.Module:
    layers: list[nn.Module] = []
    for index in range(depth):
        layers += [nn.Linear(64 if index else inputs, 64), activation()]
    net = nn.Sequential(*layers, nn.Linear(64, out))
    for each in net:
        if isinstance(each, nn.Linear) and std is not None:
            nn.init.normal_(each.weight, std=std)
            nn.init.zeros_(each.bias)
    return net


def deep_cnn(depth: int, std: float) -> nn.Module:
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()]
    for _ in range(depth):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    for each in layers:
        if isinstance(each, nn.Conv2d):
            nn.init.normal_(each.weight, std=std)
            nn.init.zeros_(each.bias)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
