"""Types a line into a real shell, TAB included, and sees which words it makes of it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import termios
import time
from pathlib import Path

_PATIENCE = 60.0  # seconds
_SHOW = "printf '<%s>' "


def _take_the_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.folder = folder
        self._master, slave = pty.openpty()
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, cwd=folder,
            start_new_session=True, preexec_fn=_take_the_terminal,
        )  # fmt: skip
        os.close(slave)

    def run(self, line: str) -> str:
        """What the terminal shows until the line has been carried out."""
        return self._until(f"{line}; echo do''ne\n", "done")

    def words(self, typed: str) -> list[str]:
        """The words of the line once its TABs are worked off; they are shown, not run."""
        seen = self._until(f"{typed}\x01{_SHOW}\x05; echo en''d\n", ">end")
        return seen.rpartition("\n<")[2].partition(">end")[0].split("><")[1:]

    def close(self) -> None:
        """Ends the shell."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._master)

    def _until(self, typed: str, mark: str) -> str:
        os.write(self._master, typed.encode())
        seen, end = "", time.monotonic() + _PATIENCE
        while mark not in seen.replace("\r", ""):
            assert time.monotonic() < end, f"no {mark!r} in {seen!r}"
            if select.select([self._master], [], [], 0.2)[0]:
                seen += os.read(self._master, 65536).decode(errors="replace")
        return seen.replace("\r", "")
