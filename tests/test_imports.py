"""The arrows between the packages, and torch's absence where it is not needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "netdoctor"
BASE = {"errors", "facts", "report", "version"}
INNER = {*BASE, "observe", "inputs", "stats"}
MAY_IMPORT = {
    "errors": set(),
    "version": set(),
    "report": {"errors", "render"},  # to show itself, in the bodies of methods alone
    "facts": {*BASE},
    "observe": INNER,
    "inputs": INNER,
    "stats": INNER,
    "probes": {*INNER, "probes"},
    "rules": {*BASE, "rules"},
    "render": {*BASE, "render"},
    "plots": {*BASE, "plots"},
    "settings": {"errors", "settings"},
    "config": {*BASE, "config", "rules", "settings"},
    "api": {*INNER, "probes", "rules", "api"},
}
WITHOUT_TORCH = {*BASE, "rules", "render", "plots", "config", "settings"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "netdoctor":
            yield from (f"netdoctor.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


def files(part: str) -> list[Path]:
    folder = PACKAGE / part
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{part}.py"]


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_no_arrow_points_back(part: str) -> None:
    for file in files(part):
        for name in imports(ast.parse(file.read_text(encoding="utf-8"))):
            top, _, inside = name.partition(".")
            assert top != "netdoctor" or inside.split(".")[0] in MAY_IMPORT[part], (file, name)
            assert top not in ("torch", "torchvision") or part not in WITHOUT_TORCH, (file, name)


def loaded(code: str) -> set[str]:
    """The modules that are imported once that code has run, in a process of its own."""
    script = f"import sys, os\n{code}\nprint(*sys.modules, file=sys.__stderr__)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize("module", ["netdoctor", "netdoctor.cli.app", "netdoctor.rules.selection"])
def test_importing_does_not_import_torch(module: str) -> None:
    assert not {"torch", "torchvision"} & loaded(f"import {module}")


def test_a_report_imports_no_renderer_before_it_shows_itself() -> None:
    modules = loaded("import netdoctor.report")
    assert not [each for each in modules if each.startswith(("netdoctor.render", "rich", "numpy"))]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--help"],
        ["--version"],
        ["deadneurons", "--help"],
        ["activations", "-h"],
        ["featuremaps", "--help"],
        ["gradflow", "--help"],
        ["graph", "--help"],
        ["graph", "resnet18", "--dot", "--mermaid"],
        ["graph", "resnt18"],
        ["lrfind", "--help"],
        ["check-loader", "--help"],
        ["check-loader", "data", "--batches", "some"],
        ["diagnose-curves", "--help"],
        ["diagnose-curves", "nowhere.csv"],
        ["layers", "--help"],
        ["check-weights", "--help"],
        ["rules"],
        ["rule", "ACT001", "--format", "json"],
        ["config"],
        ["config", "gradcam"],
        ["schema"],
        ["deadneurons"],
        ["deadneurons", "resnet18", "--bacthes", "3"],
        ["deadneurons", "resnet18", "--select", "ACT009"],
        ["deadneurons", "resnet18", "--set", "ACT001.nothing=1"],
        ["deadneurons", "resnet18", "--config", "nowhere.yaml"],
        ["deadneurons", "resnt18"],
        ["check-weights", "nowhere.safetensors"],
        ["check-weights", "sample_models/weights"],
    ],
)
def test_what_needs_no_model_does_not_import_torch(arguments: list[str]) -> None:
    assert "torch" not in loaded(f"from netdoctor.__main__ import main\nmain({arguments!r})")


@pytest.mark.parametrize("arguments", [["--help"], ["deadneurons", "nothing", "--bacthes", "3"]])
def test_help_and_usage_errors_import_neither_numpy_nor_yaml(arguments: list[str]) -> None:
    modules = loaded(f"from netdoctor.__main__ import main\nmain({arguments!r})")
    assert not {"numpy", "yaml", "matplotlib"} & modules


@pytest.mark.parametrize(
    "words",
    [
        [""],
        ["deadneurons", "resn"],
        ["deadneurons", "sample_models/networks.py:he"],
        ["deadneurons", "resnet18", "--layers", ""],
        ["rule", "ACT"],
    ],
)
def test_completion_imports_nothing_heavy(words: list[str]) -> None:
    code = f"""
os.environ["_NETDOCTOR_COMPLETE"] = "zsh"
from netdoctor.__main__ import main
assert main({words!r}) == 0
"""
    heavy = {"torch", "torchvision", "numpy", "yaml", "matplotlib", "pydantic", "rich.console"}
    assert not heavy & loaded(code)


def test_completing_a_threshold_does_not_import_torch() -> None:
    words = ["deadneurons", "resnet18", "--set", "ACT002."]
    code = f"from netdoctor.cli.completion.answer import complete\nassert complete({words!r})"
    assert "torch" not in loaded(code)
