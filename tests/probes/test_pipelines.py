"""Pipelines of frameworks and tutorials are silent; one fault in them is named."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from netdoctor.errors import DataError
from netdoctor.report import Report, Severity
from tests.loaders import check_loader, crops, loader, normalised
from tests.pipelines import PIPELINES, Photographs


def alarms(report: Report) -> list[str]:
    return [each.code for each in report.findings if each.severity is not Severity.INFO]


@pytest.mark.parametrize("name", PIPELINES)
def test_a_sound_pipeline_raises_no_alarm(name: str) -> None:
    torch.manual_seed(0)
    assert alarms(check_loader(PIPELINES[name](), batches="all")) == []


def unscaled() -> DataLoader[Any]:
    transforms = (v2.Resize((32, 32)), v2.ToDtype(torch.float32, scale=False))
    return DataLoader(Photographs(*transforms), 32, shuffle=True)


def some_unscaled() -> DataLoader[Any]:
    x, y = normalised()
    x[40:43] = crops()[0][40:43] * 255
    return loader(x, y)


def log_of_zero() -> DataLoader[Any]:
    power = torch.rand(80, 1, 40, 40, generator=torch.manual_seed(0))
    power[3, 0, 2] = 0
    return loader(power.log(), torch.arange(80)[torch.randperm(80)] % 5, batch_size=16)


def z_score_of_a_constant() -> DataLoader[Any]:
    signals = torch.randn(200, 64, generator=torch.manual_seed(0))
    signals[7] = 3
    signals = (signals - signals.mean(1, keepdim=True)) / signals.std(1, keepdim=True)
    return loader(signals[:, None], torch.arange(200)[torch.randperm(200)] % 3)


def a_sample_is_none() -> DataLoader[Any]:
    rows = [None if n == 50 else each for n, each in enumerate(zip(*normalised(), strict=True))]
    return DataLoader(rows, 16, shuffle=True)


def images_unconverted() -> DataLoader[Any]:
    rows = Photographs()
    rows.transform = lambda image: image
    return DataLoader(rows, 16, shuffle=True)


@pytest.mark.parametrize(
    ("made", "code"),
    [(unscaled, "DAT003"), (some_unscaled, "DAT003"), (log_of_zero, "DAT002"),
     (z_score_of_a_constant, "DAT001"), (a_sample_is_none, "DAT011"),
     (images_unconverted, "DAT011")],
    ids=lambda each: getattr(each, "__name__", each),
)  # fmt: skip
def test_a_planted_fault_is_named(made: Any, code: str) -> None:
    assert alarms(check_loader(made(), batches="all")) == [code]


def test_images_at_another_scale_are_named() -> None:
    (finding,) = check_loader(some_unscaled()).findings
    assert set(finding.evidence["indices"]) == {"40", "41", "42"}


def test_a_split_of_another_shape_is_not_compared() -> None:
    tokens = loader(torch.randint(0, 99, (60, 20)), torch.arange(60) % 2)
    report = check_loader(loader(*normalised()), against=tokens)
    (skipped,) = [each for each in report.skipped if each.rule == "split-leakage"]
    assert "int64 of 20" in skipped.reason


class Leaving(Dataset[Any]):
    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> Any:
        if index == 41:
            sys.exit(3)
        return torch.zeros(3), 0


def test_a_sample_that_ends_the_program_is_named() -> None:
    with pytest.raises(DataError, match="Sample 41"):
        check_loader(DataLoader(Leaving(), 16))
