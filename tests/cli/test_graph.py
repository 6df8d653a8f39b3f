from __future__ import annotations

import json
from pathlib import Path
from xml.dom import minidom

import pytest

import netdoctor
from netdoctor.__main__ import main
from netdoctor.report import Report
from sample_models.networks import sick_dead_layer
from sample_models.shapes import test_loader as shapes

MODEL = """
import torch
from torch import nn

class Hostile(nn.Module):
    def __init__(self, nan=False):
        super().__init__()
        self.add_module("<img src=x onerror=alert(1)>", nn.Linear(6, 8))
        self.add_module("[bold]a/b", nn.Sequential(nn.ReLU(), nn.Linear(8, 8), nn.ReLU()))
        self.add_module("head", nn.Linear(8, 3))
        if nan:
            self.head.weight.data[0, 0] = float("nan")
    def forward(self, x):
        for each in self.children():
            x = each(x)
        return x
"""
NAME = "<img src=x onerror=alert(1)>"


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "graph_model.py").write_text(MODEL)
    model = f"{tmp_path / 'graph_model.py'}:Hostile"
    return ["graph", model, "--input-shape", "6", "--batches", "2", "--out", str(tmp_path / "out")]


def test_picture_and_table(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*arguments, "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "graph"
    rows = document["tables"]["nodes"]
    assert [row["node"] for row in rows] == [
        "input x", f"{NAME}#1", "[bold]a/b.0#1", "[bold]a/b.1#1", "[bold]a/b.2#1", "head#1",
        "output",
    ]  # fmt: skip
    assert rows[1]["sources"] == ["input x"]
    assert document["artifacts"] == [str(tmp_path / "out" / "graph.svg")]
    text = (tmp_path / "out" / "graph.svg").read_text(encoding="utf-8")
    assert minidom.parseString(text).documentElement.tagName == "svg"
    assert "<img" not in text
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["graph.svg"]


def test_findings_decide_the_exit_code(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sick = [*arguments, "--model-arg", "nan=true"]
    assert main([*sick, "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)["findings"]
    assert "WGT001" in {each["code"] for each in found}
    assert "nan-weight" in (tmp_path / "out" / "graph.svg").read_text(encoding="utf-8")
    assert main([*sick, "--fail-on", "never"]) == 0
    assert main([*sick, "--select", "ACT"]) == 0
    assert main([*sick, "--dot"]) == 1


@pytest.mark.parametrize(("option", "start"), [("--dot", "digraph"), ("--mermaid", "flowchart TB")])
def test_texts_for_other_programs(
    arguments: list[str], capsys: pytest.CaptureFixture[str], option: str, start: str
) -> None:
    assert main([*arguments, option, "--no-plots", "--depth", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(start)
    assert "netdoctor" not in out
    assert "subgraph" not in out
    assert main([*arguments, option, "--no-plots"]) == 0
    assert "subgraph" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--dot", "--mermaid"], "two texts"),
        (["--dot", "--format", "json"], "both say what to print"),
        (["--depth", "0"], "--depth"),
        (["--expand", "[bold]a"], "--expand"),
        (["--select", "GRD"], "graph applies"),
    ],
)
def test_wrong_usage_is_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str], wrong: list[str], message: str
) -> None:
    assert main([*arguments, *wrong]) == 2
    captured = capsys.readouterr()
    assert message in captured.out + captured.err
    assert "Traceback" not in captured.err


def test_expand_takes_a_name_with_brackets(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--dot", "--depth", "1", "--expand", "[bold]a/b"]) == 0
    assert "subgraph" in capsys.readouterr().out


def test_the_python_function_gives_facts_and_findings() -> None:
    report: Report = netdoctor.graph(sick_dead_layer(), shapes(), batches=3)
    assert "ACT001" in {each.code for each in report.findings}
    assert report.exit_code() == 1
    assert len(report.table("nodes").rows) == len(report.facts.nodes)
    assert set(report.ran) & {"nan-activation", "nan-weight", "dead-layer"}
