"""Why parameters have no gradient, or a zero or non-finite one: one more pass that is followed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.gradflow import Cause
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.observe import Call, Observation, observe
from netdoctor.observe.tracing import tensors_in
from netdoctor.probes.gradient_origin import Backward
from netdoctor.probes.gradient_passes import autocast, backward
from netdoctor.probes.graph_tracer import Cut, Tracer, leaves_below


def causes_of(
    model: nn.Module,
    batch: Batch,
    objective: Objective,
    names: Collection[str],
    called: Collection[int],
    *,
    amp: str = "",
) -> dict[str, Cause]:
    """Why the named parameters have no gradient, or a zero or non-finite one.

    Args:
        model: the unwrapped model; left as it was found.
        batch: on the model's device.
        objective: the loss.
        names: of the parameters.
        called: identities of the modules that ran for any batch.
        amp: as the passes ran.

    Raises:
        NetDoctorError: the model or the loss raised.
    """
    rows: dict[int, int] = {}

    def on_call(call: Call) -> None:
        if call.inputs and call.module is not None and call.inputs[0].ndim:
            rows.setdefault(id(call.module), len(call.inputs[0]))

    with torch.enable_grad(), observe(model, on_call, watch=("module",)) as seen:
        model.train()
        tracer = Tracer(seen)
        with tracer, autocast(amp, list(model.parameters())):
            output = batch.call(model)
            tracer.in_loss = True
            loss = objective(output, batch)
        flow = Backward(tracer)
        if loss.requires_grad:
            backward(loss)
        missing = _Missing(model, tracer, seen, output, loss)
        parameters = dict(model.named_parameters())
        found: dict[str, Cause] = {}
        finite = bool(loss.detach().isfinite())
        for name in names:
            gradient = parameters[name].grad
            if gradient is None:
                found[name] = missing.cause(parameters[name])
            elif not bool(gradient.isfinite().all()):
                found[name] = flow.of_non_finite() if finite else Cause("loss")
            else:
                found[name] = flow.of_zero(id(parameters[name]))
    idle = [name for name, cause in found.items() if cause.kind == "never-called"]
    if idle:
        found |= _idle(model, batch, idle, rows, {*called, *seen.called})
    return found


class _Missing:
    """What one followed pass tells of parameters that got no gradient."""

    def __init__(
        self, model: nn.Module, tracer: Tracer, seen: Observation, output: Any, loss: Tensor
    ) -> None:
        self.owners = {
            id(parameter): module
            for module in model.modules()
            for parameter in module.parameters(recurse=False)
        }
        self.seen = seen
        self.used = seen.used_parameters
        in_value = tracer.cuts_behind(loss)
        others = [each for each in tracer.cuts if each.to_python]
        self.cuts = [(each, _reached(each)) for each in (*in_value, *others)]
        self.outputs = leaves_below(
            [each.grad_fn for each in tensors_in(output) if each.grad_fn is not None]
        )

    def cause(self, parameter: nn.Parameter) -> Cause:
        """Why this one got none."""
        key = id(parameter)
        if key not in self.used:
            owner = self.owners.get(key)
            ran = owner is not None and id(owner) in self.seen.called
            return Cause("never-used" if ran else "never-called")
        for cut, leaves in self.cuts:
            if key in leaves:
                operation = cut.operation
                return Cause("cut", operation.name, operation.where, operation.source)
        if key in self.outputs:
            return Cause("unused-output", where=self.used[key])
        return Cause("unused-result", where=self.used[key])


def _reached(cut: Cut) -> set[int]:
    return leaves_below(cut.nodes) | cut.leaves


def _idle(
    model: nn.Module, batch: Batch, names: list[str], rows: dict[int, int], called: set[int]
) -> dict[str, Cause]:
    """Of parameters whose module never ran: whether that is how it is meant."""
    in_evaluation = _called_in_evaluation(model, batch)
    found = {}
    for name in names:
        path = name.rpartition(".")[0]
        if id(model.get_submodule(path)) in in_evaluation:
            found[name] = Cause("other-mode", where=path)
        elif _is_routed(model, path, rows, called):
            found[name] = Cause("not-routed", where=path)
        else:
            found[name] = Cause("never-called", where=path)
    return found


def _called_in_evaluation(model: nn.Module, batch: Batch) -> set[int]:
    with observe(model, lambda call: None) as seen, torch.no_grad():
        model.eval()
        with contextlib.suppress(ModelError):
            batch.call(model)
    return seen.called


def _is_routed(model: nn.Module, path: str, rows: dict[int, int], called: set[int]) -> bool:
    """Whether a sibling in the same list ran for a part of the samples, or not every time."""
    parts = path.split(".")
    for depth in range(len(parts), 0, -1):
        container = model.get_submodule(".".join(parts[: depth - 1]))
        if not isinstance(container, (nn.ModuleList, nn.ModuleDict)):
            continue
        siblings = [each for each in container.children() if id(each) in called]
        owner = model.get_submodule(".".join(parts[: max(depth - 2, 0)]))
        whole = rows.get(id(owner))
        seen = [rows.get(id(each)) for each in siblings]
        if siblings and any(each is None or (whole and each % whole) for each in seen):
            return True
    return False
