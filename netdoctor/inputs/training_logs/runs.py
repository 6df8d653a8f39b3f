"""One sheet into its runs: by a column that names them, by a label that starts anew."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from netdoctor.inputs.training_logs.names import meaning, split_of
from netdoctor.inputs.training_logs.numbers import Floats, Integers
from netdoctor.inputs.training_logs.sheet import Cells, Sheet

_RUN_COLUMNS = ("run", "run_id", "run id", "runid", "run_name", "run name", "run_uuid", "trial",
                "trial_id", "fold", "seed", "version", "experiment", "name", "id")  # fmt: skip
_TAG_COLUMNS = ("tag", "metric", "key", "variable", "name", "type")
_VALUE_COLUMNS = ("value", "metric_value", "val")
_MOST_RUNS = 64


def runs_of(sheet: Sheet) -> list[Sheet]:
    """The runs that a sheet holds, each with its own rows."""
    parts = [one for each in _by_column(_by_tag(sheet)) for one in _restarts(_by_split(each))]
    if len(parts) > 1 and not any(part.name for part in parts):
        parts = [part.replace(name=f"run {place}") for place, part in enumerate(parts, 1)]
    return parts


def _taken(sheet: Sheet, rows: Integers) -> dict[str, Cells]:
    """The cells in those rows, which keep their numbers."""
    chosen = np.zeros(sheet.height, bool)
    chosen[rows] = True
    columns = {}
    for name, cells in sheet.columns.items():
        inside = chosen[cells.rows]
        if inside.any():
            columns[name] = Cells(cells.rows[inside], cells.values[inside])
    return columns


def _groups(words: Sequence[str]) -> dict[str, Integers]:
    array = np.array(words)
    return {str(word): np.flatnonzero(array == word) for word in dict.fromkeys(words)}


def _by_tag(sheet: Sheet) -> Sheet:
    """A long table, `tag, step, value`, made wide."""
    lower = {name.lower(): name for name in sheet.columns}
    value = next((lower[name] for name in _VALUE_COLUMNS if name in lower), None)
    tag = next((name for name in sheet.words if name.lower() in _TAG_COLUMNS), None)
    if value is None or tag is None:
        return sheet
    columns = {name: cells for name, cells in sheet.columns.items() if name != value}
    for word, rows in _groups(sheet.words[tag]).items():
        part = _taken(sheet, rows).get(value)
        if word and part is not None:
            columns[word] = part
    words = {name: told for name, told in sheet.words.items() if name != tag}
    return sheet.replace(columns=columns, words=words)


def _by_split(sheet: Sheet) -> Sheet:
    """Rows that are marked train or val become columns `train/loss` and `val/loss`."""
    for name, told in sheet.words.items():
        words = {word for word in told if word}
        if not words or not all(map(split_of, words)):
            continue
        columns = {
            key: cells for key, cells in sheet.columns.items()
            if meaning(key).kind in ("epoch", "step")
        }  # fmt: skip
        for word, rows in _groups(told).items():
            for key, cells in _taken(sheet, rows).items():
                if key not in columns:
                    columns[f"{word}/{key}" if word else key] = cells
        rest = {key: each for key, each in sheet.words.items() if key != name}
        return sheet.replace(columns=columns, words=rest)
    return sheet


def _by_column(sheet: Sheet) -> list[Sheet]:
    """The runs that a column of names, or of small whole numbers such as folds, tells apart."""
    for name, told in sheet.words.items():
        groups = {word: rows for word, rows in _groups(told).items() if word}
        if name.lower() in _RUN_COLUMNS and 1 < len(groups) <= _MOST_RUNS:
            rest = {key: each for key, each in sheet.words.items() if key != name}
            return [
                sheet.replace(columns=_taken(sheet, rows), words=rest, name=word)
                for word, rows in groups.items()
            ]
    for name, cells in sheet.columns.items():
        if name.lower() not in _RUN_COLUMNS or len(cells.rows) < sheet.height:
            continue
        values = np.unique(cells.values)
        whole = (values == np.round(values)).all()
        if not (whole and 1 < len(values) <= min(_MOST_RUNS, sheet.height // 3)):
            continue
        parts = []
        for value in values:
            columns = _taken(sheet, cells.rows[cells.values == value])
            del columns[name]
            label = f"{name} {int(value)}"
            parts.append(sheet.replace(columns=columns, words=_cut(sheet.words), name=label))
        return parts
    return [sheet]


def _cut(words: Mapping[str, list[str]]) -> dict[str, list[str]]:
    return {name: told for name, told in words.items() if any(map(split_of, told))}


def label_columns(columns: Mapping[str, Cells]) -> tuple[str | None, str | None]:
    """The columns of the epoch and of the step; None where there is none."""
    epochs = [name for name in columns if meaning(name).kind == "epoch"]
    steps = [name for name in columns if meaning(name).kind == "step"]
    epoch = max(epochs, key=lambda name: len(columns[name].rows), default=None)
    step = min(steps, key=lambda name: (meaning(name).rank, name), default=None)
    return epoch, step


def reference(columns: Mapping[str, Cells]) -> str | None:
    """The loss with the most points; else the series with the most."""
    losses = [name for name in columns if meaning(name).kind == "loss"]
    others = [name for name in columns if meaning(name).kind not in ("epoch", "step")]
    return max(losses or others, key=lambda name: len(columns[name].rows), default=None)


def _restarts(sheet: Sheet) -> list[Sheet]:
    """Runs that were appended to one another: the label falls back to where it began."""
    epoch, step = label_columns(sheet.columns)
    key, main = epoch or step, reference(sheet.columns)
    if key is None or main is None:
        return [sheet]
    labels, cells = sheet.columns[key], sheet.columns[main]
    x = labels.at(cells.rows)
    known = np.isfinite(x)
    x, y, rows = x[known], cells.values[known], cells.rows[known]
    if len(x) < 3:
        return [sheet]
    if (np.diff(x) < 0).all():
        return _restarts(_turned(sheet))
    starts = np.flatnonzero((np.diff(x) < 0) & (x[1:] <= x[0])) + 1
    if not len(starts):
        return [sheet]
    if epoch is None and _is_place_in_epoch(x, starts):
        return [_with_epochs(sheet, [_boundary(labels, rows, at, x[at - 1]) for at in starts])]
    return _parted(sheet, key, x, y, rows, starts)


def _turned(sheet: Sheet) -> Sheet:
    """The rows from the last to the first, of a log whose newest row stands first."""
    columns = {
        name: Cells(sheet.height - 1 - cells.rows[::-1], cells.values[::-1])
        for name, cells in sheet.columns.items()
    }
    words = {name: told[::-1] for name, told in sheet.words.items()}
    note = "the newest row stands first: read from the end"
    return sheet.replace(columns=columns, words=words, notes=(*sheet.notes, note))


def _parted(
    sheet: Sheet, key: str, x: Floats, y: Floats, rows: Integers, starts: Integers
) -> list[Sheet]:
    """The runs; one that goes on where the one before it ended is joined to it."""
    labels = sheet.columns[key]
    bounds = [0, *(_boundary(labels, rows, at, x[at - 1]) for at in starts), sheet.height]
    places = [0, *starts.tolist(), len(x)]
    shifted, joined = labels.values.copy(), 0
    ends: list[int] = [0]
    for number in range(1, len(places) - 1):
        before, after = (
            slice(places[number - 1], places[number]),
            slice(places[number], places[number + 1]),
        )
        if _goes_on(y[before], y[after]):
            inside = slice(*np.searchsorted(labels.rows, [bounds[number], bounds[number + 1]]))
            last = shifted[np.searchsorted(labels.rows, bounds[number]) - 1]
            shifted[inside] += last + 1 - labels.values[inside].min()
            joined += 1
        else:
            ends.append(bounds[number])
    ends.append(sheet.height)
    columns = {**sheet.columns, key: Cells(labels.rows, shifted)}
    notes = (
        (*sheet.notes, f"{key} starts anew where training was resumed: counted on")
        if joined
        else sheet.notes
    )
    parts = []
    for first, end in itertools.pairwise(ends):
        within = {name: cells.within(first, end) for name, cells in columns.items()}
        parts.append({name: cells for name, cells in within.items() if len(cells.rows)})
    if len(parts) == 1:
        return [sheet.replace(columns=parts[0], notes=notes)]
    stem = f"{sheet.name} " if sheet.name else ""
    return [
        sheet.replace(columns=part, notes=notes, name=f"{stem}run {number}")
        for number, part in enumerate(parts, 1)
    ]


def _goes_on(before: Floats, after: Floats) -> bool:
    """Whether the loss begins where it ended before, and not where it began."""
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if len(before) < 2 or not len(after):
        return False
    fall = before[0] - before[-1]
    return bool(fall > 0.05 * abs(before[0]) and after[0] - before[-1] <= 0.25 * fall)


def _boundary(labels: Cells, rows: Integers, at: np.integer[Any], last: float) -> int:
    """The first row of a run: where the label fell, at or before its first loss."""
    low, high = np.searchsorted(labels.rows, [rows[at - 1] + 1, rows[at] + 1])
    fallen = np.flatnonzero(labels.values[low:high] < last)
    return int(labels.rows[low + fallen[0]]) if len(fallen) else int(rows[at])


def _is_place_in_epoch(x: Floats, starts: Integers) -> bool:
    """Whether a step that falls back again and again counts the batches of each epoch."""
    ends = np.append(x[starts - 1], x[-1])
    return len(starts) >= 2 and bool((ends[:-1] == ends[0]).all())


def _with_epochs(sheet: Sheet, bounds: Sequence[int]) -> Sheet:
    rows = np.arange(sheet.height)
    epochs = np.searchsorted(np.array(bounds), rows, side="right").astype(np.float64)
    note = "the step falls back regularly: it counts the batches of an epoch"
    columns = {**sheet.columns, "epoch": Cells(rows, epochs)}
    return dataclasses.replace(sheet, columns=columns, notes=(*sheet.notes, note))
