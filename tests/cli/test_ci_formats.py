"""What CI reads: formats, job summary, baseline, severities; in this process."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from netdoctor.errors import ModelError
from tests.cli.commandline import CommandLine
from tests.render.sample import SICK


def test_junit_goes_to_stdout_and_the_exit_code_stays(netdoctor: CommandLine) -> None:
    netdoctor.report(SICK)
    outcome = netdoctor("deadneurons", "x", "--format", "junit", "--no-plots")
    assert outcome.code == 1
    assert ElementTree.fromstring(outcome.out).get("failures") == "1"


def test_github_adds_to_the_job_summary(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    netdoctor.report(SICK)
    outcome = netdoctor("deadneurons", "x", "--format", "github", "--no-plots")
    assert outcome.code == 1
    assert outcome.out.startswith("::error ")
    assert summary.read_text().startswith("before\n### netdoctor deadneurons")


@pytest.mark.parametrize("wanted", ["github", "junit", "json"])
def test_what_cannot_be_examined_is_told_in_the_format(netdoctor: CommandLine, wanted: str) -> None:
    netdoctor.fail(ModelError("no such model", hint="look"))
    outcome = netdoctor("deadneurons", "x", "--format", wanted, "--no-plots")
    assert outcome.code == 2
    assert "no such model" in outcome.out
    assert "no such model" in outcome.err


def test_a_baseline_makes_known_findings_no_failure(netdoctor: CommandLine, tmp_path: Path) -> None:
    netdoctor.report(SICK)
    path = str(tmp_path / "baseline.json")
    first = netdoctor("deadneurons", "x", "--no-plots", "--write-baseline", path)
    assert first.code == 0
    again = netdoctor("deadneurons", "x", "--no-plots", "--baseline", path, "--quiet")
    assert (again.code, again.out) == (0, "")


def test_an_unreadable_baseline_is_exit_2(netdoctor: CommandLine, tmp_path: Path) -> None:
    netdoctor.report(SICK)
    outcome = netdoctor("deadneurons", "x", "--no-plots", "--baseline", str(tmp_path / "no"))
    assert outcome.code == 2
    assert "--write-baseline" in outcome.err
    assert not outcome.out


def test_history_grows_and_is_shown(netdoctor: CommandLine, tmp_path: Path) -> None:
    netdoctor.report(SICK)
    for _ in range(2):
        netdoctor("deadneurons", "x", "--no-plots", "--history", "runs.jsonl")
    outcome = netdoctor("history", "runs.jsonl")
    assert outcome.code == 0
    assert "ACT001" in outcome.out
    assert (tmp_path / "netdoctor-out" / "history.png").is_file()
    missing = netdoctor("history", "none.jsonl")
    assert (missing.code, missing.out) == (2, "")
