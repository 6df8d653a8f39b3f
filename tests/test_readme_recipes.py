"""The recipes for CI and cron in the README, run as they are written."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch

from netdoctor.__main__ import main
from sample_models.networks import healthy_functional, sick_dead_layer
from tests.readme import README

MODULE = "from sample_models.networks import healthy_functional as factory\n"
DATA = "from sample_models.shapes import test_loader as val\n"


def recipes() -> list[str]:
    """The command lines below `- run:` and those of the crontab."""
    text = README.read_text(encoding="utf-8")
    blocks = re.findall(r"```(?:yaml|cron)\n(.*?)```", text, re.DOTALL)
    return [line for block in blocks for line in re.findall(r"\bnetdoctor [a-z].*", block)]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_module.py").write_text(MODULE)
    (tmp_path / "my_data.py").write_text(DATA)
    shutil.copytree(README.parent / "configs", tmp_path / "configs")
    torch.save(healthy_functional().state_dict(), tmp_path / "best.pt")
    monkeypatch.chdir(tmp_path)
    for name in ("my_module", "my_data"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "known.json").write_text('{"schema": 1, "command": "checkup", "findings": []}')
    return tmp_path


def test_there_are_recipes() -> None:
    assert [line.split()[1] for line in recipes()] == ["checkup", "checkup"]


@pytest.mark.parametrize("line", recipes())
def test_a_healthy_network_passes(
    line: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(line)[1:]) == 0
    out = capsys.readouterr().out
    assert out == "" if "cron" in line else out.startswith("{")


@pytest.mark.parametrize("line", recipes())
def test_a_sick_network_fails(line: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "my_module.py").write_text(MODULE.replace("healthy_functional", "sick_dead_layer"))
    torch.save(sick_dead_layer().state_dict(), project / "best.pt")
    assert main(shlex.split(line)[1:]) == 1
    assert "ACT001" in capsys.readouterr().out
    reports = [Path(each) for each in ("netdoctor.xml", "netdoctor.html") if each in line]
    assert all("dead-layer" in each.read_text(encoding="utf-8") for each in reports)
