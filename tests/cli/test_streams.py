from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import TextIO, cast

import pytest

from netdoctor.cli.progress import progress_bar
from netdoctor.cli.streams import PipeSafe, stdout_to_stderr, terminal, warnings_once


class FakeTerminal:
    """A stream that says what it is told about itself."""

    def __init__(self, encoding: str = "utf-8", tty: bool = True) -> None:
        self.encoding = encoding
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("COLUMNS", "NO_COLOR", "TERM", "LANG", "LC_ALL", "CI", "PYTHONUTF8")
    for name in (*names, "PYTHONIOENCODING"):
        monkeypatch.delenv(name, raising=False)


def test_a_terminal_has_colour_and_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    assert terminal().colour
    assert terminal().width is not None
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal().width == 60


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_declined(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal())
    monkeypatch.setenv(name, value)
    assert not terminal().colour


def test_a_pipe_has_neither_unless_columns_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal(tty=False))
    assert (terminal().width, terminal().colour) == (None, False)
    monkeypatch.setenv("COLUMNS", "60")
    assert terminal().width == 60


@pytest.mark.parametrize(
    ("encoding", "environment", "unicode"),
    [
        ("utf-8", {}, True),
        ("ascii", {}, False),
        ("latin-1", {}, False),
        ("utf-8", {"LANG": "C"}, False),
        ("utf-8", {"LANG": "de_DE.UTF-8", "LC_ALL": "POSIX"}, False),
        ("utf-8", {"LANG": "C", "LC_ALL": "C.UTF-8"}, True),
        ("utf-8", {"LANG": "C", "PYTHONIOENCODING": "utf-8"}, True),
    ],
)
def test_unicode_is_for_those_who_can_read_it(
    monkeypatch: pytest.MonkeyPatch, encoding: str, environment: dict[str, str], unicode: bool
) -> None:
    monkeypatch.setattr(sys, "stdout", FakeTerminal(encoding, tty=False))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert terminal().unicode is unicode


def test_prints_of_all_kinds_go_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with stdout_to_stderr():
        print("python")
        os.system("echo child")
        os.write(1, b"descriptor\n")
    print("afterwards")
    out, err = capfd.readouterr()
    assert out == "afterwards\n"
    assert sorted(err.split()) == ["child", "descriptor", "python"]


def test_stdout_comes_back_after_an_exception(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="boom"), stdout_to_stderr():
        raise ValueError("boom")
    os.write(1, b"back\n")
    assert capfd.readouterr().out == "back\n"


def test_nobody_watches_a_pipe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with progress_bar("deadneurons", quiet=False) as progress:
        assert progress is None
    assert capsys.readouterr().err == ""


def test_a_bar_appears_on_a_terminal_only_when_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress_bar("deadneurons", quiet=True) as progress:
        assert progress is None
    with progress_bar("deadneurons", quiet=False) as progress:
        assert progress is not None
        progress(3, 10)
        progress.doing("scoring image 2")
    out, err = capsys.readouterr()
    assert out == ""
    assert "deadneurons: scoring image 2" in err
    monkeypatch.setenv("CI", "true")
    with progress_bar("deadneurons", quiet=False) as progress:
        assert progress is None


def test_warnings_keep_their_filters() -> None:
    import warnings

    before = list(warnings.filters)
    with warnings_once():
        pass
    assert list(warnings.filters) == before


class FullDisk:
    """A stream on which nothing can be written."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        self.write("")

    def fileno(self) -> int:
        raise OSError(errno.EBADF, "no descriptor")


def test_a_log_on_a_full_disk_stops_nothing_but_a_report_does() -> None:
    log = PipeSafe(cast(TextIO, FullDisk()), dispensable=True)
    assert log.write("progress") == len("progress")
    log.flush()
    assert not log.closed_by_reader
    with pytest.raises(OSError, match="No space left"):
        PipeSafe(cast(TextIO, FullDisk())).write("report")
