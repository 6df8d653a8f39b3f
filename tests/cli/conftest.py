from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.commandline import CommandLine


@pytest.fixture
def netdoctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    """The command line in an empty working directory, as in a pipe without any setting."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "COLUMNS",
        "NO_COLOR",
        "LANG",
        "LC_ALL",
        "CI",
        "FORCE_COLOR",
        "GITHUB_STEP_SUMMARY",
    ):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(capsys, monkeypatch)
