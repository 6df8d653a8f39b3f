"""A progress bar on stderr, only where somebody watches it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@dataclasses.dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a task; calling it with (done, total) moves it."""

    bars: Progress
    task: TaskID
    name: str

    def __call__(self, done: int, total: int) -> None:
        self.bars.update(self.task, completed=done, total=total)

    def doing(self, what: str) -> None:
        """Shows what takes time just now; nothing for an empty text."""
        self.bars.update(self.task, description=f"{self.name}: {what}" if what else self.name)


def somebody_watches() -> bool:
    """Whether stderr is a terminal that can redraw a line, and this is no CI run."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


@contextlib.contextmanager
def progress_bar(
    task: str, *, quiet: bool, unit: Literal["steps", "bytes"] = "steps"
) -> Iterator[Bar | None]:
    """A bar that vanishes at the end; None when unwatched."""
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
        yield Bar(bars, bars.add_task(task, total=None), task)
