"""The page, read back with a parser: structure, escaping, size, what it says that it lacks."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from netdoctor.errors import ModelError
from netdoctor.render.html import LARGEST, Origin, render, render_error
from netdoctor.report import Report, Severity
from tests.render.pages import EVIL, Page, checkup, hostile, hostile_origin, picture
from tests.render.sample import HEALTHY, SICK

REPORTS = {"sick": SICK, "healthy": HEALTHY, "checkup": checkup(), "empty": Report("rules", "")}
_TAGS = {
    "html", "head", "meta", "title", "link", "style", "body", "header", "h1", "h2", "h3", "h4", "p",
    "span", "strong", "b", "nav", "a", "main", "section", "article", "div", "dl", "dt", "dd", "ul",
    "li", "details", "summary", "code", "pre", "table", "colgroup", "col", "thead", "tbody", "tr",
    "th", "td", "figure", "figcaption", "img", "label", "input", "script", "wbr",
}  # fmt: skip


@pytest.mark.parametrize("name", REPORTS)
def test_the_page_is_in_order(name: str) -> None:
    page = Page(render(REPORTS[name], (), Origin("netdoctor x", "today", {"torch": "2"})))
    assert page.one("html").attributes == {"lang": "en"}
    assert page.one("title").text.startswith(f"netdoctor {REPORTS[name].command}")
    levels = [int(each.tag[1]) for each in page.all("h1", "h2", "h3", "h4")]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))
    ids = [each.attributes["id"] for each in page.elements if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    assert {each.attributes["href"] for each in page.all("a")} <= {f"#{each}" for each in ids}
    assert all(each.text.strip() for each in page.all("h1", "h2", "h3", "h4", "summary", "th"))


@pytest.mark.parametrize("report", [checkup(), SICK])
def test_the_parts_come_in_their_order(report: Report, tmp_path: Path) -> None:
    text = render(report, [picture(tmp_path / "a.png")], Origin("netdoctor checkup x"))
    order = ["verdict", "findings", "pictures", "tables", "examined", "not-examined", "repeat"]
    places = [re.search(rf'(?:id|class)="{part}[" ]', text).start() for part in order]
    assert places == sorted(places)


def test_nothing_is_fetched(tmp_path: Path) -> None:
    text = render(checkup(), [picture(tmp_path / "a.png")])
    page = Page(text)
    for each in page.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            assert each.attributes.get(name, "#").startswith(("#", "data:image/"))
    assert "url(" not in text
    assert "@import" not in text


def test_the_policy_lets_in_this_script_only() -> None:
    page = Page(render(checkup()))
    (policy,) = (
        each.attributes["content"]
        for each in page.all("meta")
        if each.attributes.get("http-equiv") == "Content-Security-Policy"
    )
    parts = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    digest = hashlib.sha256(page.one("script").text.encode()).digest()
    assert parts["script-src"] == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert parts["default-src"] == "'none'"
    assert parts["img-src"] == "data:"
    assert not any(name.startswith("on") for each in page.elements for name in each.attributes)


@pytest.mark.parametrize("report", [checkup(60), SICK, HEALTHY])
def test_hostile_texts_stay_texts(report: Report, tmp_path: Path) -> None:
    files = [picture(tmp_path / "<img src=x onerror=alert(1)>.png"), tmp_path / "<b>no.png"]
    plain = Page(render(report, files, Origin("a", "b", {"c": "d"})))
    text = render(hostile(report), files, hostile_origin())
    page = Page(text)
    assert {each.tag for each in page.elements} <= _TAGS
    assert len(page.all("script", "style", "img")) == len(plain.all("script", "style", "img"))
    allowed = {each.attributes.get("class") for each in plain.elements} | {"long", "text wide"}
    assert {each.attributes.get("class") for each in page.elements} <= allowed
    assert text.isascii() or not {"\x1b", "\u202e", "\ud800"} & set(text)
    assert "{{ 7*7 }}" in page.one("h1").text
    assert "\\x1b[31m\\u202e" in page.one("h1").text
    assert "<img src=x onerror=alert(1)>" in page.one("h1").text
    text.encode("utf-8")


def test_verdict_and_findings_are_said_in_words() -> None:
    page = Page(render(SICK))
    assert SICK.conclusion() in page.one("p", class_="verdict").text
    cards = page.all("article")
    assert len(cards) == len(SICK.findings)
    for card, finding in zip(cards, SICK.findings, strict=True):
        assert finding.severity.value in card.attributes["class"].split()
        for said in (finding.severity.value, finding.code, finding.rule, finding.subject):
            assert said in card.text
        assert f"netdoctor rule {finding.code}" in card.text
        assert finding.remedy in card.text
    assert "dead fraction 0.617" in cards[1].text
    assert "grow\\x1b[31m" in cards[2].text


@pytest.mark.parametrize(
    ("report", "standing"),
    [
        (SICK, "sick"),
        (SICK.replace(findings=SICK.findings[1:]), "ailing"),
        (HEALTHY, "healthy"),
        (HEALTHY.replace(verdict="suggested learning rate 0.1"), "told"),
        (HEALTHY.replace(verdict="1 of 2 files could not be examined"), "undecided"),
        (SICK.replace(findings=(), ran=()), "undecided"),
    ],
)
def test_the_verdict_has_a_colour_and_a_symbol(report: Report, standing: str) -> None:
    verdict = Page(render(report)).one("p", class_="verdict")
    assert standing in verdict.attributes["class"].split()
    assert verdict.text.strip()[0] in "✖▲?✔●"


def test_a_listing_has_no_verdict() -> None:
    page = Page(render(Report("env", "", tables=checkup().tables[:1])))
    assert not page.all("p", class_="verdict")
    assert not page.all("section", id="findings")


def test_consequences_are_folded_under_their_cause() -> None:
    page = Page(render(checkup()))
    cause = page.all("article")[0]
    assert "fc#1" in cause.text
    assert "fc.bias" in cause.text
    outer, inner = page.all("details", class_="follows")
    assert outer.inside[-1] == "article"
    assert inner.inside.count("details") == 1
    assert "1 finding" in outer.text
    assert "open" not in outer.attributes


def test_many_findings_of_a_rule_are_folded_and_none_is_lost() -> None:
    page = Page(render(checkup()))
    warnings = [each for each in page.all("article") if "warning" in each.attributes["class"]]
    assert len(warnings) == 3
    assert "6 more of ACT002" in page.one("details", class_="more").text
    said = page.one("section", id="findings").text
    assert all(f"layer {number}" in said for number in range(9))


def test_a_long_table_is_folded_and_whole() -> None:
    page = Page(render(checkup()))
    first, rest = (each for each in page.all("table") if "mean" in each.text)
    assert "details" not in first.inside
    assert "details" in rest.inside
    names = [each.text.strip() for each in page.all("td", class_="name") if "blocks" in each.text]
    assert names == [f"blocks.{at}.relu#1" for at in range(300)]
    assert first.text.count("row ") == 12
    assert "indices" not in first.text
    assert "288 more rows" in [each.text for each in page.all("summary")]
    assert "dead: never fires" in page.one(id="tables").text


def test_a_table_that_text_does_not_show_is_folded_with_its_title() -> None:
    table = dataclasses.replace(checkup(30).table("calls"), shown=0)
    page = Page(render(checkup().replace(tables=[table])))
    (summary,) = (each for each in page.all("summary") if "Calls" in each.text)
    assert summary.text.split() == ["Calls", "30", "rows"]
    (grid,) = page.all("table")
    assert "details" in grid.inside
    assert grid.text.count("row ") == 30


def test_numbers_sort_by_their_value() -> None:
    rows = checkup().table("calls").rows
    cells = [each for each in Page(render(checkup())).all("td") if each.tag == "td"]
    means = [each for each in cells if "number" in each.attributes["class"]]
    dead = [each for each in means if each.text.endswith("%")]
    for cell, row in zip(dead, rows, strict=True):
        assert float(cell.attributes["data-order"]) == pytest.approx(row["dead"])
    shapes = [each for each in cells if "shape" in each.attributes["class"]]
    assert shapes[2].attributes["data-order"] == str(8 * 3 * 14 * 14)


def test_sick_names_are_marked_in_tables() -> None:
    page = Page(render(SICK))
    first = page.all("td", class_="name")[0]
    assert first.text.split() == ["✖", "layer1.0.relu#2"]


def test_pictures_are_inside(tmp_path: Path) -> None:
    drawing = tmp_path / "map.svg"
    drawing.write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page = Page(render(SICK, [picture(tmp_path / "a.png", (60, 40)), drawing, tmp_path / "no.png"]))
    png, svg = page.all("img")
    content = base64.b64decode(png.attributes["src"].removeprefix("data:image/png;base64,"))
    assert content == (tmp_path / "a.png").read_bytes()
    assert (png.attributes["width"], png.attributes["height"]) == ("60", "40")
    assert png.attributes["alt"].startswith("a: ")
    encoded = svg.attributes["src"].removeprefix("data:image/svg+xml;base64,")
    assert base64.b64decode(encoded) == drawing.read_bytes()
    assert "no.png: it cannot be read: No such file" in page.one("section", id="pictures").text


def test_pictures_are_made_smaller_until_they_fit(tmp_path: Path) -> None:
    files = [picture(tmp_path / f"{at}.png", (900, 900), noise=True) for at in range(4)]
    files.append(picture(tmp_path / "small.png"))
    text = render(SICK, files)
    assert len(text.encode()) <= LARGEST
    images = Page(text).all("img")
    assert len(images) == 5
    assert "data:image/png" in images[-1].attributes["src"]
    for each in images[:-1]:
        assert (each.attributes["width"], each.attributes["height"]) == ("900", "900")
        content = base64.b64decode(each.attributes["src"].partition(",")[2])
        with Image.open(io.BytesIO(content)) as image:
            assert image.width <= 900
    small = base64.b64decode(images[-1].attributes["src"].partition(",")[2])
    assert small == files[-1].read_bytes()


def test_more_pictures_than_fit_are_named(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png", noise=True)
    huge = tmp_path / "huge.svg"
    huge.write_text("<svg>" + "x" * 6_000_000 + "</svg>")
    text = render(SICK, [huge, *[file] * 160])
    assert len(text.encode()) <= LARGEST
    page = Page(text)
    assert "12 pictures not in this page" in page.one("section", id="pictures").text
    assert "huge.svg: it is too large" in page.one("section", id="pictures").text
    assert len(page.all("img")) == 149
    assert "resolution" not in page.one("section", id="pictures").text


@pytest.mark.parametrize("rows", [2000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_a_page_stays_below_its_limit(rows: int, tmp_path: Path) -> None:
    tables = [*checkup(2000).tables, *(checkup(rows).tables[2:3])]
    report = checkup(1).replace(tables=tables)
    text = render(report, [picture(tmp_path / "a.png", (1500, 1500), noise=True)])
    assert len(text.encode()) <= LARGEST
    page = Page(text)
    assert len(page.all("img")) == 1
    assert ("--report json=FILE" in page.one(id="tables").text) == (rows > 2000)


@pytest.mark.slow
def test_no_number_of_findings_breaks_the_limit() -> None:
    one = dataclasses.replace(SICK.findings[0], message="m" * 300, consequences=())
    many = [dataclasses.replace(one, subject=f"layer {at}") for at in range(20_000)]
    cause = dataclasses.replace(one, consequences=many)
    for findings in (many, [cause]):
        text = render(SICK.replace(findings=findings))
        assert len(text.encode()) <= LARGEST
        assert "would make this page too large" in Page(text).one("section", id="findings").text


def test_one_endless_text_breaks_nothing() -> None:
    text = render(SICK.replace(subject="x" * 10_000_000, notes=["y" * 10_000_000]))
    assert len(text.encode()) < 200_000


def test_what_was_left_out_is_told() -> None:
    page = Page(render(checkup(), (), Origin("netdoctor checkup 'a b'", "", {"torch": "2.14.1"})))
    said = page.one("section", id="not-examined").text
    assert "initial-loss, update-ratio: the weights are not fresh" in said
    assert all(f"aux{number}: branch {number} not taken" in said for number in range(12))
    repeat = page.one("section", id="repeat").text
    assert "netdoctor checkup 'a b'" in repeat
    assert "batches 10" in repeat
    assert "torch 2.14.1" in repeat
    assert "log" not in repeat
    assert "no --log was given" in page.one("section", id="examined").text


def test_the_checklist_is_shown_whole() -> None:
    page = Page(render(checkup()))
    said = page.one(id="closing-1").text
    assert "NaN in fc.weight, by name; a rate too high" in said
    assert "NaN: fc" not in said


def test_code_in_prose_is_marked_and_escaped() -> None:
    finding = dataclasses.replace(SICK.findings[0], remedy="Run `a <b>`; an odd `one")
    other = dataclasses.replace(SICK.findings[0], remedy="Run `a <b>`.")
    text = render(SICK.replace(findings=[finding, other]))
    assert "Run `a &lt;b&gt;`; an odd `one" in text
    assert "Run <code>a &lt;b&gt;</code>." in text


def test_an_error_has_a_page() -> None:
    error = ModelError(f"no such model {EVIL}", hint=f"look at `x` {EVIL}")
    page = Page(render_error("deadneurons", error, hostile_origin()))
    assert {each.tag for each in page.elements} <= _TAGS
    assert "no such model" in page.one("p", class_="verdict").text
    assert page.one("h1").text == "Could not be examined"
    assert "look at" in page.one("main").text


def test_severities_are_told_apart_without_colour() -> None:
    marks = {each.text for each in Page(render(SICK)).all("span", class_="mark")}
    assert len(marks) == len(Severity)
