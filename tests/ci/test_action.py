"""action.yml: what GitHub demands of a composite action, and its steps run as by a runner."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "sample_models" / "weights"
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
# "Metadata syntax reference" in GitHub's documentation.
_TOP = {"name", "author", "description", "inputs", "outputs", "runs", "branding"}
_STEP = {
    "name", "id", "if", "run", "shell", "env", "working-directory", "uses", "with",
    "continue-on-error",
}  # fmt: skip


def test_it_is_a_composite_action() -> None:
    assert _TOP >= ACTION.keys() >= {"name", "description", "runs"}
    assert ACTION["runs"].keys() == {"using", "steps"}
    assert ACTION["runs"]["using"] == "composite"
    for step in STEPS:
        assert step.keys() <= _STEP
        assert step["shell"] == "bash"
        assert all(isinstance(value, str) for value in step["env"].values())


def test_every_input_is_described_has_a_default_and_is_used() -> None:
    used = set(re.findall(r"inputs\.([a-z-]+)", yaml.safe_dump(STEPS)))
    assert used == ACTION["inputs"].keys()
    for each in ACTION["inputs"].values():
        assert each["description"]
        assert isinstance(each["default"], str)


def test_no_script_has_an_expression_in_it() -> None:
    for step in STEPS:
        assert not _EXPRESSION.search(step["run"])


def run(step: dict[str, Any], folder: Path, **inputs: str) -> subprocess.CompletedProcess[str]:
    """A step as a runner runs it: the expressions of its keys filled in, its script by bash."""
    given = {name: each["default"] for name, each in ACTION["inputs"].items()}
    given |= {"python": sys.executable, **{k.replace("_", "-"): v for k, v in inputs.items()}}

    def filled(text: str) -> str:
        return _EXPRESSION.sub(lambda found: given[found[1].removeprefix("inputs.")], text)

    (folder / "script.sh").write_text(step["run"])
    environment = {
        **os.environ, "GITHUB_ACTION_PATH": str(ROOT), "PYTHONPATH": str(ROOT),
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **{name: filled(value) for name, value in step["env"].items()},
    }  # fmt: skip
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(folder / "script.sh")],
        cwd=folder / filled(step.get("working-directory", ".")), env=environment,
        capture_output=True, text=True, timeout=250,
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("sick_nan", "healthy"):
        shutil.copy(WEIGHTS / f"{name}.safetensors", tmp_path)
    (tmp_path / "my models").mkdir()
    shutil.copy(WEIGHTS / "healthy.safetensors", tmp_path / "my models" / "a b.safetensors")
    return tmp_path


def test_findings_are_annotations_a_summary_and_exit_code_1(folder: Path) -> None:
    done = run(STEPS[-1], folder, command="check-weights", args="sick_nan.safetensors")
    assert done.returncode == 1
    assert "::error title=WGT001 nan-weight%3A conv1.bias::" in done.stdout
    assert "WGT001" in (folder / "summary.md").read_text(encoding="utf-8")


def test_a_healthy_file_passes(folder: Path) -> None:
    args = "'a b.safetensors'\n--fail-on warning\n"
    done = run(STEPS[-1], folder, command="check-weights", args=args, working_directory="my models")
    assert (done.returncode, done.stderr) == (0, "")
    assert "::error" not in done.stdout


@pytest.mark.parametrize(
    "hostile",
    [
        "healthy.safetensors; touch owned",
        "$(touch owned)",
        "`touch owned`",
        "healthy.safetensors' ; touch owned ; '",
        "x\ntouch owned",
        "${{ github.token }}",
        "'\nimport os; os.system('touch owned')\n'",
    ],
)
def test_inputs_are_never_run(folder: Path, hostile: str) -> None:
    for inputs in (
        {"command": "check-weights", "args": hostile},
        {"command": hostile, "args": "healthy.safetensors"},
    ):
        done = run(STEPS[-1], folder, **inputs)
        assert done.returncode == 2
        assert "::error title=" in done.stdout
        assert "Traceback" not in done.stderr
    assert not list(folder.rglob("owned"))


def test_a_quote_that_is_not_closed_is_told(folder: Path) -> None:
    done = run(STEPS[-1], folder, command="check-weights", args="'healthy.safetensors")
    assert done.returncode == 2
    assert "::error title=netdoctor::the input args cannot be split" in done.stdout


@pytest.mark.slow
def test_it_installs_from_its_own_checkout(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path_factory.mktemp("installed")
    for name, value in (
        ("PIP_TARGET", str(target)),
        ("PIP_NO_DEPS", "1"),
        ("PIP_NO_BUILD_ISOLATION", "0"),  # pip's way to say that there is none
    ):
        monkeypatch.setenv(name, value)
    done = run(STEPS[0], folder)
    assert done.returncode == 0, done.stderr
    assert (target / "netdoctor" / "pytest_plugin.py").is_file()
    entry_points = next(target.glob("torch_netdoctor-*.dist-info")) / "entry_points.txt"
    assert "netdoctor = netdoctor.pytest_plugin" in entry_points.read_text()
