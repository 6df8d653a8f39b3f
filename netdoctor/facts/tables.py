"""Facts as tables: what text output prints and the JSON document holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdoctor.facts.activations import ActivationFacts, CallFacts, Units, saturated_from
from netdoctor.report import Column, Table

RARE = 0.01
CANNOT_DIE = frozenset({"leaky_relu", "prelu", "rrelu", "sigmoid", "tanh", "hardsigmoid"})

_LEGEND = (
    "dead: at the zero-gradient end of its function in every sample (Maas et al. 2013)",
    "rare: fires in less than 1 % of the samples; saturated: 3/4 of its values where the slope is "
    "below 1 % (Glorot and Bengio 2010)",
    "constant: one and the same non-zero value throughout; n/a: the function passes gradient "
    "everywhere and cannot die",
)


def dead_neurons(facts: ActivationFacts, *, shown: int | None = 20) -> Table:
    """One row an activation call, worst first."""
    rows = [_unit_row(call, call.units) for call in facts.calls if call.units is not None]
    rows.sort(key=lambda row: (row["state"] in ("gate", "output"), -_badness(row)))
    columns = [
        Column("layer", "layer", "name"),
        Column("kind", "function", priority=4),
        Column("dead_of_total", "dead / total"),
        Column("dead_fraction", "dead", "percent", priority=1),
        Column("rare", "rare", "integer", priority=3),
        Column("saturated_units", "saturated", "integer", priority=5),
        Column("constant", "constant", "integer", priority=7),
        Column("median_rate", "median rate", "percent", priority=6),
        Column("dead_positions", "dead positions", "percent", priority=8),
        Column("state", "state", priority=2),
        Column("after", "after", "name", priority=9),
    ]
    return Table("layers", "", columns, rows, shown, _LEGEND)


def _unit_row(call: CallFacts, units: Units) -> dict[str, Any]:
    rate = units.firing_rate
    quantiles = np.quantile(rate, [0, 0.25, 0.5, 0.75, 1]) if units.count else np.zeros(5)
    mortal = call.kind not in CANNOT_DIE or bool(units.dead.any())
    saturated = (
        None
        if units.saturated is None
        else int((units.saturated >= saturated_from(call.kind)).sum())
    )
    row = {
        **_call_row(call),
        "units": units.count,
        "dead": int(units.dead.sum()) if mortal else None,
        "dead_of_total": f"{int(units.dead.sum()) if mortal else 'n/a'} / {units.count}",
        "dead_fraction": _dead_fraction(call),
        "dead_indices": np.flatnonzero(units.dead).tolist(),
        "rare": int(((rate < RARE) & (units.fired > 0)).sum()) if mortal else None,
        "saturated_units": saturated,
        "saturated_values": None if units.saturated is None else float(units.saturated.mean()),
        "constant": int(units.constant.sum()),
        "median_rate": float(quantiles[2]),
        "rate_quantiles": quantiles.tolist(),
        "dead_positions": units.dead_positions,
        "positions": units.positions,
        "samples": units.samples,
        "rate_bound": units.rate_bound,
    }
    return {**row, "state": _state(call, units, row)}


def _state(call: CallFacts, units: Units, row: dict[str, Any]) -> str:
    if units.count and units.dead.all():
        return "dead"
    if call.role != "hidden":
        return call.role
    if units.dead_fraction >= 0.5:
        return "half dead" if units.dead_fraction < 0.9 else "nearly dead"
    if row["saturated_units"] and row["saturated_units"] >= units.count / 2:
        return "saturated"
    if units.samples > 1 and not units.varies:
        return "constant"
    return "n/a" if call.kind in ("leaky_relu", "prelu", "rrelu") else "ok"


def _badness(row: dict[str, Any]) -> float:
    saturated = (row["saturated_units"] or 0) / max(row["units"], 1)
    return float(max(row["dead_fraction"] or 0.0, saturated))


def activations(facts: ActivationFacts) -> Table:
    """One row a call, in call order."""
    columns = [
        Column("layer", "layer", "name"),
        Column("kind", "operation", priority=5),
        Column("shape", "output", "shape", priority=4),
        Column("mean", "mean", "number"),
        Column("std", "std", "number"),
        Column("min", "min", "number", priority=2),
        Column("max", "max", "number", priority=2),
        Column("zeros", "zero", "percent", priority=3),
        Column("small", "|x| < 0.01", "percent", priority=6),
        Column("nan", "NaN", "integer", priority=1),
        Column("inf", "Inf", "integer", priority=1),
        Column("dead_fraction", "dead", "percent", priority=4),
        Column("dtype", "dtype", priority=7),
    ]
    return Table("layers", "", columns, [_moment_row(call) for call in facts.calls])


def _moment_row(call: CallFacts) -> dict[str, Any]:
    moments = call.moments
    if moments is None:
        return _call_row(call)
    finite = max(moments.finite, 1)
    return {
        **_call_row(call),
        "mean": moments.mean,
        "std": moments.std,
        "min": moments.minimum,
        "max": moments.maximum,
        "zeros": moments.zeros / finite,
        "small": moments.small / finite,
        "nan": moments.nan,
        "inf": moments.inf,
        "values": moments.count,
        "dead_fraction": _dead_fraction(call),
    }


def _dead_fraction(call: CallFacts) -> float | None:
    if call.units is None or (call.kind in CANNOT_DIE and not call.units.dead.any()):
        return None
    return call.units.dead_fraction


def layers(facts: ActivationFacts) -> Table:
    """The names that `--layers` can select, in call order."""
    columns = [
        Column("layer", "name", "name"),
        Column("kind", "type", priority=1),
        Column("shape", "output", "shape", priority=2),
        Column("after", "after", "name", priority=3),
    ]
    return Table("layers", "", columns, [_call_row(call) for call in facts.calls])


def _call_row(call: CallFacts) -> dict[str, Any]:
    return {
        "layer": str(call.site),
        "kind": call.kind,
        "shape": list(call.shape),
        "dtype": call.dtype,
        "role": call.role,
        "after": call.after,
    }
