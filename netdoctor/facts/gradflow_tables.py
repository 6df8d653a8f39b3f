"""Gradients as tables: a row a parameter, and a row an activation call."""

from __future__ import annotations

from typing import Any

from netdoctor.facts.gradflow import CallGradient, GradientFacts, ParameterGradient
from netdoctor.report import Column, Table

_WORST = ("non-finite", "missing", "zero", "value", "frozen")
_LEGEND = (
    "mean, max and norm of |g| over the batches; |g|/|w|: of the L2 norms; mean/std: the mean "
    "gradient over its spread across the batches",
    "zero: exactly zero everywhere; missing: not in the graph of the loss; frozen: requires no "
    "gradient",
)


def parameters(facts: GradientFacts, *, shown: int = 30) -> Table:
    """One row a parameter: what has no proper gradient first, then in forward order."""
    rows = [_parameter_row(facts, place, each) for place, each in enumerate(facts.parameters)]
    rows.sort(key=lambda row: min(_WORST.index(row["state"]), _WORST.index("value")))
    columns = [
        Column("parameter", "parameter", "name"),
        Column("state", "gradient", priority=0),
        Column("mean", "mean |g|", "number", priority=1),
        Column("max", "max |g|", "number", priority=3),
        Column("norm", "norm", "number", priority=2),
        Column("relative", "|g|/|w|", "number", priority=2),
        Column("signal", "mean/std", "number", priority=5),
        Column("why", "why", priority=4),
        Column("shape", "shape", "shape", priority=7),
    ]
    if facts.rate is not None:
        columns.insert(6, Column("update_ratio", "step/|w|", "number", priority=1))
    if facts.amp == "float16":
        columns.insert(7, Column("underflow", "below float16", "percent", priority=4))
    return Table("parameters", "Parameters", columns, rows, shown, _LEGEND)


def _parameter_row(facts: GradientFacts, place: int, each: ParameterGradient) -> dict[str, Any]:
    cause = each.cause
    measured = each.state in ("value", "zero")
    return {
        "parameter": each.name,
        "order": place,
        "module": each.module,
        "kind": each.kind,
        "shape": list(each.shape),
        "state": each.state,
        "batches": each.batches,
        "mean": each.mean if measured else None,
        "max": each.maximum if measured else None,
        "norm": each.norm if measured else None,
        "weight_norm": each.weight_norm,
        "relative": each.relative if measured else None,
        "signal": each.signal,
        "update_ratio": each.update_ratio,
        "underflow": each.underflow,
        "nan": each.nan,
        "inf": each.infinite,
        "shared_with": list(each.also),
        "why": _why(each),
        "cause": cause.kind if cause else "",
        "operation": cause.operation if cause else "",
        "source": cause.source if cause else "",
    }


def _why(each: ParameterGradient) -> str:
    if each.cause is None:
        return ""
    at = f" in {each.cause.where}" if each.cause.where and each.cause.operation else ""
    return f"{each.cause.kind} {each.cause.operation}".strip() + at


def layers(facts: GradientFacts, *, shown: int = 20) -> Table:
    """One row an activation call, in forward order: the loss's gradient at its output."""
    columns = [
        Column("layer", "layer", "name"),
        Column("kind", "function", priority=4),
        Column("state", "gradient", priority=1),
        Column("mean", "mean |g|", "number", priority=1),
        Column("max", "max |g|", "number", priority=3),
        Column("norm", "norm", "number"),
        Column("after", "after", "name", priority=5),
    ]
    title = "Activation calls" if facts.calls else "Activation calls: none ran"
    return Table("layers", title, columns, [_call_row(call) for call in facts.calls], shown)


def _call_row(call: CallGradient) -> dict[str, Any]:
    measured = call.state in ("value", "zero")
    return {
        "layer": str(call.site),
        "kind": call.kind,
        "shape": list(call.shape),
        "after": call.after,
        "role": call.role,
        "state": call.state,
        "batches": call.batches,
        "mean": call.mean if measured else None,
        "max": call.maximum if measured else None,
        "norm": call.norm if measured else None,
    }
