"""What the weights of a model or checkpoint file are like, tensor by tensor."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from netdoctor.report import NotExamined

Role = Literal[
    "convolution",
    "linear",
    "embedding",
    "recurrent",
    "bias",
    "norm weight",
    "norm bias",
    "running mean",
    "running variance",
    "counter",
    "other",
]
"""What a tensor is to its layer: by the module where there is one, else by name and shape."""

UNKNOWN = float("nan")


@dataclasses.dataclass(frozen=True, slots=True)
class FilterFacts:
    """The filters (rows along the output axis) of one weight.

    Attributes:
        norms: (filters,) float64, the L2 norm of each.
        elements: values in one filter.
        duplicates: groups of filters that are copies of one another up to a positive factor, as
            indices, each group at least two; dead filters are in none.
        effective_rank: exp of the entropy of the normalised singular values (Roy and Vetterli
            2007); NaN where it was not measured.
        follows_norm: whether a norm layer follows, which makes a filter's scale irrelevant; None
            where that is not known.
    """

    norms: np.ndarray
    elements: int
    duplicates: tuple[tuple[int, ...], ...] = ()
    effective_rank: float = UNKNOWN
    follows_norm: bool | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class TensorFacts:
    """One parameter or buffer.

    Attributes:
        name: as the model or the file has it.
        dtype: `float32`, `bfloat16`, `float8_e4m3fn`, `int64`.
        shape: of the tensor.
        role: what it is to its layer.
        kind: the layer's class; empty where only a file was read.
        group: the part of a file it belongs to: empty for the weights that are judged, else the
            key, `ema`, `optimizer`.
        values: number of values.
        nan, inf: numbers of NaN and of infinities.
        negative_inf: how many of the infinities are minus infinity.
        zeros: number of exact zeros; None where they were not counted.
        minimum, maximum: of the finite values; NaN where there is none.
        mean, std, norm: mean, population standard deviation and L2 norm of the finite values, in
            float64; NaN where they were not measured.
        constant: whether all values are one and the same; False for a single value.
        tied: name of the first tensor with the same storage; empty where there is none.
        copy_of: name of the first other tensor with the same content; empty where there is none.
        filters: its filters, where it has any and they were measured.
        tiny: number of values of magnitude below 1e-10; None where they were not counted.
        frozen: whether it is a parameter that asks for no gradient.
        initialisation: the random distribution that its values still follow (`uniform within
            ±0.0625`, `normal with deviation 0.02`); empty where they follow none, None where that
            was not tested.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    role: Role
    values: int
    kind: str = ""
    group: str = ""
    nan: int = 0
    inf: int = 0
    negative_inf: int = 0
    zeros: int | None = None
    minimum: float = UNKNOWN
    maximum: float = UNKNOWN
    mean: float = UNKNOWN
    std: float = UNKNOWN
    norm: float = UNKNOWN
    constant: bool = False
    tied: str = ""
    copy_of: str = ""
    filters: FilterFacts | None = None
    tiny: int | None = None
    frozen: bool = False
    initialisation: str | None = None

    @property
    def all_zero(self) -> bool:
        """Whether every value is zero."""
        return self.values > 0 and self.minimum == self.maximum == 0 and not (self.nan or self.inf)


@dataclasses.dataclass(frozen=True, slots=True)
class WeightFacts:
    """The weights of one model or of one checkpoint file.

    Attributes:
        source: what the weights were read from, as the user named it.
        tensors: in the order of the model or file.
        fresh: True where the weights are known to be just initialised, False where they are known
            to be trained, None where nobody knows.
        evidence: what `fresh` was told by, as a sentence's part.
        not_examined: tensors that could not be measured, each with its reason.
    """

    source: str
    tensors: tuple[TensorFacts, ...]
    fresh: bool | None = None
    evidence: str = ""
    not_examined: tuple[NotExamined, ...] = ()
