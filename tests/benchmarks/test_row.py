"""The benchmark's own bookkeeping."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from tests.benchmarks.__main__ import PARTS, main, table
from tests.benchmarks.row import Row


@pytest.mark.parametrize(("ratio", "met"), [(1.12, True), (1.1201, False), (0.5, True)])
def test_a_goal_is_met_up_to_its_value(ratio: float, met: bool) -> None:
    assert Row("work", ratio, "limit", 1.12).met is met


def test_a_naive_way_has_no_goal_to_meet() -> None:
    document = Row("naive", 9.27123, "limit").document()
    assert document == {
        "work": "naive",
        "ratio": 9.2712,
        "limit": "limit",
        "goal": None,
        "met": None,
    }
    assert json.loads(json.dumps(document)) == document


def test_the_table_shows_every_row() -> None:
    rows = [Row("a", 1, "limit", 2), Row("b", 3, "limit", 2), Row("c", 1, "limit")]
    shown = table(rows)
    assert list(shown.columns[0].cells) == ["a", "b", "c"]
    assert list(shown.columns[-1].cells) == ["yes", "NO", ""]


def test_every_part_exists_and_another_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(find_spec(f"tests.benchmarks.{part}") for part in PARTS)
    assert main(["startup", "nonesuch"]) == 2
    assert "no such part: nonesuch" in capsys.readouterr().err
