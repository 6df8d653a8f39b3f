"""Where in the backward pass the first NaN or infinite gradient was made."""

from __future__ import annotations

import dataclasses
from typing import Literal

from netdoctor.facts.site import Site

OriginKind = Literal["operation", "loss", "sum", "unknown"]
"""What made it: an `operation` of the model, one of the `loss`, the `sum` of finite gradients that
came from several branches (or a hook on a tensor); `unknown` when it did not show again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Range:
    """The values of one tensor.

    Attributes:
        shape: of the tensor.
        dtype: `float32`.
        minimum, maximum: of the finite values; NaN where there is none.
        zeros: number of values that are exactly 0.
        nan, inf: numbers of NaN and of positive or negative infinity.
        count: number of values.
    """

    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    zeros: int
    nan: int
    inf: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.nan + self.inf + self.zeros <= self.count:
            raise ValueError(f"counts exceed their total: {self}")

    @property
    def finite(self) -> bool:
        """Whether every value is."""
        return not (self.nan or self.inf)


@dataclasses.dataclass(frozen=True, slots=True)
class GradientOrigin:
    """The backward operation that first made a NaN or infinite gradient, and its forward line.

    Attributes:
        batch: number of the batch, counted from 0.
        loss: its loss, which was finite.
        kind: what made the gradient.
        site: the forward call; None where it was not seen as a call: in the loss, in code that
            torch does not report (a custom autograd.Function).
        path: the module in whose forward that was; empty for the root and for the loss.
        operation: `sqrt`, `normalize`, or the class of a custom autograd.Function.
        node: the backward operation, `SqrtBackward0`; for a sum the one that was given it.
        source: `file.py:12`, the user's line that made the call; empty where there is none, as
            for a loss of netdoctor's own and in an `nn.Sequential`.
        line: the text of that line.
        backward_source: `file.py:30`, where a custom autograd.Function's backward begins.
        incoming: the gradients that the operation was given; for a sum the sums.
        outgoing: the gradients that it made, a None for each input that needs none; empty for a
            sum.
        inputs: what the call was given in the forward pass; a None for a tensor that the call
            itself has overwritten.
        samples: rows of the batch whose gradient it made non-finite; None where the leading axis
            of that gradient is not the batch.
        parameters: names of the parameters whose gradient is not finite.
        model_inputs: inputs that require gradients, and whose gradient is not finite.
        nan: whether some of those gradients are NaN, not only infinite.
        examined: number of parameters and inputs whose gradients were looked at.
    """

    batch: int
    loss: float
    kind: OriginKind
    site: Site | None
    path: str
    operation: str
    node: str
    source: str
    line: str
    backward_source: str
    incoming: tuple[Range | None, ...]
    outgoing: tuple[Range | None, ...]
    inputs: tuple[Range | None, ...]
    samples: tuple[int, ...] | None
    parameters: tuple[str, ...]
    model_inputs: tuple[str, ...]
    nan: bool
    examined: int

    @property
    def call(self) -> str:
        """The call's text: `norm/sqrt#1`, `norm/Clip` for one without a site, `loss/sqrt`."""
        if self.site is not None:
            return str(self.site)
        if self.kind == "unknown":
            return "unknown"
        path = "loss" if self.kind == "loss" else self.path
        return f"{path}/{self.operation}"


@dataclasses.dataclass(frozen=True, slots=True)
class BackwardFacts:
    """What the backward passes over the batches showed.

    Attributes:
        origin: None where every gradient was finite.
        batches: number of batches whose gradients were looked at.
        reason: why no batch could be examined; empty when one was.
        notes: one sentence a batch that was left out.
    """

    origin: GradientOrigin | None
    batches: int
    reason: str = ""
    notes: tuple[str, ...] = ()
