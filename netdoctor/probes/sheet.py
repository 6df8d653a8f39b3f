"""Which samples a contact sheet shows: odd ones and ordinary ones, kept while batches pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from netdoctor.facts.loader import Shown
from netdoctor.facts.loader_fields import Layout

_LARGEST = 96  # pixels a side of a shown sample
_ORDINARY = 24
_OF_A_KIND = 4
_FAR = 6.0  # robust deviations from the median from which a sample is odd


class SheetScan:
    """A few ordinary samples, those with something wrong, and the extremes of mean and contrast."""

    def __init__(self) -> None:
        self._ordinary: list[Shown] = []
        self._wrong: dict[str, list[Shown]] = {}
        self._ends: dict[tuple[int, int], list[tuple[float, Shown]]] = {}
        self._stats: list[NDArray[np.float32]] = []

    def add(
        self,
        values: Tensor,
        layout: Layout,
        stats: NDArray[np.float32],
        names: Callable[[int], str],
        labels: Callable[[int], str],
        *,
        clean: bool = False,
    ) -> None:
        """Adds a batch.

        Args:
            values: (N, …) of the field to show.
            layout: of its images.
            stats: (N, 4) mean, deviation, minimum and maximum of each sample.
            names: of the samples by their place in the batch.
            labels: in a few characters, likewise.
            clean: whether all values are known to be finite.
        """
        self._stats.append(stats)

        def shown(row: int, why: str = "") -> Shown | None:
            picture = picture_of(values[row], layout)
            return None if picture is None else Shown(picture, names(row), labels(row), why)

        step = max(len(values) // 6, 1)
        for row in range(0, len(values), step):
            if len(self._ordinary) < _ORDINARY and (made := shown(row)):
                self._ordinary.append(made)
        flat = values.reshape(len(values), -1)
        finite = np.ones(len(values), bool) if clean else flat.isfinite().all(1).numpy()
        self._add_wrong("NaN or Inf", np.flatnonzero(~finite), shown)
        self._add_wrong("constant", np.flatnonzero(finite & (stats[:, 1] == 0)), shown)
        for column in (0, 1):
            for sign in (-1, 1):
                self._add_end(column, sign, stats, shown)

    def _add_wrong(self, why: str, rows: NDArray[np.intp], shown: Any) -> None:
        kept = self._wrong.setdefault(why, [])
        for row in rows.tolist():
            if len(kept) < _OF_A_KIND and (made := shown(row, why)):
                kept.append(made)

    def _add_end(self, column: int, sign: int, stats: NDArray[np.float32], shown: Any) -> None:
        kept = self._ends.setdefault((column, sign), [])
        rows = np.argsort(-sign * stats[:, column], kind="stable")[:_OF_A_KIND].tolist()
        least = min((value for value, _ in kept), default=-np.inf)
        for row in rows:
            value = float(sign * stats[row, column])
            wanted = stats[row, 1] > 0 and (len(kept) < _OF_A_KIND or value > least)
            if wanted and (made := shown(row)):
                kept.append((value, made))
        kept.sort(key=lambda each: -each[0])
        del kept[_OF_A_KIND:]

    def read(self) -> tuple[Shown, ...]:
        """The odd samples with what is odd about them, then the ordinary ones."""
        odd = [each for kept in self._wrong.values() for each in kept]
        stats = np.concatenate(self._stats) if self._stats else np.zeros((0, 4), np.float32)
        words = {(0, -1): "dark", (0, 1): "bright", (1, -1): "flat", (1, 1): "high contrast"}
        for (column, sign), kept in self._ends.items():
            values = stats[:, column]
            middle = float(np.median(values)) if len(values) else 0.0
            width = 1.4826 * float(np.median(np.abs(values - middle))) if len(values) else 0.0
            for value, each in kept:
                if width > 0 and abs(sign * value - middle) > _FAR * width:
                    odd.append(Shown(each.picture, each.name, each.label, words[column, sign]))
        once = {each.name: each for each in odd[::-1]}
        first = [each for each in odd if once[each.name] is each]
        return (*first, *(each for each in self._ordinary if each.name not in once))


def picture_of(sample: Tensor, layout: Layout) -> NDArray[np.float32] | None:
    """A sample as (H, W) or (H, W, 3), at most 96 pixels a side; None for what is no picture."""
    values = sample.detach().float()
    if layout == "channels-last":
        values = values.movedim(-1, 0)
    if values.ndim == 2:
        values = values.unsqueeze(0)
    if values.ndim != 3 or min(values.shape[1:]) < 4:
        return None
    values = values[:3] if values.shape[0] in (3, 4) else values[:1]
    height, width = values.shape[1:]
    factor = max(height, width) / _LARGEST
    if factor > 1:
        values = adaptive_avg_pool2d(
            values, (max(round(height / factor), 1), max(round(width / factor), 1))
        )
    picture: NDArray[np.float32] = values.movedim(0, -1).numpy()
    return picture[..., 0] if picture.shape[-1] == 1 else picture
