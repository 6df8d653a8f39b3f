"""DAT003 and DAT017: inputs that nobody scaled, and images that were scaled twice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from netdoctor.facts.loader import LoaderFacts
from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.scales import is_bytes, twice

_SMALLEST_FLAT = 64  # pixels of an image that was made one row of numbers


@rule("DAT003", "unnormalised-input", Severity.WARNING)
def unnormalised_input(
    facts: LoaderFacts,
    *,
    threshold: float = 3.0,
    largest: float = 100.0,
    min_samples: int = 32,
) -> Iterator[Hit | Skip]:
    """Inputs at a scale that networks do not learn from well.

    Measures: for images, values from 0 to 255 that nobody scaled; for colour images also a
    standard deviation of `threshold` or more over at least `min_samples` samples, or single images
    that have it and 20 times the usual one. For rows of numbers, a column whose mean or deviation
    exceeds `largest`.

    Why: first-layer gradients grow with the inputs; the learning rate that suits them suits no
    other layer.

    False alarm: a network that scales its input itself. Where --model names it and it begins with
    a norm layer or takes bytes, nothing is reported; nor are masks, one-hot rows, token ids,
    spectrograms and grey images of other ranges.

    Remedy: scale to [0, 1], then subtract the mean and divide by the standard deviation.

    Source: |mean| and deviation after SageMaker Debugger's CheckInputImages, bounds widened so
    that [0, 1] and ImageNet's normalisation pass.
    """
    if facts.model is not None and facts.model.first_norm:
        yield Skip("the model begins with a norm layer, which takes any scale")
        return
    for field in facts.inputs:
        if field.channels is None or twice(field):
            continue
        if field.kind == "image":
            converts = facts.model is not None and facts.model.takes and field.dtype == "uint8"
            if not converts:
                yield from _image_scale(field, threshold, min_samples)
        elif field.kind in ("dense", "integers") and _is_film(field):
            yield from _image_scale(field, threshold, min_samples)
        elif field.kind == "tabular":
            yield from _column_scale(field, threshold, largest, min_samples)


def _is_film(field: FieldFacts) -> bool:
    """Whether grey or flattened images, films or volumes hold the values of bytes."""
    sides = [each or 0 for each in field.shape[-2:]]
    wide = len(field.shape) in (2, 4) and min(sides, default=0) >= 8
    flat = len(field.shape) == 1 and sides[0] >= _SMALLEST_FLAT
    return (wide or flat) and is_bytes(field) and field.maximum > 250 and field.mean > 10


def _image_scale(field: FieldFacts, threshold: float, min_samples: int) -> Iterator[Hit]:
    colour = field.channels is not None and len(field.channels.mean) in (3, 4)
    enough = colour and field.samples >= min_samples and not field.correlated
    if enough and field.far and field.far_deviation >= threshold > field.typical:
        yield _another_scale(field, threshold)
        return
    if not is_bytes(field) and not (enough and field.std >= threshold):
        return
    if field.std < threshold:
        return
    what = "bytes" if field.dtype == "uint8" else field.dtype
    yield Hit(
        field.name,
        f"the images are {what} from {field.minimum:.4g} to {field.maximum:.4g}: nobody scaled "
        "them" if is_bytes(field) else
        f"the images have a mean of {field.mean:.3g} and a standard deviation of {field.std:.3g}",
        {"std": field.std, "threshold": threshold, "mean": field.mean, "minimum": field.minimum,
         "maximum": field.maximum, "samples": field.samples},
        "Divide by 255, then normalise by mean and standard deviation: "
        "transforms.ToTensor() and transforms.Normalize(mean, std)."
        if is_bytes(field) else "Subtract the mean and divide by the standard deviation.",
    )  # fmt: skip


def _another_scale(field: FieldFacts, threshold: float) -> Hit:
    more = f" and {field.far - len(field.far_at)} more" if field.far > len(field.far_at) else ""
    return Hit(
        field.name,
        f"{field.far} of {field.samples} images are at another scale than the others: "
        f"{'sample' if field.far == 1 else 'samples'} {', '.join(field.far_at)}{more} with a "
        f"standard deviation of {field.far_deviation:.3g} or more, {field.typical:.3g} being usual",
        {"std": field.far_deviation, "threshold": threshold, "usual": field.typical,
         "samples": field.far, "indices": list(field.far_at)},
        "Look at those samples: their files are of another type (16 bits, say), or pass another "
        "transform.",
    )  # fmt: skip


def _column_scale(
    field: FieldFacts, threshold: float, largest: float, min_samples: int
) -> Iterator[Hit]:
    channels = field.channels
    assert channels is not None
    if field.samples < min_samples or len(channels.mean) < 2 or field.whole > 0.95:
        return
    size = np.nan_to_num(np.maximum(np.abs(channels.mean), channels.std))
    worst = int(size.argmax())
    if size[worst] <= largest or size[worst] < threshold:
        return
    columns = np.flatnonzero(size > largest).tolist()
    yield Hit(
        field.name,
        f"{len(columns)} of {len(size)} columns are not scaled; column {worst} has a mean of "
        f"{channels.mean[worst]:.4g} and a standard deviation of {channels.std[worst]:.4g}",
        {"largest": float(size[worst]), "threshold": threshold, "limit": largest,
         "columns": columns, "samples": field.samples},
        "Subtract each column's mean and divide by its standard deviation, both taken from the "
        "training split.",
    )  # fmt: skip


@rule("DAT017", "double-normalised", Severity.WARNING)
def double_normalised(
    facts: LoaderFacts, *, threshold: float = 1.0, min_samples: int = 4
) -> Iterator[Hit | Skip]:
    """Images that were scaled or normalised twice.

    Measures: whether the range of images is what a usual normalisation makes of images that are
    normalised already, or no wider than a 255th of what it should be; `threshold` or more images
    fields of at least `min_samples` samples are a finding.

    Why: pretrained weights see images that they were never trained on, and after a second
    division by 255 all images look the same.

    False alarm: images of very low contrast, or mapped by a normalisation of one's own to a
    range that a usual one gives when it is applied twice.

    Remedy: take one of the two transforms out: ToTensor divides by 255, and a model's own
    preprocessing may normalise.

    Source: house heuristic.
    """
    for field in facts.inputs:
        reason = twice(field) if field.samples >= min_samples else ""
        if reason and threshold <= 1:
            yield Hit(
                field.name,
                reason,
                {"fields": 1, "threshold": threshold, "minimum": field.minimum,
                 "maximum": field.maximum, "mean": field.mean, "std": field.std},
                "Take one of the two transforms out; ToTensor already divides bytes by 255.",
            )  # fmt: skip
