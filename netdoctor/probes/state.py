"""Parameters and buffers with NaN or infinities, before the first forward pass."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netdoctor.facts.forward import StateFault
from netdoctor.observe import Observation

if TYPE_CHECKING:
    from netdoctor.probes.nonfinite import Detective


@dataclasses.dataclass(frozen=True, slots=True)
class State:
    """What of a model's state is not finite.

    Attributes:
        sick: parameters and buffers with NaN or infinities, by name.
        masks: buffers whose only infinities are minus infinity, as causal masks are stored.
    """

    sick: dict[str, Tensor]
    masks: list[Tensor]


def sick_state(model: nn.Module) -> State:
    """The parameters and buffers that are not finite; each costs one read."""
    sick: dict[str, Tensor] = {}
    masks: list[Tensor] = []
    for name, tensor in _named(model):
        nan, inf, negative = counted(tensor)
        if not nan + inf:
            continue
        if nan == 0 and inf == negative and not isinstance(tensor, nn.Parameter):
            masks.append(tensor)
        else:
            sick[name] = tensor
    return State(sick, masks)


def state_faults(
    model: nn.Module, state: State, seen: Observation, detective: Detective
) -> tuple[StateFault, ...]:
    """The sick parameters and buffers with the call that first read them."""
    owners = {
        id(tensor): module
        for module in model.modules()
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
    }
    faults = []
    for name, tensor in state.sick.items():
        nan, inf, _ = counted(tensor)
        call, source = detective.first_uses.get(name, ("", ""))
        owner = owners.get(id(tensor))
        read = id(tensor) in seen.used_parameters or id(owner) in seen.called
        kind = "parameter" if isinstance(tensor, nn.Parameter) else "buffer"
        later = len(detective.consequences.get(name, ()))
        faults.append(
            StateFault(name, kind, nan, inf, tensor.numel(), read, call, source, later)  # type: ignore[arg-type]
        )
    return tuple(faults)


def is_finite(value: Tensor) -> bool:
    """Whether a tensor has neither NaN nor infinities."""
    return counted(value)[:2] == (0, 0)


def counted(tensor: Tensor) -> tuple[int, int, int]:
    """Numbers of NaN, of infinities, and of minus infinities among them."""
    if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.numel():
        return 0, 0, 0
    with torch.no_grad():
        if tensor.is_complex():
            tensor = torch.view_as_real(tensor.resolve_conj())
        if tensor.element_size() == 1:
            tensor = tensor.float()
        wide = torch.float32 if tensor.element_size() < 4 else None
        if math.isfinite(float(tensor.sum(dtype=wide))):
            return 0, 0, 0
        nan, inf = int(tensor.isnan().sum()), int(tensor.isinf().sum())
        return nan, inf, int(tensor.isneginf().sum())


def _named(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not is_lazy(tensor) and tensor.layout == torch.strided and not tensor.is_quantized:
            yield name, tensor
