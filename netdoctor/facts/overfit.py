"""What training on one small batch showed."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

LEARNT = 0.1
"""Share of the loss left below which a batch counts as learnt: for cross-entropy of balanced
classes the right one then has at least 80 % of the probability in the geometric mean."""
AIM = 0.02
"""Share of the loss left at which training stops."""
FITS = 0.95
"""Share of right predictions from which a batch counts as learnt under a loss without a floor."""
NOTHING_TO_LEARN = 0.9
"""Share of the ignorant loss from which the floor leaves nothing that inputs could explain."""

PATIENCE = 200
"""Steps without a fall by 1 % of the loss left, after which training has stalled."""

End = Literal["reached", "stalled", "steps", "time", "diverged", "non-finite"]
"""How training at one rate ended: near the floor, without improvement for many steps, still
falling at the limit of steps or of time, far above its start, with a NaN or infinite loss."""

Verdict = Literal[
    "learnt", "learnt in part", "learnt too slowly", "stuck", "label noise", "diverged",
    "non-finite",
]  # fmt: skip
GradientState = Literal["value", "zero", "missing", "non-finite"]


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """Training from the given weights at one rate.

    Attributes:
        rate: of the optimiser.
        losses: (S,) float64, the loss before each step and after the last.
        end: how it ended.
    """

    rate: float
    losses: NDArray[np.float64]
    end: End

    @property
    def best(self) -> float:
        """The lowest finite loss; infinity when there is none."""
        finite = self.losses[np.isfinite(self.losses)]
        return float(finite.min()) if len(finite) else float("inf")

    @property
    def steps(self) -> int:
        """How many steps the optimiser took."""
        return max(len(self.losses) - 1, 0)


@dataclasses.dataclass(frozen=True, slots=True)
class GradientStates:
    """The gradient of one trainable parameter before the first and at the last step."""

    name: str
    start: GradientState
    end: GradientState

    @property
    def learns(self) -> bool:
        """Whether it had a gradient at either time."""
        return "value" in (self.start, self.end)


@dataclasses.dataclass(frozen=True, slots=True)
class OverfitFacts:
    """What became of a copy of the network that was trained on one batch.

    Attributes:
        attempts: one a rate, in the order tried; empty when there was nothing to train.
        loss: the name of the loss.
        floor: the lowest loss that any network can reach on this batch; None when unknown.
        ignorant: the lowest loss of one and the same output for every sample; None when unknown.
        fit: share of right predictions, or of the targets' variance explained, in the end; None
            where output and target do not say.
        samples: in the batch.
        target_values: how many numbers the targets hold; 0 when unknown.
        conflicting: samples with the same input as another one and a different target.
        one_target: whether every sample has the same target.
        output_varies: whether the output in the end differs between samples; None when unknown.
        parameters: how many numbers the network's parameters hold.
        trainable: how many of them require gradients.
        gradients: of every trainable parameter, in the network's order.
        random_targets: whether the targets were made up.
        norms: statistics that norm layers used: those of the batch, or the stored ones.
        fresh: True for weights known to be untrained, False for trained, None if unknown.
        optimizer, step_limit, time_limit, seconds: how it was trained; seconds as measured.
        synthetic, device, seed: as run.
    """

    attempts: tuple[Attempt, ...]
    loss: str
    floor: float | None
    ignorant: float | None
    fit: float | None
    samples: int
    target_values: int
    conflicting: int
    one_target: bool
    output_varies: bool | None
    parameters: int
    trainable: int
    gradients: tuple[GradientStates, ...]
    random_targets: bool = False
    norms: Literal["batch", "stored"] = "batch"
    fresh: bool | None = None
    optimizer: str = "adam"
    step_limit: int = 1000
    time_limit: float = 60.0
    seconds: float = 0.0
    synthetic: bool = False
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.trainable <= self.parameters or self.conflicting > self.samples:
            raise ValueError(f"counts exceed their total: {self}")

    @property
    def outcome(self) -> Attempt | None:
        """The attempt that came closest to the floor; None when there was none."""
        return min(self.attempts, key=lambda each: each.best, default=None)

    @property
    def start(self) -> float:
        """The loss before the first step; NaN when there was none."""
        outcome = self.outcome
        return float(outcome.losses[0]) if outcome is not None else float("nan")

    @property
    def best(self) -> float:
        """The lowest loss of all attempts; infinity when there was none."""
        outcome = self.outcome
        return outcome.best if outcome is not None else float("inf")

    @property
    def reference(self) -> float:
        """The loss from which learning counts.

        That of an output that ignores its input where it is known and above the floor, else the
        first loss.
        """
        floor = self.floor or 0.0
        if self.ignorant is not None and self.ignorant - floor > 1e-6 * max(abs(self.ignorant), 1):
            return self.ignorant
        return self.start

    @property
    def remaining(self) -> float | None:
        """The share of the loss above the floor that is left; an unknown floor is taken as 0.

        None where a loss without a known floor starts at or below 0.
        """
        floor, reference = self.floor or 0.0, self.reference
        if not np.isfinite(self.best):
            return float("inf")
        if self.best - floor <= 1e-9 * max(abs(floor), 1) and self.floor is not None:
            return 0.0
        return (self.best - floor) / (reference - floor) if reference > floor else None

    @property
    def learning(self) -> tuple[GradientStates, ...]:
        """The trainable parameters that ever had a gradient."""
        return tuple(each for each in self.gradients if each.learns)

    @property
    def cannot_learn(self) -> bool:
        """Whether it is plain, whatever the targets, that this network cannot learn."""
        return not self.trainable or not self.learning or self.output_varies is False

    @property
    def excuse(self) -> str:
        """Why a loss that stays above its floor proves nothing; empty when it does."""
        if self.cannot_learn:
            return ""
        if self.random_targets:
            return "the targets are random numbers, which a healthy network need not memorise"
        if self.target_values > self.trainable:
            return (
                f"{self.trainable} trainable numbers cannot be expected to memorise "
                f"{self.target_values} target values"
            )
        if self.floor is None and (self.fresh is False or not self._barely_fell):
            return "the floor of this loss is not known"
        return ""

    @property
    def _barely_fell(self) -> bool:
        return self.remaining is not None and self.remaining >= NOTHING_TO_LEARN

    def verdict(self, threshold: float = LEARNT) -> Verdict:
        """What became of it, in a word.

        Args:
            threshold: the share of the loss left below which the batch is learnt.
        """
        outcome = self.outcome
        if outcome is None:
            return "stuck"
        if self.nothing_to_learn and not self.cannot_learn:
            return "label noise"
        if outcome.end == "reached" or self._fits(threshold):
            return "learnt"
        if outcome.end == "non-finite" or outcome.end == "diverged":
            return outcome.end
        if outcome.end in ("steps", "time") and self.learning:
            return "learnt too slowly"
        return "learnt in part" if self.excuse else "stuck"

    @property
    def nothing_to_learn(self) -> bool:
        """Whether equal inputs with different targets leave nothing that inputs could explain."""
        if self.floor is None or self.ignorant is None or not self.conflicting:
            return False
        return self.floor >= NOTHING_TO_LEARN * self.ignorant

    def _fits(self, threshold: float) -> bool:
        if self.remaining is not None and self.remaining < threshold:
            return True
        return self.floor is None and self.fit is not None and self.fit >= FITS

    def settings(self) -> dict[str, Any]:
        """What it takes to repeat it."""
        return {
            "seed": self.seed, "samples": self.samples, "steps": self.step_limit,
            "time_limit": self.time_limit, "optimizer": self.optimizer, "loss": self.loss,
            "norms": self.norms, "synthetic": self.synthetic,
        }  # fmt: skip
