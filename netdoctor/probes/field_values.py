"""What the values of one field of the batches look like, added up batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.loader import Channels, FieldFacts, FieldKind, Layout
from netdoctor.probes.batch_fields import Field, Role
from netdoctor.stats import MomentAccumulator

_NAMED = 8
_FEW = 4  # channels for which a histogram is kept
_MOST_CHANNELS = 4096
_SMALLEST_SIDE = 8  # of an image, in pixels
_NEARLY = 1e-5  # of the field's deviation: a sample that varies less is nearly constant
_BINS = 60
_BRIGHT = 64  # whole numbers above are pixels, not the pieces on a board
_ROOMY = 16  # values of a sample; fewer may be one weight or one flag for all
_LONG = 256  # values of a signal; shorter ones may be flat by nature


class FieldScan:
    """Statistics of one field; batches in any number, in any sizes."""

    def __init__(self, name: str, role: Role, dtype: str) -> None:
        self.name, self.role, self.dtype = name, role, dtype
        self.samples = self.values = 0
        self.shape: list[int | None] | None = None
        self.layout: Layout = ""
        self.ids = False
        self.per_sample: list[NDArray[np.float32]] = []  # mean, std, min, max of each sample
        self.within: list[NDArray[np.floating[Any]]] = []  # the largest deviation in a channel
        self.nan_at: list[str] = []
        self.inf_at: list[str] = []
        self.nan_samples = self.inf_samples = self.nan = self.inf = 0
        self.whole = self.zeros = self.finite = 0
        self.two: set[float] = set()  # the different values, up to three of them
        self.masks = self.partial_nan = True
        self.places: list[str] = []
        self.highest = -math.inf
        self.padding = _Padding()
        self._channels: _ChannelMoments | None = None

    def add(self, field: Field, names: Callable[[int], str], *, sequences: bool) -> None:
        """Adds a batch.

        Args:
            field: its values.
            names: of the samples by their place in the batch.
            sequences: whether rows of whole numbers are token ids.
        """
        if isinstance(field.values, Tensor):
            self._add(field.values, names, 0)
        elif isinstance(field.values, list):
            for row, each in enumerate(field.values):
                if isinstance(each, Tensor):
                    self._add(each.unsqueeze(0), names, row)
        if sequences and isinstance(field.values, Tensor):
            self.padding.add(field.values)

    def _add(self, values: Tensor, names: Callable[[int], str], first: int) -> None:
        values = values if values.ndim else values.view(1)
        if self.shape is None:
            self.layout = layout_of(values)
        self._merge_shape(list(values.shape[1:]))
        self.samples += len(values)
        self.values += values.numel()
        if not values.numel():
            return
        numbers = values if values.dtype in (torch.float32, torch.float64) else _floats(values)
        rows = numbers.reshape(len(numbers), -1)
        clean = self._set_aside(rows, names, first)
        self._notice(rows, clean)
        stats = _of_samples(rows, clean)
        self.per_sample.append(stats)
        self.places += [names(first + row) for row in range(len(rows))]
        by_channel = _by_channel(numbers, self.layout)
        apart = bool(self.layout) and by_channel.shape[1] > 1 and clean
        # Black is another value in each channel once it is normalised.
        self.within.append(by_channel.std(2, False).amax(1).numpy() if apart else stats[:, 1])
        if self._channels is None:
            self._channels = _ChannelMoments(by_channel.shape[1])
        if self._channels.count != by_channel.shape[1]:
            self._channels = self._channels.joined()
            by_channel = by_channel.reshape(len(by_channel), 1, -1)
        self._channels.add(by_channel, clean)

    def _merge_shape(self, shape: list[int]) -> None:
        if self.shape is None:
            self.shape = list(shape)
        elif len(self.shape) != len(shape):
            self.shape = [None] * max(len(self.shape), len(shape))
        else:
            pairs = zip(self.shape, shape, strict=True)
            self.shape = [a if a == b else None for a, b in pairs]

    def _set_aside(self, rows: Tensor, names: Callable[[int], str], first: int) -> bool:
        """Counts what is not finite; whether there was nothing of the kind."""
        if bool(torch.isfinite(rows.sum(dtype=torch.float64))):
            return True
        nan, inf = rows.isnan(), rows.isinf()
        with_nan, with_inf = nan.any(1), inf.any(1)
        self.nan += int(nan.sum())
        self.inf += int(inf.sum())
        self.nan_samples += int(with_nan.sum())
        self.inf_samples += int(with_inf.sum())
        for found, at in ((with_nan, self.nan_at), (with_inf, self.inf_at)):
            places = found.nonzero().flatten().tolist()[: max(_NAMED - len(at), 0)]
            at += [names(first + row) for row in places]
        self.masks &= bool((rows[inf] < 0).all()) and bool((rows[~inf & ~nan] == 0).all())
        if bool(with_nan.any()):
            self.partial_nan &= rows.shape[1] > 1 and not bool(nan[with_nan].all(1).any())
        return not bool(with_nan.any() or with_inf.any())

    def _notice(self, rows: Tensor, clean: bool) -> None:
        finite = rows.flatten() if clean else rows[rows.isfinite()]
        self.finite += finite.numel()
        if not finite.numel():
            return
        self.whole += int((finite == finite.round()).sum())
        self.zeros += int((finite == 0).sum())
        low, high = float(finite.min()), float(finite.max())
        self.highest = max(self.highest, high)
        if len(self.two) <= 2:
            self.two |= {low, high}
            between = finite[(finite != low) & (finite != high)]
            if between.numel():
                self.two |= {float(between[0])}
        if self.masks and clean and bool((finite != 0).any()):
            self.masks = False

    def read(self, lasting: Callable[[list[int], float], list[int]] | None = None) -> FieldFacts:
        """What was seen so far.

        Args:
            lasting: which rows of those that are blank are so whenever they are read, given the
                spread of all values too; None to count all of them.
        """
        channels = self._channels.read() if self._channels else None
        kind = self._kind()
        stats = np.concatenate(self.per_sample) if self.per_sample else np.zeros((0, 4), np.float32)
        blank = self._blank(kind, stats)
        if blank and lasting is not None and channels is not None:
            blank = lasting(blank, float(np.nanmax(channels.maximum) - np.nanmin(channels.minimum)))
        dead: tuple[int, ...] = ()
        if kind in ("image", "dense") and channels is not None:
            dead = _dead(channels, self.samples)
        filled = self.padding.read()
        return FieldFacts(
            name=self.name, role=self.role, dtype=self.dtype, shape=tuple(self.shape or ()),
            kind=kind, layout=self.layout if kind == "image" else "",
            samples=self.samples, values=self.values, channels=channels,
            whole=self.whole / max(self.finite, 1), zeros=self.zeros / max(self.finite, 1),
            nan=self.nan, inf=self.inf, nan_samples=self.nan_samples,
            inf_samples=self.inf_samples, nan_at=tuple(self.nan_at), inf_at=tuple(self.inf_at),
            mask=self.masks and self.inf > 0 and self.nan == 0,
            partial_nan=self.partial_nan and self.nan > 0,
            constant=len(blank), constant_at=tuple(self.places[row] for row in blank[:_NAMED]),
            dead_channels=dead, padding=filled[0], padded=filled[1], empty_rows=filled[2],
            correlated=channels is not None and len(channels.mean) == 3 and _same(channels),
        )  # fmt: skip

    def _blank(self, kind: FieldKind, stats: NDArray[np.float32]) -> list[int]:
        """Rows with one value only, or nearly, where that is odd."""
        size = self.values / max(self.samples, 1)
        single = len(self.two) == 1 and size >= _ROOMY
        if kind == "image" or (kind == "dense" and (size >= _LONG or single)):
            within = np.concatenate(self.within) if self.within else np.zeros(0)
            # Where all are of one colour each, the colours are what there is to see.
            spread = within if (within > 0).any() else stats[:, 1]
            return [int(row) for row in np.flatnonzero(constant_samples(spread))]
        return []

    def _kind(self) -> FieldKind:
        if not self.samples or not self.finite:
            return "other"
        spatial = self.layout != ""
        whole = self.whole == self.finite
        floating = not _is_integer(self.dtype)
        if len(self.two) == 1 and floating and self.values >= _ROOMY * self.samples:
            return "image" if spatial else "dense"  # all blank, which is no mask
        if len(self.two) <= 2 and self.two <= {0.0, 1.0, -1.0}:
            return "binary"
        if len(self.two) <= 2 and not spatial:
            return "binary"
        if spatial and (floating or self.dtype == "uint8" or self.highest > _BRIGHT):
            return "image"
        if whole:
            return "tokens" if _is_integer(self.dtype) else "integers"
        return "tabular" if len(self.shape or ()) == 1 else "dense"


def layout_of(values: Tensor) -> Layout:
    """Where the channels of images (N, …) are; empty for what does not look like images."""
    if values.ndim != 4 or not values.numel():
        return ""
    _, first, middle, last = values.shape
    if first in (1, 3, 4) and min(middle, last) >= _SMALLEST_SIDE:
        return "channels-first"
    if last not in (1, 3, 4) or min(first, middle) < _SMALLEST_SIDE:
        return ""
    return "channels-last" if first == middle or _is_smooth(values) else ""


def _is_smooth(values: Tensor) -> bool:
    """Whether neighbours along axes 1 and 2 are alike, as pixels are."""
    numbers = _floats(values[:8])
    for axis in (1, 2):
        length = numbers.shape[axis] - 1
        here, there = numbers.narrow(axis, 0, length), numbers.narrow(axis, 1, length)
        spread = float(numbers.var()) * 2
        if not spread > 0 or float((here - there).square().mean()) > 0.5 * spread:
            return False
    return True


def constant_samples(spread: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """(N,) which samples have one value only, or nearly, by the deviation of each."""
    typical = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
    found: NDArray[np.bool_] = spread <= _NEARLY * typical
    return found


def _of_samples(rows: Tensor, clean: bool) -> NDArray[np.float32]:
    """(N, 4): mean, deviation, minimum and maximum of each sample's finite values.

    The deviation of a sample without any is NaN, so that it is not taken for a blank one.
    """
    empty = None
    if not clean:
        finite = rows.isfinite()
        count = finite.sum(1, keepdim=True).clamp(min=1)
        middle = rows.where(finite, torch.zeros_like(rows)).sum(1, keepdim=True) / count
        rows = rows.where(finite, middle)
        empty = ~finite.any(1)
    low, high = rows.aminmax(dim=1)
    std, mean = torch.std_mean(rows, dim=1, correction=0)
    std = torch.where(low == high, torch.zeros_like(std), std)
    if empty is not None:
        std = std.masked_fill(empty, math.nan)
    return torch.stack([mean, std, low, high], 1).float().numpy()


def _by_channel(numbers: Tensor, layout: Layout) -> Tensor:
    """(N, C, M): the values with their channels apart; C is 1 where there are none."""
    if layout == "channels-last":
        numbers = numbers.movedim(-1, 1)
    if numbers.ndim >= 2 and numbers.shape[1] <= _MOST_CHANNELS and (layout or numbers.ndim != 3):
        return numbers.reshape(len(numbers), numbers.shape[1], -1)
    return numbers.reshape(len(numbers), 1, -1)


class _ChannelMoments:
    """Mean, deviation and range of each channel, merged batch by batch in float64."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = np.zeros(count)
        self.mean, self.squares = np.zeros(count), np.zeros(count)
        self.low, self.high = np.full(count, math.inf), np.full(count, -math.inf)
        few = count if count <= _FEW else 0
        self.detailed = [MomentAccumulator(detailed=True) for _ in range(few)]

    def add(self, values: Tensor, clean: bool) -> None:
        """Adds (N, C, M)."""
        for channel, each in enumerate(self.detailed):
            each.update(values[:, channel].reshape(-1))
        flat = values.movedim(1, 0).reshape(self.count, -1).double()
        finite = flat.isfinite() if not clean else torch.ones((), dtype=torch.bool)
        count = finite.sum(1).numpy() if not clean else np.full(self.count, flat.shape[1])
        kept = flat if clean else flat.where(finite, torch.zeros_like(flat))
        mean = kept.sum(1).numpy() / np.maximum(count, 1)
        about = kept - torch.from_numpy(mean)[:, None]
        about = about if clean else about.where(finite, torch.zeros_like(flat))
        squares = about.square().sum(1).numpy()
        low = flat if clean else flat.where(finite, torch.full_like(flat, math.inf))
        high = flat if clean else flat.where(finite, torch.full_like(flat, -math.inf))
        self.low = np.minimum(self.low, low.amin(1).numpy())
        self.high = np.maximum(self.high, high.amax(1).numpy())
        self._merge(count, mean, squares)

    def _merge(
        self, count: NDArray[np.int64], mean: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> None:
        """Chan, Golub and LeVeque 1983, equation 2.1, for each channel."""
        total = np.maximum(self.seen + count, 1)
        with np.errstate(over="ignore", invalid="ignore"):
            delta = mean - self.mean
            self.squares += squares + delta**2 * self.seen * count / total
            self.mean += delta * count / total
        self.seen += count

    def joined(self) -> _ChannelMoments:
        """The same values as one channel, once the number of channels has changed."""
        one = _ChannelMoments(1)
        one.detailed = []
        for channel in range(self.count):
            part = slice(channel, channel + 1)
            one._merge(self.seen[part].astype(np.int64), self.mean[part], self.squares[part])
        one.low, one.high = self.low.min(keepdims=True), self.high.max(keepdims=True)
        return one

    def read(self) -> Channels:
        """The statistics so far."""
        some = self.seen > 0
        blank = np.where(some, 0.0, math.nan)
        counts = edges = None
        if self.detailed and some.all():
            drawn = [each.histogram(_BINS) for each in self.detailed]
            if len({len(each) for each, _ in drawn}) == 1:
                counts = np.stack([each for each, _ in drawn])
                edges = np.stack([each for _, each in drawn])
        return Channels(
            self.mean + blank, np.sqrt(self.squares / np.maximum(self.seen, 1)) + blank,
            np.where(some, self.low, math.nan), np.where(some, self.high, math.nan),
            counts, edges,
        )  # fmt: skip


class _Padding:
    """Which id fills the ends of token rows, and how much of them."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}
        self.rows = self.values = 0
        self.filled: dict[int, int] = {}
        self.empty: dict[int, int] = {}

    def add(self, rows: Tensor) -> None:
        """Adds (N, T) ids."""
        if rows.ndim != 2 or rows.shape[1] < 2 or rows.is_floating_point():
            return
        self.rows += len(rows)
        self.values += rows.numel()
        for end, before in ((-1, -2), (0, 1)):
            last = rows[:, end]
            repeated = last == rows[:, before]
            same = (rows == last[:, None]).long()
            run = (same.flip(1) if end == -1 else same).cumprod(1).sum(1)
            for value, length in zip(last[repeated].tolist(), run[repeated].tolist(), strict=True):
                self.ends[value] = self.ends.get(value, 0) + 1
                if length == rows.shape[1]:
                    self.empty[value] = self.empty.get(value, 0) + (end == -1)
                    length = length if end == -1 else 0
                self.filled[value] = self.filled.get(value, 0) + length

    def read(self) -> tuple[int | None, float, int]:
        """The padding id (None where there is none), its share of the values, rows of it alone."""
        if not self.ends:
            return None, 0.0, 0
        value = max(self.ends, key=lambda each: self.ends[each])
        if self.ends[value] < max(0.05 * self.rows, 2):
            return None, 0.0, 0
        return value, self.filled[value] / self.values, self.empty.get(value, 0)


def _dead(channels: Channels, samples: int) -> tuple[int, ...]:
    """Channels of one value while others vary; a constant fourth channel is an alpha channel."""
    count = len(channels.mean)
    if not 2 <= count <= 16 or samples < 8:
        return ()
    still = channels.minimum == channels.maximum
    if still.all() or (count == 4 and still.tolist() == [False, False, False, True]):
        return ()
    return tuple(np.flatnonzero(still).tolist())


def _same(channels: Channels) -> bool:
    if not np.isfinite(channels.mean).all():
        return False
    spread = float(np.nanmax(channels.std))
    near: Sequence[NDArray[np.float64]] = (channels.mean, channels.std, channels.minimum)
    return all(
        float(np.nanmax(each) - np.nanmin(each)) <= 1e-6 * max(spread, 1e-12) for each in near
    )


def _floats(values: Tensor) -> Tensor:
    wide = values.dtype in (torch.int64, torch.int32)
    return values.to(torch.float64 if wide else torch.float32)


def _is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool"))
