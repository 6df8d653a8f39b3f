"""What the wiring probe measured: how the output hangs together with input, batch and mode."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Unmeasured:
    """A check that could not be done, and why."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Crosstalk:
    """Outputs of some samples before and after their neighbours in the batch were replaced.

    Attributes:
        samples: in the batch.
        replaced: how many of them were replaced by others.
        difference: largest change of an output of the samples that were kept, as a multiple of the
            output's standard deviation.
        noise: the same between two runs on the identical batch.
        rounding: the resolution of the output's type at its largest value, on the same scale.
        first: name of the first call whose output changed for a kept sample; empty when unknown.
        kind: of that call, `softmax`, `BatchNorm2d`.
    """

    samples: int
    replaced: int
    difference: float
    noise: float
    rounding: float
    first: str = ""
    kind: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.replaced < self.samples:
            raise ValueError(f"some samples are kept and some replaced: {self}")


@dataclasses.dataclass(frozen=True, slots=True)
class NormGap:
    """Running statistics of a norm layer beside those of the batch, in training mode.

    Attributes:
        path: of the layer, `layer1.0.bn1`.
        shift: median over the channels of |batch mean - running mean| in running standard
            deviations.
        stretch: median over the channels of batch over running standard deviation.
        mismatch: mean over the channels of shift + |ln stretch|, at most 10 each.
        values: per channel in this batch.
    """

    path: str
    shift: float
    stretch: float
    mismatch: float
    values: int


_LEARNT = 0.5  # of the loss by chance: no fresh network comes near it


@dataclasses.dataclass(frozen=True, slots=True)
class ModeGap:
    """Outputs for the same samples in evaluation mode and in training mode without random masks.

    Attributes:
        samples: in the batch.
        cosine: similarity of the two outputs, each centred over the samples.
        repeat_cosine: the same between two runs in training mode with different seeds.
        eval_loss, train_loss, repeat_loss: mean losses of the three runs; None without a target.
        chance_loss: the loss of the training mode's outputs with each other's targets.
        norms: the norm layers with running statistics that used batch statistics, in call order.
        updates: how often the running statistics were updated in training; None if not counted.
        untouched: whether all running means are 0 and all running variances 1.
    """

    samples: int
    cosine: float
    repeat_cosine: float
    eval_loss: float | None
    train_loss: float | None
    repeat_loss: float | None
    norms: tuple[NormGap, ...]
    updates: int | None
    untouched: bool
    chance_loss: float | None = None

    @property
    def has_learnt(self) -> bool:
        """Whether training mode's outputs fit their own targets far better than each other's."""
        if self.train_loss is None or self.chance_loss is None:
            return False
        return self.train_loss < _LEARNT * self.chance_loss

    @property
    def worst(self) -> NormGap:
        """The norm layer whose statistics fit least."""
        return max(self.norms, key=lambda norm: norm.mismatch)


@dataclasses.dataclass(frozen=True, slots=True)
class Sensitivity:
    """How much the output varies with the sample.

    Attributes:
        samples: whose inputs differ.
        variation: range over the samples of an output divided by its magnitude, largest over the
            outputs.
        shuffled_variation: the same over these samples and their copies with all values shuffled;
            None when not needed or not possible.
        cause: name of the first call on the way whose output is constant while its input varies.
        kind: of that call.
        units: channels or features of that call.
        activation: whether that call is an activation function.
        zero_weights: whether that call multiplies by weights of the model that are all zero.
    """

    samples: int
    variation: float
    shuffled_variation: float | None = None
    cause: str = ""
    kind: str = ""
    units: int = 0
    activation: bool = False
    zero_weights: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class WiringFacts:
    """What was measured, or why not.

    Attributes:
        crosstalk, mode_gap, sensitivity: one for each check.
        synthetic: whether the input was random rather than the user's data.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        device: as run.
    """

    crosstalk: Crosstalk | Unmeasured
    mode_gap: ModeGap | Unmeasured
    sensitivity: Sensitivity | Unmeasured
    synthetic: bool
    fresh: bool | None
    device: str
