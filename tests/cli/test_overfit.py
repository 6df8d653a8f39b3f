from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import netdoctor
from netdoctor.__main__ import main
from netdoctor.errors import UsageError

MODEL = """
import torch
from torch import nn
from torch.utils.data import TensorDataset
def network(softmax=False):
    layers = [nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4)]
    return nn.Sequential(*layers, *([nn.Softmax(1)] if softmax else []))
def half():
    return network().half()
def half_data():
    return TensorDataset(*(each.half() if each.is_floating_point() else each
                           for each in data().tensors))
def data():
    generator = torch.Generator().manual_seed(0)
    return TensorDataset(torch.randn(64, 16, generator=generator), torch.arange(64) % 4)
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    file = tmp_path / "overfit_model.py"
    file.write_text(MODEL)
    out = str(tmp_path / "out")
    return ["overfit", f"{file}:network", "--data", f"{file}:data", "--out", out]


def test_a_healthy_network_is_learnt(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*arguments, "--format", "json", "--save-arrays", "--samples", "6"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["tables"]["result"][0]["verdict"] == "learnt"
    assert document["settings"]["samples"] == 6
    assert document["findings"] == document["skipped"] == []
    assert [Path(each).name for each in document["artifacts"]] == ["overfit.png", "overfit.npz"]
    with np.load(tmp_path / "out" / "overfit.npz") as arrays:
        (losses,) = arrays.values()
    curve = document["tables"]["steps"]
    assert losses[-1] == curve[-1]["loss"]


def test_a_half_precision_network_is_learnt(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    renamed = [each.replace(":network", ":half") for each in arguments]
    halves = [each.replace(":data", ":half_data") for each in renamed]
    assert main([*halves, "--no-plots", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["findings"] == []
    assert document["tables"]["result"][0]["verdict"] == "learnt"


def test_a_softmax_before_the_loss_is_exit_1(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*arguments, "--model-arg", "softmax=true", "--loss", "cross-entropy"]
    assert main([*command, "--optimizer", "sgd"]) == 1
    out = capsys.readouterr().out
    assert "MOD005" in out
    assert "stuck" in out


def test_random_input_and_targets_are_said_so(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = [arguments[0], arguments[1], "--no-plots"]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "synthetic" in out
    assert "random" in out
    assert "learnt: loss" in out


@pytest.mark.parametrize(
    "wrong", [["--samples", "0"], ["--time-limit", "0"], ["--optimizer", "x"], ["--loss", "huber"]]
)
def test_wrong_usage_is_exit_2(arguments: list[str], wrong: list[str]) -> None:
    assert main([*arguments, *wrong]) == 2


def test_wrong_options_of_the_function_are_usage_errors() -> None:
    from torch import nn

    wrong_options: list[dict[str, object]] = [
        {"samples": 0}, {"steps": 0}, {"time_limit": 0.0}, {"optimizer": "lion"},
    ]  # fmt: skip
    for wrong in wrong_options:
        with pytest.raises(UsageError):
            netdoctor.overfit(nn.Linear(2, 2), **wrong)  # type: ignore[arg-type]
