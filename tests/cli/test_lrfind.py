from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netdoctor.__main__ import main

MODEL = """
import torch
from torch import nn

def network():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))

def cut_off():
    class Detached(nn.Sequential):
        def forward(self, x):
            return super().forward(x).detach()
    return Detached(nn.Linear(8, 3))

def batches():
    source = torch.Generator().manual_seed(0)
    for _ in range(30):
        x = torch.randn(32, 8, generator=source)
        yield x, x[:, :3].argmax(1)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "lrfind_model.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, model: str = "network") -> int:
    return main(["lrfind", f"lrfind_model.py:{model}", "--data", "lrfind_model.py:batches",
                 *arguments])  # fmt: skip


def document(capture: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capture.readouterr().out)


def test_the_document_holds_the_suggestion_the_methods_and_the_curve(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--format", "json", "--save-arrays", "--optimizer", "adam") == 0
    told = document(capsys)
    suggestion = told["suggestion"]
    assert 1e-4 < suggestion < 1
    assert told["suggestion_reason"] is None
    assert told["suggestion_band"][0] <= suggestion <= told["suggestion_band"][1]
    methods = {row["method"]: row for row in told["tables"]["methods"]}
    assert set(methods) == {"basin", "steepest", "valley", "minimum/10", "slide"}
    assert methods["basin"]["lr"] == suggestion
    assert [name for name, row in methods.items() if row["used"]] == ["basin"]
    curve = told["tables"]["curve"]
    assert len(curve) == 100
    assert math.isclose(curve[0]["lr"], 1e-7)
    assert math.isclose(curve[-1]["lr"], 10)
    assert len(curve[0]["losses"]) == 3
    assert told["settings"]["optimizer"] == "adam"
    assert [Path(each).name for each in told["artifacts"]] == ["lrfind.png", "lrfind.npz"]
    with np.load(folder / "netdoctor-out" / "lrfind.npz") as arrays:
        assert arrays["losses"].shape == (3, 100)
        np.testing.assert_allclose(arrays["rates"], [row["lr"] for row in curve])
    with Image.open(folder / "netdoctor-out" / "lrfind.png") as picture:
        assert picture.width > 800


def test_the_text_ends_with_the_rate_and_leaves_the_curve_to_the_picture(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--no-plots") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("start from lr = ")
    assert "loader exhausted and cycled 3 times" in out
    assert "more rows" not in out


def test_no_suggestion_beside_lrf001(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--format", "json", "--no-plots", model="cut_off") == 1
    told = document(capsys)
    assert [each["code"] for each in told["findings"]] == ["LRF001"]
    assert told["suggestion"] is None
    assert told["suggestion_reason"]
    assert all(row["lr"] is None for row in told["tables"]["methods"])


def test_options_reach_the_probe(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = "--steps 40 --repeats 2 --start-lr 1e-5 --end-lr 1 --accumulate 2 --momentum 0.5"
    assert run(*options.split(), "--format", "json", "--no-plots", "--loss", "cross-entropy") == 0
    told = document(capsys)
    expected = {
        "steps": 40, "repeats": 2, "start_lr": 1e-5, "end_lr": 1.0, "accumulate": 2,
        "momentum": 0.5, "loss": "cross-entropy",
    }  # fmt: skip
    assert {name: told["settings"][name] for name in expected} == expected
    assert len(told["tables"]["repeats"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        ["--optimizer", "lion"],
        ["--steps", "1"],
        ["--start-lr", "1", "--end-lr", "0.1"],
        ["--momentum", "1"],
        ["--repeats", "0"],
        ["--loss", "hinge"],
        ["--layers", "0"],
    ],
)
def test_wrong_usage_is_exit_2_with_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert run(*wrong) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("error") == 1
    assert not (folder / "netdoctor-out").exists()
