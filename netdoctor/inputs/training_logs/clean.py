"""Repairs of what writers do to numbers: invented NaN, percent for shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.curves import Curve
from netdoctor.inputs.training_logs.names import meaning
from netdoctor.inputs.training_logs.sheet import Cells

_LARGEST = 1e100  # beyond what any number type for networks but float64 holds


def cleaned(
    columns: Mapping[str, Cells], *, printed: bool = False
) -> tuple[dict[str, Cells], list[str]]:
    """The columns without the NaN that stands for `not measured in this row`; and what was done.

    Numbers whose squares are no numbers any more are infinite; as labels they are none. A loss
    that is NaN throughout was measured, unless it is a test loss in a table.
    """
    result, notes = {}, []
    for name, cells in columns.items():
        kind = meaning(name).kind
        vast = np.isfinite(cells.values) & (np.abs(cells.values) > _LARGEST)
        if vast.any():
            label = kind in ("epoch", "step")
            endless = np.full(len(vast), np.nan) if label else np.copysign(np.inf, cells.values)
            cells = Cells(cells.rows, np.where(vast, endless, cells.values))
            notes.append(f"{name}: {int(vast.sum())} numbers beyond {_LARGEST:g} count as infinite")
        nan = np.isnan(cells.values)
        if nan.any() and (kind in ("epoch", "step") or _is_gap(nan, name, columns, printed)):
            cells = Cells(cells.rows[~nan], cells.values[~nan])
            if kind not in ("epoch", "step", "other"):
                notes.append(
                    f"{name}: {int(nan.sum())} NaN taken for rows in which it was not measured"
                )
        if len(cells.rows):
            result[name] = cells
    return result, notes


def _is_gap(nan: NDArray[np.bool_], name: str, columns: Mapping[str, Cells], printed: bool) -> bool:
    """Whether NaN and numbers take turns, as in rows that belong to another split."""
    if nan.all():
        return meaning(name).split == "test" and not printed
    returns = int((nan[:-1] & ~nan[1:]).sum())
    if returns < 2 or nan.mean() < 0.4:
        return False
    return meaning(name).split in ("validation", "test") or _takes_turns(nan, name, columns)


def _takes_turns(nan: NDArray[np.bool_], name: str, columns: Mapping[str, Cells]) -> bool:
    """Whether another loss or metric stands in the rows without a number, and only there."""
    rows = columns[name].rows
    for other, cells in columns.items():
        if other == name or meaning(other).kind not in ("loss", "metric"):
            continue
        filled = np.isin(rows, cells.rows[np.isfinite(cells.values)])
        if filled[nan].mean() > 0.8 and filled[~nan].mean() < 0.2:
            return True
    return False


def in_percent(curves: Sequence[Curve]) -> tuple[list[Curve], list[str]]:
    """The curves with shares that the log has in percent as fractions; and which those are."""
    scaled = {
        curve.measure for curve in curves
        if meaning(curve.name).bounded and curve.role != "other" and _is_percent(curve)
    }  # fmt: skip
    result, names = [], []
    for curve in curves:
        if curve.measure in scaled and _is_percent(curve):
            curve = dataclasses.replace(curve, y=curve.y / 100)
            names.append(curve.name)
        result.append(curve)
    return result, [f"in percent, read as fractions: {', '.join(names[:6])}"] if names else []


def _is_percent(curve: Curve) -> bool:
    values = curve.y[np.isfinite(curve.y)]
    return bool(len(values)) and 1.5 < values.max() <= 100.5 and values.min() >= 0
