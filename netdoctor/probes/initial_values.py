"""Whether values are still as a random initialisation drew them. No torch."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

FEWEST = 500  # values from which a distribution can be told from another
MOST = 40_000  # values that are looked at
MOST_COARSE = 2_000  # the same of a type whose rounding shows
_UNIFORM = 1.95  # D √n that one random tensor in a thousand exceeds (Kolmogorov)
_NORMAL = 1.25  # the same where the deviation was estimated (Stephens 1974, after simulation)
_KURTOSIS = 5.0  # standard errors


def random_distribution(values: Values) -> str | None:
    """The distribution about zero that values follow as closely as random numbers do.

    Args:
        values: (n,) finite, in any order; exact zeros (of padding) are left out.

    Returns:
        `uniform within ±0.1`, `normal with deviation 0.02`, `truncated normal within ±0.04`; empty
        where they follow none of them, None where there are too few.

    Source: Kolmogorov 1933; Stephens 1974.
    """
    values = np.sort(values[values != 0])
    count = len(values)
    if count < FEWEST:
        return None
    largest = max(-values[0], values[-1])
    deviation = float(np.sqrt(np.square(values).mean()))
    if not largest > 0 or not math.isfinite(deviation) or deviation == 0:
        return ""
    scaled = values / largest
    if _apart((scaled + 1) / 2) < _UNIFORM:
        return f"uniform within ±{largest:.3g}"
    if _normal_shape(values, deviation) and _apart(_phi(values / deviation)) < _NORMAL:
        return f"normal with deviation {deviation:.3g}"
    tail = _phi(np.array([-2.0]))[0]
    if _apart((_phi(2 * scaled) - tail) / (1 - 2 * tail)) < _UNIFORM:
        return f"truncated normal within ±{largest:.3g}"
    return ""


def _apart(uniform: Values) -> float:
    """Kolmogorov's D √n of sorted values against the uniform distribution on [0, 1]."""
    count = len(uniform)
    places = np.arange(count)
    above = float(((places + 1) / count - uniform).max())
    below = float((uniform - places / count).max())
    return max(above, below) * math.sqrt(count)


def _normal_shape(values: Values, deviation: float) -> bool:
    kurtosis = float(((values / deviation) ** 4).mean())
    return abs(kurtosis - 3) < _KURTOSIS * math.sqrt(24 / len(values))


def _phi(values: Values) -> Values:
    """The normal distribution function."""
    at, known = _phi_table()
    found: Values = np.interp(values, at, known)
    return found


@lru_cache(maxsize=1)
def _phi_table() -> tuple[Values, Values]:
    at = np.linspace(-8, 8, 8001)
    return at, np.array([0.5 * math.erfc(-each / math.sqrt(2)) for each in at])
