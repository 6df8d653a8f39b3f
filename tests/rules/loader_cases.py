"""Loaders for the rules, made up number by number."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from netdoctor.facts.loader import CopyFacts, LabelFacts, LoaderFacts, OrderFacts, Ragged
from netdoctor.facts.loader_fields import Channels, FieldFacts  # fmt: skip


def field(**changes: Any) -> FieldFacts:
    """1000 normalised colour images, with these changes."""
    channels = Channels(np.zeros(3), np.ones(3), np.full(3, -2.0), np.full(3, 2.5))
    images = FieldFacts(
        "input", "input", "float32", (3, 32, 32), "image", "channels-first", samples=1000,
        values=3_072_000, channels=channels,
    )  # fmt: skip
    return dataclasses.replace(images, **changes)


def values(low: float, high: float, std: float) -> Channels:
    """Three channels alike but for their means."""
    mean = (low + high) / 2 + 0.01 * np.arange(3)
    return Channels(mean, np.full(3, std), np.full(3, low), np.full(3, high))


def scan(*fields: FieldFacts, order: OrderFacts | None = None, **changes: Any) -> LoaderFacts:
    """A shuffled training loader of 1000 samples."""
    return dataclasses.replace(
        LoaderFacts(
            "loader", 1000, 32, order or OrderFacts("random", True), total=1000, batch_size=32,
            last_batch=8, split="train", fields=fields or (field(),),
            copies=CopyFacts(compared=1000, images=True),
        ),
        **changes,
    )  # fmt: skip


def labelled(*counts: int, classes: int | None = None, **changes: Any) -> LoaderFacts:
    """Class indices, each so often."""
    seen = {label: count for label, count in enumerate(counts) if count}
    labels = LabelFacts(
        "target", "class", "int64", (), sum(counts), counts=seen, classes=classes,
        classes_from="--num-classes" if classes else "", minimum=float(min(seen)),
        maximum=float(max(seen)),
    )  # fmt: skip
    return scan(labels=labels, **changes)


def ordered(runs: int, deviations: float = 20.0) -> LoaderFacts:
    """A sequential loader whose labels come in so many runs where 500 are expected."""
    order = OrderFacts("sequential", True, 1000, runs, 500.0, deviations)
    return labelled(500, 500, order=order)


def copied(exact: int, **changes: Any) -> LoaderFacts:
    """So many copies among 1000 samples."""
    return scan(copies=CopyFacts(compared=1000, exact=exact, images=True, **changes))


def shared(exact: int) -> LoaderFacts:
    """So many of 1000 samples that the other split has too."""
    overlap = CopyFacts(compared=1000, exact=exact, images=True, other=500, other_name="train")
    return scan(overlap=overlap)


def ragged() -> LoaderFacts:
    """A batch of which one sample is larger."""
    samples = (("0", "float32 (3, 8, 8)"), ("1", "float32 (3, 8, 8)"), ("2", "float32 (3, 9, 8)"))
    return scan(ragged=Ragged(3, samples, "stack expects equal size", samples[2:], samples[0][1]))
