"""Forward passes that make NaN or infinities; `# here` marks the line that must be named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.observe.watching import Net
from tests.probes.sick_backward import network

BATCH, SAMPLE = 3, 5  # of the loader below, the one that is different


@dataclasses.dataclass(frozen=True, slots=True)
class Sick:
    """One network and what must be said of it.

    Attributes:
        forward: of a `Net` with the layer `fc`.
        subject: the call that must be named.
        code: of the rule.
        reason: part of the message.
        change: what the one sample is multiplied by; None where every batch is sick.
    """

    forward: Callable[..., Any]
    subject: str
    code: str
    reason: str
    change: float | None = None


def batches(change: float | None = None, count: int = 5) -> list[Tensor]:
    """(8, 4) positive numbers; one sample of one batch is multiplied by `change`."""
    source = torch.Generator().manual_seed(0)
    made = [torch.rand(8, 4, generator=source) + 0.1 for _ in range(count)]
    if change is not None:
        made[BATCH][SAMPLE] *= change
    return made


def logarithm(net: Net, x: Tensor) -> Tensor:
    level = x.mean(1, keepdim=True)
    return net.fc(x) * level.log()  # here


def logarithm_in_place(net: Net, x: Tensor) -> Tensor:
    x = x + 0
    x.log_()  # here
    return net.fc(x)


def zero_by_zero(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x) * 0
    h = h / h.norm(dim=1, keepdim=True)  # here
    return h + 1


def overflowing_exponential(net: Net, x: Tensor) -> Tensor:
    weights = torch.exp(50 * x)  # here
    return net.fc(weights / weights.sum(1, keepdim=True))


def masked_row(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    closed = (x > 1.5).any(1, keepdim=True)
    attention = h.masked_fill(closed, float("-inf")).softmax(1)  # here
    return attention @ h.T


def masked_row_by_addition(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    mask = torch.zeros_like(h)
    mask[(x > 1.5).any(1)] = -torch.inf
    h = h + mask
    return F.log_softmax(h, dim=1).exp()  # here


def negative_root(net: Net, x: Tensor) -> Tensor:
    return net.fc(torch.sqrt(x))  # here


def logarithm_of_zero(net: Net, x: Tensor) -> Tensor:
    share = x.clamp(min=0)
    surprise = share.log()  # here
    return net.fc(share * surprise)


def logarithm_of_zero_returned(net: Net, x: Tensor) -> Tensor:
    return torch.log(net.fc(x).relu() * 0)  # here


def mean_of_nothing(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    return h + x[x > 100].mean()  # here


def spread_of_one(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    return h / h[:, :1].std(1, keepdim=True)  # here


def broken_power(net: Net, x: Tensor) -> Tensor:
    return net.fc(x**0.3)  # here


def arc_cosine(net: Net, x: Tensor) -> Tensor:
    h = F.normalize(net.fc(x), dim=1)
    angle = torch.acos(1.2 * h.abs().amax(1))  # here
    return angle[:, None] + h


def reciprocal_in_a_branch(net: Net, x: Tensor) -> dict[str, Any]:
    h = net.fc(x)
    inverse = [1 / (x - x.detach())]  # here
    return {"logits": h, "aux": {"inverse": inverse}}


def hidden_constant(net: Net, x: Tensor) -> Tensor:
    return net.fc(x) * net.scale  # here


def second_output(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x) * 0
    spread, middle = torch.var_mean(h[:1], 0)  # here
    return h + middle + spread


def through_a_view(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x).abs()
    part = h[:, 0]
    part.sub_(1).log_()  # here
    return h.relu() + h @ h.T @ h


def division_in_float16(net: Net, x: Tensor) -> Tensor:
    h = (net.fc(x).abs() + 1) * 1e4
    small = (h * 100).half()  # here
    return small.float()


def nan_through_a_number(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    ratio = (h * 0).sum() / 0  # here
    return h + ratio.item()


def part_in_place(net: Net, x: Tensor) -> Tensor:
    h = x.repeat(1, 2)
    h[:, 4:].log_()  # here
    return net.fc(h[:, 4:]) + h.T.sum()


def written_nan(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x) + 0
    h[x[:, :3] > 5] = float("nan")  # here
    return h


def in_frequencies(net: Net, x: Tensor) -> Tensor:
    waves = torch.fft.rfft(net.fc(x))
    waves = waves / (waves - waves)  # here
    return torch.fft.irfft(waves).real


def ratio_in_place(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    h.addcdiv_(h, h.detach() * 0)  # here
    return h.tanh()


def variance_of_large_values(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x) * 1e25
    return F.layer_norm(h, (3,))  # here


def logit_beyond_one(net: Net, x: Tensor) -> Tensor:
    return net.fc(torch.logit(x / 2))  # here


SICK: dict[str, Sick] = {
    "nan through a number": Sick(nan_through_a_number, "/div#1", "NUM001", "division by zero"),
    "part in place": Sick(part_in_place, "/log#1", "NUM001", "goes down to -", -1),
    "written nan": Sick(written_nan, "/setitem#1", "NUM001", "writes NaN there itself", 20),
    "complex": Sick(in_frequencies, "/div#1", "NUM001", "division by zero"),
    "addcdiv": Sick(ratio_in_place, "/addcdiv#1", "NUM002", "24 of 24 divisors are 0"),
    "layer norm": Sick(variance_of_large_values, "/layer_norm#1", "NUM001", "overflow float32"),
    "logit": Sick(logit_beyond_one, "/logit#1", "NUM001", "beyond [0, 1]", 20),
    "log of a negative number": Sick(logarithm, "/log#1", "NUM001", "logarithm of a neg", -1),
    "in place": Sick(logarithm_in_place, "/log#1", "NUM001", "its input goes down to -", -1),
    "0 / 0": Sick(zero_by_zero, "/div#1", "NUM001", "zero divided by zero: 8 of 8"),
    "exp": Sick(overflowing_exponential, "/exp#1", "NUM002", "exp of more than 88.7", 100),
    "masked row": Sick(masked_row, "/softmax#1", "NUM001", "1 of 8 rows are masked out", 20),
    "added mask": Sick(masked_row_by_addition, "/log_softmax#1", "NUM001", "1 of 8 rows", 20),
    "root": Sick(negative_root, "/sqrt#1", "NUM001", "root of a negative number", -1),
    "log of 0": Sick(logarithm_of_zero, "/log#1", "NUM002", "logarithm of zero; /mul", 0),
    "log of 0 returned": Sick(logarithm_of_zero_returned, "/log#1", "NUM002", "the output follo"),
    "mean of nothing": Sick(mean_of_nothing, "/mean#1", "NUM001", "without any value"),
    "std of one": Sick(spread_of_one, "/std#1", "NUM001", "std of a single value"),
    "power": Sick(broken_power, "/pow#1", "NUM001", "to the broken power 0.3", -1),
    "acos": Sick(arc_cosine, "/acos#1", "NUM001", "acos of a number beyond 1"),
    "branch": Sick(reciprocal_in_a_branch, "/rdiv#1", "NUM002", "division by zero"),
    "hidden constant": Sick(hidden_constant, "/mul#1", "NUM001", "nobody could watch"),
    "second output": Sick(second_output, "/var_mean#1", "NUM001", "var_mean of a single value"),
    "view": Sick(through_a_view, "/log#1", "NUM001", "logarithm of a negative number"),
    "cast": Sick(division_in_float16, "/half#1", "NUM002", "more than float16 can hold (65504)"),
}


def sick_network(name: str) -> Net:
    """The network of that name, without biases and with weights of both signs."""
    made = network(SICK[name].forward)
    made.scale = torch.tensor(float("nan"))
    return made
