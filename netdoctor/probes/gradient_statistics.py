"""Statistics of gradients over batches: read once a batch, and kept without their elements."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

_SMALLEST_HALF = 2.0**-24
_ADAM_EPSILON = 1e-8
_PIECE = 2**18  # elements: few enough for float32 to add up their squares
_SQUARES = (1e-15, 1e15)  # of values outside of these, float32 cannot hold the squares


@dataclasses.dataclass(slots=True)
class Accumulated:
    """What one gradient was over the batches so far.

    Attributes:
        batches: in how many it was there.
        finite: in how many all of it was finite; the sums are over these.
        means, norms, steps: sums of mean |g|, of the L2 norm, of the update ratio.
        maximum: largest |g|.
        squares: sum of the squared norms.
        nan, infinite: numbers of such elements.
        underflow, others: elements too small for float16, and all that are not 0.
    """

    batches: int = 0
    finite: int = 0
    means: float = 0.0
    norms: float = 0.0
    steps: float = 0.0
    maximum: float = 0.0
    squares: float = 0.0
    nan: int = 0
    infinite: int = 0
    underflow: int = 0
    others: int = 0

    def add(self, norm: float, mean: float, maximum: float) -> None:
        """One batch's norm, mean |g| and largest |g|, all finite."""
        self.batches += 1
        self.finite += 1
        self.norms += norm
        self.squares += norm * norm
        self.means += mean
        self.maximum = max(self.maximum, maximum)

    def average(self, total: float) -> float:
        """That sum over the finite batches."""
        return total / self.finite if self.finite else 0.0


class ParameterStatistics:
    """The gradients of all parameters, taken from `.grad` once a batch."""

    def __init__(
        self, parameters: Sequence[nn.Parameter], optimizer: str, rate: float | None, *, half: bool
    ) -> None:
        self.parameters = parameters
        self.optimizer = optimizer
        self.rate = rate
        self.half = half
        self.read = [Accumulated() for _ in parameters]
        self.totals: list[Tensor | None] = [None] * len(parameters)
        self.norms: list[float] = [0.0] * len(parameters)
        self._weights_read = False
        self._reader = _Reader()

    def update(self) -> None:
        """Adds the gradients that the last backward pass left; one synchronisation."""
        if not self._weights_read:  # lazy modules have weights once they have run
            self.norms = [0.0 if is_lazy(each) else _norm(each) for each in self.parameters]
            self._weights_read = True
        present = [
            (place, each.grad)
            for place, each in enumerate(self.parameters)
            if each.grad is not None and each.numel()
        ]
        if not present:
            return
        with torch.no_grad():
            rows = torch.stack([self._reader.read(each) for _, each in present]).tolist()
            for (place, gradient), (norm, total, top) in zip(present, rows, strict=True):
                self._add(place, gradient, norm, total, top)

    @property
    def all_finite(self) -> bool:
        """Whether no gradient had NaN or infinities so far."""
        return not any(each.nan or each.infinite for each in self.read)

    def signal(self, place: int) -> float | None:
        """Norm of the mean gradient over its standard deviation across the batches."""
        read, total = self.read[place], self.totals[place]
        if read.finite < 2 or total is None:
            return None
        mean = _norm(total) / read.finite
        variance = (read.squares - read.finite * mean * mean) / (read.finite - 1)
        if variance <= 1e-6 * read.squares:
            return math.inf if mean else None
        return mean / math.sqrt(variance)

    def _add(self, place: int, gradient: Tensor, norm: float, total: float, top: float) -> None:
        read = self.read[place]
        if not (math.isfinite(top) and math.isfinite(total)):
            values = _plain(gradient)
            if not bool(values.isfinite().all()):
                read.batches += 1
                read.nan += int(values.isnan().sum())
                read.infinite += int(values.isinf().sum())
                return
            total = float(_double(values).abs().sum())
        if top and not _SQUARES[0] < top < _SQUARES[1]:
            norm = float(_double(_plain(gradient)).norm())
        read.add(norm, total / self.parameters[place].numel(), top)
        if self.half:
            size = _plain(gradient).abs()
            read.others += int((size > 0).sum())
            read.underflow += int(((size > 0) & (size < _SMALLEST_HALF)).sum())
        if self.rate is not None and self.norms[place]:
            read.steps += self.rate * self._step(gradient, norm) / self.norms[place]
        whole = self.totals[place]
        if whole is None:
            self.totals[place] = _plain(gradient).clone()
        else:
            whole.add_(_plain(gradient))

    def _step(self, gradient: Tensor, norm: float) -> float:
        """Norm of the optimiser's first step at a rate of 1."""
        if self.optimizer == "sgd":
            return norm
        return _norm(gradient / (gradient.abs() + _ADAM_EPSILON))


class CallStatistics:
    """The gradients of activation calls, taken as they come and read at the end of a batch."""

    def __init__(self) -> None:
        self.read: dict[str, Accumulated] = {}
        self._pending: list[tuple[str, int, Tensor]] = []
        self._reader = _Reader()

    def note(self, name: str, gradient: Tensor) -> None:
        """Reduces one gradient, without waiting for the device."""
        if gradient.numel():
            with torch.no_grad():
                self._pending.append((name, gradient.numel(), self._reader.read(gradient)))

    def drop(self) -> None:
        """Forgets what came since the last `update`: that pass did not count."""
        self._pending.clear()

    def update(self, scale: float) -> None:
        """Adds what came in this batch, divided by the scale of the loss."""
        if not self._pending:
            return
        rows = torch.stack([row for *_, row in self._pending]).tolist()
        for (name, count, _), (norm, total, top) in zip(self._pending, rows, strict=True):
            read = self.read.setdefault(name, Accumulated())
            if not (math.isfinite(top) and math.isfinite(total)):
                read.batches += 1
                read.nan += 1
            else:
                read.add(max(norm, top) / scale, total / count / scale, top / scale)
        self._pending.clear()


class _Reader:
    """Reads a tensor once, in pieces that fit into the processor's cache; reuses their memory."""

    def __init__(self) -> None:
        self._piece: Tensor | None = None

    def read(self, gradient: Tensor) -> Tensor:
        """(3,) L2 norm, sum of |g|, largest |g|; not finite where an element is not."""
        values = _plain(gradient)
        if values.device.type != "cpu" or not values.is_contiguous():
            pieces: Iterable[Tensor] = [values.abs()]
        else:
            if self._piece is None or self._piece.dtype != values.dtype:
                self._piece = values.new_empty(_PIECE)
            parts = torch.split(values.view(-1), _PIECE)
            pieces = (torch.abs(part, out=self._piece[: len(part)]) for part in parts)
        norms, sums, tops = [], [], []
        for size in pieces:
            norms.append(torch.linalg.vector_norm(size))
            sums.append(size.sum())
            tops.append(size.amax())
        norm = torch.linalg.vector_norm(_double(torch.stack(norms)))
        total, top = _double(torch.stack(sums)).sum(), _double(torch.stack(tops)).amax()
        return torch.stack([norm, total, top])


def _plain(gradient: Tensor) -> Tensor:
    """Dense and at least float32."""
    values = gradient.to_dense() if gradient.layout != torch.strided else gradient
    if values.dtype in (torch.float16, torch.bfloat16):
        values = values.float()
    return values.abs() if values.is_complex() else values


def _double(values: Tensor) -> Tensor:
    return values if values.device.type == "mps" else values.double()


def _norm(values: Tensor) -> float:
    """L2 norm: rows in float32, and all of them in float64 where the device has it."""
    with torch.no_grad():
        plain = _plain(values.detach())
        if not plain.numel():
            return 0.0
        rows = plain.flatten(1) if plain.ndim > 1 else plain.reshape(1, -1)
        norm = float(torch.linalg.vector_norm(_double(torch.linalg.vector_norm(rows, 2, 1))))
        if _SQUARES[0] < norm < _SQUARES[1] or norm != norm:
            return norm
        return float(torch.linalg.vector_norm(_double(plain)))
