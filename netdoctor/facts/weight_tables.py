"""The tables of check-weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from netdoctor.facts.weight_files import FileFacts, RefusedFile, TensorChange
from netdoctor.facts.weights import TensorFacts
from netdoctor.report import Column, Table

_SHOWN = 20


def files(rows: Sequence[tuple[FileFacts | RefusedFile, str]]) -> Table:
    """A row a file with its verdict."""
    columns = [
        Column("file", "file", "name"),
        Column("verdict", "verdict"),
        Column("tensors", "tensors", "integer", 2),
        Column("values", "values", "integer", 3),
        Column("groups", "groups", priority=4),
        Column("format", "format", priority=5),
        Column("bytes", "bytes", "integer", 6),
        Column("reason", "reason", hidden=True),
        Column("not_read", "not read", hidden=True),
        Column("thorough", "thorough", hidden=True),
    ]
    return Table("files", "Files", columns, [_file(each, verdict) for each, verdict in rows])


def _file(facts: FileFacts | RefusedFile, verdict: str) -> Mapping[str, Any]:
    if isinstance(facts, RefusedFile):
        return {"file": facts.path, "verdict": verdict, "reason": facts.message}
    groups: dict[str, int] = {}
    for each in facts.weights.tensors:
        groups[each.group or "weights"] = groups.get(each.group or "weights", 0) + 1
    return {
        "file": facts.path,
        "verdict": verdict,
        "tensors": len(facts.weights.tensors) + len(facts.not_examined),
        "values": sum(each.values for each in facts.weights.tensors),
        "groups": groups,
        "format": facts.format,
        "bytes": facts.size,
        "not_read": list(facts.not_read),
        "thorough": facts.thorough,
    }


def tensors(read: Sequence[FileFacts], sick: Collection[tuple[str, str]]) -> Table:
    """A row a tensor; those of which there is a finding come first, and only they are shown.

    Args:
        read: the files.
        sick: (file, tensor) of the findings.
    """
    columns = [
        Column("tensor", "tensor", "name"),
        Column("file", "file", "name", 1 if len(read) > 1 else 0, hidden=len(read) < 2),
        Column("group", "group", priority=7),
        Column("dtype", "type", priority=2),
        Column("shape", "shape", "shape", 3),
        Column("role", "role", priority=6),
        Column("nan", "NaN", "integer"),
        Column("inf", "Inf", "integer"),
        Column("minimum", "min", "number", 4),
        Column("maximum", "max", "number", 4),
        Column("zeros", "zeros", "integer", 5),
        *(
            Column(key, key, hidden=True)
            for key in ("values", "mean", "std", "norm", "all_zero", "constant", "tied", "copy_of")
        ),
    ]
    rows = [(each.path, tensor) for each in read for tensor in each.weights.tensors]
    marked = [row for row in rows if (row[0], row[1].name) in sick or row[1].nan or row[1].inf]
    chosen = {id(tensor) for _, tensor in marked}
    rows = marked + [row for row in rows if id(row[1]) not in chosen]
    shown = min(len(marked), _SHOWN)
    return Table("tensors", "Tensors", columns, [_tensor(*row) for row in rows], shown)


def _tensor(file: str, facts: TensorFacts) -> Mapping[str, Any]:
    return {
        "tensor": facts.name, "file": file, "group": facts.group or None, "dtype": facts.dtype,
        "shape": list(facts.shape), "role": facts.role, "values": facts.values, "nan": facts.nan,
        "inf": facts.inf, "minimum": _known(facts.minimum), "maximum": _known(facts.maximum),
        "zeros": facts.zeros, "mean": _known(facts.mean), "std": _known(facts.std),
        "norm": _known(facts.norm), "all_zero": facts.all_zero, "constant": facts.constant,
        "tied": facts.tied or None, "copy_of": facts.copy_of or None,
    }  # fmt: skip


def changes(read: Sequence[FileFacts]) -> Table:
    """A row a tensor beside the earlier file: what became NaN first, then by relative change."""
    columns = [
        Column("tensor", "tensor", "name"),
        Column("file", "file", "name", hidden=len(read) < 2),
        Column("change", "change"),
        Column("relative", "relative", "number", 1),
        Column("largest", "largest", "number", 2),
        Column("became_nan", "became NaN", "integer"),
        Column("was_dtype", "was", priority=4),
    ]
    rows = [
        (file.path, each)
        for file in read
        if file.changes is not None
        for each in file.changes.tensors
    ]
    rows.sort(key=lambda row: (-row[1].became_nan, _rank(row[1])))
    told = [_change(*row) for row in rows]
    return Table("changes", "Since the earlier file", columns, told, min(len(told), _SHOWN))


def _rank(change: TensorChange) -> tuple[int, float]:
    order = ("missing", "new", "shape", "unknown", "changed", "identical")
    moved = change.relative if not math.isnan(change.relative) else 0.0
    return order.index(change.change), -moved


def _change(file: str, facts: TensorChange) -> Mapping[str, Any]:
    return {
        "tensor": facts.name, "file": file, "change": facts.change,
        "relative": _known(facts.relative), "largest": _known(facts.largest),
        "became_nan": facts.became_nan, "was_dtype": facts.dtype or None,
    }  # fmt: skip


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
