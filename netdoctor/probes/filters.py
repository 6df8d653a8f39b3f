"""The filters of one weight: their norms, which repeat another, and how many matter."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from netdoctor.facts.weights import UNKNOWN, FilterFacts

_ALIKE = 0.99  # cosine from which one filter repeats another
_FEWEST_INPUTS = 9  # below, only whole copies count: short vectors meet by chance
_COPY = 1 - 1e-6
_PROJECTED = 48  # dimensions in which copies are sought
_CLOSE = 0.9  # cosine there from which a pair is compared in full
_CHUNK = 1024
_MOST_FILTERS = 8192
_MOST_PAIRS = 200_000
_LARGEST_GRAM = 1024
_LARGEST_EXACT = 256  # rows up to which the Gram matrix is always computed in float64
_LOST = 3e-3  # of the largest singular value: below, float32's Gram matrix has no digits left
_FEW_VALUES = 16  # distinct values of a quantised weight
_DEAD = 1e-3  # of the largest norm


def measure_filters(
    filters: Tensor, *, groups: int = 1, compare: bool = True, follows_norm: bool | None = None
) -> FilterFacts:
    """The facts of a weight's filters.

    Args:
        filters: (filters, elements) finite, of any floating-point type.
        groups: only filters of the same one of these equal runs have the same input.
        compare: whether to look for copies.
        follows_norm: passed on.
    """
    norms = _norms(filters)
    copies = _copies(filters.float(), norms, groups) if compare else ()
    rank = effective_rank(filters)
    return FilterFacts(norms, filters.shape[1], copies, rank, follows_norm)


def _norms(filters: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    parts = [part.double().square().sum(1).sqrt() for part in torch.split(filters, _CHUNK)]
    return torch.cat(parts).numpy()


def effective_rank(filters: Tensor) -> float:
    """Exp of the entropy of the singular values of (filters, elements); NaN where it is too large.

    Large well-conditioned matrices are computed in float32, which is right to a thousandth.

    Source: Roy and Vetterli 2007.
    """
    small = min(filters.shape)
    if not 0 < small <= _LARGEST_GRAM:
        return UNKNOWN
    tall = filters if filters.shape[0] == small else filters.t()
    if small > _LARGEST_EXACT and tall.dtype != torch.float64:
        values = _singular_values(tall, torch.float32)
        if _well_conditioned(values):
            return _effective(values)
    return _effective(_singular_values(tall, torch.float64))


def _singular_values(tall: Tensor, dtype: torch.dtype) -> Tensor:
    """(n,) float64, by the eigenvalues of the Gram matrix of the rows, computed in `dtype`."""
    scale = float(tall.abs().max()) or 1.0
    gram = torch.zeros(len(tall), len(tall), dtype=dtype)
    for part in torch.split(tall, 1 << 16, dim=1):
        wide = part.to(dtype) / scale
        gram.addmm_(wide, wide.t())
    values: Tensor = torch.linalg.eigvalsh(gram)
    return values.double().clamp_min(0).sqrt()


def _well_conditioned(values: Tensor) -> bool:
    """Whether those that float32 cannot tell from 0 make up next to nothing of the sum."""
    lost = values < _LOST * values.max()
    return int(lost.sum()) * _LOST * float(values.max()) < 1e-3 * float(values.sum())


def _effective(values: Tensor) -> float:
    values = values[values > 1e-7 * values.max()]
    if not len(values):
        return UNKNOWN
    share = values / values.sum()
    return math.exp(float(-(share * share.log()).sum()))


def _copies(
    filters: Tensor, norms: np.ndarray[tuple[int, ...], np.dtype[np.float64]], groups: int
) -> tuple[tuple[int, ...], ...]:
    count, elements = filters.shape
    alive = torch.from_numpy(norms > max(_DEAD * norms.max(initial=0.0), 1e-30)).nonzero()[:, 0]
    if elements < 2 or len(alive) < 2 or _quantised(filters):
        return ()
    unit = filters[alive] / torch.from_numpy(norms).float()[alive, None]
    least = _ALIKE if elements >= _FEWEST_INPUTS else _COPY
    of_group = alive // max(count // groups, 1)
    pairs = _close_pairs(unit, of_group)
    if len(pairs):
        cosine = torch.cat([
            (unit[part[:, 0]] * unit[part[:, 1]]).sum(1) for part in torch.split(pairs, _CHUNK)
        ])  # fmt: skip
        pairs = pairs[cosine > least]
    return _joined(alive[pairs].tolist())


def _quantised(filters: Tensor) -> bool:
    some = filters.reshape(-1)[:4096]
    few = len(torch.unique(some)) <= min(_FEW_VALUES, len(some) // 64)
    return few and not bool((filters == filters[:1]).all())


def _close_pairs(unit: Tensor, of_group: Tensor) -> Tensor:
    """(P, 2) pairs of filters that may be copies: close in a random projection, or equal in it."""
    source = torch.Generator().manual_seed(0)
    seen = unit
    if unit.shape[1] > 2 * _PROJECTED:
        seen = unit @ torch.randn(unit.shape[1], _PROJECTED, generator=source, dtype=unit.dtype)
        seen = seen / seen.norm(dim=1, keepdim=True).clamp_min(1e-30)
    if len(unit) > _MOST_FILTERS:
        return _equal_pairs(seen)
    found: list[Tensor] = []
    kept = 0
    for start in range(0, len(seen), _CHUNK):
        cosine = seen[start : start + _CHUNK] @ seen[start:].t()
        pairs = (cosine > _CLOSE).nonzero() + start
        pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        pairs = pairs[of_group[pairs[:, 0]] == of_group[pairs[:, 1]]]
        found.append(pairs)
        kept += len(pairs)
        if kept > _MOST_PAIRS:
            return torch.cat([_equal_pairs(seen), torch.cat(found)[:_MOST_PAIRS]])
    return torch.cat(found)


def _equal_pairs(seen: Tensor) -> Tensor:
    """Neighbours in the order of the first coordinate: exact copies stand next to each other."""
    order = seen[:, 0].argsort()
    return torch.stack([order[:-1], order[1:]], 1)


def _joined(pairs: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    """The groups that pairs make: each filter is told by the first that it was compared with."""
    first: dict[int, int] = {}

    def root(each: int) -> int:
        while first.get(each, each) != each:
            each = first[each]
        return each

    for a, b in pairs:
        low, high = sorted((root(a), root(b)))
        first[high], first[low] = low, low
    groups: dict[int, list[int]] = {}
    for each in sorted(first):
        groups.setdefault(root(each), []).append(each)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)
