"""Whether the output depends on the input, and which call makes it constant."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.wiring import Sensitivity
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.outputs import main_output
from netdoctor.observe import Call, observe
from netdoctor.observe.tracing import tensors_in
from netdoctor.probes.samples import (
    UnsuitableError,
    changed,
    copied,
    differing_samples,
    inside_torch_layer,
    joined,
    places_of_rows,
    rows_of,
)

_SAMPLES = 13  # a prime: no other axis is likely to be as long
CONSTANT = 1e-6  # relative variation up to which values are the same but for rounding


def measure_sensitivity(model: nn.Module, batches: Sequence[Batch]) -> Sensitivity:
    """How much the output varies over a few samples, taken evenly from all batches.

    An output that does not is tried on the same samples with their values shuffled, and followed
    back to the call that made it constant.

    Raises:
        UnsuitableError: the samples of input or output cannot be told apart.
        ModelError: the model raised.
    """
    batch = joined(batches, _SAMPLES)
    differing = differing_samples(batch)
    if differing < 2:
        raise UnsuitableError("the samples are identical")
    outputs = _judged(model, batch)
    whole = max(variation(each) for each in outputs)
    if whole > CONSTANT:
        return Sensitivity(differing, whole)
    cause = _cause(model, batch)
    return Sensitivity(differing, whole, _shuffled_variation(model, batch, outputs), *cause)


def variation(rows: Tensor) -> float:
    """Range over the rows divided by the largest magnitude, for the value that varies most."""
    flat = rows.detach().reshape(len(rows), -1).float()
    flat = torch.where(torch.isfinite(flat), flat, torch.zeros((), device=flat.device))
    high, low = flat.amax(0), flat.amin(0)
    magnitude = torch.maximum(high.abs(), low.abs())
    tiny = torch.finfo(torch.float32).tiny
    return float(((high - low) / magnitude.clamp_min(tiny)).max())


def _judged(model: nn.Module, batch: Batch) -> list[Tensor]:
    """The main output, or all outputs that have rows where there is no main one."""
    with observe(model, lambda call: None, watch=()), torch.no_grad():
        model.eval()
        output = copied(batch).call(model)
        found = _main(output, batch.size)
        found = [each.detach().clone() for each in found]
    if not all(bool(torch.isfinite(each).all()) for each in found):
        raise UnsuitableError("the output is not finite")
    return found


def _main(output: object, size: int) -> list[Tensor]:
    floats = [each for each in tensors_in(output) if each.is_floating_point() and each.numel()]
    floats = [floats[place] for place in places_of_rows(floats, size)]
    try:
        main, _ = main_output(output)
    except ModelError:
        return floats
    return [each for each in floats if each is main] or floats


def _shuffled_variation(model: nn.Module, batch: Batch, outputs: Sequence[Tensor]) -> float | None:
    """The variation over the samples and copies of them, in which all values are shuffled."""
    generator = torch.Generator().manual_seed(0)

    def shuffle(tensor: Tensor) -> Tensor:
        order = torch.randperm(tensor.numel(), generator=generator).to(tensor.device)
        is_mask = not tensor.is_floating_point() and bool(tensor.max() <= 1)
        return tensor if is_mask else tensor.reshape(-1)[order].view(tensor.shape)

    try:
        others = _judged(model, changed(batch, shuffle, target=False))
    except (ModelError, UnsuitableError):
        return None
    pairs = zip(outputs, others, strict=True)
    return max(variation(torch.cat(pair)) for pair in pairs)


@dataclasses.dataclass(slots=True)
class _Step:
    """A call, input or parameter on the way to the output.

    Attributes:
        varies: whether its value differs between the samples.
        weights: whether it is computed from parameters alone.
        zero: whether it is all zero.
    """

    varies: bool
    weights: bool = False
    zero: bool = False
    parents: tuple[_Step, ...] = ()
    place: int = -1
    call: tuple[str, str, int, bool] = ("", "", 0, False)
    zero_weights: bool = False


class _Steps:
    """What has happened to the tensors of one forward pass."""

    def __init__(self, model: nn.Module, batch: Batch) -> None:
        self.size = batch.size
        self.parameters = {id(each) for each in model.parameters()}
        self.known: dict[int, tuple[weakref.ref[Tensor], _Step]] = {}
        self.count = 0
        for each in tensors_in((batch.args, batch.kwargs)):
            self.known[id(each)] = (weakref.ref(each), self._leaf(each))

    def of(self, tensor: Tensor) -> _Step | None:
        entry = self.known.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def _leaf(self, tensor: Tensor) -> _Step:
        if id(tensor) in self.parameters:
            return _Step(False, weights=True, zero=not bool(tensor.any()))
        rows = rows_of(tensor, self.size)
        return _Step(rows is not None and rows.numel() > 0 and variation(rows) > CONSTANT)

    def __call__(self, call: Call) -> None:
        if call.watch == "operation" and inside_torch_layer(call.module):
            return
        output, name = call.output, str(call.site)
        before = self.of(output)
        if before is not None and (call.watch == "module" or before.call[0] == name):
            return
        parents = tuple(self.of(each) or self._leaf(each) for each in call.inputs)
        rows = rows_of(output, self.size)
        if rows is not None and rows.numel():
            varies = variation(rows) > CONSTANT
        else:
            varies = any(each.varies for each in parents)
        self.count += 1
        step = _Step(
            varies,
            weights=bool(parents) and all(each.weights for each in parents),
            zero=not bool(output.any()),
            parents=parents,
            place=self.count,
            call=(name, call.name, _units(call), call.kind is not None),
            zero_weights=_has_zero_weights(call, parents),
        )
        self.known[id(output)] = (weakref.ref(output), step)


def _units(call: Call) -> int:
    """Channels or features of its output."""
    shape, axis = call.output.shape, call.trace.axis
    if not shape:
        return 1
    return shape[axis] if axis is not None and axis < len(shape) else shape[-1]


def _has_zero_weights(call: Call, parents: Sequence[_Step]) -> bool:
    if any(each.weights and each.zero for each in parents):
        return True
    if not inside_torch_layer(call.module) or call.module is None:
        return False
    weights = [
        each for name, each in call.module.named_parameters(recurse=False) if "weight" in name
    ]
    return bool(weights) and not any(bool(each.any()) for each in weights)


def _cause(model: nn.Module, batch: Batch) -> tuple[str, str, int, bool, bool]:
    """The first call on the way to the output that is constant while its input varies."""
    batch = copied(batch)
    steps = _Steps(model, batch)
    with observe(model, steps, watch=("operation", "module", "activation")), torch.no_grad():
        model.eval()
        output = batch.call(model)
        ends = [step for each in _main(output, batch.size) if (step := steps.of(each))]
    causes = _constant_behind_varying(ends)
    if not causes:
        return ("", "", 0, False, False)
    first = min(causes, key=lambda step: (step.zero_weights, step.place))
    return (*first.call, first.zero_weights)


def _constant_behind_varying(ends: Sequence[_Step]) -> list[_Step]:
    """Constant steps behind these with an input that varies; what varies is not followed."""
    found, waiting, seen = [], list(ends), set[int]()
    while waiting:
        step = waiting.pop()
        if id(step) in seen or step.varies:
            continue
        seen.add(id(step))
        if any(each.varies for each in step.parents):
            found.append(step)
        waiting.extend(step.parents)
    return found
