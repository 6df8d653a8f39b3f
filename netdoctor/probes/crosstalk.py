"""Whether a sample's output depends on its neighbours in the batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.wiring import Crosstalk
from netdoctor.inputs.batches import Batch
from netdoctor.observe import Call, observe
from netdoctor.probes.samples import (
    UnsuitableError,
    changed,
    check_rows,
    copied,
    differing,
    evaluated,
    inside_torch_layer,
    places_of_rows,
    rows_of,
    spread,
    taken,
)

_SIZES = (13, 11, 7, 5, 3, 2)  # primes: no other axis is likely to be as long
_VALUES = 4096  # of a sample's row that are compared at each call
_SUSPICIOUS = 1e-6  # a change from which it is worth a closer look


def measure_crosstalk(model: nn.Module, batches: Sequence[Batch]) -> Crosstalk:
    """How far outputs move when every second sample becomes a copy of its neighbour.

    Batch size and the places of the kept samples do not change, nor do the random numbers that
    the model draws. First the odd samples are replaced, then the even ones. What is found is
    followed to the first call that mixes the samples.

    Raises:
        UnsuitableError: the samples of input or output cannot be told apart.
        ModelError: the model raised.
    """
    batch, before = _first_run(model, batches)
    places = places_of_rows(before, batch.size)
    swaps = _swaps(batch)
    after = [evaluated(model, each.batch) for each in swaps]

    def moves() -> list[float]:
        pairs = zip(after, swaps, strict=True)
        return [_largest(before, outputs, swap.kept, places) for outputs, swap in pairs]

    moved, noise, first = moves(), 0.0, ("", "")
    if max(moved) > _SUSPICIOUS:
        places = _not_paired(model, batch, before, places)
        _check_quantised(model)
        _check_second_axis(model, batch, before, places)
        moved = moves()
        largest = swaps[moved.index(max(moved))]
        noise = _largest(before, evaluated(model, batch), largest.kept, places)
        first = _first_to_differ(model, batch, largest)
    kept = len(swaps[moved.index(max(moved))].kept)
    rounding = _rounding(model, before, places)
    return Crosstalk(batch.size, batch.size - kept, max(moved), noise, rounding, *first)


@dataclasses.dataclass(frozen=True, slots=True)
class _Swap:
    """A batch in which only the rows `kept` are as they were."""

    batch: Batch
    kept: Tensor


def _swaps(batch: Batch) -> list[_Swap]:
    """The batch with copies of the even samples in the odd places, and the other way round."""
    rows = torch.arange(batch.size)
    found = []
    for source in (rows - rows % 2, (rows + (rows + 1) % 2) % batch.size):
        swapped = taken(batch, source)
        if differing(batch, swapped):
            found.append(_Swap(swapped, rows[source == rows]))
    if not found:
        raise UnsuitableError("neighbouring samples are identical")
    return found


def _first_run(model: nn.Module, batches: Sequence[Batch]) -> tuple[Batch, list[Tensor]]:
    """A few samples and their outputs; the whole first batch where the model takes no other."""
    if not batches:
        raise UnsuitableError("there is no batch")
    whole = batches[0]
    check_rows(whole)
    size = next(each for each in _SIZES if each <= whole.size)
    few = taken(whole, spread(whole.size, size))
    try:
        return few, evaluated(model, few)
    except ModelError:
        return whole, evaluated(model, whole)


def _largest(
    before: Sequence[Tensor], after: Sequence[Tensor], kept: Tensor, places: Sequence[int]
) -> float:
    """Largest change of a kept row, in standard deviations of that output."""
    changes = []
    for place in places:
        a, b = (each[place][kept.to(each[place].device)].float() for each in (before, after))
        whole = torch.isfinite(a) & torch.isfinite(b)
        if bool(whole.any()):
            largest = float((a - b)[whole].abs().max())
            changes.append(largest / _spread(a[whole]) if largest else 0.0)
    if not changes:
        raise UnsuitableError("the output is not finite")
    return max(changes)


def _spread(values: Tensor) -> float:
    """Standard deviation; the magnitude where that is nothing."""
    return float(values.std(correction=0)) or float(values.abs().max()) or 1.0


def _rounding(model: nn.Module, outputs: Sequence[Tensor], places: Sequence[int]) -> float:
    """Resolution at the largest output, in the coarsest floating-point type at work."""
    types = {each.dtype for each in model.parameters() if each.dtype.is_floating_point}
    found = [0.0]
    for output in (outputs[place] for place in places):
        coarsest = max(torch.finfo(each).eps for each in {*types, output.dtype})
        values = output.float()
        values = values[torch.isfinite(values)]
        if values.numel():
            found.append(coarsest * float(values.abs().max()) / _spread(values))
    return max(found)


def _not_paired(
    model: nn.Module, batch: Batch, outputs: Sequence[Tensor], places: Sequence[int]
) -> list[int]:
    """The outputs of which the first axis follows the number of samples, and no other axis does.

    Raises:
        UnsuitableError: there are none.
    """
    fewer = batch.size - 1
    try:
        others = evaluated(model, taken(batch, torch.arange(fewer)))
    except ModelError:  # it takes this number of samples only
        others = []
    if len(others) == len(outputs):
        shapes = [(*outputs[place].shape[1:],) for place in places]
        found = [p for p, s in zip(places, shapes, strict=True) if others[p].shape == (fewer, *s)]
    else:
        found = [place for place in places if batch.size not in outputs[place].shape[1:]]
    if not found:
        raise UnsuitableError("the output pairs the samples, or has no axis that counts them")
    return found


def _check_quantised(model: nn.Module) -> None:
    for module in model.modules():
        if "quantiz" in type(module).__module__:
            raise UnsuitableError(
                f"{type(module).__name__} is quantised: its scale may be taken over the batch"
            )
    for each in model.parameters():
        if type(each.data) is not Tensor:
            raise UnsuitableError(f"the weights are of the type {type(each.data).__name__}")


def _check_second_axis(
    model: nn.Module, batch: Batch, outputs: Sequence[Tensor], places: Sequence[int]
) -> None:
    """Raises UnsuitableError where the second axis may count the samples: (T, N, …)."""
    inputs = [each for each in (*batch.args, *batch.kwargs.values()) if isinstance(each, Tensor)]
    size = inputs[0].shape[1] if inputs and inputs[0].ndim > 1 else 0
    target = batch.target
    if isinstance(target, Tensor) and not (target.ndim > 1 and target.shape[1] == size):
        return
    if size < 2 or any(outputs[place].shape[1:2] != (size,) for place in places):
        return
    columns = torch.arange(size)

    def swap(tensor: Tensor) -> Tensor:
        fits = tensor.ndim > 1 and tensor.shape[:2] == (batch.size, size)
        return tensor[:, (columns - columns % 2).to(tensor.device)] if fits else tensor

    after = evaluated(model, changed(batch, swap, target=False))
    before = [outputs[place].transpose(0, 1) for place in places]
    turned = [after[place].transpose(0, 1) for place in places]
    if _largest(before, turned, columns[::2], range(len(places))) <= _SUSPICIOUS:
        raise UnsuitableError(
            "the network keeps the second axis apart, not the first: it may be the one that "
            "counts the samples (batch_first=False)"
        )


def _first_to_differ(model: nn.Module, batch: Batch, swap: _Swap) -> tuple[str, str]:
    """Name and kind of the first call that gives kept samples something else."""
    runs = (batch, batch, swap.batch)
    before, again, after = (_rows_by_call(model, each, swap.kept) for each in runs)
    for name, (kind, rows) in after.items():
        if not all(name in each and each[name][1].shape == rows.shape for each in (before, again)):
            continue
        first, repeated = before[name][1], again[name][1]
        noise = float((first - repeated).abs().max())
        if float((first - rows).abs().max()) > max(100 * noise, _SUSPICIOUS * _spread(first)):
            return name, kind
    return "", ""


def _rows_by_call(model: nn.Module, batch: Batch, kept: Tensor) -> dict[str, tuple[str, Tensor]]:
    """Kind and a part of the kept rows of each call that has rows, in call order."""
    found: dict[str, tuple[str, Tensor]] = {}

    def on_call(call: Call) -> None:
        if call.watch == "operation" and inside_torch_layer(call.module):
            return
        rows = rows_of(call.output.detach(), batch.size)
        if rows is None or not rows.numel():
            return
        rows = rows[kept.to(rows.device)].flatten(1)
        step = -(-rows.shape[1] // _VALUES)
        found.setdefault(str(call.site), (call.name, rows[:, ::step].float().nan_to_num().clone()))

    with observe(model, on_call, watch=("operation", "module", "activation")), torch.no_grad():
        model.eval()
        copied(batch).call(model)
    return found
