"""What fills the ends of token rows, and which rows hold nothing else."""

from __future__ import annotations

from torch import Tensor


class Padding:
    """Which id fills the ends of token rows, and how much of them."""

    def __init__(self) -> None:
        self.ends: dict[int, int] = {}
        self.rows = self.values = 0
        self.filled: dict[int, int] = {}
        self.empty: dict[int, int] = {}

    def add(self, rows: Tensor) -> None:
        """Adds (N, T) ids."""
        if rows.ndim != 2 or rows.shape[1] < 2 or rows.is_floating_point():
            return
        self.rows += len(rows)
        self.values += rows.numel()
        for end, before in ((-1, -2), (0, 1)):
            last = rows[:, end]
            repeated = last == rows[:, before]
            same = (rows == last[:, None]).long()
            run = (same.flip(1) if end == -1 else same).cumprod(1).sum(1)
            for value, length in zip(last[repeated].tolist(), run[repeated].tolist(), strict=True):
                self.ends[value] = self.ends.get(value, 0) + 1
                if length == rows.shape[1]:
                    self.empty[value] = self.empty.get(value, 0) + (end == -1)
                    length = length if end == -1 else 0
                self.filled[value] = self.filled.get(value, 0) + length

    def read(self) -> tuple[int | None, float, int]:
        """The padding id (None where there is none), its share of the values, rows of it alone."""
        if not self.ends:
            return None, 0.0, 0
        value = max(self.ends, key=lambda each: self.ends[each])
        if self.ends[value] < max(0.05 * self.rows, 2):
            return None, 0.0, 0
        return value, self.filled[value] / self.values, self.empty.get(value, 0)
