"""The plain rules that tutorials give for training curves: the first and the last two points."""

from __future__ import annotations

import math

import numpy as np

from netdoctor.facts.curves import CurveRole, TrainingRun


def _values(run: TrainingRun, role: CurveRole) -> np.ndarray:
    return next((curve.y for curve in run.of(role)), np.array([]))


def diagnose(run: TrainingRun) -> set[str]:
    """The codes of what those rules find."""
    train, validation = _values(run, "train loss"), _values(run, "validation loss")
    accuracy, val_accuracy = _values(run, "train metric"), _values(run, "validation metric")
    found = set()
    if any(not np.isfinite(each).all() for each in (train, validation)):
        found.add("CRV005")
    if len(train) >= 2 and train[-1] > train[0]:
        found.add("CRV006")
    if len(train) >= 2 and len(validation) >= 2:
        if train[-1] < train[-2] and validation[-1] > np.fmin.reduce(validation) * 1.1:
            found.add("CRV001")
        if validation[-1] - train[-1] > 0.1 * max(abs(train[-1]), 1e-9):
            found.add("CRV004")
    if len(accuracy) and len(val_accuracy) and accuracy[-1] - val_accuracy[-1] > 0.1:
        found.add("CRV004")
    if len(train) >= 2 and train[-1] > 0.9 * train[0]:
        found |= {"CRV010"}
    elif len(accuracy) and accuracy[-1] < 0.7:
        found.add("CRV002")
    if len(train) >= 6 and _spread(train) > 0.1:
        found.add("CRV003")
    if len(validation) >= 6 and _spread(validation) > 0.1:
        found.add("CRV008")
    if len(train) >= 10 and abs(train[-1] - train[-6]) < 1e-3:
        found.add("CRV007")
    if len(train) >= 4 and (train[1:] > 2 * train[:-1]).any():
        found.add("CRV009")
    return found


def _spread(values: np.ndarray) -> float:
    """Standard deviation of the last five steps, as a share of the last values' mean."""
    last = values[-6:]
    mean = float(np.abs(last).mean())
    return float(np.diff(last).std()) / mean if math.isfinite(mean) and mean > 0 else 0.0
