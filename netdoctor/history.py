"""How the findings moved from run to run: one JSON line a run in a file. No torch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import msgspec

from netdoctor.baseline import measured
from netdoctor.errors import DataError, UsageError
from netdoctor.facts.history import KnownFinding, Run
from netdoctor.report import Column, Report, Severity, Table
from netdoctor.version import __version__

_MARKS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "info"}


@dataclasses.dataclass(frozen=True, slots=True)
class History:
    """The runs in a history file, oldest first, and how many lines were no runs."""

    runs: tuple[Run, ...]
    unread: int


def append(path: Path, report: Report) -> None:
    """Adds a line on a report; in one write, so that runs at the same time keep theirs apart.

    Raises:
        UsageError: the file cannot be written.
    """
    run = Run(
        datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        __version__,
        report.command,
        report.subject,
        tuple(
            KnownFinding(each.code, each.rule, each.subject, each.severity, measured(each))
            for each in report.every_finding()
        ),
        len(report.skipped),
        len(report.not_examined),
    )
    line = msgspec.json.encode(run) + b"\n"
    try:
        if _is_torn(path):
            line = b"\n" + line
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"cannot add to the history {path}: {error.strerror or error}"
        raise UsageError(message, hint="name a file in a folder of your own") from error


def _is_torn(path: Path) -> bool:
    """Whether the last line has no end, as after a full disk."""
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # missing, or empty
        return False


def read(path: Path) -> History:
    """The runs of a history file; lines that are none are counted.

    Raises:
        DataError: the file cannot be read, or holds no run.
    """
    hint = "a run adds to it with --history FILE"
    try:
        lines = [line for line in path.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        message = f"cannot read the history {path}: {error.strerror or error}"
        raise DataError(message, hint=hint) from error
    runs, decode = [], msgspec.json.Decoder(Run).decode
    for line in lines:
        try:
            runs.append(decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    if not runs:
        raise DataError(f"{path} holds no run", hint=hint)
    return History(tuple(runs), len(lines) - len(runs))


def runs_table(runs: Sequence[Run], shown: int = 20) -> Table:
    """A row a run, the newest first, with what came and what went since the one before."""
    rows = []
    last: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for run in runs:
        now = {(each.code, each.subject) for each in run.findings}
        before = last.get((run.command, run.subject))
        last[run.command, run.subject] = now
        rows.append(
            {
                "time": run.time,
                "command": run.command,
                "subject": run.subject,
                **{name: run.count(severity) for severity, name in _MARKS.items()},
                "new": None if before is None else len(now - before),
                "gone": None if before is None else len(before - now),
                "version": run.version,
            }
        )
    columns = (
        Column("time", "run (UTC)"),
        Column("command", "command", priority=1),
        Column("subject", "subject", "name", priority=2),
        *(
            Column(name, f"{name}s" if name != "info" else name, "integer")
            for name in _MARKS.values()
        ),
        Column("new", "new", "integer", priority=1),
        Column("gone", "gone", "integer", priority=1),
        Column("version", "version", priority=3),
    )
    return Table("runs", "Runs, newest first", columns, rows[::-1], shown=shown)


def findings_table(runs: Sequence[Run], shown: int = 30) -> Table:
    """A row a finding that any run had: since when, in how many runs, how its value moved."""
    first: dict[tuple[str, str, str, str], list[tuple[int, KnownFinding]]] = {}
    for number, run in enumerate(runs):
        for each in run.findings:
            key = (run.command, run.subject, each.code, each.subject)
            first.setdefault(key, []).append((number, each))
    rows: list[dict[str, Any]] = []
    for (command, subject, code, where), seen in first.items():
        latest = max(
            n for n, run in enumerate(runs) if (run.command, run.subject) == (command, subject)
        )
        values = [each.value for _, each in seen]
        rows.append(
            {
                "code": code,
                "rule": seen[-1][1].rule,
                "where": where,
                "severity": seen[-1][1].severity.value,
                "now": seen[-1][0] == latest,
                "runs": len(seen),
                "since": runs[seen[0][0]].time,
                "last": runs[seen[-1][0]].time,
                "first_value": values[0],
                "last_value": values[-1],
                "command": command,
                "subject": subject,
            }
        )
    rows.sort(key=lambda row: (not row["now"], -Severity(row["severity"]).rank, -row["runs"]))
    columns = (
        Column("code", "rule"),
        Column("where", "where", "name"),
        Column("severity", "severity", priority=1),
        Column("now", "now"),
        Column("runs", "runs", "integer", priority=1),
        Column("since", "since", priority=2),
        Column("last", "last seen", priority=3),
        Column("first_value", "value then", "number", priority=2),
        Column("last_value", "value now", "number", priority=1),
        Column("rule", "slug", hidden=True),
        Column("command", "command", hidden=True),
        Column("subject", "subject", hidden=True),
    )
    return Table("findings", "Findings, those of the newest runs first", columns, rows, shown=shown)
