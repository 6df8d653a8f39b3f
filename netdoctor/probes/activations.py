"""Measures every activation call (and, if asked, every module's output) over some batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn

from netdoctor.facts.activations import ActivationFacts, CallFacts
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.observe import Call, Observation, Watch, observe
from netdoctor.report import NotExamined
from netdoctor.stats import MomentAccumulator, UnitAccumulator, unit_view

_NO_NUMBERS = "every value is NaN or infinite: `netdoctor activations` says where that begins"
Progress = Callable[[int], None]


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    every_module: bool = False,
    detailed: bool = False,
    per_position: bool = False,
    wanted: Callable[[Site], bool] = lambda site: True,
    synthetic: bool = False,
    fresh: bool | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> ActivationFacts:
    """Statistics of each call over all batches, in evaluation mode and without gradients.

    Memory does not grow with the number of batches.

    Args:
        model: the unwrapped model; left as it was found.
        batches: on the model's device.
        every_module: measures the moments of every module's output too.
        detailed: counts zeros and small values and keeps histograms.
        per_position: takes each position of a channel as a unit.
        wanted: which calls to measure.
        synthetic: whether the batches are random; for the facts.
        fresh: whether the weights are known to be untrained; for the facts.
        seed: of the data; for the facts.
        progress: told the number of batches done.

    Raises:
        ModelError: the model raised, or raised by the batch.
    """
    measured: dict[str, _CallAccumulator] = {}
    size = samples = 0

    def on_call(call: Call) -> None:
        if not wanted(call.site):
            return
        name = str(call.site)
        if name not in measured:
            measured[name] = _CallAccumulator(call, detailed, per_position)
        measured[name].update(call, size)

    watch: tuple[Watch, ...] = ("activation", "module") if every_module else ("activation",)
    with observe(model, on_call, watch=watch) as observation, torch.no_grad():
        model.eval()
        for number, batch in enumerate(batches, 1):
            size = batch.size
            batch.call(model)
            samples += size
            if progress is not None:
                progress(number)
        not_examined = observation.not_examined()
    return ActivationFacts(
        calls=tuple(each.read(observation) for each in measured.values()),
        samples=samples,
        synthetic=synthetic,
        fresh=fresh,
        device=_device(model),
        seed=seed,
        not_examined=(*not_examined, *_unmeasured(measured)),
    )


def _device(model: nn.Module) -> str:
    parameter = next(model.parameters(), None)
    return str(parameter.device) if parameter is not None else "cpu"


class _CallAccumulator:
    """All that is measured of one call."""

    def __init__(self, call: Call, detailed: bool, per_position: bool) -> None:
        self.site = call.site
        self.name = call.name
        self.shape = tuple(call.output.shape)
        self.dtype = str(call.output.dtype).removeprefix("torch.")
        self.moments = MomentAccumulator(detailed=detailed)
        self.detailed = detailed
        self.problem = ""
        self.units: UnitAccumulator | None = None
        if call.kind is not None:
            self.units = UnitAccumulator(call.kind, per_position=per_position)

    def update(self, call: Call, size: int) -> None:
        view = unit_view(call.output, call.trace.axis, size)
        if self.units is None or self.problem:
            self.moments.update(view.flat)
            return
        sums = view.sums()
        self.moments.update(view.flat, float(sums.sum(dtype=_widest(sums))))
        try:
            self.units.update(view, sums, self.moments.maximum)
        except ValueError as error:
            self.problem = f"its number of units differs between batches: {error}"

    def read(self, seen: Observation) -> CallFacts:
        name = str(self.site)
        moments = self.moments.read()
        histogram = self.moments.histogram() if self.detailed else (None, None)
        whole = self.units is not None and not self.problem and moments.finite > 0
        return CallFacts(
            site=self.site,
            kind=self.name,
            shape=self.shape,
            dtype=self.dtype,
            after=seen.after.get(name, ""),
            role=seen.roles.get(name, "hidden"),
            upstream=tuple(sorted(seen.upstream.get(name, ()))),
            moments=moments,
            units=self.units.read() if self.units is not None and whole else None,
            histogram=histogram[0],
            edges=histogram[1],
        )


def _widest(tensor: torch.Tensor) -> torch.dtype | None:
    """float64 where the device has it."""
    return None if tensor.device.type == "mps" else torch.float64


def _unmeasured(measured: dict[str, _CallAccumulator]) -> list[NotExamined]:
    found = []
    for name, call in measured.items():
        if call.problem:
            found.append(NotExamined(name, call.problem))
        elif call.units is not None and call.moments.count and not call.moments.finite:
            found.append(NotExamined(name, _NO_NUMBERS))
    return found
