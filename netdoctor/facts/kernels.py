"""What the kernels command measured and kept: statistics of weights, and kernels to draw."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.weights import TensorFacts, WeightFacts
from netdoctor.report import Column, NotExamined, Table

Array = NDArray[Any]
Layout = Literal["rgb", "norms", "channel", "kernels", "rows", "slices", "matrix"]


@dataclasses.dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of one weight that will be drawn.

    Attributes:
        name: of the weight.
        kind: the layer's class; empty where only a file was read.
        shape: of the weight, its output axis first.
        layout: what a tile shows: three input channels as red, green and blue; the norm over the
            input channels at each place; one input channel; the only one; a row of a 1-D kernel;
            the slices of a 3-D one; or all 1x1 kernels as one matrix, outputs down, inputs across.
        values: (K, h, w) float32, (K, h, w, 3) for `rgb`, (K, d, h, w) for `slices`, (O, I) for
            `matrix`.
        numbers: (K,) the filter of each.
        low, high: the range of the finite values of all filters.
        channel: the input channel, for `channel`.
        normed: whether the values are norms over the input channels.
        top: whether the filters were chosen and ordered by their norm.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    layout: Layout
    values: Array
    numbers: Array
    low: float
    high: float
    channel: int = 0
    normed: bool = False
    top: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class KernelFacts:
    """All that was kept.

    Attributes:
        weights: statistics of every tensor; what the rules judge.
        kernels: by layer, in the order of the model or file.
        listed: the weights that were asked for, as rows of the table.
        not_examined: what was asked for and cannot be shown, and tensors that were not measured.
    """

    weights: WeightFacts
    kernels: Sequence[Kernels]
    listed: Sequence[TensorFacts]
    not_examined: Sequence[NotExamined] = ()

    def arrays(self) -> dict[str, Array]:
        """The values behind the pictures and each listed weight's filter norms."""
        found: dict[str, Array] = {}
        for kernels in self.kernels:
            found[f"{kernels.name}.kernels"] = kernels.values
            found[f"{kernels.name}.numbers"] = kernels.numbers
        for tensor in self.listed:
            if tensor.filters is not None:
                found[f"{tensor.name}.norms"] = tensor.filters.norms
        return found


_LEGEND = (
    "dead: filters of a norm below a thousandth of the median; duplicates: filters that repeat "
    "another up to a positive factor (cosine above 0.99)",
    "rank: effective rank, exp of the entropy of the singular values (Roy and Vetterli 2007), of "
    "the most that is possible",
)
_NOTHING = 1e-3


def table(facts: KernelFacts) -> Table:
    """One row a weight, in the order of the model or file."""
    columns = [
        Column("layer", "weight", "name"),
        Column("kind", "layer", priority=7),
        Column("shape", "shape", "shape", priority=3),
        Column("mean", "mean", "number", priority=2),
        Column("std", "std", "number"),
        Column("norm", "norm", "number", priority=5),
        Column("min", "min", "number", priority=2),
        Column("max", "max", "number", priority=2),
        Column("zeros", "zero", "percent", priority=6),
        Column("dead", "dead", "integer", priority=1),
        Column("duplicates", "duplicates", "integer", priority=1),
        Column("effective_rank", "rank", "number", priority=4),
        Column("rank_of", "of", "integer", priority=4),
        Column("nan", "NaN", "integer", priority=6),
        Column("inf", "Inf", "integer", priority=6),
        Column("initialisation", "drawn as", priority=9, hidden=True),
        Column("dtype", "dtype", priority=8),
    ]
    return Table("weights", "", columns, [_row(each) for each in facts.listed], legend=_LEGEND)


def _row(tensor: TensorFacts) -> dict[str, Any]:
    filters = tensor.filters
    row: dict[str, Any] = {
        "layer": tensor.name,
        "kind": tensor.kind or tensor.role,
        "role": tensor.role,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "mean": _known(tensor.mean),
        "std": _known(tensor.std),
        "norm": _known(tensor.norm),
        "min": _known(tensor.minimum),
        "max": _known(tensor.maximum),
        "zeros": (tensor.zeros or 0) / tensor.values if tensor.values else None,
        "nan": tensor.nan,
        "inf": tensor.inf,
        "dead": None,
        "duplicates": None,
        "effective_rank": None,
        "rank_of": None,
        "initialisation": tensor.initialisation,
        "tied": tensor.tied,
    }
    if filters is None:
        return row
    return {
        **row,
        "filters": len(filters.norms),
        "dead": nothing_filters(filters.norms),
        "duplicates": sum(len(group) - 1 for group in filters.duplicates),
        "duplicate_groups": [list(group) for group in filters.duplicates],
        "effective_rank": _known(filters.effective_rank),
        "rank_of": min(len(filters.norms), filters.elements),
        "follows_norm": filters.follows_norm,
    }


def nothing_filters(norms: Array) -> int:
    """How many filters have a norm below a thousandth of the others' median."""
    alive = norms[norms > _NOTHING * norms.max(initial=0.0)]
    return int((norms <= _NOTHING * np.median(alive)).sum()) if len(alive) else len(norms)


def _known(value: float) -> float | None:
    return value if value == value else None
