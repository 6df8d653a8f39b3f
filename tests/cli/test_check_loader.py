from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netdoctor
from netdoctor.__main__ import main
from netdoctor.errors import UsageError

SETS = """
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
generator = torch.Generator().manual_seed(0)
x = torch.randn(200, 3, 16, 16, generator=generator)
y = torch.arange(200) % 4
def train_loader():
    return DataLoader(TensorDataset(x[:160], y[:160]), batch_size=16, shuffle=True)
def leaking():
    return DataLoader(TensorDataset(x[150:], y[150:]), batch_size=16)
def sorted_loader():
    return DataLoader(TensorDataset(x, y.sort().values), batch_size=16)
def val_loader():
    return sorted_loader()
def ragged():
    return DataLoader([(torch.randn(3, 8 + (n == 3)), 0) for n in range(8)], batch_size=4)
def network(classes=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(768, classes))
"""


@pytest.fixture
def sets(tmp_path: Path) -> str:
    file = tmp_path / "loader_sets.py"
    file.write_text(SETS)
    return str(file)


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    code = main(["check-loader", *arguments, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def codes(found: dict[str, Any]) -> list[str]:
    return [each["code"] for each in found["findings"]]


def test_sound_data(sets: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = [f"{sets}:train_loader", "--num-classes", "4", "--out", str(out), "--save-arrays"]
    code, found = document(capsys, *arguments)
    assert (code, codes(found)) == (0, [])
    assert found["settings"]["split"] == "train"
    assert found["settings"]["num_classes"] == 4
    assert found["tables"]["fields"][0]["shape"] == [3, 16, 16]
    assert [row["count"] for row in found["tables"]["classes"]] == [40] * 4
    names = [Path(each).name for each in found["artifacts"]]
    pictures = ["contact-sheet.png", "labels.png", "values.png"]
    assert names == [*pictures, "contact-sheet.npz", "labels.npz", "values.npz"]
    with np.load(out / "labels.npz") as arrays:
        assert arrays["count"].tolist() == [40] * 4


def test_leakage_is_exit_1_and_names_the_pairs(
    sets: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["check-loader", f"{sets}:leaking", "--against", f"{sets}:train_loader"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 1
    out = capsys.readouterr().out
    assert "DAT014 split-leakage" in out
    assert "0 = 150" in out
    assert "leakage.png" in out


def test_the_model_says_how_many_classes(sets: str, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", f"{sets}:network", "--no-plots"]
    code, found = document(capsys, f"{sets}:train_loader", *model)
    assert (code, codes(found)) == (0, [])
    code, found = document(capsys, f"{sets}:train_loader", *model, "--model-arg", "classes=3")
    assert (code, codes(found)) == (1, ["DAT004"])


def test_order_matters_in_training_only(sets: str, capsys: pytest.CaptureFixture[str]) -> None:
    for data, options, expected in (
        ("sorted_loader", [], ["DAT009"]),
        ("sorted_loader", ["--split", "val"], []),
        ("val_loader", [], []),
        ("val_loader", ["--split", "train"], ["DAT009"]),
    ):
        _, found = document(capsys, f"{sets}:{data}", "--no-plots", *options)
        assert codes(found) == expected, (data, options)


def test_a_batch_that_does_not_stack_is_exit_1(
    sets: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = document(capsys, f"{sets}:ragged", "--no-plots")
    assert (code, codes(found)) == (1, ["DAT011"])


def test_batches_are_a_number_or_all(sets: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, found = document(capsys, f"{sets}:train_loader", "--no-plots", "--batches", "3")
    assert sum(row["count"] for row in found["tables"]["classes"]) == 48
    _, found = document(capsys, f"{sets}:train_loader", "--no-plots", "--batches", "all")
    assert sum(row["count"] for row in found["tables"]["classes"]) == 160
    assert found["settings"]["batches"] == "all"


@pytest.mark.parametrize(
    "wrong",
    [["--batches", "0"], ["--batches", "some"], ["--num-classes", "0"], ["--split", "dev"],
     ["--model", "resnt18"], ["--against", "nowhere"], ["--select", "NUM001"]],
)  # fmt: skip
def test_wrong_usage_is_exit_2(sets: str, wrong: list[str]) -> None:
    assert main(["check-loader", f"{sets}:train_loader", "--no-plots", *wrong]) == 2


@pytest.mark.parametrize("data", ["nowhere", "random", "loader_sets:nothing"])
def test_data_that_are_not_there_are_exit_2(data: str) -> None:
    assert main(["check-loader", data, "--no-plots"]) == 2


def test_wrong_options_of_the_function_are_usage_errors() -> None:
    wrong: list[dict[str, Any]] = [
        {"num_classes": 0}, {"split": "dev"}, {"batches": 0}, {"batch_size": 0},
    ]  # fmt: skip
    for options in wrong:
        with pytest.raises(UsageError):
            netdoctor.check_loader([1], **options)


AUGMENTED = """
import numpy as np, torch
from torch.utils.data import DataLoader, Dataset
class Augmented(Dataset):
    def __init__(self):
        self.rng = np.random.default_rng(0)
        self.images = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    def __len__(self):
        return 64
    def __getitem__(self, index):
        return self.images[index] * float(self.rng.uniform(0.8, 1.2)), index % 4
class Broken(Augmented):
    samples = [(f"img_{n}.png", 0) for n in range(64)]
    def __getitem__(self, index):
        if index == 17:
            raise ValueError("no [b]picture[/b]")
        return super().__getitem__(index)
def train_loader():
    return DataLoader(Augmented(), batch_size=8, shuffle=True, num_workers=2)
def broken():
    return DataLoader(Broken(), batch_size=8, num_workers=2)
"""


def test_workers_that_draw_the_same_are_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "augmented_sets.py"
    file.write_text(AUGMENTED)
    code, found = document(capsys, f"{file}:train_loader", "--no-plots")
    assert code == 1
    assert codes(found) == ["DAT013"]
    assert found["tables"]["speed"][0]["workers"] == 0
    code, found = document(capsys, f"{file}:train_loader", "--no-plots", "--no-processes")
    assert (code, codes(found)) == (0, [])


def test_a_sample_that_raises_is_named_with_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken_sets.py"
    file.write_text(AUGMENTED)
    assert main(["check-loader", f"{file}:broken", "--no-plots"]) == 2
    message = capsys.readouterr().err
    assert "Sample 17" in message
    assert "img_17.png" in message
    assert "no [b]picture[/b]" in message
