from __future__ import annotations

import logging
import time
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from netdoctor.inputs import scan
from netdoctor.inputs.scan import LoaderSource


class Slow(Dataset[Any]):
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> Any:
        if index == 7:
            time.sleep(0.5)
        return torch.zeros(3)


def test_a_sample_that_does_not_come_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scan, "_PATIENCE", 0.1)
    source = LoaderSource(DataLoader(Slow(), batch_size=4), "mine:loader", ready=True)
    with caplog.at_level(logging.WARNING, "netdoctor"):
        assert len(list(source.batches())) == 3
    (message,) = [each.getMessage() for each in caplog.records]
    assert "batch 1 of mine:loader" in message
    assert "reading sample 7" in message
    assert "test_waiting.py" in message


def test_what_the_reader_does_with_a_batch_is_no_waiting(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(scan, "_PATIENCE", 0.1)
    source = LoaderSource([torch.zeros(2)] * 2, "mine:loader", ready=True)
    for _ in source.batches():
        time.sleep(0.3)
    assert not caplog.records
