"""`netdoctor gradcam --scores --sanity`."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

import netdoctor
from netdoctor.__main__ import main
from sample_models import networks, shapes
from tests.observe.state import fingerprint

ARGUMENTS = [
    "gradcam", "sample_models.networks:healthy", "--data", "sample_models.shapes:test_loader",
    "--no-plots", "--images", "4", "--format", "json",
]  # fmt: skip


def batch(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    test = shapes.test_set()
    images, labels = zip(*(test[place] for place in range(count)), strict=True)
    return torch.stack(images), torch.tensor(labels)


def test_scores_and_sanity_are_in_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--scores", "3", "--sanity"]) == 0
    document = json.loads(capsys.readouterr().out)
    scored = document["tables"]["faithfulness"]
    assert [row["input"] for row in scored] == ["sample 0", "sample 1", "sample 2"]
    assert all(row["orders"] == 10 and math.isfinite(row["road"]) for row in scored)
    steps = document["tables"]["sanity"]
    assert len(steps) == 5
    assert steps[-1]["layer"].startswith("stem")
    assert steps[-1]["correlation"] < 0.5
    assert document["findings"] == []
    assert document["settings"]["scores"] == 3


def test_the_first_four_images_are_scored_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    images = ["--images", "6"]
    assert main([*ARGUMENTS, *images]) == 0
    document = json.loads(capsys.readouterr().out)
    scored = document["tables"]["faithfulness"]
    assert [row["input"] for row in scored] == [f"sample {place}" for place in range(4)]
    assert document["settings"]["scores"] == 4
    assert main([*ARGUMENTS, *images, "--scores", "all"]) == 0
    assert len(json.loads(capsys.readouterr().out)["tables"]["faithfulness"]) == 6


def test_nothing_is_measured_where_none_is_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--scores", "none"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not {"faithfulness", "sanity"} & document["tables"].keys()
    assert {"rule": "weight-insensitive-heatmap", "reason": "not asked for (--sanity)"}.items() <= (
        document["skipped"][0].items()
    )


@pytest.mark.parametrize("wrong", ["some", "-1", "1.5", ""])
def test_wrong_scores_are_exit_2(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ARGUMENTS, "--scores", wrong]) == 2
    assert "neither a number nor all nor none" in capsys.readouterr().err


def test_the_note_says_what_came_of_it_and_what_was_left_out() -> None:
    report = netdoctor.gradcam(networks.healthy(), [batch(6)], images=6, scores=4, sanity=True)
    (line,) = [note for note in report.notes if note.startswith("faithfulness:")]
    assert "better than random order over 4 image(s)" in line
    assert line.endswith("; scored: the first 4 of 6 image(s) (--scores all or none)")
    assert any(note.startswith("sanity:") for note in report.notes)


def test_python_scores_nothing_unless_asked_and_all_when_there_are_no_more() -> None:
    report = netdoctor.gradcam(networks.healthy(), [batch(2)], images=2)
    assert not [note for note in report.notes if note.startswith("faithfulness:")]
    report = netdoctor.gradcam(networks.healthy(), [batch(2)], images=2, scores=4)
    (line,) = [note for note in report.notes if note.startswith("faithfulness:")]
    assert line.endswith("; scored: all 2 image(s) (--scores all or none)")


def test_what_takes_time_is_told() -> None:
    told: list[str] = []
    netdoctor.gradcam(
        networks.healthy(), [batch(4)], images=4, scores=2, sanity=True, doing=told.append
    )
    assert told == ["scoring image 1", "", "scoring image 2", "", "sanity test"]


def test_the_model_is_as_found() -> None:
    model = networks.healthy().train()
    before = fingerprint(model)
    netdoctor.gradcam(model, [batch(3)], images=3, scores=1, sanity=True)
    assert fingerprint(model) == before


class Detector(nn.Module):
    """A trained network with a branch that only finds edges; its maps do not follow weights."""

    def __init__(self) -> None:
        super().__init__()
        self.edges = nn.Identity()
        self.network = networks.healthy()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        grey = nn.functional.avg_pool2d(x.mean(1, keepdim=True), 2)
        steps = (grey.diff(dim=2)[..., 1:].abs() + grey.diff(dim=3)[:, :, 1:].abs()).repeat(
            1, 2, 1, 1
        )
        return self.network(x) + 1e-3 * self.edges(steps).mean()


def test_maps_of_what_has_no_weights_are_a_finding() -> None:
    report = netdoctor.gradcam(
        Detector().eval(), [batch(4)], layer="edges", method="eigencam", images=4, sanity=True
    )
    assert [each.code for each in report.findings] == ["CAM002"]
    assert report.findings[0].evidence["correlation"] == pytest.approx(1)
    assert report.findings[0].subject == "edges#1"


def test_an_untrained_network_is_not_judged(tmp_path: Path) -> None:
    model = Detector().eval()
    model.network = networks.healthy(trained=False)
    report = netdoctor.gradcam(
        model, [batch(4)], layer="edges", method="eigencam", images=4, sanity=True
    )
    assert report.findings == ()
    assert "the weights are fresh, so random ones are no change" in [
        each.reason for each in report.skipped
    ]


def test_images_of_several_sizes_and_one_logit() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1),
    )  # fmt: skip
    sizes = [(24, 32), (40, 24), (24, 32)]
    data = [(torch.randn(1, 1, *size), torch.zeros(1)) for size in sizes]
    report = netdoctor.gradcam(model, data, images=3, scores=None, sanity=True)
    scored = next(each for each in report.tables if each.name == "faithfulness")
    assert len(scored.rows) == 3
    assert "of 2 image(s)" in next(note for note in report.notes if note.startswith("sanity:"))


def test_images_that_cannot_be_scored_were_tried() -> None:
    report = netdoctor.gradcam(networks.healthy(trained=False), [batch(3)], images=3, scores=2)
    (line,) = [note for note in report.notes if note.startswith("faithfulness:")]
    assert line.startswith("faithfulness: not measured: the score is 0.1")
    assert line.endswith("; tried: the first 2 of 3 image(s) (--scores all or none)")
