"""Tables as text: CSV, TSV and their kin, with or without gaps, read in pieces."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from netdoctor.inputs.training_logs.names import meaning
from netdoctor.inputs.training_logs.numbers import Floats, has_decimal_comma, number, numbers
from netdoctor.inputs.training_logs.sheet import Cells, Sheet

_SEPARATORS = (",", "\t", ";", "|")
_LOOKED_AT = 60
_PIECE = 4_000_000
_GAP = -1.2345678901234567e300  # stands for an empty cell in the fast reading
_GAP_TEXT = b"-1.2345678901234567e+300"
_PLAIN = re.compile(rb"[0-9eE+\-., \t;|\nnaifNAIF]*")
_MOST_COLUMNS = 20_000
KEY_WORDS = frozenset({
    "run", "run_id", "run id", "run_name", "run name", "run_uuid", "runid", "id", "trial",
    "trial_id", "fold", "seed", "version", "experiment", "name", "phase", "split", "mode", "set",
    "stage", "subset", "dataset", "tag", "metric", "key", "variable", "type",
})  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How a table is laid out.

    Attributes:
        separator: between cells; a space for any white space.
        header: names of the columns, stripped and made unique.
        start: number of lines to pass over, the header among them.
        decimal_comma: whether 0,53 is 0.53.
    """

    separator: str
    header: tuple[str, ...]
    start: int
    decimal_comma: bool


def layout(text: str) -> Layout | None:
    """The layout of a table; None when the text is none."""
    lines = list(itertools.islice(_lines(text), _LOOKED_AT))
    first = next((place for place, line in enumerate(lines) if line.strip(" \t#|:+=-")), None)
    if first is None or len(lines[first]) > 1_000_000:
        return None
    for separator in (*_SEPARATORS, " "):
        found = _tried(lines, first, separator)
        if found is not None:
            return found
    return _one_column(lines, first)


def read_table(text: str, shape: Layout) -> Sheet:
    """The table's numbers, and the words of the columns that tell runs and splits apart."""
    reader = _Reader(shape)
    for piece in _pieces(text, shape.start):
        reader.read(piece)
    return reader.sheet()


class _Reader:
    """Reads a table piece by piece; a header that is repeated, or replaced, is one as well."""

    def __init__(self, shape: Layout) -> None:
        self._shape = shape
        self._header = shape.header
        self._kept: dict[str, list[tuple[NDArray[np.int64], Floats]]] = {}
        self._words: dict[str, dict[int, str]] = {}
        self._height = 0
        self._headers = 1
        self._odd = 0

    def read(self, piece: str) -> None:
        """Takes in whole lines."""
        grid = None if self._words or len(self._header) < 2 else _fast(piece, self._shape)
        if grid is None or grid.shape[1] != len(self._header):
            self._slowly(piece)
            return
        for name, column in zip(self._header, grid.T, strict=True):
            self._keep(name, column, column != _GAP)
        self._height += len(grid)

    def sheet(self) -> Sheet:
        """All that was read."""
        columns = {
            name: Cells(
                np.concatenate([r for r, _ in parts]), np.concatenate([v for _, v in parts])
            )
            for name, parts in self._kept.items()
        }
        words = {
            name: [told.get(row, "") for row in range(self._height)]
            for name, told in self._words.items()
            if name not in columns
        }
        notes = []
        if self._headers > 1:
            notes.append(f"the header stands {self._headers} times in the file")
        if self._odd:
            notes.append(f"{self._odd} lines have more cells than the header, or none that is read")
        return Sheet("table", columns, self._height, words, notes=tuple(notes))

    def _slowly(self, piece: str) -> None:
        rows: list[list[str]] = []
        for row in _rows(piece, self._shape.separator):
            if not any(row):
                continue
            if _is_header(row, self._header):
                self._add(rows)
                rows = []
                self._header = unique(row)
                self._headers += 1
            elif len(row) > len(self._header) and any(row[len(self._header) :]):
                self._odd += 1
                rows.append(row[: len(self._header)])
            elif not _is_rule(row):
                rows.append(row)
        self._add(rows)

    def _add(self, rows: list[list[str]]) -> None:
        if not rows:
            return
        columns = itertools.zip_longest(*rows, fillvalue="")
        for name, texts in zip(self._header, columns, strict=False):
            if meaning(name).kind in ("epoch", "step"):
                texts = tuple(text.partition("/")[0] for text in texts)
            values, present = numbers(texts, decimal_comma=self._shape.decimal_comma)
            if present.any():
                self._keep(name, values, present)
            elif name.lower() in KEY_WORDS:
                told = self._words.setdefault(name, {})
                told.update((self._height + row, text.strip()) for row, text in enumerate(texts))
        self._height += len(rows)

    def _keep(self, name: str, values: Floats, present: NDArray[np.bool_]) -> None:
        rows = np.flatnonzero(present)
        self._kept.setdefault(name, []).append((rows + self._height, values[rows]))


def _fast(piece: str, shape: Layout) -> Floats | None:
    """(rows, columns) of a piece that holds nothing but numbers and gaps; None for any other."""
    if shape.decimal_comma or shape.separator == " " or len(piece) < 20_000:
        return None
    raw = piece.encode("ascii", "replace").strip(b"\n") + b"\n"
    if shape.separator != ",":
        raw = raw.replace(shape.separator.encode(), b",")
    if not _PLAIN.fullmatch(raw):
        return None
    width = len(shape.header)
    for twice in (b",,", b",,"):
        raw = raw.replace(twice, b"," + _GAP_TEXT + b",")
    raw = raw.replace(b",\n", b"," + _GAP_TEXT + b"\n").replace(b"\n,", b"\n" + _GAP_TEXT + b",")
    raw = _GAP_TEXT + raw if raw.startswith(b",") else raw
    marks = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(marks == 10)
    commas = np.flatnonzero(marks == 44)
    if (np.diff(np.searchsorted(commas, ends), prepend=0) != width - 1).any():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.fromstring(raw.replace(b"\n", b",")[:-1].decode(), sep=",")
    except (ValueError, DeprecationWarning):
        return None
    return values.reshape(-1, width) if len(values) == len(ends) * width else None


def _pieces(text: str, start: int) -> Iterator[str]:
    """The text behind its first lines, in pieces of whole lines."""
    place = 0
    for _ in range(start):
        place = text.find("\n", place) + 1
        if place == 0:
            return
    while place < len(text):
        end = text.find("\n", min(place + _PIECE, len(text) - 1))
        end = len(text) if end < 0 else end + 1
        yield text[place:end]
        place = end


def _lines(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        end = text.find("\n", place)
        end = len(text) if end < 0 else end
        yield text[place:end].rstrip("\r")
        place = end + 1


def _rows(piece: str, separator: str) -> Iterator[list[str]]:
    if separator == " ":
        for line in piece.splitlines():
            yield line.split()
        return
    lines = (line for line in piece.splitlines() if not line.startswith("#"))
    try:
        for row in csv.reader(lines, delimiter=separator, skipinitialspace=True):
            cells = _without_borders(row) if separator == "|" else row
            yield [cell.strip() for cell in cells]
    except csv.Error:
        return


def _without_borders(row: list[str]) -> list[str]:
    row = row[1:] if row and not row[0].strip() else row
    return row[:-1] if row and not row[-1].strip() else row


def _tried(lines: Sequence[str], first: int, separator: str) -> Layout | None:
    """The layout if that is the separator."""
    head = lines[first].lstrip("# \t" if lines[first].lstrip().startswith("#") else "")
    if separator != " " and separator not in head:
        return None
    rows = list(_rows("\n".join([head, *lines[first + 1 :]]), separator))
    rows = [row for row in rows if any(row) and not _is_rule(row)]
    if len(rows) < 2 or not 2 <= len(rows[0]) <= _MOST_COLUMNS:
        return None
    comma = separator in (";", "\t") and has_decimal_comma([c for row in rows[1:] for c in row])
    header, body = rows[0], rows[1:]
    if all(_numeric(cell, comma) for cell in header if cell):
        header, body, start = _invented(rows), rows, first
    elif sum(_numeric(cell, comma) for cell in header) > (len(header) / 2) * (separator != " "):
        return None
    else:
        start = first + 1
    body = [row for row in body if not _is_header(row, tuple(header))]
    if not body or not _fits(body, len(header), comma, strict=separator == " "):
        return None
    return Layout(separator, unique(header), start, comma)


def _invented(rows: Sequence[list[str]]) -> list[str]:
    """Names for a table without a header; a first column that counts is taken for the epochs."""
    names = [f"column {place + 1}" for place in range(len(rows[0]))]
    counts = [number(row[0]) for row in rows if row[0]]
    first = counts[0]
    if (
        len(names) > 1
        and first in (0, 1)
        and counts == [first + place for place in range(len(counts))]
    ):
        names[0] = "epoch"
    return names


def _fits(body: Sequence[list[str]], width: int, comma: bool, *, strict: bool) -> bool:
    """Whether those rows hold numbers under a header of that width."""
    even = [row for row in body[:-1] or body if len(row) == width or (not strict and row)]
    if len(even) < 0.8 * len(body[:-1] or body):
        return False
    if sum(len(row) <= width + 1 for row in body) < 0.8 * len(body):
        return False
    filled = [cell for row in body for cell in row if cell]
    return sum(_numeric(cell, comma) for cell in filled) >= 0.3 * max(len(filled), 1)


def _one_column(lines: Sequence[str], first: int) -> Layout | None:
    """A name, and below it nothing but numbers."""
    name = lines[first].strip("# \t\"'")
    body = [line.strip() for line in lines[first + 1 :] if line.strip()]
    if _numeric(name, False):
        body, name, start = [name, *body], "column 1", first
    else:
        start = first + 1
    if len(body) < 2 or len(name) > 100 or not all(_numeric(line, False) for line in body):
        return None
    return Layout(",", (name,), start, False)


def _numeric(cell: str, comma: bool) -> bool:
    return number(cell, decimal_comma=comma) is not None


def _is_header(row: Sequence[str], header: tuple[str, ...]) -> bool:
    if any(cell[:1].isdigit() for cell in row):
        return False
    if not row[0] or row[0] == header[0]:
        named = [cell for cell in row if cell]
        return bool(named) and set(named) <= set(header) and not any(map(number, named))
    named = [cell for cell in row if cell]
    return len(named) > 1 and sum(meaning(cell).kind != "other" for cell in named) > len(named) / 2


def _is_rule(row: Sequence[str]) -> bool:
    """Whether it is the line of dashes below the heading of a Markdown table."""
    if row[0][:1].isdigit():
        return False
    return all(re.fullmatch(r":?[-=+]{2,}:?", cell) for cell in row if cell)


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """The names stripped, each made different from those before it."""
    taken: set[str] = set()
    result = []
    for place, name in enumerate(names):
        plain = name.strip().strip("\"'").strip() or f"column {place + 1}"
        free, count = plain, 1
        while free in taken:
            count += 1
            free = f"{plain} {count}"
        taken.add(free)
        result.append(free)
    return tuple(result)
