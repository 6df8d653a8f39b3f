"""`--install-completion` and `--show-completion`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from netdoctor.cli.completion.scripts import SCRIPTS
from tests.cli.commandline import CommandLine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "my home"))
    (tmp_path / "my home").mkdir()
    return tmp_path / "my home"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_show(netdoctor: CommandLine, shell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert netdoctor("--show-completion", shell).out == SCRIPTS[shell]
    monkeypatch.setenv("SHELL", f"/usr/bin/{shell}")
    assert netdoctor("--show-completion").out == SCRIPTS[shell]


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_parses(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(SCRIPTS[shell])
    command = [shell, "--no-execute" if shell == "fish" else "-n", str(tmp_path / "script")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_installed_once_and_read_at_the_start(
    netdoctor: CommandLine, shell: str, home: Path
) -> None:
    start = home / f".{shell}rc"
    start.write_text("alias ll='ls -l'")
    for _ in range(2):
        outcome = netdoctor("--install-completion", shell)
        assert (outcome.code, outcome.err) == (0, "")
    script = home / ".local" / "share" / "netdoctor" / f"completion.{shell}"
    assert str(script) in outcome.out
    assert str(start) in outcome.out
    assert script.read_text() == SCRIPTS[shell]
    assert start.read_text().startswith("alias ll='ls -l'\n")
    assert start.read_text().count("completion.") == 2  # in one line
    assert [each.name for each in script.parent.iterdir()] == [script.name]


def test_a_new_bash_has_it(netdoctor: CommandLine, home: Path) -> None:
    netdoctor("--install-completion", "bash")
    done = subprocess.run(
        ["bash", "-i", "-c", "complete -p netdoctor"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "HOME": str(home)}, start_new_session=True,
    )  # fmt: skip
    assert done.stdout == "complete -F _netdoctor netdoctor\n"


def test_a_new_zsh_has_it(netdoctor: CommandLine, home: Path) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    netdoctor("--install-completion", "zsh")
    done = subprocess.run(
        ["zsh", "-i", "-c", "print $_comps[netdoctor]"], capture_output=True, text=True,
        timeout=60, env={**os.environ, "HOME": str(home)}, start_new_session=True,
    )  # fmt: skip
    assert done.stdout == "_netdoctor\n"


def test_fish_finds_it_by_itself(netdoctor: CommandLine, home: Path) -> None:
    assert netdoctor("--install-completion", "fish").code == 0
    script = home / ".config" / "fish" / "completions" / "netdoctor.fish"
    assert script.read_text() == SCRIPTS["fish"]


@pytest.mark.parametrize("arguments", [["tcsh"], ["bash", "zsh"], [""]])
def test_an_unknown_shell(netdoctor: CommandLine, arguments: list[str]) -> None:
    outcome = netdoctor("--show-completion", *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert "hint: " in outcome.err


def test_no_shell_at_all(netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHELL", raising=False)
    outcome = netdoctor("--install-completion")
    assert outcome.code == 2
    assert "bash, zsh, fish" in outcome.err


def test_a_folder_that_cannot_be_written(netdoctor: CommandLine, home: Path) -> None:
    (home / ".local").write_text("a file")
    outcome = netdoctor("--install-completion", "bash")
    assert outcome.code == 2
    assert "--show-completion bash" in outcome.err
    assert not (home / ".bashrc").exists()
