"""One line a run, whatever happens beside it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from netdoctor import history
from netdoctor.errors import DataError, UsageError
from netdoctor.facts.history import Run
from netdoctor.plots.history import figure
from netdoctor.report import Finding, Report, Severity


def report(*subjects: str, value: float = 0.6) -> Report:
    findings = [
        Finding("ACT002", "dead-units", Severity.WARNING, each, "m", {"dead": value}, "r")
        for each in subjects
    ]
    return Report("deadneurons", "net [x]\n", findings=findings, ran=["dead-units"])


def test_each_run_is_a_line(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, report("a"))
    history.append(path, report("a", "b", value=0.7))
    lines = path.read_text().splitlines()
    assert [len(json.loads(line)["findings"]) for line in lines] == [1, 2]
    past = history.read(path)
    assert [run.count(Severity.WARNING) for run in past.runs] == [1, 2]
    assert past.runs[0].time.endswith("Z")


def test_the_tables_show_what_came_and_went(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    for subjects, value in ((("a", "b"), 0.6), (("a", "c"), 0.8), (("c",), 0.9)):
        history.append(path, report(*subjects, value=value))
    runs = history.read(path).runs
    rows = history.runs_table(runs).rows
    assert [(row["new"], row["gone"]) for row in rows] == [(0, 1), (1, 1), (None, None)]
    found = {row["where"]: row for row in history.findings_table(runs).rows}
    assert next(iter(found)) == "c"
    assert found["c"]["now"]
    assert (found["c"]["first_value"], found["c"]["last_value"]) == (0.8, 0.9)
    assert (found["a"]["now"], found["a"]["runs"]) == (False, 2)


def test_runs_at_the_same_time_keep_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    subjects = [f"layer{number}" for number in range(300)]

    def run() -> None:
        for _ in range(20):
            history.append(path, report(*subjects))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    past = history.read(path)
    assert (len(past.runs), past.unread) == (80, 0)


def test_a_torn_line_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "h.jsonl"
    history.append(path, report("a"))
    with path.open("ab") as file:
        file.write(b'{"time": "2026')
    history.append(path, report("b"))
    past = history.read(path)
    assert (len(past.runs), past.unread) == (2, 1)


@pytest.mark.parametrize("content", [None, "", "no json\n", "{}\n"])
def test_a_file_without_runs_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "h.jsonl"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=r"history|holds no run"):
        history.read(path)


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot add to the history"):
        history.append(tmp_path, report("a"))


@pytest.mark.parametrize("count", [1, 2, 400])
def test_the_picture_is_drawn_for_any_number_of_runs(tmp_path: Path, count: int) -> None:
    runs = [
        Run(f"2026-11-{1 + n // 24:02d}T{n % 24:02d}:00:00Z", "0", "c", "$x_1$ [b]", ())
        for n in range(count)
    ]
    picture = figure(runs)
    picture.savefig(tmp_path / "h.png")
    assert len(picture.axes) == 1
