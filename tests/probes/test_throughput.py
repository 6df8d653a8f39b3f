"""The rates of a loader whose samples take a known time."""

from __future__ import annotations

import time

import pytest
import torch
from torch.utils.data import DataLoader, Subset
from torchvision.datasets import FakeData

from netdoctor.probes.throughput import measure
from tests.probes import randomness as data


def test_reading_and_transform_are_told_apart() -> None:
    source = data.Slow()
    transform = source.transform
    facts = measure(DataLoader(Subset(source, range(40)), 4, shuffle=True), budget=0.1)
    assert not facts.reason
    assert 1.5 < facts.read < 20  # sleeps of 2 and 4 ms, on a busy machine
    assert 3.5 < facts.transform < 40
    assert facts.collate < 1
    assert source.transform == transform
    assert 4 * 5 < facts.batch < 4 * 60


def test_more_workers_are_measured() -> None:
    facts = measure(DataLoader(data.Slow(), 2), budget=0.1, step=lambda: 0.003)
    rates = dict(facts.rates)
    assert rates[0] == facts.rate
    assert any(rate > 1.3 * facts.rate for workers, rate in facts.rates if workers)
    assert facts.best[0] > 0
    assert facts.step == 3.0


def test_the_loaders_generator_is_left_as_found() -> None:
    generator = torch.Generator().manual_seed(7)
    before, outside = generator.get_state(), torch.get_rng_state()
    measure(DataLoader(data.Fifty(), 2, shuffle=True, generator=generator), budget=0.05)
    assert torch.equal(generator.get_state(), before)
    assert torch.equal(torch.get_rng_state(), outside)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ([torch.zeros(2)], "no loader was given"),
        (DataLoader(data.Fifty(), 40), "too few batches"),
        (DataLoader(data.Broken(), 4), "the loader failed: ValueError"),
    ],
)
def test_what_cannot_be_timed_says_why(source: object, reason: str) -> None:
    assert reason in measure(source, budget=0.05).reason


def test_a_transform_of_torchvisions_data_sets_is_timed() -> None:
    def slow(image: object) -> torch.Tensor:
        time.sleep(0.004)
        return torch.zeros(3)

    source = FakeData(60, (3, 4, 4), transform=slow)
    assert 4 <= measure(DataLoader(source, 4), budget=0.1).transform < 40  # ms, on a busy machine
