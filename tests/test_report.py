"""A report in Python: raised, printed, shown."""

from __future__ import annotations

import dataclasses
import io
import pickle

import pytest
from rich.console import Console

import netdoctor
from netdoctor.errors import NetDoctorError, UsageError
from netdoctor.render.text import Terminal, render
from netdoctor.render.values import printable
from netdoctor.report import FindingsError, Report, Severity
from tests.render.sample import HEALTHY, SICK


@pytest.mark.parametrize(
    ("least", "count"), [("error", 1), ("warning", 2), ("info", 3), (Severity.WARNING, 2)]
)
def test_raise_for_lists_what_is_that_bad(least: Severity | str, count: int) -> None:
    with pytest.raises(netdoctor.FindingsError) as caught:
        SICK.raise_for(least)
    raised = caught.value
    assert list(raised.findings) == list(SICK.findings[:count])
    assert raised.report is SICK
    first, *rest = str(raised).splitlines()
    name = least.value if isinstance(least, Severity) else least
    plural = "" if count == 1 else "s"
    assert first == f"deadneurons: {count} finding{plural} at or above {name} in my_module:factory"
    assert len(rest) == 2 * count
    for finding, line in zip(raised.findings, rest[::2], strict=True):
        assert f"{finding.severity.value} {finding.code} {finding.rule} {finding.subject}" in line
        assert printable(finding.message) in line
    assert not isinstance(raised, NetDoctorError)


def test_raise_for_is_error_by_default_and_silent_where_nothing_is_as_bad() -> None:
    HEALTHY.raise_for()
    HEALTHY.raise_for("info")
    SICK.replace(findings=SICK.findings[1:]).raise_for()
    with pytest.raises(FindingsError):
        SICK.raise_for()


def test_what_a_finding_explains_is_counted_with_it() -> None:
    explained = dataclasses.replace(SICK.findings[2], consequences=SICK.findings[:2])
    report = SICK.replace(findings=[explained])
    report.raise_for("error")
    with pytest.raises(FindingsError, match="and explains 2 more findings"):
        report.raise_for("info")


@pytest.mark.parametrize("least", ["critical", "never", "", None, 3])
def test_raise_for_another_severity_is_a_usage_error(least: str) -> None:
    with pytest.raises(UsageError) as caught:
        SICK.raise_for(least)
    assert "error, warning, info" in caught.value.hint


def test_an_exceptions_message_cannot_steer_a_terminal() -> None:
    finding = dataclasses.replace(SICK.findings[0], subject="a\x1b[31m\nb", message="c\0")
    with pytest.raises(FindingsError) as caught:
        SICK.replace(findings=[finding]).raise_for()
    assert "a\\x1b[31m\\nb: c\\x00" in str(caught.value)


def test_print_shows_what_a_pipe_gets() -> None:
    assert str(SICK) + "\n" == render(SICK)
    assert f"{HEALTHY}\n" == render(HEALTHY)


def test_repr_is_one_short_line() -> None:
    assert repr(SICK) == (
        "<Report deadneurons · my_module:factory · sick: 1 error, 1 warning, 1 info>"
    )
    assert repr(Report("rules", "")) == "<Report rules>"
    assert "\n" not in repr(Report("layers", "a\nb"))


@pytest.mark.parametrize("width", [60, 80, 160])
@pytest.mark.parametrize("colour", [None, "standard"])
def test_rich_prints_it_as_wide_as_the_console(width: int, colour: str | None) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width, color_system=colour, force_terminal=colour is not None)
    console.print(SICK)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    shown = render(SICK, Terminal(width, colour is not None)).splitlines()
    if colour is None:
        assert lines == [line.rstrip() for line in shown]
    else:
        assert "\x1b[1;31m" in out.getvalue()
        assert len(lines) == len(shown)


def test_a_notebook_gets_html() -> None:
    assert "<table>" in SICK._repr_html_()


def test_a_missing_table_names_those_there_are() -> None:
    assert SICK.table("layers").rows
    with pytest.raises(KeyError, match="there is no table 'layer'; there is layers"):
        SICK.table("layer")


def test_reports_are_values() -> None:
    assert pickle.loads(pickle.dumps(HEALTHY)) == HEALTHY
    with pytest.raises(dataclasses.FrozenInstanceError):
        HEALTHY.command = "x"
