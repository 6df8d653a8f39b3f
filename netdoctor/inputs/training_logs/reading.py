"""From a file or folder to curves."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from netdoctor.errors import LogError, NoCurveYetError
from netdoctor.facts.curves import Curve, TrainingLog, TrainingRun
from netdoctor.inputs.training_logs.axes import Scale, placed, scale_of
from netdoctor.inputs.training_logs.clean import cleaned, in_percent
from netdoctor.inputs.training_logs.delimited import layout, read_table
from netdoctor.inputs.training_logs.documents import sheet_of_lines, sheets_of_document
from netdoctor.inputs.training_logs.folders import event_files, files_in, mlflow_runs, nothing_in
from netdoctor.inputs.training_logs.lines import PRINTED, sheet_of_text
from netdoctor.inputs.training_logs.points import mlflow_points, read_events, read_mlflow
from netdoctor.inputs.training_logs.roles import Series, Wanted, assign
from netdoctor.inputs.training_logs.runs import runs_of
from netdoctor.inputs.training_logs.sheet import Sheet, from_lists, from_points
from netdoctor.inputs.training_logs.source import (
    ACCEPTED,
    existing,
    head_of,
    is_event_file,
    text_of,
)
from netdoctor.inputs.training_logs.tables import tidied

_BOXES = str.maketrans("│┃─━═┼╇┡┢┏┓└┘┌┐├┤┬┴┩┪┗┛┳┻╋┣┫", "||" + "-" * 26)
_JUDGED = ("train loss", "validation loss", "train metric", "validation metric")


def read(
    path: str | Path, *, train: str | None = None, val: str | None = None,
    metric: str | None = None, growing: bool = False,
) -> TrainingLog:  # fmt: skip
    """The curves of a training log.

    Args:
        path: a file, or a folder that holds one log or several versions of one.
        train: name of the series that is the training loss; None to choose.
        val: the same of the validation loss.
        metric: the same of the validation metric.
        growing: whether it is still being written, so that a last line without an end is left.

    Raises:
        LogError: it cannot be read, or holds no curve.
        UsageError: a named series is not in it.
    """
    if not str(path):
        raise LogError("The path of the log is empty.", hint=ACCEPTED)
    place = existing(Path(path).expanduser())
    sheets = _of_folder(place, growing) if place.is_dir() else _of_file(place, growing)
    sheets = [one for sheet in sheets for one in tidied(sheet, place)]
    return _log(str(path), sheets, Wanted(train, val, metric))


def read_lists(
    lists: Mapping[str, Sequence[float]], *, train: str | None = None, val: str | None = None,
    metric: str | None = None,
) -> TrainingLog:  # fmt: skip
    """The curves of lists by name, such as Keras' `history.history`.

    Raises:
        LogError: they hold no curve.
        UsageError: a named series is not among them.
    """
    plain = {name: [float(value) for value in values] for name, values in lists.items()}
    return _log("history", [from_lists(plain, "lists")], Wanted(train, val, metric))


def _log(source: str, sheets: Sequence[Sheet], wanted: Wanted) -> TrainingLog:
    runs = [run for sheet in sheets for run in runs_of(sheet)]
    found = [_run(sheet, wanted) for sheet in runs]
    kept = tuple(run for run in found if any(curve.role in _JUDGED for curve in run.curves))
    if not kept:
        raise _no_curve(source, found)
    longest = max(len(c.x) for run in kept for c in run.curves if c.role in _JUDGED)
    if longest < 2:
        raise NoCurveYetError(
            f"{source} holds one point, and a curve has two or more.",
            hint="Try again once more epochs are logged; --watch waits for them.",
        )
    kept = kept if len(kept) > 1 else (dataclasses.replace(kept[0], name=""),)
    formats = dict.fromkeys(sheet.format for sheet in sheets)
    return TrainingLog(source, ", ".join(formats), kept)


def _of_file(path: Path, growing: bool) -> list[Sheet]:
    head = head_of(path)
    if is_event_file(head):
        return read_events({path.parent: [path]}, path.parent)
    text = text_of(path)
    if growing and text[:1] != "[" and "\n" in text and not text.rstrip().endswith("}"):
        text = text[: text.rfind("\n") + 1]
    sheets = sheets_of_text(text, path.name.split(".")[0])
    if not sheets and text.lstrip()[:1] in ("{", "["):
        hint = "It may be half written or cut short. Known are a record a line, lists by name, a "
        hint += "list of records, and trainer_state.json."
        raise NoCurveYetError(f"{path} is JSON that is broken or holds no series.", hint=hint)
    if not sheets:
        raise NoCurveYetError(f"{path} holds no series of numbers that is known.", hint=ACCEPTED)
    return sheets


def sheets_of_text(text: str, name: str) -> list[Sheet]:
    """The logs in a text: JSON, a table, MLflow's points, or what a trainer printed.

    Args:
        text: of the whole file.
        name: of the file, for a series that has none.
    """
    text = text.translate(_BOXES) if any(each in text[:4000] for each in "│┃") else text
    start = text[:200].lstrip()
    if start[:1] in ("{", "["):
        lines = sheet_of_lines(text) if start[0] == "{" and "}\n" in text else None
        sheets = [lines] if lines is not None else sheets_of_document(text, name)
        if sheets:
            return sheets
    points = mlflow_points(text[:100_000]) and mlflow_points(text)
    if points:
        return [from_points({name: points}, "MLflow metrics")]
    shape = layout(text)
    if shape is not None:
        sheet = read_table(text, shape)
        if sheet.columns:
            return [sheet]
    printed = sheet_of_text(text)
    return [printed] if printed is not None else []


def _of_folder(folder: Path, growing: bool) -> list[Sheet]:
    mlflow = read_mlflow(mlflow_runs(folder))
    if mlflow:
        return mlflow
    files = files_in(folder)
    if files:
        sheets = []
        for file in files:
            inside = _of_file(file, growing)
            name = str(file.parent.relative_to(folder)) if len(files) > 1 else ""
            sheets += [sheet.replace(name=f"{name} {sheet.name}".strip()) for sheet in inside]
        return sheets
    events = event_files(folder)
    sheets = read_events(events, folder) if events else []
    if not sheets:
        raise nothing_in(folder)
    return sheets


def _run(sheet: Sheet, wanted: Wanted) -> TrainingRun:
    columns, notes = cleaned(sheet.columns, printed=sheet.format == PRINTED)
    scale = scale_of(columns)
    series, told = assign(columns, wanted)
    notes = [*sheet.notes, *notes, *told]
    curves, overwritten = [], 0
    for each in series:
        curve, lost = _curve(each, scale)
        overwritten = max(overwritten, lost if each.said.kind == "loss" else 0)
        if len(curve.x):
            curves.append(curve)
    if overwritten:
        notes.append(f"a resumed run: {overwritten} points are overwritten by later ones")
    if scale.axis == "epoch" and scale.epoch is None:
        notes.append("the log does not label its epochs: they are counted from 0")
    curves, percent = in_percent(curves)
    notes += percent
    return TrainingRun(
        sheet.name, scale.axis, tuple(curves), first_label=_first_label(scale),
        notes=tuple(dict.fromkeys(notes)), spread=scale.spread,
    )  # fmt: skip


def _curve(each: Series, scale: Scale) -> tuple[Curve, int]:
    points, lost = placed(each.cells, scale)
    said = each.said
    curve = Curve(
        each.name,
        each.role,
        said.measure or each.name,
        points.x,
        points.y,
        said.better,
        points.steps,
    )
    return curve, lost


def _first_label(scale: Scale) -> int:
    if scale.epoch is None:
        return 0
    labels = scale.epoch.values[np.isfinite(scale.epoch.values)]
    return int(len(labels) > 0 and labels.min() >= 1)


def _no_curve(path: str, found: list[TrainingRun]) -> NoCurveYetError:
    names = [curve.name for run in found for curve in run.curves]
    if not names:
        return NoCurveYetError(f"{path} holds no series of numbers.", hint=ACCEPTED)
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return NoCurveYetError(
        f"{path} names no loss and no metric that is known; it holds {listed}.",
        hint=f"Say which is which: --train '{names[0]}' --val COL --metric COL.",
    )
