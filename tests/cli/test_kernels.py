"""`netdoctor kernels` on models and on files, and what it refuses."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from netdoctor.__main__ import main
from tests.cli.commandline import CommandLine
from tests.cli.weight_files import archive, pickled

HEALTHY = "sample_models.networks:healthy"
SICK = "sample_models/weights/sick_norm_statistics.safetensors"


def test_a_model_is_drawn_and_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["kernels", HEALTHY, "--format", "json", "--out", str(tmp_path), "--save-arrays"]
    assert main([*arguments, "--layers", "block1*"]) == 0
    report = json.loads(capsys.readouterr().out)
    rows = report["tables"]["weights"]
    assert rows
    assert all(row["layer"].startswith("block1") for row in rows)
    assert {Path(each).suffix for each in report["artifacts"]} == {".png", ".npz"}
    arrays = np.load(tmp_path / "kernels.npz")
    assert f"{rows[0]['layer']}.norms" in arrays


def test_a_file_is_judged_without_its_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kernels", SICK, "--no-plots"]) == 1
    assert "WGT007" in capsys.readouterr().out
    file = tmp_path / "weights"  # no ending: an existing file is one all the same
    torch.save({"model": {"a/b[red].weight": torch.full((4, 9), 2.0)}}, file)
    assert main(["kernels", str(file), "--out", str(tmp_path), "--state-key", "model"]) == 1
    out = capsys.readouterr().out
    assert "a/b[red].weight" in out
    assert "WGT003" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["missing.safetensors"], "There is no checkpoint"),
        (["no_such_network"], "There is no model"),
        ([SICK, "--weights", "DEFAULT"], "is for networks"),
        ([SICK, "--layers", "nothing"], "matches none"),
        ([SICK, "--channel", "-1"], "--channel"),
    ],
)
def test_what_cannot_be_examined_is_told(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kernels", *arguments, "--no-plots"]) == 2
    captured = capsys.readouterr()
    assert says in captured.err


def test_a_network_without_convolutions_has_a_table_and_no_picture(tmp_path: Path) -> None:
    file = tmp_path / "linear.pt"
    torch.save(nn.Linear(4, 3).state_dict(), file)
    assert main(["kernels", str(file), "--out", str(tmp_path / "out")]) == 0
    assert not list((tmp_path / "out").glob("*.png"))
    torch.save({"steps": torch.arange(3)}, file)
    assert main(["kernels", str(file), "--no-plots"]) == 2


def test_what_a_file_says_of_networks_is_not_held_against_a_file_of_weights(
    netdoctor: CommandLine, tmp_path: Path
) -> None:
    torch.save(nn.Linear(4, 3).state_dict(), tmp_path / "linear.pt")
    (tmp_path / "netdoctor.yaml").write_text("checkpoint: best.pt\npartial: true\nno-plots: true\n")
    assert netdoctor("kernels", "linear.pt").code == 0
    outcome = netdoctor("kernels", "linear.pt", "--partial")
    assert (outcome.code, "--partial is for networks" in outcome.err) == (2, True)


def test_a_value_that_stands_for_a_million_millions_is_refused(
    netdoctor: CommandLine,
) -> None:
    torch.save({"w.weight": torch.ones(1, 1).expand(10**6, 10**6)}, "stretched.pt")
    outcome = netdoctor("kernels", "stretched.pt", "--no-plots")
    assert outcome.code == 2
    assert "4000000000000 bytes of the 4" in outcome.err


def test_a_compressed_archive_is_refused_before_it_is_unpacked(netdoctor: CommandLine) -> None:
    content = pickled({"a": 1}) + bytes(2**24)
    archive(Path("bomb.pt"), content, compression=zipfile.ZIP_DEFLATED)
    outcome = netdoctor("kernels", "bomb.pt")
    assert outcome.code == 2
    assert "compressed entry 'archive/data.pkl'" in outcome.err
