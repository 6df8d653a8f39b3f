"""Sound data that look sick raise nothing; the same faults beside them are found."""

from __future__ import annotations

import pytest

from tests.awkward_loaders import AWKWARD
from tests.loaders import check_loader


@pytest.mark.parametrize("name", AWKWARD)
def test_sound_data_in_awkward_forms_raise_nothing(name: str) -> None:
    report = check_loader(AWKWARD[name]())
    assert report.findings == ()
    assert report.facts.samples > 0
