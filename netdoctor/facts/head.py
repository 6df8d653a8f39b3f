"""What the model gives to the loss, and what the loss makes of it."""

from __future__ import annotations

import dataclasses

from netdoctor.report import NotExamined

TOLERANCE = 1e-3
"""How far the sum of a distribution may be from 1, and the logarithm of that sum from 0."""

_LOG_LOSS = frozenset({"log_softmax", "nll_loss"})


@dataclasses.dataclass(frozen=True, slots=True)
class OutputValues:
    """The values of the model's main output; only rows and values that are finite count.

    Attributes:
        rows: rows of the class axis: one a sample, pixel or token.
        distributions: rows without a negative value that sum to 1.
        log_distributions: rows without a positive value whose exponentials sum to 1.
        values: number of values.
        in_unit: values within [0, 1].
        negative: values below 0.
        zeros: values that are exactly 0.
    """

    rows: int = 0
    distributions: int = 0
    log_distributions: int = 0
    values: int = 0
    in_unit: int = 0
    negative: int = 0
    zeros: int = 0

    def __post_init__(self) -> None:
        if max(self.distributions, self.log_distributions) > self.rows:
            raise ValueError("more distributions than rows")
        if max(self.in_unit, self.negative, self.zeros) > self.values:
            raise ValueError("more values of a kind than values")

    @property
    def is_like_a_distribution(self) -> bool:
        """Whether some row is a distribution or the logarithm of one."""
        return self.distributions + self.log_distributions > 0

    def __add__(self, other: OutputValues) -> OutputValues:
        mine, others = dataclasses.astuple(self), dataclasses.astuple(other)
        return OutputValues(*(a + b for a, b in zip(mine, others, strict=True)))


@dataclasses.dataclass(frozen=True, slots=True)
class Broadcast:
    """An operation in the loss that blew up output and target against each other.

    Attributes:
        operation: `mse_loss`, `sub`.
        output: the shape of the one that comes from the model's output.
        target: the shape of the one that comes from the target.
        result: the shape that they became.
    """

    operation: str
    output: tuple[int, ...]
    target: tuple[int, ...]
    result: tuple[int, ...]


def takes_logits(loss: str, functions: frozenset[str]) -> str:
    """`cross-entropy` or `bce` where a loss has a softmax or sigmoid of its own, else ``.

    Args:
        loss: its name.
        functions: names of the torch functions that it calls.
    """
    if loss == "cross-entropy" or "cross_entropy" in functions or functions >= _LOG_LOSS:
        return "cross-entropy"
    if loss == "bce" or "binary_cross_entropy_with_logits" in functions:
        return "bce"
    return ""


@dataclasses.dataclass(frozen=True, slots=True)
class HeadFacts:
    """The loss, and the model's main output in the forms in which it was seen.

    Attributes:
        loss: `own`, `cross-entropy`, `bce`, `mse`, or the user's spec; empty when there is none.
        chosen: whether netdoctor chose the loss, so that training may use another one.
        functions: names of the torch functions that the loss called.
        random_targets: whether the targets were made up.
        problem: why there is no loss, or no main output; empty when there is.
        output: how the model's output calls its main tensor, `logits`.
        shape: of the main output in the first batch.
        classes: length of the class axis.
        ends_in: kind of the activation call of which the main output is a copy, `sigmoid`; empty
            when there is none.
        ends_at: that call's name.
        evaluation: the output in evaluation mode.
        training: the output in training mode; None when the model raised there.
        shaken: the output in evaluation mode with large random numbers for the weights of the last
            layer: it keeps only what the model does behind that layer. None when that layer is
            not known; without values where nothing could be learnt from it.
        last_layer: path of that layer; empty when unknown.
        broadcasts: what the loss blew up, each operation and shape once.
        samples: how many samples the model saw.
        synthetic: whether the input was random rather than the user's data.
        device, seed: as run.
        not_examined: what could not be measured.
    """

    loss: str
    chosen: bool
    functions: frozenset[str] = frozenset()
    random_targets: bool = False
    problem: str = ""
    output: str = "output"
    shape: tuple[int, ...] = ()
    classes: int = 1
    ends_in: str = ""
    ends_at: str = ""
    evaluation: OutputValues = OutputValues()
    training: OutputValues | None = None
    shaken: OutputValues | None = None
    last_layer: str = ""
    broadcasts: tuple[Broadcast, ...] = ()
    samples: int = 0
    synthetic: bool = False
    device: str = "cpu"
    seed: int = 0
    not_examined: tuple[NotExamined, ...] = ()

    @property
    def takes_logits(self) -> str:
        """`cross-entropy` or `bce` where the loss has a softmax or sigmoid of its own, else ``."""
        return takes_logits(self.loss, self.functions)

    def seen(self) -> tuple[OutputValues, ...]:
        """The output in every form in which it was seen and had finite rows."""
        shaken = self.shaken if self.shaken is not None and self.shaken.rows else None
        return tuple(each for each in (self.evaluation, self.training, shaken) if each is not None)
