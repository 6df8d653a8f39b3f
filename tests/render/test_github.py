"""Annotations and job summaries: nothing that comes from a file can say more than itself."""

from __future__ import annotations

import re

from netdoctor.errors import CheckpointError
from netdoctor.render.github import render, render_error, render_summary
from netdoctor.report import Finding, Report, Severity
from tests.render.sample import SICK

HOSTILE = "x\n::error::owned, [a](b) <img src=x onerror=alert(1)> | @all 100%"


def hostile() -> Report:
    finding = Finding(
        "ACT001", "dead-layer", Severity.ERROR, HOSTILE, HOSTILE, {"dead": HOSTILE}, HOSTILE
    )
    return Report("deadneurons", HOSTILE, findings=[finding], ran=["dead-layer"])


def test_each_finding_is_an_annotation_of_its_severity() -> None:
    lines = render(SICK).splitlines()
    assert [line.split(" ")[0] for line in lines[:-1]] == ["::error", "::warning", "::notice"]
    assert lines[-1].endswith("sick: 1 error, 1 warning, 1 info")
    for line, finding in zip(lines, SICK.findings, strict=False):
        assert finding.code in line


def test_text_from_files_begins_no_command() -> None:
    for line in render(hostile()).splitlines()[1:]:
        assert not line.lstrip().startswith("::")
    (annotation,) = [line for line in render(hostile()).splitlines() if line.startswith("::")]
    command, properties, message = re.fullmatch(r"::(\w+) (title=[^:]*)::(.*)", annotation).groups()
    assert command == "error"
    assert "," not in properties
    assert "100%25" in message
    assert render(Report("deadneurons", "::error::x", verdict="healthy")).count("\n") == 1


def test_the_summary_shows_text_as_it_is() -> None:
    summary = render_summary([hostile(), SICK])
    assert "<img" not in summary
    assert "](b)" not in summary
    assert "@all" not in summary
    rows = [line for line in summary.splitlines() if line.startswith("| ❌")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 7 for row in rows)


def test_what_could_not_be_examined_is_an_error() -> None:
    text = render_error("deadneurons", CheckpointError("a: b.", hint="c"))
    assert text == "::error title=netdoctor deadneurons could not examine::a: b. c\n"
