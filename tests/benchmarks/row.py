"""One measured line of the benchmark."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """Work, and what it costs beside its limit.

    Attributes:
        work: what was done; names the unit when `ratio` is not a quotient.
        ratio: the cost, divided by that of the limit or in the named unit.
        limit: what it is measured against.
        goal: the largest ratio that is good enough; None for a naive way, shown to compare.
    """

    work: str
    ratio: float
    limit: str
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without a goal."""
        return None if self.goal is None else self.ratio <= self.goal

    def document(self) -> dict[str, object]:
        """The entry in bench.json."""
        return {
            "work": self.work,
            "ratio": round(self.ratio, 4),
            "limit": self.limit,
            "goal": self.goal,
            "met": self.met,
        }
