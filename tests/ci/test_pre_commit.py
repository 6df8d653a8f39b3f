"""The hooks for pre-commit: their manifest, and what they do to files of weights."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
import yaml

from netdoctor.cli.completion.parameters import commands
from tests.cli.commandline import CommandLine
from tests.cli.conftest import netdoctor  # noqa: F401  a fixture

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "sample_models" / "weights"
MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS = {each["id"]: each for each in yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))}


def pre_commit(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=250,
    )  # fmt: skip


def test_pre_commit_takes_the_manifest(tmp_path: Path) -> None:
    done = pre_commit("validate-manifest", str(MANIFEST), cwd=tmp_path)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("hook", HOOKS)
def test_the_entry_is_a_command(hook: str) -> None:
    program, command, *_ = shlex.split(HOOKS[hook]["entry"])
    assert program == "netdoctor"
    assert hook == f"netdoctor-{command}"
    assert command in commands()


@pytest.mark.parametrize(
    ("file", "taken"),
    [
        ("best.safetensors", True),
        ("runs/last.ckpt", True),
        ("a/pytorch_model-00001-of-00002.bin", True),
        ("model.safetensors.index.json", True),
        ("data.bin", False),
        ("my.pty", False),
        ("prompt.txt", False),
    ],
)
def test_which_files_are_looked_at(file: str, taken: bool) -> None:
    assert bool(re.search(HOOKS["netdoctor-check-weights"]["files"], file)) is taken


@pytest.mark.parametrize(("name", "code"), [("sick_nan", 1), ("healthy", 0)])
def test_the_entry_as_it_is_written(
    netdoctor: CommandLine,  # noqa: F811
    name: str,
    code: int,
) -> None:
    hook = HOOKS["netdoctor-check-weights"]
    words = [*shlex.split(hook["entry"])[1:], *hook["args"]]
    outcome = netdoctor(*words, str(WEIGHTS / f"{name}.safetensors"))
    assert (outcome.code, outcome.err) == (code, "")
    assert ("WGT001" in outcome.out) is bool(code)
    assert bool(outcome.out) is bool(code)


@pytest.mark.slow
def test_pre_commit_installs_and_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True)
    if asked.returncode:
        pytest.skip("pre-commit needs the repository")
    for name, value in (
        ("PRE_COMMIT_HOME", str(tmp_path / "home")),
        ("PIP_NO_DEPS", "1"),  # they come from this environment
        ("PIP_NO_BUILD_ISOLATION", "0"),  # pip's way to say that there is none
        ("PYTHONPATH", sysconfig.get_path("purelib")),
    ):
        monkeypatch.setenv(name, value)
    project = tmp_path / "project"
    project.mkdir()
    for name in ("sick_nan", "healthy"):
        shutil.copy(WEIGHTS / f"{name}.safetensors", project)
    for arguments in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *arguments], cwd=project, check=True)
    done = pre_commit("try-repo", str(ROOT), "netdoctor-check-weights", "--all-files", cwd=project)
    assert done.returncode == 1, done.stderr
    assert "- exit code: 1" in done.stdout
    assert "WGT001 nan-weight  sick_nan.safetensors: conv1.bias" in done.stdout
    files = ["--files", "healthy.safetensors"]
    done = pre_commit("try-repo", str(ROOT), "netdoctor-check-weights", *files, cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
