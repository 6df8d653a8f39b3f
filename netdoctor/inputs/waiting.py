"""Says which sample it is when a data set that is read in this process does not come back."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

_FETCH = "torch/utils/data/_utils/fetch.py"
_OWN = ("/torch/", "/netdoctor/")


class Watch:
    """Which batch is waited for, and since when."""

    def __init__(self) -> None:
        self.batch = 0
        self.since = time.monotonic()

    def came(self) -> None:
        """A batch came, and nothing is waited for meanwhile."""
        self.batch += 1
        self.since = math.inf

    def resumed(self) -> None:
        """The next one is waited for."""
        self.since = time.monotonic()


@contextlib.contextmanager
def watched(name: str, seconds: float) -> Iterator[Watch]:
    """A block that reads batches; one that takes longer than so many seconds is told once.

    The message goes to the log, and names the sample's index and the line that is waiting. Reading
    goes on: only the user knows whether it is slow or hangs.
    """
    watch, done, reader = Watch(), threading.Event(), threading.get_ident()

    def look() -> None:
        told = -1
        while not done.wait(min(seconds, 1.0)):
            if watch.batch != told and time.monotonic() - watch.since > seconds:
                told = watch.batch
                logging.getLogger("netdoctor").warning(
                    "still waiting for batch %d of %s after %.0f s%s: Ctrl-C stops",
                    told, name, seconds, where(sys._current_frames().get(reader)),
                )  # fmt: skip

    thread = threading.Thread(target=look, name="netdoctor-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def where(frame: FrameType | None) -> str:
    """Which sample a thread is reading, and in which line of the user's; empty where unknown."""
    line = ""
    while frame is not None:
        file = frame.f_code.co_filename.replace("\\", "/")
        if not line and not any(each in file for each in _OWN):
            line = f", at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        if file.endswith(_FETCH) and "idx" in frame.f_locals:
            return f", reading sample {frame.f_locals['idx']}{line}"
        frame = frame.f_back
    return ""
