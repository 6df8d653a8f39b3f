"""HTML read back: tags in balance, texts, attributes; and a report that is hostile everywhere."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from netdoctor.render.html import Origin
from netdoctor.report import Column, Finding, NotExamined, Report, Severity, Skipped, Table

EVIL = "\"><img src=x onerror=alert(1)>'</script></style><!--\x1b[31m\u202e{{ 7*7 }}\ud800&amp;`"
_VOID = {"meta", "link", "img", "input", "col", "wbr"}


@dataclasses.dataclass(slots=True)
class Element:
    """A tag with its attributes, what it stands in, and the text directly or deeper inside it."""

    tag: str
    attributes: dict[str, str]
    inside: tuple[str, ...]
    parts: list[str] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """All text in it."""
        return "".join(self.parts)


class Page(HTMLParser):
    """A page's elements in their order; complains about tags out of balance."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {[each.tag for each in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"twice the same attribute: {attrs}"
        inside = tuple(each.tag for each in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, inside)
        self.elements.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> closes <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for each in self._open:
            each.parts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def all(self, *tags: str, **attributes: str) -> list[Element]:
        """The elements of these tags that have these attributes; `class_` one class of several."""
        wanted = {name: value for name, value in attributes.items() if name != "class_"}
        word = attributes.get("class_")
        return [
            each
            for each in self.elements
            if (not tags or each.tag in tags)
            and wanted.items() <= each.attributes.items()
            and (word is None or word in each.attributes.get("class", "").split())
        ]

    def one(self, *tags: str, **attributes: str) -> Element:
        """The only such element."""
        (only,) = self.all(*tags, **attributes)
        return only


def hostile(report: Report) -> Report:
    """The report with a text that would like to be markup in the place of each of its texts."""
    return _with_evil(report)


def hostile_origin() -> Origin:
    """An origin of the same kind."""
    return Origin(EVIL, EVIL, {EVIL: EVIL})


def _with_evil(value: Any) -> Any:
    if isinstance(value, Severity) or value is None:
        return value
    if isinstance(value, str):
        return value + EVIL
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        kept = {"key", "kind", "rows"} if isinstance(value, (Column, Table)) else set()
        changed = {
            field.name: _with_evil(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if field.name not in kept
        }
        if isinstance(value, Table):
            rows = [{key: _with_evil(each) for key, each in row.items()} for row in value.rows]
            changed["rows"] = rows
        return dataclasses.replace(value, **changed)
    if isinstance(value, dict):
        return {_with_evil(key): _with_evil(each) for key, each in value.items()}
    if isinstance(value, (tuple, list)):
        return [_with_evil(each) for each in value]
    return value


def picture(path: Path, size: tuple[int, int] = (60, 40), *, noise: bool = False) -> Path:
    """A PNG file: stripes, or what cannot be made small."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    pixels[::4] = (200, 30, 30)
    if noise:
        pixels = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint8)
    Image.fromarray(pixels).save(path, compress_level=1)
    return path


CAUSE = Finding(
    "WGT001",
    "nan-weight",
    Severity.ERROR,
    "fc.weight",
    "12 of 512 values are NaN.",
    {"nan": 12, "threshold": 1},
    "Run `netdoctor check-weights` on earlier files.",
    consequences=(
        Finding(
            "NUM001", "nan-activation", Severity.ERROR, "fc#1", "All values are NaN.", {"nan": 64},
            "Look at the weights.",
            consequences=(
                Finding("GRD003", "nan-gradient", Severity.WARNING, "fc.bias", "Gradients are NaN.",
                        {"nan": 9}, "Look at the loss."),
            ),
        ),
    ),
)  # fmt: skip


def checkup(rows: int = 300) -> Report:
    """A report of the kind of `checkup`: several tables, findings that follow from others."""
    units = Finding(
        "ACT002", "dead-units", Severity.WARNING, "layer 0", "Half of its units are dead.",
        {"dead_fraction": 0.5, "threshold": 0.5}, "Lower the learning rate.",
    )  # fmt: skip
    columns = [
        Column("layer", "layer", "name"), Column("shape", "shape", "shape"),
        Column("mean", "mean", "number"), Column("dead", "dead", "percent"),
        Column("note", "note"), Column("indices", "indices", hidden=True),
    ]  # fmt: skip
    calls = [
        {
            "layer": f"blocks.{at}.relu#1", "shape": (8, at + 1, 14, 14), "indices": [at],
            "mean": None if at == 7 else (-1) ** at * 1.5 ** (at % 40),
            "dead": (at * 37 % 101) / 100, "note": f"row {at}",
        }
        for at in range(rows)
    ]  # fmt: skip
    checks = [
        {"check": "data", "status": "healthy", "seconds": 1.25, "reason": None},
        {"check": "curves", "status": "skipped", "seconds": None, "reason": "no --log was given"},
    ]
    return Report(
        command="checkup",
        subject="my_module:factory",
        device="cpu",
        findings=(CAUSE, *(dataclasses.replace(units, subject=f"layer {n}") for n in range(9))),
        ran=("nan-weight", "dead-units", "dead-layer"),
        skipped=(
            Skipped("initial-loss", "the weights are not fresh"),
            Skipped("update-ratio", "the weights are not fresh"),
        ),
        not_examined=tuple(NotExamined(f"aux{n}", f"branch {n} not taken") for n in range(12)),
        tables=(
            Table("checks", "Checks",
                  [Column("check", "check", "name"), Column("status", "status"),
                   Column("seconds", "seconds", "number"), Column("reason", "reason")], checks),
            Table("checklist", "Checklist",
                  [Column("symptom", "symptom"), Column("causes", "likely causes", hidden=True)],
                  [{"symptom": "the loss is NaN",
                    "causes": ["NaN in fc.weight, by name", "a rate too high"]}],
                  legend=("NaN: fc",), closing=True),
            Table("calls", "Calls", columns, calls, shown=12, legend=("dead: never fires",)),
            Table("nothing", "Nothing", columns, []),
        ),
        artifacts=("netdoctor-out/deadneurons.png",),
        settings={"seed": 0, "batches": 10, "log": None},
        notes=("weights: best.pt, loaded 318/320 tensors",),
    )  # fmt: skip
