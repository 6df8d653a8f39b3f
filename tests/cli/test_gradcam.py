from __future__ import annotations

import hashlib
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netdoctor.__main__ import main

MODEL = """
import torch
from torch import nn

def network(outputs=10):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, outputs),
    )

def blank():
    found = network()
    with torch.no_grad():
        found[6].weight.abs_().neg_()
        found[6].bias[0] = 9
    return found
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cam_model.py").write_text(MODEL)
    photos = tmp_path / "photos"
    photos.mkdir()
    for number, name in enumerate(("b.png", "a b;$(x).png", "\u732b.jpg")):
        pixels = np.random.default_rng(number).integers(0, 256, (48, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / name)
    return tmp_path


def run(folder: Path, *arguments: str, model: str = "network") -> int:
    data = [] if "--data" in arguments else ["--data", str(folder / "photos")]
    given = ["gradcam", f"{folder / 'cam_model.py'}:{model}", *data, "--crop", "32"]
    return main([*given, "--out", str(folder / "out"), *arguments])


def document(
    folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0, **more: Any
) -> dict[str, Any]:
    assert run(folder, "--format", "json", *arguments, **more) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_predictions_maps_pictures_and_arrays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(folder, capsys, "--save-arrays", "--layer", "0", "--layer", "3")
    predictions = found["summary"]["predictions"]
    assert [Path(each["input"]).name for each in predictions] == ["a b;$(x).png", "b.png", "猫.jpg"]
    assert all(set(each) == {"input", "index", "name", "score"} for each in predictions)
    assert [each["name"] for each in predictions] == [f"class {e['index']}" for e in predictions]
    assert (found["summary"]["error"], found["findings"]) == (0, [])
    assert len(found["tables"]["predictions"]) == 3
    assert [row["layer"] for row in found["tables"]["maps"][:2]] == ["0#1", "3#1"]
    paths = [Path(each) for each in found["artifacts"]]
    assert all(each.is_file() and each.parent == folder / "out" for each in paths)
    assert [each.suffix for each in paths] == [".png"] * 3 + [".npz"]
    assert len({each.name for each in paths}) == 4
    assert all(each.name.isascii() for each in paths)
    with np.load(paths[-1]) as arrays:
        assert arrays["heatmap"].shape == (3, 8, 8)
        assert arrays["heatmap.0#1"].shape == (3, 16, 16)
        assert arrays["target"].tolist() == [each["index"] for each in predictions]
        assert arrays["heatmap"].dtype == np.float32


def test_class_names_from_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = [f"thing {number}" for number in range(10)]
    files = {
        "names.txt": "\n".join(names) + "\n",
        "names.json": json.dumps(names),
        "map.json": json.dumps({str(number): name for number, name in enumerate(names)}),
        "names.yaml": "\n".join(f"{number}: {name}" for number, name in enumerate(names)),
    }
    for file, text in files.items():
        (folder / file).write_text(text)
        options = ["--class-names", str(folder / file), "--target", "Thing_7", "--no-plots"]
        found = document(folder, capsys, *options)
        assert {row["target_index"] for row in found["tables"]["predictions"]} == {7}
        assert found["summary"]["predictions"][0]["name"].startswith("thing ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--layer", "6"], "6#1"),
        (["--layer", "conv"], "--layer conv"),
        (["--target", "10"], "10 classes"),
        (["--target", "cat"], "--class-names"),
        (["--class-names", "missing.txt"], "missing.txt"),
        (["--images", "none"], "none"),
        (["--method", "smoothcam"], "smoothcam"),
    ],
)
def test_what_cannot_be_meant_is_exit_2(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    found = document(folder, capsys, *arguments, code=2)
    assert says in found["error"]["message"] + found["error"]["hint"]
    assert not (folder / "out").exists()


def test_a_blank_map_is_a_warning_an_image(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = document(folder, capsys, model="blank")
    assert [each["code"] for each in found["findings"]] == ["CAM001"] * 3
    assert found["summary"]["warning"] == 3
    assert run(folder, "--fail-on", "warning", "--quiet", model="blank") == 1


def test_random_input_is_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(folder, capsys, "--data", "random", "--no-plots")
    assert found["settings"]["synthetic"]
    assert len(found["summary"]["predictions"]) == 1
    assert run(folder, "--data", "random", "--images", "all") == 2


def test_images_all_and_some(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for images, count in (("2", 2), ("all", 3)):
        found = document(folder, capsys, "--images", images, "--no-plots")
        assert len(found["summary"]["predictions"]) == count
        assert any("2 of 3 samples" in note for note in found["notes"]) == (count == 2)


def test_an_archive_in_the_form_of_cifar_10(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.datasets import CIFAR10

    batches = folder / "cifar-10-batches-py"
    batches.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (6, 3072), dtype=np.uint8)
    contents = {
        "test_batch": {"data": pixels, "labels": [0, 1, 2, 3, 4, 5]},
        "batches.meta": {"label_names": [str(each) for each in range(10)]},
    }
    sums = {}
    for name, content in contents.items():
        raw = pickle.dumps(content)
        (batches / name).write_bytes(raw)
        sums[name] = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "train_list", [])
    meta = {**CIFAR10.meta, "md5": sums["batches.meta"]}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    spec = f"torchvision:CIFAR10?root={folder}&train=false"
    found = document(folder, capsys, "--data", spec, "--save-arrays", "--images", "4")
    assert len(found["summary"]["predictions"]) == 4
    with np.load(folder / "out" / "gradcam.npz") as arrays:
        assert arrays["heatmap"].shape == (4, 8, 8)
