"""WGT009: weights that stayed where they were while the others were trained."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.weight_files import ChangeFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_LISTED = 16
_PASSIVE = ("counter", "other")


@rule("WGT009", "unmoved-weight", Severity.INFO)
def unmoved_weight(facts: ChangeFacts, *, threshold: float = 0.5) -> Iterator[Hit | Skip]:
    """Tensors are bit for bit what they were in an earlier checkpoint, though training went on.

    Measures: which weights, biases and norm tensors are identical in both files; a finding where
    the others, from the share `threshold` of all, have changed, and where none has changed.

    Why: a layer that is frozen by mistake, left out of the optimiser, not on the way of the
    gradient, or whose updates are too small for its type, does not learn.

    False alarm: layers that were frozen on purpose, and two files of the same step.

    Remedy: see that the optimiser has these parameters and that they ask for a gradient
    (`netdoctor gradflow`); in half precision keep a copy of the weights in float32.

    Source: house heuristic, after UnchangedTensor of SageMaker Debugger.
    """
    compared = [each for each in facts.tensors if each.change in ("identical", "changed")]
    active = [each for each in compared if each.role not in _PASSIVE]
    if not active:
        yield Skip(f"no weight is in both {facts.source} and {facts.against}")
        return
    still = [each.name for each in active if each.change == "identical"]
    share = 1 - len(still) / len(active)
    if not still or (share < threshold and len(still) < len(active)):
        return
    alone = f"{len(still)} of {len(active)} tensors are what they were in {facts.against}"
    message = alone if share else f"all {len(active)} tensors are what they were in {facts.against}"
    yield Hit(
        still[0] if share else facts.source,
        message + (", though the others have moved" if share else ": nothing was trained"),
        {"moved": share, "threshold": threshold, "unmoved": still[:_LISTED], "count": len(still)},
        "See that the optimiser has them and that they ask for a gradient (`netdoctor gradflow`); "
        "nothing to do where they are frozen on purpose.",
    )
