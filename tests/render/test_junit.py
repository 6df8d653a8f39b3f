"""JUnit XML is parsed back."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from netdoctor.errors import CheckpointError
from netdoctor.render.junit import render, render_error
from netdoctor.report import Severity
from tests.render.sample import SICK
from tests.render.test_github import HOSTILE, hostile


def suite(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    (only,) = root
    cases = only.findall("testcase")
    assert only.get("tests") == root.get("tests") == str(len(cases))
    for outcome, attribute in (
        ("failure", "failures"),
        ("skipped", "skipped"),
        ("error", "errors"),
    ):
        assert only.get(attribute) == str(sum(each.find(outcome) is not None for each in cases))
    return only


@pytest.mark.parametrize("fail_on", [Severity.ERROR, Severity.WARNING, None])
def test_one_case_a_rule(fail_on: Severity | None) -> None:
    cases = {each.get("name"): each for each in suite(render(SICK, fail_on)).findall("testcase")}
    selected = {*SICK.ran, *(each.rule for each in SICK.skipped)}
    assert set(cases) == selected | {each.rule for each in SICK.findings}
    for name, case in cases.items():
        grave = [
            each for each in SICK.findings
            if each.rule == name and fail_on and each.severity.rank >= fail_on.rank
        ]  # fmt: skip
        assert (case.find("failure") is not None) == bool(grave)


def test_findings_below_the_limit_are_output() -> None:
    text = render(SICK, Severity.ERROR)
    for finding in SICK.findings:
        assert finding.remedy[:20] in text


def test_a_skipped_rule_says_why() -> None:
    skipped = suite(render(SICK)).findall("testcase/skipped")
    reasons = {each.reason for each in SICK.skipped}
    assert skipped
    assert {each.get("message") for each in skipped} <= reasons


def test_any_text_is_legal_xml() -> None:
    report = hostile().replace(subject="a\x00\x1b[31m\ud800&<]]>")
    message = suite(render(report)).find("testcase/failure").get("message")
    assert "<img src=x onerror=alert(1)>" in message
    assert HOSTILE.splitlines()[0] in message


def test_what_could_not_be_examined_is_an_error() -> None:
    only = suite(render_error("deadneurons", CheckpointError("a < b", hint="c")))
    error = only.find("testcase/error")
    assert (error.get("type"), error.get("message"), error.text) == ("checkpoint", "a < b", "c")
