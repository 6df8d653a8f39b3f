"""Forward passes whose output is finite and whose backward pass is not; `# here` marks the line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tests.observe.watching import Net

BLANK = (2, 5)  # these rows of the batch are 0 behind `fc`, which has no bias


def marked_line(code: Any) -> str:
    """`file.py:12` of the one line with the mark."""
    lines, first = inspect.getsourcelines(code)
    (place,) = (place for place, line in enumerate(lines) if "# here" in line)
    return f"{inspect.getsourcefile(code)}:{first + place}"


def rows(size: int = 8, features: int = 4, blank: tuple[int, ...] = BLANK) -> Tensor:
    """(N, F) normal numbers, with some rows of zeros."""
    values = torch.randn(size, features, generator=torch.Generator().manual_seed(0))
    values[list(blank)] = 0
    return values


def network(forward: Callable[..., Any], **layers: nn.Module) -> Net:
    """The forward pass as a network with a seeded layer `fc` of 3 units without bias."""
    torch.manual_seed(0)
    return Net(forward, fc=nn.Linear(4, 3, bias=False), **layers).eval()


def root_of_sum(net: Net, x: Tensor) -> Tensor:
    squares = net.fc(x).square().sum(1, keepdim=True)
    return squares.sqrt() + 1  # here


def where_root(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x).abs()
    root = torch.sqrt(h)  # here
    return torch.where(h > 0, root, 0.0)


def where_log(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    return torch.where(
        h > 0,
        h.log(),  # here
        torch.zeros_like(h),
    )


def where_quotient(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    sign = h / h.abs()  # here
    return torch.where(h == 0, torch.zeros_like(h), sign)


def half_power(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x).abs()
    return h**0.5  # here


def small_power(net: Net, x: Tensor) -> Tensor:
    return net.fc(x).abs().pow(0.3)  # here


def root_of_variance(net: Net, x: Tensor) -> Tensor:
    variance = net.fc(x).var(1, keepdim=True)
    return variance.sqrt()  # here


def arc_cosine(net: Net, x: Tensor) -> Tensor:
    similarity = 1 - net.fc(x).abs().clamp(max=1)
    return similarity.acos()  # here


def root_in_place(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x).abs()
    h.sqrt_()  # here
    return h * 2


def root_in_place_of_a_view(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x).abs()
    h[:, 1:].sqrt_()  # here
    return h * 2


def composite(net: Net, x: Tensor) -> Tensor:
    related = torch.corrcoef(net.fc(x))  # here
    return related.nan_to_num()


def overflowing_product(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x) * 1e-30
    h = h * 1e20  # here
    return h * 1e20


def dropped(net: Net, x: Tensor) -> Tensor:
    h = F.dropout(net.fc(x).abs() + 1, 0.5, training=True)
    return h.sqrt()  # here


def checkpointed(net: Net, x: Tensor, reentrant: bool) -> Tensor:
    def block(h: Tensor) -> Tensor:
        h = net.second(h)
        return h.abs().sqrt()  # here

    return checkpoint(block, net.fc(x), use_reentrant=reentrant)


def inside_vmap(net: Net, x: Tensor) -> Tensor:
    def length(row: Tensor) -> Tensor:
        return row.square().sum().sqrt()  # here

    lengths: Tensor = torch.func.vmap(length)(net.fc(x))
    return lengths


def complex_root(net: Net, x: Tensor) -> Tensor:
    spectrum = torch.fft.fft(net.fc(x))
    spectrum = spectrum.sqrt()  # here
    return torch.view_as_real(spectrum)


def gradient_in_the_forward_pass(net: Net, x: Tensor) -> Tensor:
    given = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(net.fc(given).tanh().sum(), given, create_graph=True)
    return (slope * x).square().sum(1).sqrt()  # here


def assigned_to_a_part(net: Net, x: Tensor) -> Tensor:
    wide = torch.ones(len(x), 6)
    wide[:, :3] = net.fc(x).abs()
    return wide.sqrt()  # here


def behind_lstm(net: Net, x: Tensor) -> Tensor:
    states, _ = net.lstm(net.fc(x)[:, None])
    energy = (states[:, -1] * x[:, :1]).square().sum(1)
    return energy.sqrt()  # here


class SickBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x + 1

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient / 0


class Custom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        x = x.tanh()
        x = SickBackward.apply(x)  # here
        return x.sin()


class OnlyCustom(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return SickBackward.apply(x)  # here


class Root(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.abs().sqrt()  # here


# The forward pass, the call and the node that its first bad gradient leaves.
ROW_BY_ROW: dict[str, tuple[Callable[..., Any], str, str]] = {
    "square root": (root_of_sum, "/sqrt#1", "SqrtBackward0"),
    "where, square root": (where_root, "/sqrt#1", "SqrtBackward0"),
    "where, logarithm": (where_log, "/log#1", "LogBackward0"),
    "where, quotient": (where_quotient, "/div#1", "DivBackward0"),
    "power of a half": (half_power, "/pow#1", "PowBackward0"),
    "power of 0.3": (small_power, "/pow#1", "PowBackward0"),
    "variance of a constant": (root_of_variance, "/sqrt#1", "SqrtBackward0"),
    "arc cosine": (arc_cosine, "/acos#1", "AcosBackward0"),
    "in place": (root_in_place, "/sqrt#1", "SqrtBackward0"),
    "in place of a view": (root_in_place_of_a_view, "/sqrt#1", "CopySlices"),
}
