"""Measures every activation call (and, if asked, every module's output) over some batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import nn

from netdoctor.errors import ModelError, NetDoctorError
from netdoctor.facts.activations import ActivationFacts, CallFacts
from netdoctor.facts.site import Site
from netdoctor.observe import Call, Kind, Observation, observe
from netdoctor.report import NotExamined
from netdoctor.stats import MomentAccumulator, UnitAccumulator, unit_view


class RunnableBatch(Protocol):
    """A batch as `netdoctor.inputs.batches.Batch` gives it."""

    @property
    def size(self) -> int:
        """Number of samples."""

    def call(self, model: nn.Module) -> Any:
        """The model's output for this batch."""


Progress = Callable[[int], None]


def measure(
    model: nn.Module,
    batches: Iterable[RunnableBatch],
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
        batches: each with `size` and `call(model)`, on the model's device.
        every_module: measures the moments of every module's output too.
        detailed: counts zeros and small values and keeps histograms.
        per_position: takes each position of a channel as a unit.
        wanted: which calls to measure.
        synthetic, fresh, seed: passed on to the facts.
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

    watch = ("activation", "module") if every_module else ("activation",)
    with observe(model, on_call, watch=watch) as observation, torch.no_grad():
        model.eval()
        for number, batch in enumerate(batches, 1):
            size = batch.size
            _run(model, batch)
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


def _run(model: nn.Module, batch: RunnableBatch) -> None:
    try:
        batch.call(model)
    except (NetDoctorError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ModelError(
            f"the model raised {type(error).__name__} in its forward pass: {error}",
            hint="Check that the input has the model's shape (--input-shape, --data), "
            "or see the whole stack with --traceback.",
        ) from error


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
        self.units = None if call.kind is None else _units(call.kind, per_position)

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


def _units(kind: Kind, per_position: bool) -> UnitAccumulator:
    return UnitAccumulator(kind, per_position=per_position)


def _widest(tensor: torch.Tensor) -> torch.dtype | None:
    """float64 where the device has it."""
    return None if tensor.device.type == "mps" else torch.float64


def _unmeasured(measured: dict[str, _CallAccumulator]) -> list[NotExamined]:
    found = []
    for name, call in measured.items():
        if call.problem:
            found.append(NotExamined(name, call.problem))
        elif call.units is not None and call.moments.count and not call.moments.finite:
            found.append(NotExamined(name, "every value is NaN or infinite"))
    return found
