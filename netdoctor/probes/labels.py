"""What the targets are: their kind, range, classes and balance, added up batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.loader import LabelFacts, LabelKind
from netdoctor.probes.batch_fields import Field

IGNORED = -100  # what cross-entropy leaves out unless told otherwise
_VOID = (255, -1)  # what masks and sequences usually call the same
_MOST_VALUES = 20_000
_FEW = 200  # different values up to which regression targets are counted
_NAMED = 8


class LabelScan:
    """The targets of all batches, of which only counts and class indices are kept."""

    def __init__(self, field: Field) -> None:
        self.name, self.dtype = field.name, field.kind
        self.kind: LabelKind | None = None
        self.shape: list[int | None] | None = None
        self.samples = 0
        self.counts: Counter[int] = Counter()
        self.positives: Counter[int] = Counter()  # by column of rows of 0 and 1
        self.distinct: set[float] | None = set()
        self.low, self.high = np.inf, -np.inf
        self.whole = True
        self.one_hot = self.rows_sum_to_one = self.two_values = True
        self.sequence: list[NDArray[np.int64]] = []
        self.keys: list[NDArray[np.uint64]] = []
        self.first_seen: dict[int, list[str]] = {}

    def add(
        self, field: Field, names: Callable[[int], str], inputs: Sequence[tuple[int, ...]]
    ) -> None:
        """Adds a batch's targets.

        Args:
            field: the targets.
            names: of the samples by their place in the batch.
            inputs: shapes of the batch's inputs, without the batch axis.
        """
        values = field.values
        if isinstance(values, list) and values and isinstance(values[0], str):
            self.kind = "text"
            self.samples += len(values)
            self.keys.append(np.array([_key(str(each).encode()) for each in values], np.uint64))
            return
        if not isinstance(values, Tensor):
            self._add_ragged(values if isinstance(values, list) else [])
            return
        values = values if values.ndim else values.view(1)
        self.samples += len(values)
        self._merge_shape(list(values.shape[1:]))
        self.keys.append(_keys(values))
        if not values.numel():
            return
        if self.kind is None:
            self.kind = _kind(values, inputs)
        self._range(values)
        if self.kind in ("class", "mask", "sequence"):
            self._count(values, names)
        elif values.ndim == 2:
            self._rows(values)
        else:
            self._distinct(values)

    def _add_ragged(self, values: Sequence[Tensor | str]) -> None:
        """Targets of several shapes, such as a detector's boxes: only counted."""
        self.kind = self.kind or "other"
        self.samples += len(values)
        tensors = [each for each in values if isinstance(each, Tensor)]
        self.keys.append(np.array([_key(each.numpy().tobytes()) for each in tensors], np.uint64))
        for each in tensors:
            if each.numel():
                self._range(each)

    def _merge_shape(self, shape: list[int]) -> None:
        if self.shape is None or len(self.shape) != len(shape):
            self.shape = list(shape)
        else:
            both = zip(self.shape, shape, strict=True)
            self.shape = [a if a == b else None for a, b in both]

    def _range(self, values: Tensor) -> None:
        numbers = values.double()
        finite = numbers[numbers.isfinite() & (numbers != IGNORED)]
        if finite.numel():
            self.low = min(self.low, float(finite.min()))
            self.high = max(self.high, float(finite.max()))
            self.whole = self.whole and bool((finite == finite.round()).all())

    def _count(self, values: Tensor, names: Callable[[int], str]) -> None:
        numbers = values.reshape(len(values), -1).long()
        if self.kind == "class":
            self.sequence.append(numbers[:, 0].numpy())
        found, counts = torch.unique(numbers, return_counts=True)
        for value, count in zip(found.tolist(), counts.tolist(), strict=True):
            if len(self.counts) < _MOST_VALUES or value in self.counts:
                self.counts[value] += count
            seen = self.first_seen.setdefault(value, [])
            if len(seen) < _NAMED and len(self.first_seen) <= _MOST_VALUES:
                rows = (numbers == value).any(1).nonzero().flatten().tolist()
                seen += [names(row) for row in rows[: _NAMED - len(seen)]]

    def _rows(self, values: Tensor) -> None:
        """Targets (N, K): one-hot, several labels each, soft labels or numbers."""
        numbers = values.double()
        self.two_values = self.two_values and bool(((numbers == 0) | (numbers == 1)).all())
        sums = numbers.sum(1)
        fits = bool(((sums - 1).abs() < 1e-3).all()) and bool((numbers >= 0).all())
        self.rows_sum_to_one = self.rows_sum_to_one and fits
        self.one_hot = self.two_values and self.rows_sum_to_one
        if self.two_values:
            self.positives.update(dict(enumerate((numbers > 0).sum(0).tolist())))
        if self.one_hot and values.shape[1] > 1:
            index = numbers.argmax(1)
            self.sequence.append(index.numpy())
            self.counts.update(index.tolist())

    def _distinct(self, values: Tensor) -> None:
        if self.distinct is None or values.ndim != 1:
            self.distinct = None
            return
        self.distinct |= set(torch.unique(values.double()).tolist())
        if len(self.distinct) > _FEW:
            self.distinct = None
        elif self.whole:
            index = values.double()[values.isfinite()].round().long()
            self.counts.update(index.tolist())
            self.sequence.append(index.numpy())

    def key_of(self) -> NDArray[np.uint64]:
        """(N,) a number for each target; equal targets have equal ones."""
        return np.concatenate(self.keys) if self.keys else np.zeros(0, np.uint64)

    def indices(self) -> NDArray[np.int64]:
        """(N,) class indices in the order in which they came; empty for other targets."""
        if self._settled() not in ("class", "one-hot") or not self.sequence:
            return np.zeros(0, np.int64)
        return np.concatenate(self.sequence)

    def _settled(self) -> LabelKind:
        shape = self.shape or []
        if self.kind in (None, "regression") and len(shape) == 1 and shape[0] != 1:
            if self.one_hot:
                return "one-hot"
            if self.two_values:
                return "multi-label"
            return "soft" if self.rows_sum_to_one else "regression"
        return self.kind or "other"

    def read(self, classes: int | None = None, classes_from: str = "") -> LabelFacts:
        """What was seen so far.

        Args:
            classes: how many there are; None where nobody says.
            classes_from: who says so.
        """
        kind = self._settled()
        counts, ignored = dict(sorted(self.counts.items())), {}
        if kind in ("class", "mask", "sequence"):
            void = _VOID if kind != "class" else ()
            taken = [each for each in void if each in counts and _is_void(each, counts, classes)]
            ignored = {value: counts.pop(value) for value in (IGNORED, *taken) if value in counts}
        elif kind == "multi-label":
            counts = dict(self.positives)
        elif kind not in ("one-hot", "regression"):
            counts = {}
        some = np.isfinite(self.low)
        low, high = (float(self.low), float(self.high)) if some else (None, None)
        if counts and kind in ("class", "mask", "sequence"):
            low, high = float(min(counts)), float(max(counts))
        most = np.inf if classes is None or kind == "sequence" else classes
        bad = [name for value in counts if not 0 <= value < most for name in self._named(value)]
        return LabelFacts(
            field=self.name, kind=kind, dtype=self.dtype, shape=tuple(self.shape or ()),
            samples=self.samples, counts=counts, ignored=ignored, classes=classes,
            classes_from=classes_from,
            distinct=len(self.distinct) if kind == "regression" and self.distinct else None,
            whole=self.whole and some, minimum=low, maximum=high,
            bad_at=tuple(bad[:_NAMED]), column=kind == "class" and self.shape == [1],
        )  # fmt: skip

    def _named(self, value: int) -> list[str]:
        return self.first_seen.get(value, [])


def _kind(values: Tensor, inputs: Sequence[tuple[int, ...]]) -> LabelKind | None:
    """The kind of the first targets; None for rows, of which only all of them tell."""
    shape = tuple(values.shape[1:])
    if values.is_floating_point():
        if len(shape) == 1 and shape[0] > 1:
            return None
        return "regression"
    if shape in ((), (1,)):
        return "class"
    if len(shape) == 1:
        return "sequence" if shape in inputs or int(values.max()) > 1 else None
    return "mask"


def _is_void(value: int, counts: dict[int, int], classes: int | None) -> bool:
    """Whether 255 or -1 is the mark of what is to be left out, not a class of its own."""
    if classes is not None and 0 <= value < classes:
        return False
    others = [each for each in counts if each not in (value, IGNORED)]
    if value == 255:
        return max(others, default=255) < 200 and sorted(others) != [0]
    return bool(others)


def _keys(values: Tensor) -> NDArray[np.uint64]:
    rows = values.flatten(1).contiguous() if values.ndim > 1 else values[:, None]
    if rows.dtype is torch.bfloat16:
        rows = rows.float()
    return np.array([_key(row.tobytes()) for row in rows.numpy()], np.uint64)


def _key(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
