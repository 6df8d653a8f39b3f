"""A progress bar on stderr, only where somebody watches it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Literal

Progress = Callable[[int, int], None]


def somebody_watches() -> bool:
    """Whether stderr is a terminal that can redraw a line, and this is no CI run."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextlib.contextmanager
def progress_bar(
    task: str, *, quiet: bool, unit: Literal["steps", "bytes"] = "steps"
) -> Iterator[Progress | None]:
    """A callable (done, total) that moves a bar which vanishes at the end; None when unwatched."""
    if quiet or not somebody_watches():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn())
    count = DownloadColumn(binary_units=True) if unit == "bytes" else MofNCompleteColumn()
    with Bars(
        *columns, count, TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bars:
        bar = bars.add_task(task, total=None)
        yield lambda done, total: bars.update(bar, completed=done, total=total)
