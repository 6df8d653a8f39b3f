"""Follows a file that grows: looks again whenever it changed, and tells what is new."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from netdoctor.errors import LogError, NoCurveYetError
from netdoctor.report import Report

_MOST_FILES = 2000
Signature = tuple[tuple[str, int, int, int], ...]


def follow(
    file: str,
    examine: Callable[[bool], Report],
    tell: Callable[[Report], int],
    *,
    poll: float,
    rounds: int | None = None,
) -> int:
    """Tells the report at first and whenever its verdict changes; Ctrl-C ends it.

    A log that is empty, half written or gone for a moment, as when it is rotated, is waited for.

    Args:
        file: the file or folder.
        examine: reads it, told whether it is still being written.
        tell: writes a report, and returns its exit code.
        poll: seconds between two looks.
        rounds: looks after which to end; None for no end.

    Raises:
        LogError: at the first look, there is no such file, or it is no log.
    """
    path = Path(file).expanduser()
    if not path.exists():
        examine(True)  # raises, and says what is near
    seen: Signature | None = None
    verdict: object = None
    code, looks = 0, 0
    while rounds is None or looks < rounds:
        looks += 1
        now = _signature(path)
        if now and now != seen:
            seen = now
            report = _tried(examine, forgiving=verdict is not None)
            if report is not None and _verdict(report) != verdict:
                verdict = _verdict(report)
                code = tell(report)
        time.sleep(poll)
    return code


def _tried(examine: Callable[[bool], Report], *, forgiving: bool) -> Report | None:
    """The report; None where there is nothing to read yet, or, once there was, not just now."""
    try:
        return examine(True)
    except (LogError, FileNotFoundError) as error:
        if not forgiving and not isinstance(error, NoCurveYetError):
            raise
        message = error.message if isinstance(error, LogError) else "the log is gone"
        print(f"waiting: {message}", file=sys.stderr)
        return None


def _verdict(report: Report) -> object:
    return sorted((each.code, each.severity.value, each.subject) for each in report.findings)


def _signature(path: Path) -> Signature:
    """What changes when a log is written to or replaced; empty while it is not there."""
    try:
        files = [path] if not path.is_dir() else sorted(path.rglob("*"))[:_MOST_FILES]
        stats = [(str(each), each.stat()) for each in files]
    except OSError:
        return ()
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)
