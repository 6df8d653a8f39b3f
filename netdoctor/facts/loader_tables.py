"""What a loader gives as tables, notes and one sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netdoctor.facts.loader import CopyFacts, LabelFacts, LoaderFacts
from netdoctor.facts.loader_fields import FieldFacts
from netdoctor.report import Column, Table

_SHOWN_CLASSES = 12
_SHOWN_PAIRS = 10
_ORDERS = {
    "sequential": "in the order of the data set",
    "random": "shuffled",
    "weighted": "drawn by weights",
    "own": "by a sampler of the user's own",
    "unknown": "not known",
}


def tables(facts: LoaderFacts) -> list[Table]:
    """`fields`, then `channels`, `classes`, `duplicates` and `leakage` where there are any."""
    found = [_fields(facts)] if facts.fields else []
    found += [_channels(each) for each in facts.inputs[:1] if _has_channels(each)]
    if facts.labels is not None and facts.labels.counts and facts.labels.kind != "regression":
        found.append(_classes(facts.labels))
    if facts.copies.pairs:
        found.append(_pairs("duplicates", "Copies within the data", facts.copies))
    if facts.overlap is not None and facts.overlap.pairs:
        found.append(_pairs("leakage", f"Also in {facts.overlap.other_name}", facts.overlap))
    return found


def _fields(facts: LoaderFacts) -> Table:
    columns = [
        Column("field", "field", "name"),
        Column("kind", "kind", priority=3),
        Column("shape", "shape", "shape"),
        Column("dtype", "dtype", priority=1),
        Column("minimum", "min", "number"),
        Column("maximum", "max", "number"),
        Column("mean", "mean", "number", priority=1),
        Column("std", "std", "number", priority=1),
        Column("nan", "NaN", "integer", priority=2),
        Column("inf", "Inf", "integer", priority=2),
        Column("zeros", "zero", "percent", priority=4),
        Column("constant", "blank", "integer", priority=5),
        Column("padding", "pad id", "integer", priority=7),
        Column("padded", "padding", "percent", priority=6),
    ]
    return Table("fields", "", columns, [_field_row(each, facts.labels) for each in facts.fields])


def _field_row(field: FieldFacts, labels: LabelFacts | None) -> dict[str, Any]:
    target = labels if labels is not None and labels.field == field.name else None
    ids = field.kind == "tokens" or (target is not None and target.kind in ("class", "mask"))
    return {
        "field": field.name,
        "role": field.role,
        "kind": target.kind if target is not None else field.kind,
        "layout": field.layout,
        "shape": ["var" if each is None else each for each in field.shape],
        "dtype": field.dtype,
        "samples": field.samples,
        "minimum": field.minimum if field.channels else None,
        "maximum": field.maximum if field.channels else None,
        "mean": field.mean if field.channels and not ids else None,
        "std": field.std if field.channels and not ids else None,
        "nan": field.nan,
        "inf": field.inf,
        "zeros": field.zeros,
        "constant": field.constant,
        "padding": field.padding,
        "padded": field.padded if field.padding is not None else None,
    }


def _has_channels(field: FieldFacts) -> bool:
    count = 0 if field.channels is None else len(field.channels.mean)
    return 1 < count <= 64 and field.kind in ("image", "dense", "tabular")


def _channels(field: FieldFacts) -> Table:
    channels = field.channels
    assert channels is not None
    rows = [
        {"channel": number, "mean": float(mean), "std": float(std), "min": float(low),
         "max": float(high)}
        for number, (mean, std, low, high) in enumerate(
            zip(channels.mean, channels.std, channels.minimum, channels.maximum, strict=True)
        )
    ]  # fmt: skip
    columns = [
        Column("channel", "column" if field.kind == "tabular" else "channel", "integer"),
        Column("mean", "mean", "number"),
        Column("std", "std", "number"),
        Column("min", "min", "number"),
        Column("max", "max", "number"),
    ]
    return Table("channels", f"By channel of {field.name}", columns, rows, _SHOWN_CLASSES)


def _classes(labels: LabelFacts) -> Table:
    counts = dict(labels.counts)
    if labels.classes is not None and labels.classes <= 10_000:
        counts = {label: counts.get(label, 0) for label in range(labels.classes)} | counts
    several = labels.kind == "multi-label"
    total = max(labels.samples if several else sum(counts.values()), 1)
    rows = [
        {"class": label, "count": count, "share": count / total, "note": _note(label, labels)}
        for label, count in counts.items()
    ]
    rows.sort(key=lambda row: (row["note"] == "", -int(str(row["count"]))))
    rows += [
        {"class": label, "count": count, "share": None, "note": "ignored"}
        for label, count in labels.ignored.items()
    ]
    columns = [
        Column("class", "class", "integer"),
        Column("count", "count", "integer"),
        Column("share", "share", "percent"),
        Column("note", "note", priority=1),
    ]
    title = f"{'Positives' if several else 'Classes'} of {labels.field}"
    return Table("classes", title, columns, rows, _SHOWN_CLASSES)


def _note(label: int, labels: LabelFacts) -> str:
    if label < 0 or (labels.classes is not None and label >= labels.classes):
        return "out of range"
    return "" if labels.counts.get(label) else "missing"


def _pairs(name: str, title: str, copies: CopyFacts) -> Table:
    rows = [
        {
            "first": each.first, "second": each.second, "similarity": each.similarity,
            "kind": "exact" if each.similarity == 1 else "near",
            "first_label": each.labels[0], "second_label": each.labels[1],
            "same_label": each.same_label,
        }
        for each in copies.pairs
    ]  # fmt: skip
    columns = [
        Column("first", "sample", "name"),
        Column("second", "the same as", "name"),
        Column("kind", "kind"),
        Column("similarity", "similarity", "number", priority=2),
        Column("first_label", "label", "integer", priority=1),
        Column("second_label", "its label", "integer", priority=1),
        Column("same_label", "same target", priority=3),
    ]
    return Table(name, title, columns, rows, _SHOWN_PAIRS)


def notes(facts: LoaderFacts) -> Sequence[str]:
    """One line for everything that the verdict rests on."""
    of = f" of {facts.total}" if facts.total is not None and facts.total != facts.samples else ""
    batches = "batch" if facts.batches == 1 else "batches"
    found = [f"scanned: {facts.samples}{of} samples in {facts.batches} {batches}"]
    if facts.order.ready:
        repeats = ", the same in every pass" if facts.order.repeats else ""
        found.append(f"order: {_ORDERS[facts.order.drawn]}{repeats}")
    if facts.split is not None:
        found.append(f"split: {'training' if facts.split == 'train' else 'validation'}")
    labels = facts.labels
    if labels is not None:
        shape = "×".join("var" if each is None else str(each) for each in labels.shape)
        said = f", {labels.classes} classes ({labels.classes_from})" if labels.classes else ""
        found.append(
            f"targets: {labels.kind}, {labels.dtype}{f' of {shape}' if shape else ''}{said}"
        )
    if facts.overlap is not None:
        other = facts.overlap
        found.append(f"against: {other.other_name}, {other.other} samples")
    if facts.model is not None and facts.model.takes is False:
        found.append(f"model: it does not take the batch: {facts.model.refusal}")
    return found
