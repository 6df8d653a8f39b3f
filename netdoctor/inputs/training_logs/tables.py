"""Tables that are known by their columns: what writes them, and what is dropped or renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from netdoctor.inputs.training_logs.sheet import Cells, Sheet


def tidied(sheet: Sheet, path: Path) -> list[Sheet]:
    """The sheet under its writer's name, of a chart one a run, with columns that mean something."""
    if sheet.format == "MMEngine scalars.json":
        return [_with_validation_epochs(sheet)]
    if sheet.format == "W&B history":
        return [sheet.replace(columns=_visible(sheet.columns))]
    if sheet.format != "table":
        return [sheet]
    names = set(sheet.columns)
    if {"Wall time", "Step", "Value"} <= names:
        return [_one_series(sheet, path)]
    if any(name.endswith(("__MIN", "__MAX")) for name in names):
        return _chart(sheet)
    format = _writer(names)
    columns = _visible(sheet.columns) if format == "W&B history" else sheet.columns
    return [sheet.replace(format=format, columns=columns)]


def _with_validation_epochs(sheet: Sheet) -> Sheet:
    """MMEngine counts its validation rows by epoch, in the column that else counts iterations."""
    step, epoch, iteration = (sheet.columns.get(name) for name in ("step", "epoch", "iter"))
    if step is None or epoch is None or iteration is None:
        return sheet
    alone = ~np.isin(step.rows, iteration.rows)
    if not alone.any() or step.values[alone].max() > epoch.values.max():
        return sheet
    rows = np.concatenate([epoch.rows, step.rows[alone]])
    order = np.argsort(rows, kind="stable")
    labels = np.concatenate([epoch.values, step.values[alone]])
    columns = {name: cells for name, cells in sheet.columns.items() if name != "step"}
    return sheet.replace(columns={**columns, "epoch": Cells(rows[order], labels[order])})


def _writer(names: set[str]) -> str:
    if "epoch" in names and any(each.startswith("metrics/") for each in names) and (
        any(each.startswith("train/") for each in names)
    ):  # fmt: skip
        return "Ultralytics results.csv"
    if {"epoch", "train_loss", "valid_loss", "time"} <= names:
        return "fastai history.csv"
    if {"epoch", "train_loss"} <= names and any(each.startswith("eval_") for each in names):
        return "timm summary.csv"
    if {"_step", "_runtime"} & names or "_timestamp" in names:
        return "W&B history"
    if {"epoch", "step"} <= names:
        return "Lightning metrics.csv"
    if "epoch" in names and "loss" in names:
        return "Keras CSVLogger"
    return "table"


def _visible(columns: Mapping[str, Cells]) -> dict[str, Cells]:
    """Without W&B's clocks and system measurements."""
    return {
        name: cells for name, cells in columns.items()
        if not name.startswith(("system", "_runtime", "_timestamp", "gradients/", "parameters/"))
    }  # fmt: skip


def _one_series(sheet: Sheet, path: Path) -> Sheet:
    """TensorBoard's download of one chart: the tag is in the file's name alone."""
    stem = path.name.split(".")[0]
    tag = re.split(r"-tag-", stem)[-1]
    columns = {"step": sheet.columns["Step"], tag: sheet.columns["Value"]}
    return sheet.replace(format="TensorBoard chart", columns=columns)


def _chart(sheet: Sheet) -> list[Sheet]:
    """W&B's download of one chart: `run - metric`, and the range of each point beside it."""
    names = [name for name in sheet.columns if not name.endswith(("__MIN", "__MAX"))]
    labels = {name: sheet.columns[name] for name in names if " - " not in name}
    runs: dict[str, dict[str, Cells]] = {}
    for name in names:
        run, dash, metric = name.rpartition(" - ")
        if dash:
            runs.setdefault(run, dict(labels))[metric] = sheet.columns[name]
    return [
        sheet.replace(format="W&B chart", columns=columns, name=run)
        for run, columns in runs.items()
    ]
