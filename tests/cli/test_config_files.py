"""Files with settings in the whole program, and the two that `configs/` offers as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

CONFIGS = Path(__file__).parent.parent.parent / "configs"
MODULE = """
import torch
from torch import nn

def net(bias):
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    made[0].bias.data -= bias
    return made

def factory():
    return net(0.0)

def half_dead():
    return net(torch.tensor([1000.0] * 10 + [0.0] * 6))

class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 4)

    def forward(self, x):
        return self.second(torch.relu(self.first(x)).detach())

def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3),
    )

def batch(n):
    made = torch.Generator().manual_seed(n)
    return torch.randn(64, 8, generator=made), torch.randint(0, 4, (64,), generator=made)

val_loader = [batch(n) for n in range(4)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with `my_module.py` and an empty folder `inner`."""
    (tmp_path / "project" / "inner").mkdir(parents=True)
    (tmp_path / "project" / "my_module.py").write_text(MODULE, encoding="utf-8")
    return tmp_path / "project"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    left_out = ("COLUMNS", "CI", "GITHUB_STEP_SUMMARY")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return subprocess.run(
        [sys.executable, "-m", "netdoctor", *arguments],
        cwd=folder,
        env={**kept, "PYTHONWARNINGS": "", "OMP_WAIT_POLICY": "PASSIVE"},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(folder)) for path in found}


def settings(folder: Path, *arguments: str) -> Mapping[str, tuple[Any, str]]:
    done = run(folder, "config", *arguments, "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)["tables"]["settings"]
    return {row["key"]: (row["value"], row["origin"]) for row in rows}


def test_a_file_above_gives_data_places_and_options_of_one_command(project: Path) -> None:
    (project / "pyproject.toml").write_text(
        '[tool.netdoctor]\ndata = "my_module:val_loader"\nout = "pictures"\nbatches = 2\n'
        'format = "json"\n[tool.netdoctor.commands.deadneurons]\nper-position = true\nbatches = 3\n'
    )
    done = run(project / "inner", "deadneurons", "../my_module.py:half_dead", "--save-arrays")
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert document["settings"]["per_position"] is True
    assert document["settings"]["batches"] == 3
    assert [each["code"] for each in document["findings"]] == ["ACT002"]
    written = {str((project / "inner" / path).resolve()) for path in document["artifacts"]}
    assert written == {str(path) for path in (project / "pictures").iterdir()}
    assert {Path(each).suffix for each in written} == {".png", ".npz"}


def test_an_option_of_gradcam_and_a_flag_over_it(project: Path) -> None:
    (project / "netdoctor.yaml").write_text(
        "no-plots: true\nformat: json\nquiet: true\n"
        "commands: {gradcam: {method: layercam, scores: 0, input-shape: '1,8,8', target: 2}}\n"
    )
    command = ("gradcam", "my_module:convolutions")
    document = json.loads(run(project, *command).stdout)
    assert (document["settings"]["method"], document["settings"]["target"]) == ("layercam", "2")
    document = json.loads(run(project, *command, "--method", "hirescam").stdout)
    assert (document["settings"]["method"], document["settings"]["target"]) == ("hirescam", "2")
    done = run(project, *command, "--format", "text", "--no-quiet", "--no-config", "--no-plots")
    assert done.stdout.startswith("netdoctor gradcam · my_module:convolutions · cpu\n")


def test_errors_are_told_in_the_format_of_the_file(project: Path) -> None:
    (project / "netdoctor.yaml").write_text("format: json\ncommands: {gradflow: {format: text}}\n")
    for arguments in (["deadneurons", "my_module:nothing"], ["deadneurons", "--bacthes", "3"]):
        done = run(project / "inner", *arguments)
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["message"] in done.stderr
        assert run(project / "inner", *arguments, "--no-config").stdout == ""
    assert run(project, "gradflow", "my_module:nothing").stdout == ""


def test_a_broken_file_stops_what_examines_and_nothing_else(project: Path) -> None:
    (project / "netdoctor.yaml").write_text("bacthes: 3\nformat: json\n")
    done = run(project, "deadneurons", "my_module:factory")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["kind"] == "config"
    assert done.stderr == (
        "error: netdoctor.yaml:1: bacthes: unknown key\nhint: did you mean batches?\n"
    )
    for arguments in (["rules"], ["rule", "ACT001"], ["--version"], ["--help"]):
        assert run(project, *arguments).returncode == 0


def test_config_without_no_config_and_the_reverse(project: Path) -> None:
    done = run(project, "config", "--config", "x.yaml", "--no-config")
    assert done.returncode == 2
    assert "--config FILE and --no-config exclude each other" in done.stderr


def test_a_file_that_was_named_replaces_the_one_that_is_near(project: Path) -> None:
    (project / "netdoctor.yaml").write_text("batches: 3\nseed: 4\n")
    (project / "other.toml").write_text("batches = 5\n")
    shown = settings(project, "--config", "other.toml")
    assert (shown["batches"], shown["seed"]) == ((5, "other.toml"), (0, "default"))
    assert settings(project, "--no-config")["batches"] == (10, "default")


def test_config_shows_every_value_with_its_origin(project: Path) -> None:
    path = project / "netdoctor.yaml"
    path.write_text(
        "quiet: true\nbatches: 3\nformat: junit\nrules:\n  dead-units:\n    error_at: 0.8\n"
        "commands:\n  deadneurons:\n    batches: 4\n    per-position: true\n"
    )
    shown = settings(project / "inner", "--seed", "5", "--no-quiet")
    assert shown["batches"] == (3, f"{path}:2")
    assert shown["seed"] == (5, "flag")
    assert shown["quiet"] == (False, "flag")
    assert shown["workers"] == (0, "default")
    assert shown["rules.ACT002.error_at"] == (0.8, f"{path}:6")
    assert shown["commands.deadneurons.batches"] == (4, f"{path}:9")
    assert shown["commands.deadneurons.per-position"] == (True, f"{path}:10")
    assert shown["commands.gradcam.method"] == ("gradcam", "default")
    shown = settings(project, "deadneurons")
    assert shown["batches"] == (4, "netdoctor.yaml:9")
    assert shown["commands.deadneurons.per-position"] == (True, "netdoctor.yaml:10")
    assert "loss" not in shown
    assert not [key for key in shown if key.startswith(("rules.GRD", "commands.gradcam"))]
    listed = run(project, "config").stdout  # `quiet` and `format` are for examinations
    assert re.search(r"^  quiet +yes +netdoctor\.yaml:1$", listed, re.MULTILINE)
    done = run(project, "config", "deadneuron")
    assert done.returncode == 2
    assert "hint: did you mean deadneurons?" in done.stderr


def without_timings(value: Any) -> Any:
    """A document without what no two runs have in common."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key != "seconds"}
        return {key: without_timings(each) for key, each in kept.items()}
    return [without_timings(each) for each in value] if isinstance(value, list) else value


_SICK = {"deadneurons": "half_dead", "gradflow": "Detached", "checkup": "half_dead"}
_EXAMINE = [
    pytest.param(name, sick, marks=() if name == "checkup" else pytest.mark.slow)
    for name, sick in _SICK.items()
]


@pytest.mark.parametrize(("command", "sick"), _EXAMINE)
def test_the_settings_for_ci_as_they_stand(project: Path, command: str, sick: str) -> None:
    before = files(project)
    arguments = ("--data", "my_module:val_loader", "--config", str(CONFIGS / "ci.yaml"))
    done = run(project, command, "my_module:factory", *arguments)
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert document["settings"]["batches"] == 4
    assert document["artifacts"] == []
    again = json.loads(run(project, command, "my_module:factory", *arguments).stdout)
    assert without_timings(again) == without_timings(document)
    done = run(project, command, f"my_module:{sick}", *arguments)
    severities = {each["severity"] for each in json.loads(done.stdout)["findings"]}
    assert (done.returncode, severities & {"warning", "error"} != set()) == (1, True)
    assert files(project) == before


@pytest.mark.parametrize(("command", "sick"), _EXAMINE)
def test_the_settings_for_cron_as_they_stand(project: Path, command: str, sick: str) -> None:
    arguments = ("--data", "my_module:val_loader", "--config", str(CONFIGS / "cron.yaml"))
    done = run(project, command, "my_module:factory", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = {each for each in files(project) if each != "my_module.py"}
    assert all(each.startswith("netdoctor-nightly/") for each in written)
    assert {Path(each).suffix for each in written} >= {".png", ".npz"}
    done = run(project, command, f"my_module:{sick}", *arguments)
    assert (done.returncode, done.stderr) == (1, "")
    assert re.search("^. (warning|error)  [A-Z]{3}[0-9]{3} ", done.stdout, re.MULTILINE)
