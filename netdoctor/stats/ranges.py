"""Range and non-finite counts, at the price of a single read."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class RangeAccumulator:
    """Smallest and largest finite value, and the numbers of NaN and infinities, of all values seen.

    `latest` is the finite range of the latest batch; NaN where it had no finite value.
    """

    def __init__(self) -> None:
        self.count = self.nan = self.inf = self.negative_inf = 0
        self.minimum, self.maximum = math.inf, -math.inf
        self.latest = (math.nan, math.nan)

    def add_known(self, count: int, low: float, high: float) -> None:
        """Adds a batch of finite values whose range is known, without reading it."""
        self.count += count
        self.latest = (low, high)
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)

    def update(self, flat: Tensor) -> tuple[int, int, int]:
        """Adds a batch of values.

        Args:
            flat: (M,) float32 or float64.

        Returns:
            The numbers of NaN, of infinities and of minus infinities in it.
        """
        self.latest = (math.nan, math.nan)
        if not flat.numel():
            return 0, 0, 0
        self.count += flat.numel()
        low, high = (float(each) for each in torch.aminmax(flat))
        found = (0, 0, 0)
        if not (math.isfinite(low) and math.isfinite(high)):
            found = (int(flat.isnan().sum()), int(flat.isinf().sum()), int(flat.isneginf().sum()))
            self.nan, self.inf = self.nan + found[0], self.inf + found[1]
            self.negative_inf += found[2]
            flat = flat[flat.isfinite()]
            if not flat.numel():
                return found
            low, high = (float(each) for each in torch.aminmax(flat))
        self.latest = (low, high)
        self.minimum, self.maximum = min(self.minimum, low), max(self.maximum, high)
        return found
