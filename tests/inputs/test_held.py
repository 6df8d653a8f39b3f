from __future__ import annotations

from collections.abc import Iterator

import torch

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.inputs.held import Held


class Source:
    """Three batches, and how often they were made."""

    def __init__(self) -> None:
        self.readings = 0
        self.data = Data("three", self._make, training_pass=lambda number: self._make())

    def _make(self) -> Iterator[Batch]:
        self.readings += 1
        for number in range(3):
            yield Batch((torch.full((4, 2), float(number)),), {}, torch.zeros(4), 4)


def values(data: Data) -> list[float]:
    return [float(batch.args[0].mean()) for batch in data]


def test_batches_are_made_once() -> None:
    source = Source()
    held = Held(source.data, late=lambda: False)
    assert values(held) == values(held) == values(held.first(3)) == [0, 1, 2]
    assert source.readings == 1


def test_a_model_that_overwrites_its_input_does_not_change_them() -> None:
    held = Held(Source().data, late=lambda: False)
    for _ in range(2):
        for batch in held:
            batch.args[0].fill_(9.0)
    assert values(held) == [0, 1, 2]


def test_what_is_too_large_is_made_again() -> None:
    source = Source()
    held = Held(source.data, late=lambda: False, most=100)
    assert values(held) == values(held) == [0, 1, 2]
    assert source.readings == 2


def test_a_reading_that_was_broken_off_is_not_taken_for_a_whole_one() -> None:
    held = Held(Source().data, late=lambda: False)
    assert values(held.first()) == [0]
    assert values(held) == [0, 1, 2]


def test_the_first_batch_comes_however_late_it_is() -> None:
    assert values(Held(Source().data, late=lambda: True)) == [0]
