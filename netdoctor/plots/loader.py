"""What a loader gives: a contact sheet, its labels, its values, and the samples that come twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from netdoctor.facts.loader import LoaderFacts
from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.plots import style
from netdoctor.plots.loader_samples import pairs, sheet
from netdoctor.plots.loader_values import labels, ranges, values

_MOST_COLUMNS = 200


def figures(facts: LoaderFacts) -> list[tuple[str, Figure]]:
    """The pictures that there is something to see in, with their file stems."""
    found = []
    with style.quiet():
        if facts.shown:
            found.append(("contact-sheet", sheet(facts)))
        if facts.labels is not None and len(facts.labels.counts) > 0:
            found.append(("labels", labels(facts.labels, facts)))
        target = _numbers(facts)
        if target is not None:
            found.append(("targets", values(target, facts)))
        drawn = next((each for each in facts.inputs if _has_histogram(each)), None)
        columns = next((each for each in facts.inputs if _is_table(each)), None)
        if drawn is not None:
            found.append(("values", values(drawn, facts)))
        elif columns is not None:
            found.append(("values", ranges(columns, facts)))
        for stem, copies in (("duplicates", facts.copies), ("leakage", facts.overlap)):
            if copies is not None and any(each.pictures for each in copies.pairs):
                found.append((stem, pairs(stem, copies)))
    return found


def arrays(facts: LoaderFacts) -> dict[str, Mapping[str, Any]]:
    """The numbers behind the pictures, by their file stems."""
    found: dict[str, Mapping[str, Any]] = {}
    if facts.shown:
        found["contact-sheet"] = {f"{n}.{e.name}": e.picture for n, e in enumerate(facts.shown)}
    if facts.labels is not None and facts.labels.counts:
        counts = facts.labels.counts
        found["labels"] = {"class": np.array(list(counts)), "count": np.array([*counts.values()])}
    drawn = next((each for each in facts.inputs if _has_histogram(each)), None)
    if drawn is not None and drawn.channels is not None:
        channels = drawn.channels
        found["values"] = {
            "counts": channels.counts, "edges": channels.edges, "mean": channels.mean,
            "std": channels.std,
        }  # fmt: skip
    return found


def _has_histogram(field: FieldFacts) -> bool:
    return field.channels is not None and field.channels.counts is not None


def _is_table(field: FieldFacts) -> bool:
    """Whether there are several columns whose ranges can be drawn side by side."""
    count = 0 if field.channels is None else len(field.channels.mean)
    return field.kind == "tabular" and 4 < count <= _MOST_COLUMNS


def _numbers(facts: LoaderFacts) -> FieldFacts | None:
    """The target, where it is quantities that a histogram can show."""
    if facts.labels is None or facts.labels.kind != "regression" or facts.labels.counts:
        return None
    named = (each for each in facts.fields if each.name == facts.labels.field)
    return next((each for each in named if each.role == "target" and _has_histogram(each)), None)
