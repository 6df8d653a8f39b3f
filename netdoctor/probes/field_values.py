"""What the values of one field of the batches look like, added up batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.loader_fields import Channels, FieldFacts, FieldKind, Layout
from netdoctor.probes.batch_fields import Field, Role
from netdoctor.probes.channel_moments import ChannelMoments
from netdoctor.probes.image_layout import floats, layout_of
from netdoctor.probes.row_statistics import RowStatistics, row_statistics
from netdoctor.probes.token_padding import Padding

_NAMED = 8
_MOST_CHANNELS = 4096
_NEARLY = 1e-5  # of the field's deviation: a sample that varies less is nearly constant
_FAR = 20  # times the usual deviation: a sample at another scale
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
        self._names: list[tuple[Callable[[int], str], int]] = []
        self.highest = -math.inf
        self.padding = Padding()
        self._channels: ChannelMoments | None = None

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
        numbers = floats(values)
        rows = numbers.reshape(len(numbers), -1)
        by_channel = _by_channel(numbers, self.layout)
        if self._channels is None:
            self._channels = ChannelMoments(by_channel.shape[1])
        if self._channels.count != by_channel.shape[1]:
            self._channels = self._channels.joined()
            by_channel = by_channel.reshape(len(by_channel), 1, -1)
        found = row_statistics(by_channel)
        if not found.clean:
            self._set_aside(rows, names, first)
        self._notice(rows, found)
        self.per_sample.append(found.of_samples())
        self._names.append((names, first))
        # Black is another value in each channel once it is normalised.
        apart = bool(self.layout) and by_channel.shape[1] > 1 and found.clean
        self.within.append(found.largest_deviation() if apart else self.per_sample[-1][:, 1])
        self._channels.add(by_channel, found)

    def _merge_shape(self, shape: list[int]) -> None:
        if self.shape is None:
            self.shape = list(shape)
        elif len(self.shape) != len(shape):
            self.shape = [None] * max(len(self.shape), len(shape))
        else:
            pairs = zip(self.shape, shape, strict=True)
            self.shape = [a if a == b else None for a, b in pairs]

    def _set_aside(self, rows: Tensor, names: Callable[[int], str], first: int) -> None:
        """Counts what is not finite."""
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

    def _notice(self, rows: Tensor, found: RowStatistics) -> None:
        self.finite += found.finite
        self.whole += found.whole
        self.zeros += found.zeros
        if not found.finite:
            return
        low, high = float(found.low.min()), float(found.high.max())
        self.highest = max(self.highest, high)
        if len(self.two) <= 2:
            self.two |= {low, high}
            between = rows[(rows != low) & (rows != high) & rows.isfinite()]
            if between.numel():
                self.two |= {float(between[0])}
        if self.masks and found.clean and found.zeros < found.finite:
            self.masks = False

    def _name(self, row: int) -> str:
        """Of the sample in that row of all that were seen."""
        for (names, first), stats in zip(self._names, self.per_sample, strict=True):
            if row < len(stats):
                return names(first + row)
            row -= len(stats)
        return str(row)

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
        typical, far = _far(stats[:, 1])
        return FieldFacts(
            name=self.name, role=self.role, dtype=self.dtype, shape=tuple(self.shape or ()),
            kind=kind, layout=self.layout if kind == "image" else "",
            samples=self.samples, values=self.values, channels=channels,
            whole=self.whole / max(self.finite, 1), zeros=self.zeros / max(self.finite, 1),
            nan=self.nan, inf=self.inf, nan_samples=self.nan_samples,
            inf_samples=self.inf_samples, nan_at=tuple(self.nan_at), inf_at=tuple(self.inf_at),
            mask=self.masks and self.inf > 0 and self.nan == 0,
            partial_nan=self.partial_nan and self.nan > 0,
            constant=len(blank), constant_at=tuple(map(self._name, blank[:_NAMED])),
            dead_channels=dead, padding=filled[0], padded=filled[1], empty_rows=filled[2],
            correlated=channels is not None and len(channels.mean) == 3 and _same(channels),
            typical=typical, far=len(far),
            far_deviation=float(stats[far, 1].min()) if far else math.nan,
            far_at=tuple(map(self._name, far[:_NAMED])),
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


def _far(deviations: NDArray[np.float32]) -> tuple[float, list[int]]:
    """The median of the samples' deviations, and the rows that are at another scale."""
    some = deviations[np.isfinite(deviations) & (deviations > 0)]
    if not len(some):
        return math.nan, []
    typical = float(np.median(some))
    return typical, np.flatnonzero(deviations > _FAR * typical).tolist()


def constant_samples(spread: NDArray[np.floating[Any]]) -> NDArray[np.bool_]:
    """(N,) which samples have one value only, or nearly, by the deviation of each."""
    typical = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
    found: NDArray[np.bool_] = spread <= _NEARLY * typical
    return found


def _by_channel(numbers: Tensor, layout: Layout) -> Tensor:
    """(N, C, M): the values with their channels apart; C is 1 where there are none."""
    if layout == "channels-last":
        numbers = numbers.movedim(-1, 1)
    if numbers.ndim >= 2 and numbers.shape[1] <= _MOST_CHANNELS and (layout or numbers.ndim != 3):
        return numbers.reshape(len(numbers), numbers.shape[1], -1)
    return numbers.reshape(len(numbers), 1, -1)


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


def _is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint", "bool"))
