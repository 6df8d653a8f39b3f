"""Only what is new or worse than a baseline counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from netdoctor import baseline
from netdoctor.errors import ConfigError, UsageError
from netdoctor.report import Finding, Report, Severity


def finding(
    value: float, subject: str = "fc", severity: Severity = Severity.WARNING, threshold: float = 0.5
) -> Finding:
    evidence = {"dead_fraction": value, "threshold": threshold}
    return Finding("ACT002", "dead-units", severity, subject, "units are dead", evidence, "less")


def report(*findings: Finding) -> Report:
    return Report("deadneurons", "net", findings=findings, ran=["dead-units"])


def against(tmp_path: Path, then: Report, now: Report, **tolerances: float) -> Report:
    path = tmp_path / "baseline.json"
    baseline.write(path, then)
    return baseline.applied(now, baseline.read(path, "deadneurons"), tolerances)


def test_what_is_known_does_not_count(tmp_path: Path) -> None:
    result = against(tmp_path, report(finding(0.6)), report(finding(0.6)))
    assert not result.findings
    assert result.exit_code(Severity.WARNING) == 0
    assert "known: warning ACT002 dead-units fc" in "".join(result.notes)
    assert result.conclusion() == "nothing new: 1 known finding of the baseline"


def test_what_is_new_counts(tmp_path: Path) -> None:
    result = against(tmp_path, report(finding(0.6)), report(finding(0.6), finding(0.6, "other")))
    assert [each.subject for each in result.findings] == ["other"]


@pytest.mark.parametrize(
    ("before", "after", "threshold", "counts"),
    [
        (0.6, 0.65, 0.5, False),
        (0.6, 0.67, 0.5, True),
        (0.6, 0.55, 0.5, False),
        (0.01, 0.0095, 0.5, False),
        (0.01, 0.005, 0.5, True),  # fires below its threshold
        (0.01, 0.02, 0.5, False),
        (1.0, float("nan"), 0.5, False),
    ],
)
def test_worse_is_further_from_the_threshold(
    tmp_path: Path, before: float, after: float, threshold: float, counts: bool
) -> None:
    then, now = finding(before, threshold=threshold), finding(after, threshold=threshold)
    result = against(tmp_path, report(then), report(now))
    assert bool(result.findings) == counts


def test_the_tolerance_is_a_rules_own(tmp_path: Path) -> None:
    then, now = report(finding(0.6)), report(finding(0.67))
    assert not against(tmp_path, then, now, ACT002=0.2).findings
    assert against(tmp_path, then, report(finding(0.601)), ACT002=0.0).findings


def test_a_graver_finding_counts_and_says_what_it_was(tmp_path: Path) -> None:
    then, now = report(finding(0.6)), report(finding(0.61, severity=Severity.ERROR))
    (only,) = against(tmp_path, then, now).findings
    assert only.message.startswith("worse than in the baseline (was warning, 0.6 became 0.61)")
    better = against(tmp_path, now, then)
    assert not better.findings
    assert "better: warning ACT002 dead-units fc, was error" in "".join(better.notes)


def test_an_improvement_and_a_stale_entry_are_told(tmp_path: Path) -> None:
    then = report(finding(0.8), finding(0.7, "gone"))
    result = against(tmp_path, then, report(finding(0.6)))
    notes = "\n".join(result.notes)
    assert "better: warning ACT002 dead-units fc: 0.8 became 0.6" in notes
    assert "gone: warning ACT002 dead-units gone" in notes


def test_an_entry_of_a_rule_that_was_not_applied_is_not_gone(tmp_path: Path) -> None:
    result = against(tmp_path, report(finding(0.8)), report().replace(ran=["dead-layer"]))
    assert "gone" not in "".join(result.notes)


def test_two_of_the_same_name_are_two(tmp_path: Path) -> None:
    result = against(tmp_path, report(finding(0.6)), report(finding(0.6), finding(0.6)))
    assert len(result.findings) == 1


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot read"),
        ("{", "is not a baseline"),
        ("[]", "is not a baseline"),
        ('{"schema": 1, "command": "deadneurons", "findings": [{}]}', "is not a baseline"),
        ('{"schema": 9, "command": "deadneurons", "findings": []}', "version 9"),
        ('{"schema": 1, "command": "gradflow", "findings": []}', "written by gradflow"),
    ],
)
def test_an_unreadable_baseline_is_refused(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "baseline.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=words):
        baseline.read(path, "deadneurons")


def test_a_baseline_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        baseline.write(tmp_path / "missing" / "b.json", report(finding(0.6)))
    baseline.write(tmp_path / "b.json", report(finding(0.6)))
    assert [each.name for each in tmp_path.iterdir()] == ["b.json"]
    assert json.loads((tmp_path / "b.json").read_text())["findings"][0]["value"] == 0.6


def test_what_could_not_be_examined_is_not_hidden_by_what_is_known(tmp_path: Path) -> None:
    now = report(finding(0.6)).replace(verdict="undecided: gradflow could not be made")
    result = against(tmp_path, report(finding(0.6)), now)
    assert result.conclusion().startswith("undecided: gradflow could not be made")


def test_of_many_stale_entries_the_first_are_told(tmp_path: Path) -> None:
    many = [finding(0.6, f"layer{number}") for number in range(300)]
    result = against(tmp_path, report(*many), report())
    assert len(result.notes) < 30
    assert result.notes[-1] == "baseline: and 280 more"
    assert len(result.extra["baseline"]["gone"]) == 300
