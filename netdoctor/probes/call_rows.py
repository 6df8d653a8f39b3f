"""What is measured of each call while the passes run, and what of it is listed."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from netdoctor.facts.activations import Moments
from netdoctor.facts.forward import ForwardCall, Status
from netdoctor.facts.site import Site
from netdoctor.observe import Call, Watch
from netdoctor.probes.fused import Closed, closed_by
from netdoctor.probes.nonfinite import MOVES, Detective
from netdoctor.probes.norms import NormWatch
from netdoctor.probes.reasons import UNINITIALISED
from netdoctor.stats import MomentAccumulator, RangeAccumulator, values_of

_WEIGHTED = frozenset(
    {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
     "linear", "bilinear", "embedding"}
)  # fmt: skip
_PRODUCTS = frozenset({"mul", "imul", "rmul", "multiply"})
_SAMPLES = 8  # of a batch that show how far the samples lie apart


EVERYTHING: tuple[Watch, ...] = ("activation", "operation", "module", "complex")


class CallRows:
    """Takes in every call, observed with `EVERYTHING`, and keeps a row for each that is listed.

    Attributes:
        norms: what the norm layers' statistics showed.
        gate: see `ForwardFacts`.
    """

    def __init__(
        self, detective: Detective, wanted: Callable[[Site], bool], depth: int | None
    ) -> None:
        self.norms = NormWatch()
        self.closed: Closed | None = None
        self.gate = 1.0
        self._detective = detective
        self._wanted = wanted
        self._depth = depth
        self._rows: dict[Site, _Row] = {}
        self._measured: dict[int, weakref.ref[Tensor]] = {}
        self._parts: set[int] = set()  # tensors that may hold only a part of what was measured
        self._size, self._batch = 0, 0

    def begin(self, size: int, batch: int) -> None:
        """A batch of so many samples is about to run, of that number."""
        self._size, self._batch = size, batch
        self.closed = None
        self._measured.clear()
        self._parts.clear()

    def add(self, call: Call) -> None:
        """Takes in one call; to be told of all of them."""
        if call.name in UNINITIALISED:
            self._detective.uninitialised(call)
            return
        if call.watch == "activation":
            if call.site.operation:
                return  # it is told as an operation too
            call = dataclasses.replace(call, watch="module", name=type(call.module).__name__)
        if self._batch == 0:
            self._note_scales(call)
        if call.watch == "module" and self.closed is None:
            self.closed = closed_by(call, self._size)
        if call.watch == "operation":
            if is_torch_layer(call.module):
                return  # its module is the call
            if call.name in MOVES:
                self._detective.moved(call)
                self._note(call.outputs)
                self._parts.update(map(id, call.outputs))
                return
        elif not is_torch_layer(call.module) and self._is_known(call):
            self._list_container(call)
            return
        self._measure(call)

    def read(self) -> tuple[ForwardCall, ...]:
        """All calls, in the order in which they first ran."""
        began = self._detective.origins
        return tuple(
            dataclasses.replace(row.read(first=str(site) in began), listed=self._is_listed(site))
            for site, row in self._rows.items()
        )

    def _note_scales(self, call: Call) -> None:
        """Looks at what norm layers and gates, as a layer scale is one, do to the signal."""
        if call.watch == "module":
            self.norms.add(call)
        elif call.name in _PRODUCTS and call.inputs:
            scale = min(call.inputs, key=Tensor.numel)
            owner = scale if scale._base is None else scale._base
            if isinstance(owner, nn.Parameter) and scale.numel() and scale is not call.output:
                self.gate = min(self.gate, float(scale.detach().abs().max()) or 1.0)

    def _is_known(self, call: Call) -> bool:
        """Whether the output of a module came out of a call inside it, which was measured."""
        return all(map(self._is_measured, call.outputs))

    def _is_measured(self, tensor: Tensor) -> bool:
        entry = self._measured.get(id(tensor))
        return entry is not None and entry() is tensor

    def _note(self, tensors: Iterable[Tensor]) -> None:
        for each in tensors:
            self._measured[id(each)] = weakref.ref(each)
            self._parts.discard(id(each))

    def _list_container(self, call: Call) -> None:
        if self._depth is not None and _depth(call.site) == self._depth:
            for tensor in call.outputs:
                self._row(call).update(tensor, self._batch)

    def _measure(self, call: Call) -> None:
        row, layer = self._row(call), call.watch == "operation" or is_torch_layer(call.module)
        if self._batch == 0 and row.weighted and row.spread is None:
            row.spread = spread_of(call.output, self._size)
        for tensor in call.outputs:
            if not layer and self._is_measured(tensor):
                continue
            known = self._range_of_relu(call, tensor) if row.batch is not None else None
            self._note([tensor])
            if known is not None and row.batch != self._batch:
                row.ranges.add_known(tensor.numel(), *known)
                self._detective.remember(tensor, *known)
                continue
            nan, inf, negative = row.update(tensor, self._batch)
            if nan + inf == 0:
                self._detective.note_reads(call)
                self._detective.note_cleaning(call)
                self._detective.remember(tensor, *row.ranges.latest)
            else:
                self._detective.judge(call, tensor, nan, inf, negative)
            row.masks &= self._detective.is_mask(tensor) or nan + inf == 0

    def _range_of_relu(self, call: Call, output: Tensor) -> tuple[float, float] | None:
        """The range of a ReLU's output, which that of its finite input gives without a read."""
        if call.name not in ("ReLU", "relu") or self._detective.suspicious:
            return None
        given = call.inputs[0]
        known = self._detective.known_range(given) if self._is_measured(given) else None
        if known is None or given.numel() != output.numel() or id(given) in self._parts:
            return None
        return max(known[0], 0.0), max(known[1], 0.0)

    def _row(self, call: Call) -> _Row:
        row = self._rows.get(call.site)
        if row is None:
            row = self._rows[call.site] = _Row(call)
        return row

    def _is_listed(self, site: Site) -> bool:
        return (self._depth is None or _depth(site) <= self._depth) and self._wanted(site)


class _Row:
    """All that is measured of one call."""

    def __init__(self, call: Call) -> None:
        self.site, self.operation = call.site, call.name
        self.shape = tuple(call.output.shape)
        self.dtype = str(call.output.dtype).removeprefix("torch.")
        self.ranges = RangeAccumulator()
        self.moments = MomentAccumulator(cancels=1e-3)
        self.batch: int | None = None  # whose moments are taken
        self.masks = True
        self.spread: float | None = None
        weights = _weights_of(call)
        self.weighted = bool(weights)
        self.zeroed = bool(weights) and not any(bool(each.any()) for each in weights)

    def update(self, output: Tensor, batch: int) -> tuple[int, int, int]:
        """Adds the values; the numbers of NaN, infinities and minus infinities among them."""
        values = values_of(output)
        self.batch = batch if self.batch is None else self.batch
        if batch == self.batch:
            self.moments.update(values)
        return self.ranges.update(values)

    def read(self, *, first: bool) -> ForwardCall:
        """What was measured; `first` says that non-finite values began here."""
        seen, finite = self.ranges, self.ranges.minimum <= self.ranges.maximum
        moments = dataclasses.replace(
            self.moments.read(),
            count=seen.count,
            minimum=seen.minimum if finite else math.nan,
            maximum=seen.maximum if finite else math.nan,
            nan=seen.nan,
            inf=seen.inf,
            negative_inf=seen.negative_inf,
        )
        return ForwardCall(
            self.site, self.operation, self.shape, self.dtype, moments,
            self._status(moments, first), self.weighted, self.zeroed, self.spread,
        )  # fmt: skip

    def _status(self, moments: Moments, first: bool) -> Status:
        if not moments.nan + moments.inf:
            return "ok"
        if first:
            return "first NaN" if moments.nan else "first Inf"
        if self.masks and not moments.nan:
            return "-Inf mask"
        return "NaN" if moments.nan else "Inf"


def is_torch_layer(module: nn.Module | None) -> bool:
    """Whether it is a layer of PyTorch's own without layers inside: what runs in it is one call."""
    if module is None or next(module.children(), None) is not None:
        return False
    return type(module).__module__.startswith(("torch.nn.modules", "torch.ao.nn"))


def spread_of(output: Tensor, samples: int) -> float | None:
    """How far the samples' outputs lie apart: the root of the mean variance over samples.

    Args:
        output: (N, …) of a batch of N samples.
        samples: N; None comes back for fewer than two, or where the first axis is another one.
    """
    if samples < 2 or not output.ndim or output.shape[0] != samples or not output.numel():
        return None
    few = output.detach()[:_SAMPLES].flatten(1) if output.ndim > 1 else output.detach()[:, None]
    variance = few.float().var(0, correction=0).mean()
    value = float(variance.sqrt())
    return value if value == value else None


def _weights_of(call: Call) -> list[Tensor]:
    """The matrices and kernels of a layer; empty for what is no weighted layer."""
    if call.watch == "module":
        assert call.module is not None
        if not is_torch_layer(call.module):
            return []
        return [each for each in call.module.parameters(recurse=False) if each.ndim >= 2]
    if call.name not in _WEIGHTED:
        return []
    place = 0 if call.name == "embedding" and not call.inputs[0].is_floating_point() else 1
    return [call.inputs[place]] if place < len(call.inputs) else []


def _depth(site: Site) -> int:
    """1 for a child of the model; a function counts as one level below its module."""
    return site.path.count(".") + bool(site.path) + bool(site.operation)
