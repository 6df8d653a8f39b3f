"""Whether the loss took the targets."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class TargetFacts:
    """What the loss was given when it refused, or when no loss fitted; else that it took all.

    Attributes:
        loss: its name; empty where none was chosen.
        output: shape of the model's main output.
        shape, dtype: of the target.
        classes: length of the output's class axis; None where there is no such axis.
        minimum, maximum: of an integer target, those ignored left out; None for others.
        refusal: what the loss said; empty when it took every target.
        batch: number of the batch, counted from 0.
    """

    loss: str
    output: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    dtype: str = ""
    classes: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    refusal: str = ""
    batch: int = 0

    @property
    def beyond(self) -> bool:
        """Whether the target holds class indices that the output has no place for."""
        if self.classes is None or self.minimum is None or self.maximum is None:
            return False
        return self.minimum < 0 or self.maximum >= self.classes
