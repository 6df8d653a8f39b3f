from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netdoctor.render.values import brief, cell, number, percent, printable


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.2345e-5, "1.23e-05"),
        (0.12345, "0.123"),
        (0.0, "0"),
        (-3.0, "-3"),
        (123456.0, "123456"),
        (1234567.0, "1.23e+06"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.125, "12.5 %"),
        (1e-9, "<0.1 %"),
        (1 - 1e-9, ">99.9 %"),
        (math.nan, "nan"),
    ],
)
def test_percentages(fraction: float, text: str) -> None:
    assert percent(fraction) == text


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_not_quite_none_or_all_never_reads_as_none_or_all(fraction: float) -> None:
    assert percent(fraction) not in ("0 %", "0.0 %", "100 %", "100.0 %")


def test_cells() -> None:
    assert cell((32, 64, 7, 7), "shape") == "32×64×7×7"
    assert cell((), "shape") == "scalar"
    assert cell(None, "percent") == "–"
    assert cell(True) == "yes"
    assert cell(np.float32(0.5), "number") == "0.5"
    assert cell(12, "integer") == "12"
    assert cell([]) == "–"
    assert cell(("ACT", "NUM")) == "ACT, NUM"


def test_brief_cuts_long_lists_and_says_how_much() -> None:
    assert brief(np.arange(3)) == "0, 1, 2"
    assert brief(list(range(20))) == "0, 1, 2, 3, 4, 5, 6, 7 … 12 more"
    assert brief({"a": 0.5}) == "a 0.5"
    assert brief(np.float64(0.25)) == "0.25"
    assert brief([]) == "none"


@given(st.text())
def test_printable_is_one_harmless_line_in_both_alphabets(text: str) -> None:
    assert printable(text).isprintable()
    plain = printable(text, unicode=False)
    assert plain.isascii()
    assert plain.isprintable()
