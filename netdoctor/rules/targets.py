"""DAT004 and DAT010: targets that the loss refuses."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.target import TargetFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_NO_TARGET = "there is no target that a loss could take"


@rule("DAT004", "label-out-of-range", Severity.ERROR)
def label_out_of_range(facts: TargetFacts, *, threshold: int = 0) -> Iterator[Hit | Skip]:
    """A class index for which the model has no output.

    Measures: by how much the smallest class index lies below 0, or the largest beyond the last
    class of the model's output; more than `threshold` is a finding. What cross-entropy ignores
    (-100) is left out.

    Why: on a GPU the loss fails with a device-side assertion that names nothing; on the CPU it
    raises in the middle of an epoch.

    False alarm: none is known.

    Remedy: count classes from 0, give the last layer as many outputs as there are classes, or
    mark what to leave out with the loss's ignore_index.

    Source: house heuristic.
    """
    if not facts.loss and not facts.refusal:
        yield Skip(_NO_TARGET)
        return
    low, high, classes = facts.minimum, facts.maximum, facts.classes
    if not facts.beyond or low is None or high is None or classes is None:
        return
    excess = max(-low, high - classes + 1)
    if excess <= threshold:
        return
    from_one = low >= 1 and high == classes
    yield Hit(
        "target",
        f"class indices go from {low} to {high}, and the model gives {classes} outputs, for 0 to "
        f"{classes - 1}" + (": they seem to be counted from 1" if from_one else ""),
        {"excess": excess, "threshold": threshold, "minimum": low, "maximum": high,
         "classes": classes, "batch": facts.batch, "loss": facts.loss},
        "Subtract 1 where the labels are made." if from_one else
        f"Give the last layer {high + 1} outputs, or mend the labels; what is to be left out gets "
        "the loss's ignore_index (-100).",
    )  # fmt: skip


@rule("DAT010", "target-type", Severity.ERROR)
def target_type(facts: TargetFacts, *, threshold: int = 0) -> Iterator[Hit | Skip]:
    """A target of a type or shape that the loss does not take.

    Measures: the number of batches whose target the loss refused for another reason than class
    indices out of range; more than `threshold` is a finding.

    Why: training stops at the first batch, or an implicit conversion trains for something else.

    False alarm: where netdoctor chose the loss, it may not be the one that training uses: name
    that one with --loss.

    Remedy: class indices are int64 of shape (N,) or (N, d1, …), one-hot and soft targets are
    floating-point of the output's shape, as are the targets of BCE and MSE.

    Source: torch.nn.CrossEntropyLoss, BCEWithLogitsLoss and MSELoss, section Shape.
    """
    if not facts.loss and not facts.refusal:
        yield Skip(_NO_TARGET)
        return
    if not facts.refusal or facts.beyond or threshold >= 1:
        return
    what = f"a target of {facts.dtype} {facts.shape} for an output {facts.output}"
    named = f"the loss {facts.loss} does not take" if facts.loss else "no loss fits"
    yield Hit(
        "target",
        f"{named} {what}: {facts.refusal}",
        {"batches": 1, "threshold": threshold, "dtype": facts.dtype, "shape": list(facts.shape),
         "output": list(facts.output), "batch": facts.batch, "loss": facts.loss},
        "Class indices are int64 of shape (N,): y.long().squeeze(-1) where they are made; targets "
        "of BCE and MSE are float of the output's shape. --loss names the loss that is meant.",
    )  # fmt: skip
