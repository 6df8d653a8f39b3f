"""Names are drawn whole and as they are; numbers are short and true."""

from __future__ import annotations

import pytest

from netdoctor.plots import style


@pytest.mark.parametrize("name", ["short", "a.b/c#1" * 20, "x" * 120, "_" * 50])
@pytest.mark.parametrize("width", [8, 33, 200])
def test_a_folded_name_is_whole_and_no_line_too_long(name: str, width: int) -> None:
    lines = style.fold(name, width)
    assert "".join(lines) == name
    assert all(0 < len(line) <= width for line in lines)


def test_a_newline_in_a_name_takes_no_line_of_its_own() -> None:
    assert style.fold("new\nline#1", 30) == [r"new\nline#1"]


def test_only_what_the_font_lacks_is_escaped() -> None:
    assert style.printable("café.层\x07$x^2$[b]") == r"café.\u5c42\x07$x^2$[b]"


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.0004, "< 0.1 %"), (0.9996, "> 99.9 %"), (0.009375, "0.9 %"),
     (0.5, "50 %"), (0.994, "99.4 %"), (0.0949, "9.5 %"), (0.0996, "10 %")],
)  # fmt: skip
def test_a_share_is_0_or_100_percent_only_if_it_is_exactly(share: float, text: str) -> None:
    assert style.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-1.2345, "−1.23"), (123456.0, "1.23e5"), (-1e-7, "−1e−7"), (float("nan"), "nan")],
)
def test_numbers_are_brief(value: float, text: str) -> None:
    assert style.brief(value) == text


@pytest.mark.parametrize(
    ("count", "sizes"), [(0, []), (24, [24]), (25, [13, 12]), (150, [22] * 6 + [18])]
)
def test_pages_are_filled_evenly_and_hold_everything_in_order(count: int, sizes: list[int]) -> None:
    sheets = style.pages(range(count), 24)
    assert [len(sheet) for sheet in sheets] == sizes
    assert [item for sheet in sheets for item in sheet] == list(range(count))


def test_stems_sort_as_the_pages_do() -> None:
    stems = [style.page_stem("a", number, 11) for number in range(1, 12)]
    assert stems == sorted(stems)
    assert style.page_stem("a", 1, 1) == "a"
