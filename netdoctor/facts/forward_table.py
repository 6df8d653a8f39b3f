"""The forward facts as a table: what text output prints and the JSON document holds."""

from __future__ import annotations

from typing import Any

from netdoctor.facts.forward import LARGEST, ForwardCall, ForwardFacts
from netdoctor.report import Column, Table

_LEGEND = (
    "mean, std: of the first batch; min, max, NaN, Inf: of all; first NaN, first Inf: finite went "
    "in, and this came out; -Inf mask: written to make a softmax ignore something"
)


def table(facts: ForwardFacts) -> Table:
    """One row a call, in call order."""
    columns = [
        Column("layer", "layer", "name"),
        Column("operation", "operation", priority=6),
        Column("shape", "output", "shape", priority=5),
        Column("dtype", "dtype", priority=7),
        Column("mean", "mean", "number", priority=3),
        Column("std", "std", "number", priority=2),
        Column("min", "min", "number", priority=4),
        Column("max", "max", "number", priority=4),
        Column("nan", "NaN", "integer", priority=1),
        Column("inf", "Inf", "integer", priority=1),
        *_headroom(facts),
        Column("status", "status"),
    ]
    return Table(
        "layers",
        "",
        columns,
        [row(each, facts) for each in facts.calls if each.listed],
        None,
        [_LEGEND],
    )


def row(call: ForwardCall, facts: ForwardFacts) -> dict[str, Any]:
    """One call's row, as JSON has it."""
    moments = call.moments
    values = {
        "layer": str(call.site),
        "operation": call.operation,
        "shape": list(call.shape),
        "dtype": call.dtype,
        "mean": moments.mean,
        "std": moments.std,
        "min": moments.minimum,
        "max": moments.maximum,
        "nan": moments.nan,
        "inf": moments.inf,
        "values": moments.count,
        "status": call.status,
        "spread": call.spread,
    }
    kind = facts.judged_as or call.dtype
    if kind in LARGEST:
        values["headroom"] = call.magnitude / LARGEST[kind]
    return values


def _headroom(facts: ForwardFacts) -> list[Column]:
    """How near the largest value is to the end of its type, where that is a matter."""
    half = [call.dtype for call in facts.calls if call.dtype in ("float16", "bfloat16")]
    kind = facts.judged_as or (half[0] if half else "")
    return [Column("headroom", f"of {kind} max", "percent", priority=2)] if kind else []
