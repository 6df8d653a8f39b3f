"""Of one call: the maps that will be drawn, and the statistics of all of its channels."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.featuremaps import Layout, MapFacts, Maps, finite_range
from netdoctor.observe import Call
from netdoctor.probes.map_layout import Scene, channels_first, layout_of
from netdoctor.stats import MomentAccumulator

_MOST_CELLS = 4096  # of a vector
_MOST_SLICES = 16  # of a volume
_ROUNDING = 1e-6  # of a channel's magnitude


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """Which maps to keep: the `top` most active, or the first ones; `most` at most.

    Of a vector all values are kept, up to a few thousand.
    """

    top: int | None
    most: int

    def of(self, maps: Tensor, kind: str) -> Tensor:
        """The channels to keep, of maps (C, *grid)."""
        most = max(self.most, _MOST_CELLS) if kind == "vector" else self.most
        if self.top is None or kind == "vector":
            return torch.arange(min(len(maps), most), device=maps.device)
        level = maps.abs().reshape(len(maps), -1).nan_to_num(0.0, 0.0, 0.0).mean(1)
        order = level.argsort(descending=True, stable=True)
        return order[: min(self.top, most)]


class Capture:
    """Collects one call over the batches."""

    def __init__(self, call: Call, choice: Choice) -> None:
        self.site = call.site
        self.kind = call.name
        self.shape = tuple(call.output.shape)
        self.dtype = str(call.output.dtype).removeprefix("torch.")
        self.choice = choice
        self.problem = ""
        self.layout: Layout | None = None
        self.kept: list[Maps] = []
        self.moments = MomentAccumulator(detailed=True)
        self.low: NDArray[Any] | None = None
        self.high: NDArray[Any] | None = None
        self.marks: Any = 0.0
        self.size: Any = 0.0
        self.samples = 0

    def add(self, call: Call, scene: Scene, size: int, take: int, *, first: int) -> None:
        """Takes in the first `take` of the batch's `size` samples, numbered from `first`."""
        output = call.output.detach()
        layout = layout_of(output.shape, call.trace.axis, scene)
        if layout is None:
            self.problem = f"an output of shape {self.shape} has no picture"
            return
        if self.layout is not None and layout.channels != self.layout.channels:
            self.problem = "its number of channels differs between batches"
            return
        self.layout = self.layout or layout
        count = len(output)
        parts = count // size if size and count % size == 0 else 0
        if not parts:  # nothing says which part belongs to which sample
            take, parts = 1, count
        for at in range(take):
            mine = output[at * parts : (at + 1) * parts]
            for part in range(parts):
                maps, prefix = channels_first(mine[part], layout)
                if part == 0:
                    self._keep(maps.float(), prefix.float(), layout, first + at, parts)
                self._measure(maps, prefix)

    def read(self) -> tuple[MapFacts | None, list[Maps]]:
        """The call's facts (None where it had no picture) and its kept maps."""
        if self.layout is None or self.low is None or self.high is None or self.problem:
            return None, []
        dead = (self.low == 0) & (self.high == 0)
        constant = (self.low == self.high) & ~dead
        single = self.layout.kind == "vector" and len(self.kept) < 2
        if single:
            constant = np.zeros_like(dead)  # one value a channel says nothing
        compared = ~(dead | constant) & np.isfinite(self.high) & np.isfinite(self.low)
        facts = MapFacts(
            site=self.site,
            kind=self.kind,
            shape=self.shape,
            dtype=self.dtype,
            layout=self.layout,
            moments=self.moments.read(),
            dead=int(dead.sum()),
            constant=int(constant.sum()),
            identical=0 if single else repeats(self.marks[compared], self.size[compared]),
        )
        return facts, self.kept

    def _keep(self, maps: Tensor, prefix: Tensor, layout: Layout, sample: int, parts: int) -> None:
        chosen = self.choice.of(maps, layout.kind)
        low, high = finite_range(maps.cpu().numpy())
        values = maps[chosen].clone()
        if layout.kind == "volume":
            values = values[:, slices_of(layout.grid[0])]
        self.kept.append(
            Maps(
                site=self.site,
                sample=sample,
                layout=layout,
                values=values.cpu().numpy(),
                channels=chosen.cpu().numpy(),
                prefix=prefix[chosen].clone().cpu().numpy(),
                low=low,
                high=high,
                top=self.choice.top is not None,
                parts=parts,
            )
        )

    def _measure(self, maps: Tensor, prefix: Tensor) -> None:
        flat = maps.reshape(len(maps), -1)
        if prefix.numel():
            flat = torch.cat([prefix, flat], 1)
        self.moments.update(flat.reshape(-1))
        numbers = flat.float().cpu().numpy() + np.float32(0)  # -0 becomes 0
        low, high = numbers.min(1), numbers.max(1)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)
        random = np.random.default_rng(self.samples)
        with np.errstate(all="ignore"):
            marks = numbers @ random.normal(size=(numbers.shape[1], 4))
            size = np.abs(numbers).sum(1, dtype=np.float64)
        self.marks, self.size = self.marks + marks, self.size + size
        self.samples += 1


def repeats(marks: NDArray[Any], size: NDArray[Any]) -> int:
    """How many channels repeat another but for rounding.

    Args:
        marks: (C, 4) random projections of each channel's values: equal where the values are.
        size: (C,) the sum of its magnitudes.
    """
    order = np.argsort(marks[:, 0], kind="stable")
    marks, size = marks[order], size[order]
    apart = np.abs(np.diff(marks, axis=0)).max(1, initial=0)
    return int((apart <= _ROUNDING * np.maximum(size[1:], size[:-1])).sum())


def slices_of(depth: int) -> list[int]:
    """Which slices of a volume are shown: all, or evenly spaced ones."""
    if depth <= _MOST_SLICES:
        return list(range(depth))
    return [round(at * (depth - 1) / (_MOST_SLICES - 1)) for at in range(_MOST_SLICES)]
