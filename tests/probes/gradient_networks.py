"""Networks whose gradients are sick in one known way, and ones that only look so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.inputs.batches import Batch
from tests.healthy import vectors


def batches(count: int = 3, size: int = 32) -> list[Batch]:
    """(N, 16) features with one of four classes."""
    return [Batch((given,), {}, target, size) for given, target in vectors(count, size, 0)]


def deep(
    depth: int,
    activation: Callable[[], nn.Module],
    start: Callable[[nn.Linear], object] = lambda layer: None,
) -> nn.Sequential:
    """So many hidden layers of 32 units, without norms or bypasses."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for place in range(depth):
        layer = nn.Linear(16 if place == 0 else 32, 32)
        start(layer)
        layers += [layer, activation()]
    return nn.Sequential(*layers, nn.Linear(32, 4))


def gain(factor: float) -> Callable[[nn.Linear], object]:
    """Weights drawn with that standard deviation over the root of the fan-in, biases zero."""

    def start(layer: nn.Linear) -> None:
        nn.init.normal_(layer.weight, std=factor / layer.in_features**0.5)
        nn.init.zeros_(layer.bias)

    return start


def spread(std: float) -> Callable[[nn.Linear], object]:
    """Weights drawn with that standard deviation."""
    return lambda layer: nn.init.normal_(layer.weight, std=std)


def zeros(layer: nn.Linear) -> None:
    """Everything zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


class Two(nn.Module):
    """Two hidden layers; what happens between them is given, with the first's input and output."""

    def __init__(self, between: Callable[[Tensor], Any] = lambda h: h) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.head = nn.Linear(16, 32), nn.Linear(32, 32), nn.Linear(32, 4)
        self.between = between

    def forward(self, x: Tensor) -> Any:
        return self.head(F.relu(self.second(self.between(F.relu(self.first(x))))))


def through_numpy(h: Tensor) -> Tensor:
    return torch.from_numpy(h.detach().numpy())


def through_a_list(h: Tensor) -> Tensor:
    return torch.tensor(h.tolist())


def through_a_new_tensor(h: Tensor) -> Tensor:
    return torch.as_tensor(h.detach().numpy().copy())


def winner(h: Tensor) -> Tensor:
    return F.one_hot(h.argmax(1), 32).float()


def without_gradient(h: Tensor) -> Tensor:
    with torch.no_grad():
        return h * 2


CUTS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "detach": (lambda h: h.detach(), "detach"),
    "detach in place": (lambda h: h.clone().detach_(), "detach"),
    "data": (lambda h: h.data, "data"),
    "argmax": (winner, "argmax"),
    "comparison": (lambda h: (h > 0).float(), "gt"),
    "no_grad": (without_gradient, "no_grad"),
    "numpy": (through_numpy, "numpy"),
    "list": (through_a_list, "tolist"),
    "new tensor": (through_a_new_tensor, "numpy"),
    "item": (lambda h: torch.ones(len(h), 32) * h.detach().mean().item(), "item"),
}


class NoGradBackbone(Two):
    """Both hidden layers run under no_grad."""

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            hidden = F.relu(self.first(x))
            hidden = F.relu(self.second(hidden))
        return self.head(hidden)


class Decorated(Two):
    """The whole forward is under no_grad."""

    @torch.no_grad()
    def forward(self, x: Tensor) -> Any:
        return super().forward(x)


class Unused(Two):
    """A block and a lone parameter that forward never touches."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))
        self.token = nn.Parameter(torch.zeros(1, 16))


class Dropped(Two):
    """What one layer computes is thrown away."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Any:
        self.lost(x)
        return super().forward(x)


class EvaluationHead(Two):
    """A head that only runs in evaluation mode."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Linear(32, 8)

    def forward(self, x: Tensor) -> Any:
        hidden = F.relu(self.second(F.relu(self.first(x))))
        if self.training:
            return self.head(hidden)
        return {"logits": self.head(hidden), "embedding": self.embedding(hidden)}


class AuxiliaryOutput(Two):
    """In training mode it returns a second head's output too."""

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Any:
        hidden = F.relu(self.first(x))
        logits = self.head(F.relu(self.second(hidden)))
        return {"logits": logits, "aux": self.auxiliary(hidden)} if self.training else logits


class Experts(nn.Module):
    """Each sample goes to one of the experts; the router never chooses the last."""

    def __init__(self, *, empty_calls: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.router = nn.Linear(16, 4)
        self.experts = nn.ModuleList(nn.Linear(16, 16) for _ in range(4))
        self.head = nn.Linear(16, 4)
        self.empty_calls = empty_calls
        with torch.no_grad():
            self.router.bias[3] = -1e3

    def forward(self, x: Tensor) -> Tensor:
        weights = self.router(x).softmax(1)
        chosen = weights.argmax(1)
        out = torch.zeros_like(x)
        for number, expert in enumerate(self.experts):
            rows = chosen == number
            if self.empty_calls or rows.any():
                out[rows] = F.relu(expert(x[rows])) * weights[rows, number, None]
        return self.head(out)


class LowRank(Two):
    """A frozen layer with a low-rank addition whose second factor starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.second.requires_grad_(False)
        self.down, self.up = nn.Linear(32, 4, bias=False), nn.Linear(4, 32, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(x))
        return self.head(F.relu(self.second(hidden) + self.up(self.down(hidden))))


class Gated(nn.Module):
    """Residual branches behind one number each that starts at zero (ReZero)."""

    def __init__(self, form: Callable[[Tensor, Tensor], Tensor] = lambda gate, x: gate * x) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.branches = nn.ModuleList(nn.Linear(16, 16) for _ in range(3))
        self.gates = nn.ParameterList(nn.Parameter(torch.zeros(())) for _ in range(3))
        self.head = nn.Linear(16, 4)
        self.form = form

    def forward(self, x: Tensor) -> Tensor:
        for gate, branch in zip(self.gates, self.branches, strict=True):
            x = x + self.form(gate, F.gelu(branch(x)))
        return self.head(x)


class ZeroConvolution(nn.Module):
    """A branch whose first layer starts at zero, so that the one behind it gets only zeros."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.zero, self.second = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.head = nn.Linear(16, 4)
        nn.init.zeros_(self.zero.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x + self.second(self.zero(x)))


class Tied(nn.Module):
    """The embedding is also the last layer's weight."""

    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(80, 16, sparse=sparse)
        self.mix = nn.Linear(16, 16)
        self.head = nn.Linear(16, 80, bias=False)
        if not sparse:
            self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.mix(self.embed(x)).mean(1)))


class OneToken(nn.Module):
    """Attention over a single token, which makes queries and keys idle."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        token = x[:, None]
        scores = (self.query(token) @ self.key(token).mT).softmax(-1)
        return self.head((scores @ self.value(token))[:, 0])


class RootOfZero(Two):
    """The square root of what is exactly zero: finite forward, infinite slope."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(x))
        hidden = self.second(hidden) + (hidden * 0).sqrt()
        return self.head(F.relu(hidden))


class OwnLoss(Two):
    """Computes its loss itself."""

    def forward(self, x: Tensor, labels: Tensor) -> Any:
        logits = super().forward(x)
        return {"loss": F.cross_entropy(logits, labels), "logits": logits}


class BiasBeforeNorm(nn.Module):
    """A bias that the norm layer behind it subtracts again."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc, self.norm, self.head = nn.Linear(16, 32), nn.BatchNorm1d(32), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.fc(x))))


class Vanilla(nn.Module):
    """A recurrent network over many steps, its loop written out."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.given, self.kept, self.head = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 24)
        for _ in range(40):
            h = torch.tanh(self.given(x) + self.kept(h))
        return self.head(h)


class StemAndScaledBranches(nn.Module):
    """Activations in the stem and the head, and between them branches scaled by 1e-6."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.neck, self.head = nn.Linear(16, 24), nn.Linear(24, 24), nn.Linear(24, 4)
        self.branches = nn.ModuleList(nn.Linear(24, 24) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        for branch in self.branches:
            x = x + 1e-6 * F.gelu(branch(x))
        return self.head(F.relu(self.neck(x)))
