from __future__ import annotations

import re

import pytest
from rich.cells import cell_len

from netdoctor.render.text import Terminal, render, render_findings, render_plain
from netdoctor.report import Column, NotExamined, Report, Severity, Skipped, Table
from tests.render.sample import HEALTHY, ROWS, SICK, WIDTHS, golden_file

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
NAMES = [str(each["layer"]) for each in ROWS]


@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_is_the_golden_one(width: int) -> None:
    assert render(SICK, Terminal(width)) == golden_file(width).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_golden_percentages_are_those_of_the_rows(width: int) -> None:
    lines = golden_file(width).read_text(encoding="utf-8").splitlines()
    for each in ROWS[:4]:
        line = next(line for line in lines if line.startswith(f"  {each['layer']}  "))
        text = re.search(r"<?([\d.]+) %", line)
        assert text is not None
        assert float(text[1]) / 100 == pytest.approx(each["dead"], abs=0.001)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert max(map(cell_len, render(SICK, Terminal(width)).splitlines())) <= width


def test_colour_changes_nothing_but_escape_codes() -> None:
    for width in (None, *WIDTHS):
        coloured = render(SICK, Terminal(width, colour=True))
        assert ESCAPE.search(coloured)
        assert ESCAPE.sub("", coloured) == render(SICK, Terminal(width))


def test_colour_ignores_the_environment_which_was_asked_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = render(SICK, Terminal(80, colour=True))
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "dumb")
    assert render(SICK, Terminal(80, colour=True)) == expected


def test_a_pipe_shows_every_column_and_whole_sentences() -> None:
    text = render(SICK)
    assert "shape" in text
    assert "32×128×56×56" in text
    assert "more column" not in text
    for finding in SICK.findings[:2]:
        assert f"  {finding.message}\n" in text
        assert finding.remedy in text


def test_names_are_whole_however_narrow_the_terminal() -> None:
    text = render(SICK, Terminal(20))
    for name in NAMES[:4]:
        assert name in text
    assert "5 more columns: widen the terminal or --format json" in text


def test_the_highest_priority_number_goes_first() -> None:
    columns = [Column("a", "first"), Column("b", "second", priority=2), Column("c", "third")]
    table = Table("t", "", [*columns, Column("d", "fourth", priority=1)], [{"a": 1}])
    text = render_plain(Report("x", "", tables=[table]), Terminal(26))
    assert "second" not in text
    assert "fourth" in text
    assert "1 more column:" in text


def test_markup_and_control_characters_print_literally() -> None:
    text = render(SICK, Terminal(80, colour=True))
    assert "[red]x/../y" in text
    assert "\\x1b[31m" in text
    assert "\x1b[31m from" not in text


def test_a_hostile_subject_cannot_move_the_cursor() -> None:
    text = render(SICK.replace(subject="\x1b[2Jboom\r\n\u202egnp.exe"))
    assert "\\x1b[2Jboom\\r\\n\\u202egnp.exe" in text
    assert not set(text) & {"\x1b", "\r", "\u202e"}


def test_ascii_says_everything_in_ascii() -> None:
    text = render(SICK.replace(subject="größe/層"), Terminal(80, unicode=False))
    assert text.isascii()
    assert "gr\\xf6\\xdfe/\\u5c64" in text
    assert "3x224x224" in text
    assert "x error  ACT001 dead-layer" in text


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = [{"layer": "層の名", "n": 1}, {"layer": "plain", "n": 22}]
    table = Table("t", "", [Column("layer", "layer", "name"), Column("n", "n", "integer")], rows)
    lines = render_plain(Report("x", "", tables=[table])).splitlines()
    assert len({cell_len(line) for line in lines}) == 1


def test_hidden_columns_and_further_rows_are_left_to_json() -> None:
    text = render(SICK)
    assert "dead units" not in text
    assert NAMES[4] not in text
    assert "1 more row in --format json" in text


def test_every_section_is_there() -> None:
    text = render(SICK)
    assert text.startswith("netdoctor deadneurons · my_module:factory · cpu\n")
    assert "dead-units: fewer than 100 samples (head.relu#1, head.relu#2)" in text
    assert "encoder.self_attn.out_proj: never called: fused path" in text
    assert "Wrote 1 file\n  netdoctor-out/deadneurons.png" in text
    assert "units 0, 1, 2, 3, 4, 5, 6, 7 … 56 more" in text
    assert text.endswith("\nsick: 1 error, 1 warning, 1 info\n")


def test_verdicts() -> None:
    def verdict(report: Report) -> str:
        return render(report).splitlines()[-1]

    warned = SICK.replace(findings=SICK.findings[1:2])
    skipped = Skipped("dead-layer", "random input")
    assert verdict(HEALTHY) == HEALTHY.verdict
    assert verdict(HEALTHY.replace(findings=SICK.findings[2:])) == f"{HEALTHY.verdict}, 1 info"
    assert verdict(warned) == "ailing: 1 warning, no error"
    assert verdict(HEALTHY.replace(verdict="")) == (
        "healthy: 1 rule applied, nothing at or above warning"
    )
    assert verdict(HEALTHY.replace(ran=(), skipped=(skipped,))).startswith("undecided: no rule")
    assert verdict(Report("layers", "resnet18", "cpu")) == "netdoctor layers · resnet18 · cpu"


def test_quiet_shows_the_findings_at_or_above_the_limit_only() -> None:
    text = render_findings(SICK, Severity.WARNING)
    assert "ACT001" in text
    assert "ACT002" in text
    assert "NUM003" not in text
    assert "Rules skipped" not in text
    assert "backbone" not in text
    assert "ACT002" not in render_findings(SICK, Severity.ERROR)
    assert render_findings(HEALTHY, Severity.INFO) == ""
    assert render_findings(SICK, None) == ""


def test_quiet_tells_what_could_not_be_examined() -> None:
    left_out = (NotExamined("gradflow", "the backward pass raised"),)
    report = HEALTHY.replace(verdict="undecided: gradflow could not be made", not_examined=left_out)
    text = render_findings(report, Severity.ERROR)
    assert "gradflow: the backward pass raised" in text
    assert text.endswith("\nundecided: gradflow could not be made\n")


def test_of_many_rules_skipped_for_one_reason_the_first_are_named() -> None:
    skipped = [Skipped(f"rule-{number}", "no log") for number in range(9)]
    text = render(HEALTHY.replace(skipped=skipped))
    assert "  rule-0, rule-1, rule-2, rule-3, rule-4, rule-5 and 3 more: no log\n" in text


def test_an_empty_table_shows_its_headings() -> None:
    table = Table("t", "Calls", [Column("a", "layer")], [])
    assert render_plain(Report("x", "", tables=[table])) == "Calls\n  layer\n  ─────\n"


def test_what_was_not_examined_is_in_the_verdict() -> None:
    left_out = (NotExamined("tanh#1", "every value is NaN"), NotExamined("proj", "never called"))
    report = HEALTHY.replace(verdict="", ran=["dead-layer"], not_examined=left_out)
    verdict = render(report).splitlines()[-1]
    assert verdict == "healthy: 1 rule applied, nothing at or above warning; 2 not examined"
