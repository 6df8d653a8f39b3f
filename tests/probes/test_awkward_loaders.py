"""Sound data that look sick raise nothing; the same faults beside them are found."""

from __future__ import annotations

from typing import Any

import pytest
from torch.utils.data import DataLoader

from tests.awkward_loaders import AWKWARD, Augmented
from tests.loaders import check_loader


@pytest.mark.parametrize("name", AWKWARD)
def test_sound_data_in_awkward_forms_raise_nothing(name: str) -> None:
    report = check_loader(AWKWARD[name]())
    assert report.findings == ()
    assert report.facts.samples > 0


class Failing(Augmented):
    """Two samples are black and two are one image, whatever augmentation does with them."""

    def __init__(self) -> None:
        super().__init__()
        self.images[[5, 9]] = 0.0
        self.images[7] = self.images[3]

    def __getitem__(self, index: int) -> Any:
        if index in (3, 7):
            return self.images[index], int(self.labels[index])
        return super().__getitem__(index)


def test_what_is_blank_or_copied_in_every_reading_is_found() -> None:
    report = check_loader(DataLoader(Failing(), 32), split="val")
    copied, blank = report.findings
    assert (copied.code, blank.code) == ("DAT007", "DAT008")
    assert {"5", "9"} <= set(blank.evidence["indices"])
    (pair,) = report.facts.copies.pairs
    assert (pair.first, pair.second) == ("3", "7")
