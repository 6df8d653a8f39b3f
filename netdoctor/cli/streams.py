"""stdout and stderr: what they can show, and keeping what is not the report off stdout."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from netdoctor.render.text import Terminal

_STDOUT, _STDERR = 1, 2


class PipeSafe:
    """A stream that falls silent, and remembers it, once the reader has closed the pipe.

    Args:
        stream: what is written to.
        dispensable: nothing is raised when it cannot be written to for other reasons either.
    """

    def __init__(self, stream: TextIO, *, dispensable: bool = False) -> None:
        self._stream = stream
        self._dispensable = dispensable
        self.closed_by_reader = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes to the stream, or to nowhere once the pipe is closed."""
        with self._watch():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flushes what is left to flush."""
        with self._watch():
            self._stream.flush()

    @contextlib.contextmanager
    def _watch(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self.closed_by_reader = True
            self._silence()
        except OSError:
            self._silence()
            if not self._dispensable:
                raise

    def _silence(self) -> None:
        """Sends the rest, which the interpreter flushes at exit, to nowhere."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def pipe_safe() -> Iterator[PipeSafe]:
    """Makes stdout and stderr survive a closed pipe; yields stdout."""
    before = sys.stdout, sys.stderr
    # Python has None for a stream that was closed from the start, as under some daemons.
    out = PipeSafe(before[0] or _nowhere())
    err = PipeSafe(before[1] or _nowhere(), dispensable=True)  # a full disk is no finding: not 1
    sys.stdout, sys.stderr = out, err
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before


def _nowhere() -> TextIO:
    return os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Sends what anybody prints to stderr, also from C code and child processes."""
    sys.stdout.flush()
    with _descriptor_to_stderr(), contextlib.redirect_stdout(sys.stderr):
        yield


@contextlib.contextmanager
def _descriptor_to_stderr() -> Iterator[None]:
    try:
        saved = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)
    except OSError:  # closed: nothing can be printed there
        yield
        return
    try:
        yield
    finally:
        os.dup2(saved, _STDOUT)
        os.close(saved)


@contextlib.contextmanager
def warnings_once() -> Iterator[None]:
    """Shows each library warning once, as one line on stderr."""
    seen: set[tuple[str, str]] = set()

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        key = (category.__name__, str(message))
        if key not in seen:
            seen.add(key)
            print(f"{key[0]}: {' '.join(key[1].split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def terminal() -> Terminal:
    """What stdout can show."""
    from netdoctor.render.text import Terminal  # imports rich, which only a text needs

    is_terminal = sys.stdout.isatty()
    dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR"))
    return Terminal(_width(is_terminal), is_terminal and not dumb, _says_unicode())


def _width(is_terminal: bool) -> int | None:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns) > 0:
        return int(columns)
    return shutil.get_terminal_size().columns if is_terminal else None


def _says_unicode() -> bool:
    encoding = (sys.stdout.encoding or "").lower()
    chosen = {"PYTHONIOENCODING", "PYTHONUTF8"} & os.environ.keys()
    # Python writes UTF-8 under LANG=C too, but whoever set it expects ASCII.
    locale = os.environ.get("LC_ALL") or os.environ.get("LANG", "")
    return encoding.startswith("utf") and (bool(chosen) or locale not in ("C", "POSIX"))
