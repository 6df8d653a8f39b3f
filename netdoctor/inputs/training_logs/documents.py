"""Logs in JSON: one document, or a record a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import msgspec
import numpy as np

from netdoctor.inputs.training_logs.names import meaning, split_of
from netdoctor.inputs.training_logs.sheet import Builder, Sheet, flat, from_lists, from_points

_AVERAGES = frozenset({"train_loss", "train_runtime", "total_flos"})
_BARE = re.compile(r"(?<=[:\[,\s])(-?)(nan|inf|infinity)(?=\s*[,\]}])", re.IGNORECASE)
_RECORDS = ("log_history", "history", "logs", "log", "metrics", "epochs", "steps", "records",
            "data", "results", "training_log", "train_log", "rows", "entries")  # fmt: skip


def sheets_of_document(text: str, name: str) -> list[Sheet]:
    """The logs in a JSON document; none when it is no JSON, or holds no series.

    Args:
        text: the document.
        name: what to call a series that has no name.
    """
    document = _parsed(text)
    if isinstance(document, Mapping):
        return _of_mapping(document)
    if isinstance(document, list):
        return _of_list(document, name)
    return []


def sheet_of_lines(text: str) -> Sheet | None:
    """A record a line; a last line that is half written does not count. None for other texts."""
    builder, broken, header = Builder(), 0, False
    decode = msgspec.json.decode
    for line in text.splitlines():
        line = line.strip().rstrip(",")
        if not line.startswith("{"):
            broken += bool(line)
            continue
        try:
            record = decode(line)
        except (msgspec.DecodeError, RecursionError):
            record = _parsed(line)
        if not isinstance(record, Mapping):
            broken += 1
            continue
        if set(record) & {"config", "env_info", "exp_name"} and not builder.height:
            header = True  # MMDetection's first line
            continue
        if not _is_final(record):
            builder.add(_one_level(record))
    if not builder.height or broken > builder.height // 2 + 1:
        return None
    sheet = builder.sheet("")
    if not sheet.columns:
        return None
    notes = [f"{broken} lines are no JSON and are left out"] if broken > 1 else []
    return sheet.replace(format=_lines_format(sheet, header), notes=tuple(notes))


def _one_level(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record without the envelope that structured loggers put around it."""
    for key in ("metrics", "data", "log", "payload"):
        inner = record.get(key)
        if isinstance(inner, Mapping) and any(_is_number(value) for value in inner.values()):
            return {**{k: v for k, v in record.items() if k != key}, **inner}
    return record


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | str) and not isinstance(value, bool)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if len(text) < 50_000_000 and _BARE.search(text):
        try:
            return json.loads(_BARE.sub(_strict, text))
        except (ValueError, RecursionError):
            return None
    return None


def _strict(match: re.Match[str]) -> str:
    word = "NaN" if match[2].lower() == "nan" else "Infinity"
    return word if word == "NaN" else f"{match[1]}{word}"


def _of_mapping(document: Mapping[str, Any]) -> list[Sheet]:
    if isinstance(document.get("log_history"), list):
        return [_trainer_state(document)]
    if isinstance(document.get("vega"), Mapping) or "$schema" in document:
        return []
    for key in _RECORDS:
        inner = document.get(key)
        if _is_records(inner):
            return [_of_records(inner, "JSON records")]
    for key in ("history", "log", "logs", "metrics", "results", "data"):
        inner = document.get(key)
        if isinstance(inner, Mapping) and _of_mapping(inner):
            return _of_mapping(inner)
    return _of_series(document)


def _of_series(document: Mapping[str, Any]) -> list[Sheet]:
    """A mapping of lists, of mappings of lists, or a record by its epoch."""
    if document and all(str(key).strip().isdigit() for key in document):
        records = [{"epoch": int(key), **value} for key, value in document.items()
                   if isinstance(value, Mapping)]  # fmt: skip
        return [_of_records(records, "JSON records by epoch")] if records else []
    lists = dict(_lists(document))
    if lists:
        split = {name.partition("/")[0] for name in lists if "/" in name}
        separate = len(split) > 1 and not any(map(split_of, split)) and _same_within(lists, split)
        if not separate:
            return [_tidied(lists)]
        return [
            _tidied({name.partition("/")[2]: values for name, values in lists.items()
                     if name.startswith(f"{run}/")}, run)
            for run in sorted(split)
        ]  # fmt: skip
    tables = {str(key): inner for key, inner in document.items() if _is_records(inner)}
    if len(tables) > 1 and all(map(split_of, tables)):
        return [_side_by_side(tables)]
    return [_of_records(inner, "JSON records") for inner in list(tables.values())[:1]]


def _side_by_side(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Sheet:
    """One row of the records that stand at the same place in the list of each split."""
    builder = Builder()
    for place in range(max(map(len, tables.values()))):
        row: dict[str, Any] = {}
        for split, table in tables.items():
            record = table[place] if place < len(table) else {}
            row |= {
                key if meaning(key).kind in ("epoch", "step") else f"{split}/{key}": value
                for key, value in record.items()
            }
        builder.add(row)
    return builder.sheet("JSON records")


def _lists(
    document: Mapping[str, Any], prefix: str = "", depth: int = 0
) -> Iterator[tuple[str, list[Any]]]:
    for key, value in document.items():
        name = f"{prefix}{str(key).strip()}"
        if isinstance(value, list) and _is_series(value):
            yield name, value
        elif isinstance(value, Mapping) and depth < 4:
            if value and all(str(each).isdigit() for each in value):
                ordered = sorted(value.items(), key=lambda item: int(item[0]))
                numbers = [each for _, each in ordered]
                if _is_series(numbers):
                    yield name, numbers
            else:
                yield from _lists(value, f"{name}/", depth + 1)


def _is_series(values: Sequence[Any]) -> bool:
    scalars = [each for each in values if each is None or _is_number(each)]
    return bool(values) and len(scalars) == len(values)


def _same_within(lists: Mapping[str, Any], outer: set[str]) -> bool:
    inside = [
        frozenset(name.partition("/")[2] for name in lists if name.startswith(f"{each}/"))
        for each in outer
    ]
    return len(set(inside)) == 1


def _tidied(lists: dict[str, list[Any]], name: str = "") -> Sheet:
    """Lists of one log; a list that is a whole multiple of the others is one a step."""
    sheet = from_lists(lists, "JSON lists", name)
    lengths = sorted({len(values) for values in lists.values() if len(values) > 1})
    if len(lengths) < 2 or any(meaning(key).kind in ("epoch", "step") for key in lists):
        return sheet
    longest = lengths[-1]
    columns = {}
    for key, cells in sheet.columns.items():
        stride = longest // max(len(lists[key]), 1)
        exact = stride > 1 and abs(longest - stride * len(lists[key])) <= stride
        rows = (cells.rows + 1) * stride - 1 if exact else cells.rows
        columns[key] = type(cells)(np.minimum(rows, longest - 1), cells.values)
    return sheet.replace(columns=columns)


def _is_records(value: Any) -> TypeGuard[list[Mapping[str, Any]]]:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, Mapping) for each in value)
        and any(any(True for _ in flat(each)) for each in value)
    )


def _of_list(document: list[Any], name: str) -> list[Sheet]:
    if _is_records(document):
        return [_of_records(document, "JSON records")]
    points = [each for each in document if isinstance(each, list) and len(each) == 3]
    if document and len(points) == len(document) and all(map(_is_series, points)):
        values = np.array([[float(v) if v is not None else np.nan for v in p] for p in points])
        return [from_points({name: (values[:, 1], values[:, 2])}, "TensorBoard export")]
    if len(document) > 1 and _is_series(document):
        return [from_lists({name: document}, "JSON list")]
    return []


def _of_records(records: Sequence[Mapping[str, Any]], format: str) -> Sheet:
    builder = Builder()
    for record in records:
        if not _is_final(record):
            builder.add(_one_level(record))
    return builder.sheet(format)


def _is_final(record: Mapping[str, Any]) -> bool:
    """Whether it is the summary that Hugging Face writes last: averages over the run."""
    return len(_AVERAGES & record.keys()) > 1 and "loss" not in record


def _trainer_state(document: Mapping[str, Any]) -> Sheet:
    records = [each for each in document["log_history"] if isinstance(each, Mapping)]
    sheet = _of_records(records, "Hugging Face trainer_state.json")
    left = [each for each in records if _is_final(each)]
    note = "the last train_loss is the average over the run and no point of the curve"
    return sheet.replace(notes=(note,) if left else ())


def _lines_format(sheet: Sheet, header: bool) -> str:
    names = set(sheet.columns)
    if {"iteration", "total_loss"} <= names:
        return "Detectron2 metrics.json"
    if header or {"data_time", "time"} <= names:
        return "MMEngine scalars.json"
    if {"_step", "_runtime"} & names or "_timestamp" in names:
        return "W&B history"
    return "JSON lines"
