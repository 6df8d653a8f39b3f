"""A log as columns of numbers with gaps, before anybody asks what they mean."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from netdoctor.inputs.training_logs.numbers import Floats, Integers, number

_DEEPEST = 12


@dataclasses.dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a column that hold a number.

    Attributes:
        rows: (n,) int64, ascending: the row of each cell.
        values: (n,) float64.
    """

    rows: Integers
    values: Floats

    def within(self, first: int, end: int) -> Cells:
        """Those of the rows from `first` to before `end`."""
        low, high = np.searchsorted(self.rows, [first, end])
        return Cells(self.rows[low:high], self.values[low:high])

    def at(self, rows: Integers) -> Floats:
        """(m,) the value in each of those rows; NaN where there is none."""
        if not len(self.rows):
            return np.full(len(rows), np.nan)
        places = np.minimum(np.searchsorted(self.rows, rows), len(self.rows) - 1)
        found: Floats = np.where(self.rows[places] == rows, self.values[places], np.nan)
        return found


@dataclasses.dataclass(frozen=True, slots=True)
class Sheet:
    """One log file, or one run of it where the file tells its runs apart.

    Attributes:
        format: what it was recognised as.
        columns: its numbers, by the column's name.
        words: by column's name the word in each row, for the few columns that say which run or
            which split a row belongs to; empty where there is none.
        height: number of rows.
        name: of the run.
        notes: how it was read.
    """

    format: str
    columns: Mapping[str, Cells]
    height: int
    words: Mapping[str, list[str]] = dataclasses.field(default_factory=dict)
    name: str = ""
    notes: tuple[str, ...] = ()

    def replace(self, **changes: Any) -> Sheet:
        """A copy with these fields changed."""
        return dataclasses.replace(self, **changes)


class Builder:
    """Collects records, each a row, into a sheet."""

    def __init__(self) -> None:
        self._rows: dict[str, list[int]] = {}
        self._values: dict[str, list[float]] = {}
        self._words: dict[str, dict[int, str]] = {}
        self.height = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Adds a row: numbers, texts that are numbers, and mappings of them; the rest is left."""
        for key, value in flat(record):
            if isinstance(value, str):
                read = number(value)
                if read is None:
                    self._words.setdefault(key, {})[self.height] = value.strip()
                    continue
                value = read
            try:
                plain = float(value)
            except OverflowError:
                plain = math.inf
            if key not in self._rows:
                self._rows[key], self._values[key] = [], []
            self._rows[key].append(self.height)
            self._values[key].append(plain)
        self.height += 1

    def sheet(self, format: str, *notes: str, name: str = "") -> Sheet:
        """What was collected."""
        columns = {
            key: Cells(np.array(rows, np.int64), np.array(self._values[key], np.float64))
            for key, rows in self._rows.items()
        }
        words = {
            key: [told.get(row, "") for row in range(self.height)]
            for key, told in self._words.items()
            if key not in columns and len(set(told.values())) <= 64
        }
        return Sheet(format, columns, self.height, words, name, notes)


def flat(record: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    """The numbers and texts of a record, of mappings within it as `outer/inner`."""
    for key, value in record.items():
        name = f"{prefix}{str(key).strip()}"
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            yield name, value
        elif isinstance(value, Mapping) and depth < _DEEPEST:
            yield from flat(value, f"{name}/", depth + 1)
        elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], int | float):
            yield name, value[0]


def from_lists(lists: Mapping[str, list[Any]], format: str, name: str = "") -> Sheet:
    """A sheet of columns that are given whole."""
    columns = {}
    for key, values in lists.items():
        read = [_plain(value) for value in values]
        rows = [row for row, value in enumerate(read) if value is not None]
        kept = [value for value in read if value is not None]
        if kept:
            columns[key] = Cells(np.array(rows, np.int64), np.array(kept, np.float64))
    return Sheet(format, columns, max(map(len, lists.values()), default=0), name=name)


def from_points(
    series: Mapping[str, tuple[Floats, Floats]], format: str, key: str = "step", name: str = ""
) -> Sheet:
    """A sheet of series that have an x each: (n,) x and (n,) y; of an x twice the last counts."""
    steps = np.unique(np.concatenate([x for x, _ in series.values()])) if series else np.zeros(0)
    columns = {key: Cells(np.arange(len(steps)), steps)}
    for label, (x, y) in series.items():
        _, last = np.unique(x[::-1], return_index=True)
        last = len(x) - 1 - last
        columns[label] = Cells(np.searchsorted(steps, x[last]).astype(np.int64), y[last])
    return Sheet(format, columns, len(steps), name=name)


def _plain(value: Any) -> float | None:
    if isinstance(value, str):
        return number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
