"""Logs that keep every series in a place of its own: TensorBoard events and MLflow metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netdoctor.errors import LogError
from netdoctor.inputs.training_logs.names import split_of
from netdoctor.inputs.training_logs.numbers import Floats
from netdoctor.inputs.training_logs.sheet import Sheet, from_points

_Points = tuple[Floats, Floats]


def read_events(folders: Mapping[Path, Sequence[Path]], top: Path) -> list[Sheet]:
    """A sheet a folder of event files; folders named train and validation are one run.

    Raises:
        LogError: the extra `tensorboard` is not installed.
    """
    runs: dict[str, dict[str, _Points]] = {}
    for folder, files in folders.items():
        path = os.path.relpath(folder, top) if folder != top else ""
        run, split = path, ""
        if split_of(Path(path).name if path else ""):
            run, split = os.path.dirname(path), f"{Path(path).name}/"
        found = {f"{split}{tag}": points for tag, points in _scalars(files).items()}
        if found:
            runs.setdefault(run, {}).update(found)
    return [from_points(each, "TensorBoard events", name=run) for run, each in runs.items()]


def read_mlflow(folders: Sequence[Path]) -> list[Sheet]:
    """A sheet an MLflow run, of the files in its `metrics` folder."""
    sheets = []
    for folder in folders:
        series = {}
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            points = mlflow_points(file.read_text(encoding="utf-8", errors="replace"))
            if points is not None:
                series[file.relative_to(folder).as_posix()] = points
        if series:
            name = folder.parent.name if len(folders) > 1 else ""
            sheets.append(from_points(series, "MLflow metrics", name=name))
    return sheets


def mlflow_points(text: str) -> _Points | None:
    """Steps and values of one metric file: `milliseconds value step` a line; None for others."""
    rows = [line.split() for line in text.splitlines() if line.strip()]
    if not rows or {len(row) for row in rows} - {2, 3, 5}:
        return None
    try:
        stamps = [int(row[0]) for row in rows]
        values = np.array([float(row[1]) for row in rows])
        steps = [int(row[2]) if len(row) > 2 else place for place, row in enumerate(rows)]
    except ValueError:
        return None
    if min(stamps) < 10**11:
        return None
    return np.array(steps, np.float64), values


def _scalars(files: Sequence[Path]) -> dict[str, _Points]:
    """Step and value of every scalar, by tag; of a step that was written twice the last counts."""
    loader, tensor_util = _reader()
    found: dict[str, tuple[list[float], list[float]]] = {}
    for file in files:
        for event in _events(loader, file):
            for value in event.summary.value:
                number = _number(value, tensor_util)
                if number is not None:
                    steps, values = found.setdefault(value.tag, ([], []))
                    if steps and event.step < steps[-1]:
                        _forget(steps, values, event.step)
                    steps.append(event.step)
                    values.append(number)
    return {tag: (np.array(s, np.float64), np.array(v)) for tag, (s, v) in found.items()}


def _forget(steps: list[float], values: list[float], from_step: float) -> None:
    """Drops what a resumed run writes anew."""
    while steps and steps[-1] >= from_step:
        steps.pop()
        values.pop()


def _number(value: Any, tensor_util: Any) -> float | None:
    kind = value.WhichOneof("value")
    if kind == "simple_value":
        return float(value.simple_value)
    plugin = value.metadata.plugin_data.plugin_name
    if kind != "tensor" or plugin not in ("scalars", ""):
        return None
    array = tensor_util.make_ndarray(value.tensor)
    return float(array.reshape(-1)[0]) if array.size == 1 and array.dtype.kind in "fiu" else None


def _events(loader: Any, file: Path) -> Any:
    """The events up to the first that is half written."""
    from google.protobuf.message import DecodeError

    try:
        yield from loader(str(file)).Load()
    except (DecodeError, RuntimeError, ValueError):
        return


def _reader() -> tuple[Any, Any]:
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.util import tensor_util
    except ImportError:
        raise LogError(
            "These are TensorBoard event files, and tensorboard, which reads them, is missing.",
            hint='pip install "torch-netdoctor[tensorboard]"',
        ) from None
    return EventFileLoader, tensor_util
