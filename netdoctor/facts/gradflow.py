"""What the gradient probe measured, parameter by parameter and call by call."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

from netdoctor.facts.activations import Role
from netdoctor.facts.site import Site
from netdoctor.report import NotExamined

State = Literal["value", "zero", "missing", "frozen", "non-finite"]
"""What became of a parameter's gradient: it has values; it is exactly zero in every batch; the
parameter is not in the graph of the loss; it does not require a gradient; NaN or infinity in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cause:
    """Why a parameter has no gradient, or a zero or non-finite one.

    Attributes:
        kind: of a missing one: `cut`, `never-called`, `never-used`, `other-mode` (its module runs
            in evaluation mode only), `not-routed` (a sibling ran on a part of the batch instead),
            `unused-output` (it reaches an output that the loss does not take), `unused-result`.
            Of a zero one: `stopped` (an operation gave zero for a gradient that was none),
            `zero-gate` (that operation multiplies by a parameter that is zero and will move),
            `zero-input`, `empty-input`, `single` (softmax over one element), `zero-loss`.
            Of a non-finite one: `loss`, `forward` (activations are not finite), `backward`.
        operation: that did it: `detach`, `no_grad`, `argmax`, `relu`, `sqrt`.
        where: path of the module in whose forward it ran; empty for the model itself.
        source: `file.py:12`, the user's line; empty where there is none.
    """

    kind: str
    operation: str = ""
    where: str = ""
    source: str = ""

    @property
    def meant(self) -> str:
        """Why it is no fault; empty when it may be one."""
        return _MEANT.get(self.kind, "")


_MEANT = {
    "unused-output": "it makes an output that the loss does not take",
    "other-mode": "its module runs in evaluation mode only",
    "not-routed": "others of its kind ran instead for these samples",
    "zero-gate": "it waits for a weight that starts at zero and moves with the first step",
    "empty-input": "no sample came to it",
    "single": "it only feeds a softmax over one element",
    "zero-loss": "the loss is at its minimum or flat there",
}


@dataclasses.dataclass(frozen=True, slots=True)
class ParameterGradient:
    """One parameter and its gradient over the batches in which it had one.

    Attributes:
        name: dotted, `layer1.0.conv1.weight`; the first of its names when it is shared.
        module: path of the module that holds it; empty for the model itself.
        kind: that module's class.
        shape: of the parameter.
        state: what became of its gradient.
        batches: in how many batches it had a gradient.
        mean: mean of |g|, over elements and batches.
        maximum: largest |g| of all.
        norm: L2 norm of the gradient, mean over the batches.
        weight_norm: L2 norm of the parameter.
        signal: L2 norm of the mean gradient over its standard deviation across the batches (the
            square root of the summed variances); infinite above 1000, where float32 cannot tell;
            None for fewer than two batches.
        update_ratio: L2 norm of the optimiser's first step over that of the parameter, mean over
            the batches; None without a learning rate.
        nan, infinite: numbers of such elements.
        underflow: share of the elements other than 0 that would be 0 in float16 without a scaler;
            None unless asked for.
        also: other names of a shared parameter.
        cause: why the gradient is missing, zero or not finite; None for others.
    """

    name: str
    module: str
    kind: str
    shape: tuple[int, ...]
    state: State
    batches: int = 0
    mean: float = 0.0
    maximum: float = 0.0
    norm: float = 0.0
    weight_norm: float = 0.0
    signal: float | None = None
    update_ratio: float | None = None
    nan: int = 0
    infinite: int = 0
    underflow: float | None = None
    also: tuple[str, ...] = ()
    cause: Cause | None = None

    @property
    def count(self) -> int:
        """Number of elements."""
        total = 1
        for size in self.shape:
            total *= size
        return total

    @property
    def alarming(self) -> bool:
        """Whether its gradient is missing, zero or not finite, and that is hardly meant."""
        odd = self.state in ("missing", "zero", "non-finite")
        return odd and not (self.cause is not None and self.cause.meant)

    @property
    def is_matrix(self) -> bool:
        """Whether it is a weight that mixes inputs, not a bias, a scale or a norm's weight."""
        return len(self.shape) > 1 and min(self.count, *self.shape) > 0

    @property
    def relative(self) -> float | None:
        """|g| / |w| of the norms; None for a parameter that is all zero."""
        return self.norm / self.weight_norm if self.weight_norm else None


@dataclasses.dataclass(frozen=True, slots=True)
class CallGradient:
    """The gradient of the loss with respect to the output of one activation call.

    Attributes:
        site: the call's unique name.
        kind: `relu`, `gelu`.
        shape: of the output in the first batch.
        after: path of the layer whose output the call was given; empty when unknown.
        role: where the activation stands in the network.
        upstream: names of the activation calls that feed it, and `""` for the model's own input.
        state: as of a parameter; `missing` where no gradient came.
        batches: in how many batches a gradient came.
        mean: mean of |g|, over elements and batches.
        maximum: largest |g| of all.
        norm: L2 norm over the whole batch, mean over the batches.
    """

    site: Site
    kind: str
    shape: tuple[int, ...]
    after: str = ""
    role: Role = "hidden"
    upstream: tuple[str, ...] = ()
    state: State = "missing"
    batches: int = 0
    mean: float = 0.0
    maximum: float = 0.0
    norm: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class GradientFacts:
    """All parameters, in the order in which the forward pass uses them, and all calls.

    Attributes:
        parameters: each once, shared ones too.
        calls: activation calls in the order in which they first ran.
        losses: of every batch.
        loss: `own`, `cross-entropy`, `bce`, `mse`, or the user's spec.
        expected_loss: what an untrained model should have: ln C, ln 2, the targets' variance; None
            where nobody knows.
        expectation: how that came about, `ln 10`.
        random_targets: whether the targets were made up.
        samples: how many samples the model saw.
        synthetic: whether the input was random rather than the user's data.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        device, seed: as run.
        optimizer, rate: whose first step `update_ratio` is; the rate is None when not asked for.
        amp: `float16`, `bfloat16`, or empty.
        scale: the last loss scale, taken out of every gradient; 1 without one.
        overflows: passes that were repeated at half the scale since gradients overflowed.
        not_examined: what never ran.
        settings: anything else needed to repeat it.
    """

    parameters: tuple[ParameterGradient, ...]
    calls: tuple[CallGradient, ...]
    losses: tuple[float, ...]
    loss: str
    expected_loss: float | None = None
    expectation: str = ""
    random_targets: bool = False
    samples: int = 0
    synthetic: bool = False
    fresh: bool | None = None
    device: str = "cpu"
    seed: int = 0
    optimizer: str = "sgd"
    rate: float | None = None
    amp: str = ""
    scale: float = 1.0
    overflows: int = 0
    not_examined: tuple[NotExamined, ...] = ()
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)

    def of_state(self, *states: State) -> list[ParameterGradient]:
        """The parameters whose gradient is in one of these states."""
        return [each for each in self.parameters if each.state in states]
