"""What a notebook shows of a report: well-formed, escaped, small."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from netdoctor.render.notebook import render
from netdoctor.render.values import printable
from netdoctor.report import Finding, NotExamined, Report, Severity, Skipped
from tests.render.sample import HEALTHY, SICK

HOSTILE = "<img src=x onerror=alert(1)>&\"'\x1b[31m\0\ud800</td>"


class Tags(HTMLParser):
    """Every tag and attribute, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile() -> Report:
    finding = Finding(
        "ACT001", HOSTILE, Severity.ERROR, HOSTILE, HOSTILE, {HOSTILE: HOSTILE}, HOSTILE
    )
    return Report(
        HOSTILE, HOSTILE, HOSTILE,
        findings=[dataclasses.replace(finding, consequences=[finding])],
        skipped=[Skipped(HOSTILE, HOSTILE)], not_examined=[NotExamined(HOSTILE, HOSTILE)],
        verdict=HOSTILE,
    )  # fmt: skip


def test_verdict_and_findings_are_shown() -> None:
    shown = Tags(render(SICK))
    assert SICK.conclusion() in shown.text
    assert shown.tags.count("tr") == 1 + len(SICK.findings)
    for each in SICK.findings:
        assert printable(each.message) in shown.text
        assert each.remedy in shown.text
    assert f"{len(SICK.skipped)} skipped, {len(SICK.not_examined)} not examined" in shown.text


def test_a_healthy_report_has_no_table() -> None:
    shown = Tags(render(HEALTHY))
    assert "table" not in shown.tags
    assert HEALTHY.conclusion() in shown.text


@pytest.mark.parametrize("report", [SICK, HEALTHY, hostile(), Report("rules", "")])
def test_it_is_well_formed_and_loads_and_runs_nothing(report: Report) -> None:
    page = render(report)
    ElementTree.fromstring(page.replace("<br>", "<br/>"))
    page.encode("utf-8")
    shown = Tags(page)
    assert set(shown.tags) <= {"div", "b", "br", "table", "thead", "tbody", "tr", "th", "td", "p"}
    assert shown.attributes <= {"style"}


def test_what_names_say_stays_text() -> None:
    shown = Tags(render(hostile()))
    assert "<img src=x onerror=alert(1)>&\"'\\x1b[31m\\x00\\ud800</td>" in shown.text
    assert shown.text.count("↳ ACT001") == 1


def test_only_so_many_findings_are_shown() -> None:
    page = render(SICK.replace(findings=SICK.findings * 1000))
    assert len(page) < 100_000
    assert "2950 more found" in page
