"""WGT004 and WGT005: filters that do nothing, and filters that repeat another."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from netdoctor.facts.weights import TensorFacts, WeightFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.weight_evidence import (
    before_batch_norm,
    depthwise,
    judged,
    pruned,
    trained,
)

_NOTHING = 1e-3  # of the other filters' norm
_LISTED = 16
_FEWEST = 4  # filters
_FEWEST_INPUTS = 9
_SHUFFLED = (4, 9, 16)  # filters that start alike ahead of a pixel shuffle by 2, 3 or 4


@rule("WGT004", "dead-filters", Severity.WARNING)
def dead_filters(facts: WeightFacts, *, threshold: float = 0.1) -> Iterator[Hit | Skip]:
    """Filters of a convolution or rows of a linear layer are next to nothing.

    Measures: the share of a layer's filters whose norm is at most a thousandth of the median of the
    others, or exactly zero; from `threshold` a finding.

    Why: such a unit gives its bias whatever the input: capacity that is paid for and not used.

    False alarm: a filter's scale ahead of a batch norm is undone, and published networks have many
    that weight decay has shrunk: there only exact zeros count. Pruned and fresh networks and layers
    of fewer than four filters are not judged; a weight of nothing but zeros is zero-weight.

    Remedy: lower weight decay and the learning rate, look at dead units (`netdoctor deadneurons`),
    or prune the filters.

    Source: house heuristic.
    """
    is_trained, why = trained(facts)
    if is_trained is False:
        yield Skip(f"fresh weights have no filters that training emptied: {why}")
        return
    reason = pruned(facts)
    for each in judged(facts):
        filters = each.filters
        if filters is None or each.role not in ("convolution", "linear") or each.all_zero:
            continue
        if len(filters.norms) < _FEWEST or each.nan or each.inf or each.tied:
            continue
        dead = dead_of(each, facts)
        share = len(dead) / len(filters.norms)
        if share < threshold:
            continue
        if reason:
            yield Skip(f"the network was pruned: {reason}", each.name)
            continue
        yield Hit(
            each.name,
            f"{len(dead)} of {len(filters.norms)} filters are next to nothing",
            {"share": share, "threshold": threshold, "dead": len(dead),
             "filters": len(filters.norms), "indices": dead[:_LISTED]},
            "Lower weight decay and the learning rate, look at dead units with `netdoctor "
            "deadneurons`, or prune the filters.",
        )  # fmt: skip


def dead_of(tensor: TensorFacts, facts: WeightFacts) -> list[int]:
    """The numbers of the filters that do nothing."""
    if tensor.filters is None or not len(tensor.filters.norms):
        return []
    norms = tensor.filters.norms
    limit = 0.0
    if not before_batch_norm(tensor, facts):
        alive = norms[norms > _NOTHING * norms.max()]
        limit = _NOTHING * float(np.median(alive)) if len(alive) else 0.0
    found: list[int] = np.flatnonzero(norms <= limit).tolist()
    return found


@rule("WGT005", "duplicate-filters", Severity.WARNING)
def duplicate_filters(facts: WeightFacts, *, threshold: float = 0.1) -> Iterator[Hit | Skip]:
    """Filters of one layer are copies of one another, up to a positive factor.

    Measures: the share of a layer's filters that repeat an earlier one; from `threshold` a finding.

    Why: they compute the same; filters that start alike and have the same gradient stay alike.

    False alarm: depthwise kernels each have an input of their own, and fewer than nine values a
    filter meet by chance: neither is judged. Nor are pruned networks, embeddings, constant weights
    (constant-weight) and groups of 4, 9 or 16 neighbours, as a layer ahead of a pixel shuffle may
    start.

    Remedy: initialise at random; if the copies came with training, fewer filters will do.

    Source: Goodfellow et al. 2016, section 8.4; threshold: house heuristic.
    """
    reason = pruned(facts)
    for each in judged(facts):
        filters = each.filters
        if filters is None or not filters.duplicates or each.role == "embedding":
            continue
        count = len(filters.norms)
        share = sum(len(group) - 1 for group in filters.duplicates) / count
        if share < threshold or each.constant or each.tied:
            continue
        skipped = _reason_to_skip(each, reason)
        if skipped:
            yield Skip(skipped, each.name)
            continue
        yield Hit(
            each.name,
            f"{round(share * count)} of {count} filters are copies of another "
            f"({len(filters.duplicates)} group(s), the first {_listed(filters.duplicates[0])})",
            {"share": share, "threshold": threshold, "filters": count,
             "groups": [list(group[:_LISTED]) for group in filters.duplicates[:_LISTED]]},
            "Initialise the layer at random; if the copies came with training, fewer filters will "
            "do.",
        )  # fmt: skip


def _reason_to_skip(tensor: TensorFacts, pruned_because: str) -> str:
    assert tensor.filters is not None
    groups, count = tensor.filters.duplicates, len(tensor.filters.norms)
    if pruned_because:
        return f"the network was pruned: {pruned_because}"
    if depthwise(tensor):
        return "depthwise kernels each have an input of their own"
    whole = len(groups) == 1 and len(groups[0]) == count
    if tensor.filters.elements < (2 if whole else _FEWEST_INPUTS) or count < _FEWEST:
        return f"filters of fewer than {_FEWEST_INPUTS} values may meet by chance"
    alike = len(groups[0])
    neighbours = all(len(group) == alike and group[-1] - group[0] == alike - 1 for group in groups)
    if alike in _SHUFFLED and neighbours and len(groups) > 1 and len(groups) * alike == count:
        return f"{alike} neighbours are alike throughout, as ahead of a pixel shuffle"
    if math.isclose(tensor.norm, max(-tensor.minimum, tensor.maximum) * math.sqrt(tensor.values)):
        return "all values have one magnitude: binary weights"
    return ""


def _listed(group: tuple[int, ...]) -> str:
    more = ", …" if len(group) > 4 else ""
    return ", ".join(map(str, group[:4])) + more
