"""Completion as it is used: typed into the shells that this machine has, TAB for TAB."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netdoctor.cli.completion.scripts import SCRIPTS
from tests.cli.completion.terminal import Terminal

ROOT = Path(__file__).parents[3]
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
PLAIN = {
    "bash": "bind 'set bell-style none'; bind 'set enable-bracketed-paste off'",
    "zsh": "PS1='$ '; unsetopt zle_bracketed_paste prompt_cr beep; bindkey -e",
    "fish": "function fish_prompt; echo '$ '; end; set -g fish_autosuggestion_enabled 0",
}
SOURCE = "def factory(): ...\ndef sick(): ...\n"
ODD = "my odd [red]models & more.py"
HOSTILE = "$(touch owned);`touch owned`.py"


@pytest.fixture(scope="module", params=SHELLS)
def terminal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Terminal]:
    shell = request.param
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    home = tmp_path_factory.mktemp(shell)
    (home / "bin").mkdir()
    program = home / "bin" / "netdoctor"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m netdoctor "$@"\n')
    program.chmod(0o755)
    for name in ("my_models.py", ODD, HOSTILE):
        (home / name).write_text(SOURCE)
    (home / "log of a run.csv").touch()
    cache(home)
    script = home / "bin" / f"completion.{shell}"
    script.write_text(SCRIPTS[shell])
    environment = {
        **os.environ, "HOME": str(home), "TERM": "dumb", "PS1": "$ ", "PYTHONPATH": str(ROOT),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}", "XDG_CACHE_HOME": str(home / "cache"),
        "NETDOCTOR_CACHE": "on", "LC_ALL": "C.UTF-8",
    }  # fmt: skip
    opened = Terminal(SHELLS[shell], environment, home)
    try:
        opened.run(f"{PLAIN[shell]}; source '{script}'")
        yield opened
        assert not (home / "owned").exists()
    finally:
        opened.close()


def cache(home: Path) -> None:
    from netdoctor.cli import layer_cache
    from netdoctor.report import Column, Report, Table

    rows = [{"layer": name} for name in ("(model)#1", "layer1.0.relu#1", "layer1.0.relu#2")]
    table = Table("layers", "", [Column("layer", "layer")], rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setenv("NETDOCTOR_CACHE", "on")
        layer_cache.remember("resnet18", Report("layers", "resnet18", tables=[table]))


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("netdoctor deadn\t", ["deadneurons"]),
        ("netdoctor gradcam resnet18 --meth\tgradcam+\t", ["--method", "gradcam++"]),
        ("netdoctor deadneurons my_m\tfac\t--qui\t", ["my_models.py:factory", "--quiet"]),
        ("netdoctor deadneurons my_models.py:si\t", ["my_models.py:sick"]),
        ("netdoctor deadneurons my\\ o\tfac\t", [f"{ODD}:factory"]),
        (f"netdoctor deadneurons '{ODD}:fac\t", [f"{ODD}:factory"]),
        (f'netdoctor deadneurons "{ODD}":fac\t', [f"{ODD}:factory"]),
        ("netdoctor deadneurons \\$\tfac\t", [f"{HOSTILE}:factory"]),
        ("netdoctor deadneurons resnet18 --format=js\t", ["--format=json"]),
        ("netdoctor deadneurons resnet18 --fail-on w\t", ["--fail-on", "warning"]),
        ("netdoctor rule dead-l\t", ["rule", "dead-layer"]),
        ("netdoctor diagnose-curves lo\t", ["log of a run.csv"]),
        ("netdoctor deadneurons resnet18 --config=lo\t", ["--config=log of a run.csv"]),
        ("netdoctor deadneurons resnet18 --set ACT002.th\t0.5", ["ACT002.threshold=0.5"]),
        ("netdoctor deadneurons resnet18 --layers l\t\\#2", ["layer1.0.relu#2"]),
        ("netdoctor deadneurons resnet18 --layers \\(mod\t", ["(model)"]),
        ("SEED=1 netdoctor deadneurons resnet34\t", ["resnet34"]),
        ("netdoctor deadneurons ~/my_m\tfac\t", ["{home}/my_models.py:factory"]),
    ],
)
def test_tab(terminal: Terminal, typed: str, words: list[str]) -> None:
    expected = [each.replace("{home}", str(terminal.folder)) for each in words]
    assert terminal.words(typed)[-len(words) :] == expected
