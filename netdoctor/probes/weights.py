"""What the weights of a model or of a state dict are like, tensor by tensor."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netdoctor.facts.weights import UNKNOWN, Role, TensorFacts, WeightFacts
from netdoctor.probes.filters import measure_filters
from netdoctor.probes.initial_values import MOST, MOST_COARSE, random_distribution
from netdoctor.probes.weight_roles import role_by_name
from netdoctor.report import NotExamined

_CHUNK = 1 << 22
_TINY = 1e-10
_WEIGHTS = ("convolution", "linear", "embedding", "recurrent")
_NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)
_RESCALING = nn.modules.batchnorm._NormBase
_ROLES: tuple[tuple[tuple[type[nn.Module], ...], Role], ...] = (
    ((nn.modules.conv._ConvNd,), "convolution"),
    ((nn.Linear, nn.Bilinear), "linear"),
    ((nn.Embedding, nn.EmbeddingBag), "embedding"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Named:
    """A tensor as its owner has it; `owner` is None where there is only a name."""

    name: str
    tensor: Tensor
    role: Role
    owner: nn.Module | None = None
    buffer: bool = False
    follows_norm: bool | None = None

    @property
    def kind(self) -> str:
        """The owner's class."""
        return type(self.owner).__name__ if self.owner is not None else ""

    @property
    def filters(self) -> Tensor:
        """(filters, …) the weight with its output axis first."""
        if isinstance(self.owner, nn.modules.conv._ConvTransposeNd):
            return output_first(self.tensor, self.owner.groups)
        if self.kind == "Conv1D" and self.tensor.ndim == 2:  # transformers' linear layer
            return self.tensor.t()
        return self.tensor

    @property
    def groups(self) -> int:
        """Of the convolution; 1 for all else."""
        return int(getattr(self.owner, "groups", 1)) if self.role == "convolution" else 1


def output_first(weight: Tensor, groups: int) -> Tensor:
    """A transposed convolution's (I, O / groups, …) weight as (O, I / groups, …)."""
    split = weight.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    return split.transpose(1, 2).reshape(-1, split.shape[1], *weight.shape[2:])


def named_tensors(weights: nn.Module | Mapping[str, Any]) -> list[Named]:
    """The parameters and buffers of a model, or the tensors and arrays of a mapping."""
    if isinstance(weights, nn.Module):
        return list(_of_model(weights))
    tensors = {name: _as_tensor(value) for name, value in weights.items()}
    return [
        Named(name, tensor, role_by_name(name, tuple(tensor.shape), tensors.keys()))
        for name, tensor in tensors.items()
        if tensor is not None
    ]


def measure(
    weights: nn.Module | Mapping[str, Any],
    *,
    source: str = "",
    fresh: bool | None = None,
    evidence: str = "",
    detail: Literal["all", "values"] = "all",
) -> WeightFacts:
    """The facts of every tensor; nothing is run.

    Args:
        weights: a model, or tensors or arrays by name.
        source: what they were read from, as the user named it.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        evidence: what tells so.
        detail: `values` leaves filters and distributions out.
    """
    found: list[TensorFacts] = []
    left: list[NotExamined] = []
    first: dict[tuple[Any, ...], str] = {}
    for each in named_tensors(weights):
        reason = _unreadable(each.tensor)
        if reason:
            left.append(NotExamined(each.name, reason))
            continue
        tied = ""
        if each.tensor.numel():
            place = (each.tensor.data_ptr(), each.tensor.shape, each.tensor.stride())
            tied = first.setdefault(place, each.name)
        facts = _measured(each, detail if tied in ("", each.name) else "values")
        found.append(dataclasses.replace(facts, tied="" if tied == each.name else tied))
    return WeightFacts(source, tuple(found), fresh, evidence, tuple(left))


def _as_tensor(value: Any) -> Tensor | None:
    if isinstance(value, np.ndarray):
        try:
            return torch.from_numpy(np.array(value))
        except TypeError:
            return None
    return value.detach() if isinstance(value, Tensor) else None


def _of_model(model: nn.Module) -> Iterator[Named]:
    modules = dict(model.named_modules(remove_duplicate=False))
    following = _followed_by_norm(model)
    rescaled = any(isinstance(each, _RESCALING) for each in modules.values())
    for path, owner in modules.items():
        follows = True if id(owner) in following else None if rescaled else False
        own = [(False, *each) for each in owner.named_parameters(recurse=False)]
        own += [(True, *each) for each in owner.named_buffers(recurse=False)]
        for buffer, last, tensor in own:
            name = f"{path}.{last}" if path else last
            role = _role(name, tensor, owner, buffer)
            yield Named(name, tensor, role, owner, buffer, follows)


def _role(name: str, tensor: Tensor, owner: nn.Module, buffer: bool) -> Role:
    shape = () if is_lazy(tensor) else tuple(tensor.shape)
    by_name = role_by_name(name, shape)
    if buffer:
        return by_name if by_name in ("running mean", "running variance", "counter") else "other"
    last = name.rpartition(".")[2]
    if isinstance(owner, _NORMS) or (len(shape) == 1 and "Norm" in type(owner).__name__):
        return "norm weight" if last == "weight" else "norm bias" if last == "bias" else "other"
    if last == "weight":
        for kinds, role in _ROLES:
            if isinstance(owner, kinds):
                return role
        if len(shape) == 1:
            return "other"
    return by_name


def _followed_by_norm(model: nn.Module) -> set[int]:
    """Ids of layers whose next neighbour is a norm of each of their channels by itself."""
    found: set[int] = set()
    for parent in model.modules():
        children = list(parent.children())
        for layer, following in pairwise(children):
            width = getattr(layer, "out_channels", getattr(layer, "out_features", None))
            if isinstance(following, _RESCALING) and width == following.num_features:
                found.add(id(layer))
    return found


def _unreadable(tensor: Tensor) -> str:
    if is_lazy(tensor):
        return "not initialised yet: the module takes its shape from its first input"
    if tensor.is_meta:
        return "on the meta device, without values"
    if tensor.layout != torch.strided:
        return f"{str(tensor.layout).removeprefix('torch.')} layout"
    if tensor.is_quantized:
        return "quantised values with a scale"
    return ""


def _measured(each: Named, detail: Literal["all", "values"]) -> TensorFacts:
    tensor = each.tensor.detach()
    facts = TensorFacts(
        each.name,
        str(tensor.dtype).removeprefix("torch."),
        tuple(tensor.shape),
        each.role,
        tensor.numel(),
        each.kind,
        frozen=each.owner is not None and not each.buffer and not each.tensor.requires_grad,
    )
    if not tensor.numel():
        return facts
    values = _Values()
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    for part in torch.split(real.cpu().reshape(-1), _CHUNK):
        values.add(part.double())
    facts = dataclasses.replace(facts, **values.read())
    whole = not values.nan and not values.inf
    judged = each.role in _WEIGHTS and tensor.is_floating_point() and tensor.ndim > 1
    if detail == "values" or not judged or not whole:
        return facts
    filters = each.filters.detach().cpu().reshape(len(each.filters), -1)
    measured = measure_filters(
        filters if filters.element_size() > 2 else filters.float(),
        groups=each.groups,
        compare=each.role != "embedding",
        follows_norm=each.follows_norm,
    )
    return dataclasses.replace(facts, filters=measured, initialisation=_drawn_as(tensor))


def _drawn_as(tensor: Tensor) -> str | None:
    flat = tensor.reshape(-1)
    most = MOST if tensor.element_size() > 2 else MOST_COARSE
    if len(flat) > most:
        flat = flat[torch.arange(most, device=flat.device) * len(flat) // most]
    return random_distribution(flat.cpu().double().numpy())


class _Values:
    """Moments, extremes and counts of values that come in runs of float64."""

    def __init__(self) -> None:
        self.nan = self.inf = self.negative_inf = self.zeros = self.tiny = self.count = 0
        self.mean = self.apart = self.squares = 0.0
        self.minimum, self.maximum = math.inf, -math.inf

    def add(self, part: Tensor) -> None:
        """Takes in (n,) float64 values."""
        if not bool(part.isfinite().all()):
            self.nan += int(part.isnan().sum())
            self.inf += int(part.isinf().sum())
            self.negative_inf += int(part.isneginf().sum())
            part = part[part.isfinite()]
        if not len(part):
            return
        mean = float(part.mean())
        apart = float((part - mean).square().sum())
        count = self.count + len(part)
        shift = mean - self.mean
        self.apart += apart + shift * shift * self.count * len(part) / count
        self.mean += shift * len(part) / count
        self.count = count
        self.squares += float(part.square().sum())
        size = part.abs()
        self.zeros += int((size == 0).sum())
        self.tiny += int((size < _TINY).sum())
        low, high = part.aminmax()
        self.minimum, self.maximum = min(self.minimum, float(low)), max(self.maximum, float(high))

    def read(self) -> dict[str, Any]:
        """As `TensorFacts` names them."""
        counts = {
            "nan": self.nan, "inf": self.inf, "negative_inf": self.negative_inf,
            "zeros": self.zeros, "tiny": self.tiny,
        }  # fmt: skip
        if not self.count:
            return counts
        return {
            **counts,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": self.mean,
            "std": math.sqrt(self.apart / self.count),
            "norm": math.sqrt(self.squares) if math.isfinite(self.squares) else UNKNOWN,
            "constant": self.count > 1
            and self.minimum == self.maximum
            and not (self.nan or self.inf),
        }
