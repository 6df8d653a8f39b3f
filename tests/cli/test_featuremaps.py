from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netdoctor.__main__ import main

MODEL = """
from torch import nn
def network():
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2))
"""


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    (tmp_path / "feature_map_model.py").write_text(MODEL)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    model, photo = tmp_path / "feature_map_model.py", tmp_path / "photo.png"
    out = tmp_path / "out"
    return [
        "featuremaps", f"{model}:network", "--data", str(photo), "--crop", "32", "--out", str(out)
    ]  # fmt: skip


def test_pictures_table_and_arrays(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*arguments, "--format", "json", "--save-arrays", "--top", "4"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["layer"] for row in document["tables"]["layers"]] == ["1#1", "2#1"]
    assert document["findings"] == []
    assert (document["settings"]["top"], document["settings"]["images"]) == (4, 4)
    names = [Path(each).name for each in document["artifacts"]]
    assert names == ["featuremaps-1-1.png", "featuremaps-2-1.png", "featuremaps.npz"]
    with np.load(tmp_path / "out" / "featuremaps.npz") as arrays:
        assert arrays["2#1.0.maps"].shape == (4, 7, 7)


def test_a_wrong_layer_is_exit_2_and_writes_nothing(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main([*arguments, "--layers", "nothing*"]) == 2
    assert "nothing*" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wrong", [["--top", "0"], ["--scale", "log"], ["--images", "none"]])
def test_wrong_usage_is_exit_2(arguments: list[str], wrong: list[str]) -> None:
    assert main([*arguments, *wrong]) == 2
