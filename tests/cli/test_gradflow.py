from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from netdoctor.__main__ import main

MODULE = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, cut=False):
        super().__init__()
        self.first, self.head = nn.Linear(6, 12), nn.Linear(12, 3)
        self.cut = cut

    def forward(self, x):
        x = self.first(x).relu()
        return self.head(x.detach() if self.cut else x)


def healthy():
    return Net()


def cut():
    return Net(cut=True)


def detector():
    class Boxes(Net):
        def forward(self, x):
            return {"boxes": self.first(x), "scores": self.head(self.first(x).relu())}
    return Boxes()


def loader():
    source = torch.Generator().manual_seed(0)
    return [(torch.randn(16, 6, generator=source), torch.arange(16) % 3) for _ in range(3)]


def unlabelled():
    return [inputs for inputs, _ in loader()]


def out_of_range():
    return [(inputs, target + 3) for inputs, target in loader()]


def ignored():
    return [(inputs, torch.full_like(target, -100)) for inputs, target in loader()]


def normed():
    return nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 3))


def last_of_one():
    return [*loader(), (torch.randn(1, 6), torch.tensor([0]))]
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    file = tmp_path / "gradflow_command_model.py"
    file.write_text(MODULE)
    return file


def arguments(module: Path, factory: str, data: str = "loader") -> list[str]:
    out = str(module.parent / "out")
    return ["gradflow", f"{module}:{factory}", "--data", f"{module}:{data}", "--out", out]


def test_tables_picture_and_arrays(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = arguments(module, "healthy")
    assert main([*command, "--format", "json", "--save-arrays"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == []
    assert [row["layer"] for row in document["tables"]["layers"]] == ["/relu#1"]
    rows = document["tables"]["parameters"]
    assert [row["parameter"] for row in rows] == [
        "first.weight", "first.bias", "head.weight", "head.bias"
    ]  # fmt: skip
    assert {row["state"] for row in rows} == {"value"}
    assert all(row["norm"] > 0 and row["max"] >= row["mean"] > 0 for row in rows)
    assert document["settings"]["objective"] == "cross-entropy"
    assert document["settings"]["samples"] == 48
    assert [Path(each).name for each in document["artifacts"]] == ["gradflow.png", "gradflow.npz"]
    with np.load(module.parent / "out" / "gradflow.npz") as arrays:
        np.testing.assert_allclose(arrays["norm"], [row["norm"] for row in rows])


def test_a_cut_graph_is_exit_1_and_says_where(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(module, "cut"), "--no-plots"]) == 1
    shown = capsys.readouterr().out
    assert "GRD004" in shown
    assert "gradflow_command_model.py:14" in shown
    assert "cross-entropy, chosen because" in shown
    assert main([*arguments(module, "cut"), "--no-plots", "--ignore", "GRD004"]) == 0


def test_random_input_and_targets_are_said_to_be(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--no-plots", "--batches", "2"]
    assert main(["gradflow", f"{module}:healthy", "--input-shape", "6", *out]) == 0
    shown = capsys.readouterr().out
    assert "targets are seeded random numbers" in shown
    assert "synthetic" in shown
    assert main([*arguments(module, "healthy", "unlabelled"), *out]) == 0
    assert "targets are seeded random numbers" in capsys.readouterr().out


def test_the_step_is_shown_for_a_learning_rate(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*arguments(module, "healthy"), "--no-plots", "--format", "json"]
    assert main([*command, "--optimizer", "adam", "--lr", "0.001"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(0 < row["update_ratio"] < 0.1 for row in document["tables"]["parameters"])
    assert document["settings"]["lr"] == 0.001
    assert main([*command, "--amp", "float16"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["settings"]["scale"] == 65536
    assert all(row["underflow"] is not None for row in document["tables"]["parameters"])


@pytest.mark.parametrize(
    ("factory", "data", "options", "kind"),
    [
        ("detector", "loader", [], "model"),
        ("healthy", "loader", ["--loss", "hinge"], "usage"),
        ("healthy", "loader", ["--layers", "nothing"], "nothing-examined"),
        ("healthy", "loader", ["--optimizer", "lion"], "usage"),
        ("healthy", "loader", ["--lr", "-1"], "usage"),
    ],
)
def test_what_cannot_be_examined_is_exit_2_with_a_sentence(
    module: Path,
    capsys: pytest.CaptureFixture[str],
    factory: str,
    data: str,
    options: list[str],
    kind: str,
) -> None:
    command = [*arguments(module, factory, data), "--no-plots", "--format", "json", *options]
    assert main(command) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == kind
    assert error["message"]
    assert error["hint"]


def test_a_loss_that_is_nan_in_every_batch_is_found_without_a_gradient(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(module, "healthy", "ignored"), "--no-plots", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["subject"]) == ("GRD003", "loss")


def test_a_last_batch_of_one_before_a_batch_norm_is_named(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments(module, "normed", "last_of_one"), "--format", "json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert "one sample" in error["message"]
    assert "drop_last" in error["hint"]


def test_labels_out_of_range_are_a_finding_and_exit_1(
    module: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = arguments(module, "healthy", "out_of_range")
    assert main([*command, "--no-plots", "--format", "json"]) == 1
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "DAT004"
