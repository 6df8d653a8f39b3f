"""What the forward probe measured: every call of a pass, and where values first went wrong."""

from __future__ import annotations

import dataclasses
from typing import Literal

from netdoctor.facts.activations import Moments
from netdoctor.facts.backward import BackwardFacts
from netdoctor.facts.site import Site
from netdoctor.facts.target import TargetFacts
from netdoctor.report import NotExamined

Stage = Literal["input", "target", "forward", "loss"]
Status = Literal["ok", "first NaN", "first Inf", "NaN", "Inf", "-Inf mask"]

LARGEST = {"float16": 65504.0, "bfloat16": 3.3895314e38, "float32": 3.4028235e38}
"""The largest finite value of each type."""


@dataclasses.dataclass(frozen=True, slots=True)
class ValueRange:
    """One tensor that went into a call.

    Attributes:
        name: of the parameter or buffer that it is, or `input`.
        shape, dtype: of the tensor.
        minimum, maximum: of its finite values; NaN where there is none.
        nan, inf: numbers of NaN and infinities.
        overwritten: whether an in-place operation has replaced the values since, so that the range
            is the one that they had when they were made.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    minimum: float
    maximum: float
    nan: int = 0
    inf: int = 0
    overwritten: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """A place where finite values first became NaN or infinite.

    Attributes:
        stage: what it is part of: the input batch, the target, the forward pass or the loss.
        subject: the call (`fc1#1`, `/log#1`), or the name of the input.
        operation: the operation's name or the module's class; empty for an input.
        source: `file.py:12`, the user's line that made the call; empty where there is none.
        code: the text of that line.
        reason: what its input shows about why, as a sentence's part.
        nan, inf: numbers of NaN and infinities in that call's output for that batch.
        values: number of values in it.
        batch: the batch's number, counted from 0.
        samples: which samples of the batch, counted from 0; empty where it cannot be told.
        names: the names of those samples, where they have names.
        inputs: what went in.
        batches: in how many batches it began there.
    """

    stage: Stage
    subject: str
    operation: str
    source: str
    code: str
    reason: str
    nan: int
    inf: int
    values: int
    batch: int
    samples: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    inputs: tuple[ValueRange, ...] = ()
    batches: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class StateFault:
    """A parameter or buffer with NaN or infinite values.

    Attributes:
        name: as `named_parameters` and `named_buffers` have it.
        kind: which of the two.
        nan, inf, values: counts.
        used: whether the forward passes read it.
        call: the first call that read it; empty when not used.
        source: the user's line that made that call.
        consequences: number of calls whose output is not finite because of it.
    """

    name: str
    kind: Literal["parameter", "buffer"]
    nan: int
    inf: int
    values: int
    used: bool
    call: str = ""
    source: str = ""
    consequences: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class NormFault:
    """A norm layer whose running statistics cannot be those of what it is given.

    Attributes:
        path: of the layer.
        kind: its class.
        negative: number of channels whose running variance is below 0.
        off: number of channels whose normalised values have a hundred times the size that they
            should have, or less than a thousandth of it (a fiftieth where most are so small).
        channels: number of channels.
        smallest, largest: of the running variances.
        gain: the median channel's root mean square after normalising; 1 when all is well.
        updates: of the statistics, by the layer's counter, although they are as they were made; 0
            where they are not.
    """

    path: str
    kind: str
    negative: int
    off: int
    channels: int
    smallest: float
    largest: float
    gain: float
    updates: int = 0

    @property
    def share(self) -> float:
        """The share of the channels that are off."""
        return self.off / self.channels


@dataclasses.dataclass(frozen=True, slots=True)
class ForwardCall:
    """One call, over all batches.

    Attributes:
        site: its unique name.
        operation: the operation's name or the module's class.
        shape, dtype: of the output in the first batch.
        moments: mean, deviation and zeros of the first batch in which it ran; range and counts of
            all batches.
        status: whether its values are finite, and whether it is the first where they are not.
        weighted: whether it is a layer with weights (convolution, linear, embedding, recurrent).
        zeroed: whether all of those weights are exactly zero, as in a zero-initialised gate.
        spread: how far the outputs of different samples of the first batch lie apart (the root of
            the mean over units of the variance over samples); None when it cannot be told.
        listed: whether it is among the calls that were asked for; all are judged.
    """

    site: Site
    operation: str
    shape: tuple[int, ...]
    dtype: str
    moments: Moments
    status: Status
    weighted: bool = False
    zeroed: bool = False
    spread: float | None = None
    listed: bool = True

    @property
    def magnitude(self) -> float:
        """The largest absolute finite value; 0 where there is none."""
        ends = (abs(self.moments.minimum), abs(self.moments.maximum))
        return max((each for each in ends if each == each), default=0.0)


@dataclasses.dataclass(frozen=True, slots=True)
class ForwardFacts:
    """All calls of the forward passes, in call order, and what is wrong with their values.

    Attributes:
        calls: in the order in which they first ran.
        origins: where finite values became NaN or infinite, in the order in which they were seen.
        state: parameters and buffers that are not finite.
        norms: norm layers with impossible statistics.
        backward: what the backward passes showed; None where nobody asked.
        losses: the loss of each batch, where there is one.
        refused: targets that the loss did not take, one a batch.
        judged_as: the type whose range the values are judged for, `float16`; empty for their own.
        fresh_norms: whether norm layers still have the statistics that they were made with.
        samples, batches: how many the model saw.
        synthetic: whether the input was random.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        device, seed: as run.
        not_examined: what never ran or could not be seen.
        gate: the smallest of the parameters that scale a signal, as a layer scale of 1e-5 does: the
            largest absolute value in it; 1 where there is none or zeros only.
    """

    calls: tuple[ForwardCall, ...]
    origins: tuple[Origin, ...]
    state: tuple[StateFault, ...]
    norms: tuple[NormFault, ...]
    backward: BackwardFacts | None
    losses: tuple[float, ...]
    refused: tuple[TargetFacts, ...]
    judged_as: str
    fresh_norms: bool
    samples: int
    batches: int
    synthetic: bool
    fresh: bool | None
    device: str
    seed: int
    not_examined: tuple[NotExamined, ...] = ()
    gate: float = 1.0
