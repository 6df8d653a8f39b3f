"""DAT005, DAT006 and DAT009: which classes come, how often, and in which order."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netdoctor.facts.loader import LabelFacts, LoaderFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_NO_CLASSES = "the targets are no class indices"
_LISTED = 12


@rule("DAT005", "single-class", Severity.ERROR)
def single_class(facts: LoaderFacts, *, threshold: int = 1, min_samples: int = 32) -> Iterator[
    Hit | Skip
]:  # fmt: skip
    """All labels are the same.

    Measures: the number of different class indices, in masks too; `threshold` or fewer in at
    least `min_samples` samples are a finding, where the samples are the whole data set or were
    drawn at random.

    Why: the network learns to answer without looking.

    False alarm: a part of a data set that is sorted by class; it is not judged, nor are targets
    that say how long the other fields are.

    Remedy: look at how labels are read: from which column or folder.

    Source: house heuristic.
    """
    labels = facts.labels
    if labels is None or labels.kind not in ("class", "one-hot", "mask") or not labels.total:
        yield Skip(_NO_CLASSES)
        return
    if not facts.representative:
        yield Skip("the samples are the first ones of a data set in order: --batches all sees more")
        return
    if facts.samples < min_samples or labels.classes == 1:
        yield Skip(f"fewer than {min_samples} samples" if labels.classes != 1 else "one class only")
        return
    if len(labels.counts) > threshold:
        return
    (label, *_) = labels.counts
    if len(facts.inputs) > 1 and any(label in each.shape for each in facts.inputs):
        yield Skip(f"the target says how long the other fields are: {label}")
        return
    yield Hit(
        labels.field,
        f"all of {facts.samples} samples have the label {label}",
        {"classes": len(labels.counts), "threshold": threshold, "label": label,
         "samples": facts.samples},
        "Look at how the labels are read: from which column or folder, and after which filter.",
    )  # fmt: skip


@rule("DAT006", "class-imbalance", Severity.WARNING)
def class_imbalance(
    facts: LoaderFacts,
    *,
    threshold: float = 10.0,
    surely: float = 5.0,
    confidence: float = 0.95,
    min_labels: int = 100,
) -> Iterator[Hit | Skip]:
    """Some classes come many times as often as others.

    Measures: the largest class over the smallest, as the loader delivers them; `threshold` or
    more in at least `min_labels` labels is a finding where the ratio is `surely` or more at the
    low end of its interval of `confidence`, which allows for the number of pairs of classes. A
    class that is known and never comes counts as half a sample.

    Why: the loss is about the large classes, and accuracy says little.

    False alarm: data that are so by nature, in which the rare class is weighted in the loss.
    What a weighted sampler has balanced is balanced here. Masks are not judged.

    Remedy: WeightedRandomSampler, weights in the loss, or a metric for each class.

    Source: ratio of SageMaker Debugger's ClassImbalance; interval of Clopper and Pearson 1934.
    """
    labels = facts.labels
    if labels is None or labels.kind not in ("class", "one-hot") or not labels.counts:
        yield Skip(_NO_CLASSES)
        return
    if not facts.representative:
        yield Skip("the samples are the first ones of a data set in order: --batches all sees more")
        return
    if labels.bad_at:
        yield Skip("there are labels out of range: mend those first")
        return
    counts = _with_missing(labels)
    if labels.total < min_labels or len(counts) < 2:
        yield Skip(f"fewer than {min_labels} labels" if len(counts) > 1 else "one class only")
        return
    most, least = max(counts, key=lambda each: counts[each]), min(counts, key=counts.__getitem__)
    pairs = len(counts) * (len(counts) - 1) / 2
    ratio = counts[most] / max(counts[least], 0.5)
    if ratio < threshold:
        return
    sure = least_ratio(counts[most], counts[least], (1 - confidence) / pairs)
    if sure < surely:
        return
    missing = [label for label, count in counts.items() if not count]
    seen = (
        f"class {least} never comes" if not counts[least] else
        f"class {least} {_times(counts[least])}"
    )  # fmt: skip
    yield Hit(
        labels.field,
        f"class {most} comes {counts[most]} times, {seen}, in {labels.total} labels",
        {"ratio": ratio, "threshold": threshold, "at_least": sure, "largest": counts[most],
         "smallest": counts[least], "missing": missing[:_LISTED], "labels": labels.total},
        "Draw with a WeightedRandomSampler or weight the classes in the loss, and watch a metric "
        "for each class.",
    )  # fmt: skip


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _with_missing(labels: LabelFacts) -> dict[int, int]:
    """The counts of all classes that there should be; those out of range left out."""
    classes = labels.classes or 0
    counts = dict.fromkeys(range(classes), 0)
    return counts | {k: n for k, n in labels.counts.items() if not classes or 0 <= k < classes}


def least_ratio(larger: int, smaller: int, doubt: float) -> float:
    """The smallest ratio of two classes' frequencies that fits their counts.

    Args:
        larger: times that the one came.
        smaller: times that the other came.
        doubt: probability of counts as uneven as these at that ratio.
    """
    total = larger + smaller
    low, high = 0.0, larger / total if total else 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_least(larger, total, middle) < doubt:
            low = middle
        else:
            high = middle
    return low / max(1 - low, 1e-12)


def _at_least(successes: int, total: int, share: float) -> float:
    """Binomial probability of so many successes or more."""
    if share <= 0:
        return float(successes == 0)
    failures = total - successes
    logs = [
        math.lgamma(total + 1) - math.lgamma(n + 1) - math.lgamma(total - n + 1)
        + n * math.log1p(-share) + (total - n) * math.log(share)
        for n in range(failures + 1)
    ] if share < 1 else [0.0]  # fmt: skip
    top = max(logs)
    return min(1.0, math.exp(top) * sum(math.exp(each - top) for each in logs))


@rule("DAT009", "unshuffled-labels", Severity.WARNING)
def unshuffled_labels(
    facts: LoaderFacts,
    *,
    threshold: float = 0.5,
    probability: float = 1e-6,
    min_labels: int = 32,
) -> Iterator[Hit | Skip]:
    """Training labels come in long runs of the same class.

    Measures: the number of runs of equal labels over the number that a random order has;
    `threshold` or less of at least `min_labels`, where chance has a probability below
    `probability`, is a finding. So is a loader whose first labels are all the same while the
    rest of its data set has others.

    Why: each step trains for the class of the moment and forgets the one before; batch norm sees
    statistics of one class.

    False alarm: loaders for validation, which need no order: they are not judged where the name
    of the data or --split says so. Samplers of one's own are judged only where whole batches are
    of one class, nor is the order in which netdoctor draws from a data set.

    Remedy: DataLoader(shuffle=True); for an IterableDataset a shuffle buffer larger than a class.

    Source: runs test of Wald and Wolfowitz 1940 for several classes (Barton and David 1957).
    """
    order, labels = facts.order, facts.labels
    if not order.ready:
        yield Skip("netdoctor draws the samples itself: give the DataLoader to check its order")
        return
    if facts.split == "val":
        yield Skip("a loader for validation needs no order")
        return
    if labels is None or labels.kind not in ("class", "one-hot"):
        yield Skip(_NO_CLASSES)
        return
    if order.labels < min_labels:
        yield Skip(f"fewer than {min_labels} labels")
        return
    if order.drawn == "own" and order.single_class_batches < 0.5:
        return
    ratio = order.runs / max(order.expected, 1.0)
    sorted_apart = len(order.elsewhere) > 1 and len(labels.counts) == 1
    if sorted_apart:
        ratio = 1 / order.labels
    if ratio > threshold or not (sorted_apart or order.probability < probability):
        return
    first = next(iter(labels.counts))
    yield Hit(
        labels.field,
        f"the first {order.labels} labels are all {first}, while the data set holds others too"
        if sorted_apart else
        f"labels come in {order.runs} runs where a random order has {order.expected:.0f}",
        {"runs_ratio": ratio, "threshold": threshold, "runs": order.runs,
         "expected": order.expected, "labels": order.labels, "order": order.drawn},
        "Give the DataLoader shuffle=True"
        + ("." if facts.split else ", or say --split val if it is for validation."),
    )  # fmt: skip
