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
_NORMAL = 1.9  # the same where the deviation was estimated and the mean is 0 (simulated)
_KURTOSIS = 5.0  # standard errors
_SQUARED = 6  # times
_WIDEST = 200  # filters of a block
_UNEVEN = 4.0  # standard normal deviates: one random tensor in thirty thousand exceeds it
_EDGE = 5.0  # of the Tracy-Widom distribution: one in ten thousand


def drawn_as(values: Values, block: Values) -> str | None:
    """The distribution of a weight as drawn at random: see `random_distribution`.

    Args:
        values: (n,) at `even_places`.
        block: (filters, inputs, values of a kernel) at `block_places`; empty where their order is
            not known.
    """
    drawn = random_distribution(values)
    return "" if drawn and structured(block) else drawn


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


def even_places(count: int, most: int) -> NDArray[np.int64]:
    """(n,) indices at even distances among so many values, `most` at most."""
    kept = min(count, most)
    return np.arange(kept) * count // max(kept, 1)


def block_places(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Where the values of a block lie in a weight, filters and inputs at even distances.

    Args:
        shape: of the weight, its filters first, contiguous.

    Returns:
        (filters, inputs, values of a kernel) indices in rising order, at most `MOST` where a filter
        has no more; the whole weight where it is small.
    """
    filters, inputs, inside = shape[0], shape[1], math.prod(shape[2:])
    across = min(inputs, max(MOST // max(min(filters, _WIDEST) * inside, 1), 1))
    down = min(filters, max(MOST // max(across * inside, 1), 1))
    rows = np.arange(down) * filters // max(down, 1)
    columns = np.arange(across) * inputs // max(across, 1)
    places: NDArray[np.int64] = (rows[:, None, None] * inputs + columns[:, None]) * inside
    return places + np.arange(inside)


def structured(block: Values) -> bool:
    """Whether the values of a weight depend on one another, as those drawn one by one do not.

    Filters, inputs or places in a kernel that are larger than others or have a mean of their own,
    or a direction that more of the filters share than chance allows. It tells a trained weight
    whose values taken together still look normal. Filters or inputs of nothing but zeros (of
    padding) are left out.

    Args:
        block: (filters, inputs, values of a kernel) finite.

    Source: Johnstone 2001 for the largest eigenvalue; Wilson and Hilferty 1931.
    """
    used = block[(block != 0).any((1, 2))][:, (block != 0).any((0, 2))]
    deviation = float(np.sqrt(np.square(used).mean())) if used.size else 0.0
    if used.size < FEWEST or not (deviation > 0 and math.isfinite(deviation)):
        return False
    scaled = used / deviation
    filters, _, inside = scaled.shape
    uneven = any(_uneven(scaled, axis) for axis in range(3) if scaled.shape[axis] > 1)
    return (
        uneven
        or _shared_direction(scaled.reshape(filters, -1))
        or _shared_direction(scaled.reshape(-1, inside))
    )


def _uneven(scaled: Values, axis: int) -> bool:
    """Whether the sizes or the means along an axis differ by more than chance."""
    others = tuple(each for each in range(3) if each != axis)
    slices, of_each = scaled.shape[axis], scaled.size // scaled.shape[axis]
    squares = np.square(scaled)
    spread = max(float(squares.var()), 1e-12)
    sizes = float(np.square(squares.mean(others) - 1).sum()) * of_each / spread
    means = float(np.square(scaled.mean(others)).sum()) * of_each
    return max(_deviate(sizes, slices - 1), _deviate(means, slices)) > _UNEVEN


def _deviate(chi_square: float, freedom: int) -> float:
    """The standard normal deviate that is as rare (Wilson and Hilferty)."""
    spread = 2 / (9 * freedom)
    return float(((chi_square / freedom) ** (1 / 3) - 1 + spread) / math.sqrt(spread))


def _shared_direction(matrix: Values) -> bool:
    """Whether the largest eigenvalue is beyond that of independent values of deviation one."""
    small, large = sorted(matrix.shape)
    if small < 2:
        return False
    gram = matrix.T @ matrix if matrix.shape[1] == small else matrix @ matrix.T
    root = math.sqrt(large - 1) + math.sqrt(small)
    unit = root * (1 / math.sqrt(large - 1) + 1 / math.sqrt(small)) ** (1 / 3)
    limit: float = root * root + _EDGE * unit
    return _largest_eigenvalue(gram) > limit


def _largest_eigenvalue(gram: Values) -> float:
    """By the power method on a power of the matrix; from below, and close where one stands out."""
    power = gram / max(float(np.linalg.norm(gram)), 1e-300)
    for _ in range(_SQUARED):
        power = power @ power
        power = power / max(float(np.linalg.norm(power)), 1e-300)
    direction = power @ np.random.default_rng(0).standard_normal(len(gram))
    size = float(np.linalg.norm(direction))
    return float(np.linalg.norm(gram @ direction)) / size if size else 0.0


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
