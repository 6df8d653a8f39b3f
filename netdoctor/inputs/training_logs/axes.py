"""Puts the series of a run on one axis: epochs where it has them, else steps, else rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from netdoctor.facts.curves import Axis
from netdoctor.inputs.training_logs.names import meaning
from netdoctor.inputs.training_logs.numbers import Floats, Integers
from netdoctor.inputs.training_logs.runs import label_columns, reference
from netdoctor.inputs.training_logs.sheet import Cells

_FEW_EPOCHS = 3
_MOST_EPOCHS = 5000


@dataclasses.dataclass(frozen=True, slots=True)
class Points:
    """A series on its axis: (n,) x ascending, (n,) y, (n,) steps or None."""

    x: Floats
    y: Floats
    steps: Floats | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """The axis of a run.

    Attributes:
        axis: what it counts.
        epoch, step: the columns that label the rows, or None.
        spread: whether the points of an epoch lie in (label - 1, label], since the log labels
            several of them with one whole number.
        main: the series by which rows are counted.
    """

    axis: Axis
    epoch: Cells | None
    step: Cells | None
    spread: bool
    main: Cells | None


def scale_of(columns: Mapping[str, Cells]) -> Scale:
    """The axis that fits the run best."""
    epoch_name, step_name = label_columns(columns)
    epoch = columns[epoch_name] if epoch_name else None
    step = columns[step_name] if step_name else None
    name = reference(columns)
    main = columns[name] if name else None
    if epoch is not None and not _tells_epochs(epoch, step, columns):
        epoch = None
    if epoch is not None:
        whole = bool((epoch.values == np.round(epoch.values))[np.isfinite(epoch.values)].all())
        return Scale("epoch", epoch, step, whole and _several_an_epoch(epoch, columns), main)
    if step is not None and _row_is_epoch(columns) and (np.diff(np.unique(step.values)) == 1).all():
        return Scale("epoch", step, None, False, main)
    if step is not None and len(np.unique(step.values)) > 1:
        return Scale("step", None, step, False, main)
    axis: Axis = "epoch" if _row_is_epoch(columns) else "row"
    return Scale(axis, None, None, False, main)


def _row_is_epoch(columns: Mapping[str, Cells]) -> bool:
    """Whether training and validation loss stand side by side in every row, as once an epoch."""
    counts = {meaning(name).split in ("validation", "test"): len(cells.rows)
              for name, cells in columns.items() if meaning(name).kind == "loss"}  # fmt: skip
    return len(counts) == 2 and counts[True] == counts[False] <= _MOST_EPOCHS


def _tells_epochs(epoch: Cells, step: Cells | None, columns: Mapping[str, Cells]) -> bool:
    """Whether the epochs tell the points of the run apart better than steps would."""
    distinct = len(np.unique(epoch.values[np.isfinite(epoch.values)]))
    if distinct < 2:
        return False
    if distinct >= _FEW_EPOCHS:
        return True
    if step is not None and _counts_batches(epoch, step):
        return True
    longest = max((len(cells.rows) for name, cells in columns.items()
                   if meaning(name).kind in ("loss", "metric")), default=0)  # fmt: skip
    return longest <= 3 * distinct or step is None


def _counts_batches(epoch: Cells, step: Cells) -> bool:
    """Whether the step starts anew with each epoch: alone it puts the epochs over one another."""
    labels = epoch.at(step.rows)
    known = np.isfinite(labels) & np.isfinite(step.values)
    turns = np.flatnonzero(np.diff(labels[known]) > 0)
    steps = step.values[known]
    return len(turns) > 0 and bool((steps[turns + 1] < steps[turns]).all())


def _several_an_epoch(epoch: Cells, columns: Mapping[str, Cells]) -> bool:
    for name, cells in columns.items():
        if meaning(name).kind in ("loss", "metric"):
            labels = epoch.at(cells.rows)
            labels = labels[np.isfinite(labels)]
            if len(labels) > 1.5 * max(len(np.unique(labels)), 1):
                return True
    return False


def placed(cells: Cells, scale: Scale) -> tuple[Points, int]:
    """The series on the axis, and how many of its points a resumed run has overwritten."""
    steps = scale.step.at(cells.rows) if scale.step is not None else None
    if scale.epoch is not None:
        x = _epochs(cells, scale.epoch, steps, scale)
    elif scale.axis == "step":
        assert steps is not None
        x = _filled(steps, cells.rows, scale.step)
    else:
        x = _rows(cells, scale.main)
    known = np.isfinite(x)
    x, y = x[known], cells.values[known]
    steps = None if steps is None or scale.epoch is None else steps[known]
    keep = _last_of_each(x)
    x, y = x[keep], y[keep]
    steps = None if steps is None or not np.isfinite(steps).all() else steps[keep]
    return Points(x, y, steps), int(len(keep) - keep.sum())


def _last_of_each(x: Floats) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """(n,) which points no later one overwrites: whose x lies below the x of all that follow."""
    if len(x) < 2 or (np.diff(x) > 0).all():
        return np.ones(len(x), bool)
    lowest = np.minimum.accumulate(x[::-1])[::-1]
    result = np.ones(len(x), bool)
    result[:-1] = x[:-1] < lowest[1:]
    return result


def _epochs(cells: Cells, epoch: Cells, steps: Floats | None, scale: Scale) -> Floats:
    own = epoch.at(cells.rows)
    bare = ~np.isfinite(own)
    labels = _filled(own, cells.rows, epoch)
    stepped = steps is not None and bool(np.isfinite(steps).all())
    if stepped and bare.any():
        assert steps is not None
        labels[bare] = _by_step(steps, epoch, scale)[bare]
    if not scale.spread or bare.all() or len(labels) <= 1.2 * len(np.unique(labels)):
        return labels
    if not stepped:
        return _in_turn(labels)
    assert steps is not None
    turns = np.flatnonzero(np.diff(labels) > 0)
    if len(turns) and (steps[turns + 1] <= steps[turns]).mean() > 0.5:
        return labels - 1 + _place_in_epoch(steps)
    within = _by_step(steps, epoch, scale)
    return np.where(bare, within, np.clip(within, labels - 1 + 1e-9, labels))


def _place_in_epoch(steps: Floats) -> Floats:
    """Where in its epoch a batch stands, in (0, 1], from its number."""
    distinct = np.unique(steps)
    gap = float(np.diff(distinct).min()) if len(distinct) > 1 else 1.0
    share: Floats = (steps - distinct[0] + gap) / (distinct[-1] - distinct[0] + gap)
    return share


def _by_step(steps: Floats, epoch: Cells, scale: Scale) -> Floats:
    """Where steps lie between the ends of the epochs; an epoch's label is its end."""
    assert scale.step is not None
    at = scale.step.at(epoch.rows)
    known = np.isfinite(at) & np.isfinite(epoch.values)
    if not known.any():
        return np.full(len(steps), np.nan)
    names, inverse = np.unique(epoch.values[known], return_inverse=True)
    ends = np.full(len(names), -np.inf)
    np.maximum.at(ends, inverse, at[known])
    ends = np.maximum.accumulate(ends)
    length = float(np.median(np.diff(ends))) if len(ends) > 1 else float(ends[0])
    slope = float(np.median(np.diff(names))) if len(names) > 1 else 1.0
    grid = np.concatenate([[ends[0] - max(length, 1.0)], ends])
    x: Floats = np.interp(steps, grid, np.concatenate([[names[0] - slope], names]))
    return x


def _in_turn(labels: Floats) -> Floats:
    """Spreads the points of each epoch evenly over it, in the order in which they came."""
    starts = np.flatnonzero(np.diff(labels, prepend=np.nan) != 0)
    sizes = np.diff(np.append(starts, len(labels)))
    place = np.arange(len(labels)) - np.repeat(starts, sizes)
    spread: Floats = labels - 1 + (place + 1) / np.repeat(sizes, sizes)
    return spread


def _filled(values: Floats, rows: Integers, labels: Cells | None) -> Floats:
    """Rows without a label of their own get the last one before them, or the first."""
    gaps = ~np.isfinite(values)
    if labels is None or not gaps.any() or not len(labels.rows):
        return values
    known = np.isfinite(labels.values)
    at, told = labels.rows[known], labels.values[known]
    if not len(at):
        return values
    before = np.clip(np.searchsorted(at, rows[gaps], side="right") - 1, 0, len(at) - 1)
    filled: Floats = values.copy()
    filled[gaps] = told[before]
    return filled


def _rows(cells: Cells, main: Cells | None) -> Floats:
    """Counts the points of the main series from 0, and places the others among them."""
    if main is None or len(cells.rows) == len(main.rows):
        return np.arange(float(len(cells.rows)))
    before: Floats = np.searchsorted(main.rows, cells.rows, side="right").astype(np.float64)
    return before - float(np.isin(cells.rows, main.rows).all())
