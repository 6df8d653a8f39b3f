"""Tables that are known by their columns: what writes them, and what is dropped or renamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from netdoctor.inputs.training_logs.sheet import Cells, Sheet

def tidied(sheet: Sheet, path: Path) -> Sheet:
    """The sheet with its writer's name, and its columns under names that say what they are."""
    if sheet.format == "W&B history":
        return sheet.replace(columns=_visible(sheet.columns))
    if sheet.format != "table":
        return sheet
    names = set(sheet.columns)
    if {"Wall time", "Step", "Value"} <= names:
        return _one_series(sheet, path)
    if any(name.endswith(("__MIN", "__MAX")) for name in names):
        return _chart(sheet)
    columns = sheet.columns
    format = _writer(names)
    if format == "W&B history":
        columns = _visible(columns)
    return sheet.replace(format=format, columns=columns)


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


def _chart(sheet: Sheet) -> Sheet:
    """W&B's download of one chart: `run - metric`, and the range of each point beside it."""
    columns = {}
    names = [name for name in sheet.columns if not name.endswith(("__MIN", "__MAX"))]
    told = {name.partition(" - ")[0] for name in names if " - " in name}
    for name in names:
        columns[name.partition(" - ")[2] if len(told) == 1 and " - " in name else name] = sheet.columns[name]
    return sheet.replace(format="W&B chart", columns=columns)
