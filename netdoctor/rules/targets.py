"""DAT004 and DAT010: targets that the loss refuses, or that no loss takes as they are meant."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.loader import LabelFacts, LoaderFacts
from netdoctor.facts.target import TargetFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_NO_TARGET = "there is no target that a loss could take"


@rule("DAT004", "label-out-of-range", Severity.ERROR)
def label_out_of_range(
    facts: TargetFacts | LoaderFacts, *, threshold: int = 0
) -> Iterator[Hit | Skip]:
    """A class index for which the model has no output.

    Measures: by how much the smallest class index lies below 0, or the largest beyond the last
    class of the model's output; more than `threshold` is a finding. What cross-entropy ignores
    (-100) is left out, and in masks and sequences so are 255 and -1. Where nobody says how many
    classes there are: negative indices, masks of 0 and 255, and, as a warning, classes that are
    all there but for 0.

    Why: on a GPU the loss fails with a device-side assertion that names nothing; on the CPU it
    raises in the middle of an epoch.

    False alarm: classes counted from 1 are right where 0 stands for the background.

    Remedy: count classes from 0, give the last layer as many outputs as there are classes, or
    mark what to leave out with the loss's ignore_index.

    Source: house heuristic.
    """
    if isinstance(facts, LoaderFacts):
        yield from _of_labels(facts, threshold)
        return
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
def target_type(facts: TargetFacts | LoaderFacts, *, threshold: int = 0) -> Iterator[Hit | Skip]:
    """A target of a type or shape that the loss does not take.

    Measures: the number of batches whose target the loss refused for another reason than class
    indices out of range; more than `threshold` is a finding. A loader without a model: texts,
    class indices that are not int64, that are floating-point or a column, and one-hot rows of
    integers; a warning where they may be meant otherwise.

    Why: training stops at the first batch, or an implicit conversion trains for something else.

    False alarm: where netdoctor chose the loss, it may not be the one that training uses: name
    that one with --loss.

    Remedy: class indices are int64 of shape (N,) or (N, d1, …), one-hot and soft targets are
    floating-point of the output's shape, as are the targets of BCE and MSE.

    Source: torch.nn.CrossEntropyLoss, BCEWithLogitsLoss and MSELoss, section Shape.
    """
    if isinstance(facts, LoaderFacts):
        yield from _of_types(facts, threshold)
        return
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


_INDEXED = ("class", "mask", "sequence")


def _of_labels(facts: LoaderFacts, threshold: int) -> Iterator[Hit | Skip]:
    labels = facts.labels
    if labels is None:
        yield Skip("there are no targets")
        return
    if labels.kind == "regression" and _is_byte_mask(labels):
        yield _byte_mask(labels, threshold)
        return
    if labels.kind not in _INDEXED or labels.minimum is None or labels.maximum is None:
        return
    low, high, classes = int(labels.minimum), int(labels.maximum), labels.classes
    if labels.kind == "mask" and set(labels.counts) == {0, 255}:
        yield _byte_mask(labels, threshold)
        return
    if labels.kind == "sequence" and labels.classes_from != "--num-classes":
        classes = None
    excess = max(-low, high - classes + 1 if classes is not None else -low)
    from_one = low == 1 and _without_gaps(labels) and classes in (None, high)
    if excess > threshold:
        yield _beyond(labels, low, high, classes, excess, threshold, from_one)
    elif classes is None and from_one and labels.kind == "class" and threshold < 1:
        yield Hit(
            labels.field,
            f"classes are counted from 1: {high} classes from 1 to {high}, and none is 0",
            {"excess": 1, "threshold": threshold, "minimum": low, "maximum": high,
             "labels": labels.total},
            f"Subtract 1 where the labels are made, or give the last layer {high + 1} outputs; "
            "--num-classes tells how many there are.",
            Severity.WARNING,
        )  # fmt: skip


def _without_gaps(labels: LabelFacts) -> bool:
    """Whether there are two classes or more, each seen several times, and 0 should have been."""
    seen = labels.counts
    return len(seen) >= 2 and len(seen) == max(seen) - min(seen) + 1 and min(seen.values()) >= 3


def _is_byte_mask(labels: LabelFacts) -> bool:
    return len(labels.shape) >= 2 and labels.whole and labels.minimum == 0 and labels.maximum == 255


def _byte_mask(labels: LabelFacts, threshold: int) -> Hit:
    return Hit(
        labels.field,
        "the mask holds 0 and 255 as an image file does, not class indices or values in [0, 1]",
        {"excess": 254, "threshold": threshold, "minimum": 0, "maximum": 255},
        "Divide it by 255 where it is read: (mask > 127) gives classes 0 and 1.",
    )


def _beyond(
    labels: LabelFacts, low: int, high: int, classes: int | None, excess: int, threshold: int,
    from_one: bool,
) -> Hit:  # fmt: skip
    room = (
        f", but {labels.classes_from} says {classes} classes, 0 to {classes - 1}" if classes else ""
    )
    signs = low == -1 and high == 1 and set(labels.counts) == {-1, 1}
    hint = ": they seem to be counted from 1" if from_one else ""
    hint = ": -1 and 1 are for a hinge loss, cross-entropy takes 0 and 1" if signs else hint
    if from_one:
        remedy = "Subtract 1 where the labels are made."
    elif low < 0:
        remedy = "Count classes from 0; what is to be left out gets the ignore_index (-100)."
    else:
        remedy = (
            f"Give the last layer {high + 1} outputs, or mend the labels; what is to be left out "
            "gets the loss's ignore_index (-100)."
        )
    return Hit(
        labels.field,
        f"class indices go from {low} to {high}{room or ', and none may be negative'}{hint}",
        {"excess": excess, "threshold": threshold, "minimum": low, "maximum": high,
         "classes": classes, "samples": list(labels.bad_at)},
        remedy,
    )  # fmt: skip


def _of_types(facts: LoaderFacts, threshold: int) -> Iterator[Hit | Skip]:
    labels = facts.labels
    if labels is None:
        yield Skip("there are no targets")
        return
    if threshold >= 1:
        return
    loss = facts.model.loss if facts.model is not None else ""
    found = _wrong_type(labels) or _wrong_for(loss, labels)
    if found is not None:
        message, remedy, certain = found
        yield Hit(
            labels.field,
            message,
            {"batches": facts.batches, "threshold": threshold, "dtype": labels.dtype,
             "shape": list(labels.shape), "values": labels.distinct or len(labels.counts)},
            remedy,
            Severity.ERROR if certain else Severity.WARNING,
        )  # fmt: skip
    elif facts.refused is not None and not facts.refused.beyond and not labels.ignored:
        yield from target_type(facts.refused, threshold=threshold)


def _wrong_type(labels: LabelFacts) -> tuple[str, str, bool] | None:
    """What is wrong with the type, what to do, and whether it is certain."""
    known = labels.classes is not None and labels.classes > 1
    if labels.kind == "text":
        return "the targets are texts", "Number the classes from 0, as int64.", True
    if labels.kind == "class" and labels.column and len(labels.counts) > 1:
        return (
            "class indices have the shape (N, 1), and cross-entropy takes (N,)",
            "Take the axis off where the batch is made: y.squeeze(-1).",
            known,
        )
    if labels.kind in ("one-hot", "multi-label") and labels.dtype.startswith(
        ("int", "uint", "bool")
    ):
        return (
            f"{labels.kind} targets are {labels.dtype}, and losses take them as floating-point",
            "Convert them where they are made: y.float(); or give class indices as int64.",
            labels.classes_from == "--num-classes",
        )
    if labels.kind in ("class", "sequence", "mask") and labels.dtype in (
        "int8", "int16", "int32", "bool",
    ):  # fmt: skip
        certain = known and labels.dtype != "bool"
        if labels.kind == "mask" and not certain:
            return None
        if labels.dtype == "bool" and not known:
            return None
        return (
            f"class indices are {labels.dtype}, and cross-entropy takes int64",
            "Convert them where they are made: y.long().",
            certain,
        )
    if labels.kind == "regression" and labels.shape in ((), (1,)) and _like_classes(labels):
        return (
            f"targets are {labels.dtype}, but look like indices of {len(labels.counts)} classes",
            "For cross-entropy make them int64 where they are made: y.long().",
            known,
        )
    return None


def _wrong_for(loss: str, labels: LabelFacts) -> tuple[str, str, bool] | None:
    """Whole numbers for a loss that takes floating-point ones, as PyTorch's own has it."""
    if loss != "bce" or not labels.dtype.startswith(("int", "uint", "bool")):
        return None
    return (
        f"the targets are {labels.dtype}, and binary cross-entropy takes floating-point ones of "
        "the output's shape",
        "Convert them where they are made: y.float(), with the output's shape.",
        True,
    )


def _like_classes(labels: LabelFacts) -> bool:
    """Whole numbers from 0 on, without gaps, each about as often: indices, not quantities."""
    seen = labels.counts
    if not labels.whole or len(seen) < 3 or sorted(seen) != list(range(len(seen))):
        return labels.classes is not None and labels.classes > 2 and labels.whole
    return labels.classes is not None or min(seen.values()) > 0.4 * max(seen.values())
