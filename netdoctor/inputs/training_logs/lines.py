"""What a trainer printed: losses and metrics picked out of lines of text."""

from __future__ import annotations

import dataclasses
import math
import re
from array import array
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from netdoctor.inputs.training_logs.bare import as_losses
from netdoctor.inputs.training_logs.headings import heading, numbers_below
from netdoctor.inputs.training_logs.names import Split
from netdoctor.inputs.training_logs.numbers import Floats, Integers, unwrapped
from netdoctor.inputs.training_logs.shapes import Field, Shape, Span, fields_of, shape_of
from netdoctor.inputs.training_logs.sheet import Cells, Sheet

PRINTED = "printed text"
_LONGEST = 20_000
_PIECE = 4_000_000
_SEVERAL = 3
_MOST_SHAPES = 50_000
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08+")


def sheet_of_text(text: str) -> Sheet | None:
    """The losses and metrics that a text speaks of; None when it speaks of none."""
    reader = _Reader()
    for piece in _pieces(text):
        reader.read(piece)
    return reader.sheet()


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces of whole lines, with neither escapes nor carriage returns."""
    text = text.replace("\r", "\n") if "\r" in text else text
    place = 0
    while place < len(text):
        end = text.find("\n", place + _PIECE)
        end = len(text) if end < 0 else end + 1
        piece, place = text[place:end], end
        if "\x1b" in piece or "\x08" in piece:
            piece = _ESCAPES.sub("", piece)
        if "tensor(" in piece or ".float" in piece:
            piece = unwrapped(piece)
        yield piece.replace("'s ", " ")


@dataclasses.dataclass(slots=True)
class _Column:
    """The cells of a series as they come: the row and the value of each."""

    rows: array[int] = dataclasses.field(default_factory=lambda: array("q"))
    values: array[float] = dataclasses.field(default_factory=lambda: array("d"))


@dataclasses.dataclass(slots=True)
class _Known:
    """A shape, and by the scope and the names with digits what its lines name."""

    shape: Shape
    fields: dict[tuple[str, ...], tuple[tuple[Field, ...], bool]]


class _Reader:
    """Reads lines one by one; of those that differ in their digits alone, the first thoroughly."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._columns: dict[str, _Column] = {}
        self._epochs = array("d")
        self._steps = array("d")
        self._wholes = array("d")
        self._bars = array("b")
        self._held_out = array("b")
        self._epoch = math.nan
        self._scope: Split = ""
        self._heading: tuple[str, ...] = ()

    def read(self, piece: str) -> None:
        """Takes in whole lines."""
        digitless = piece.encode("utf-8", "surrogatepass").translate(_DIGITS)
        shapes = digitless.decode("utf-8", "surrogatepass").split("\n")
        for line, key in zip(piece.split("\n"), shapes, strict=True):
            if not line or len(line) > _LONGEST:
                continue
            known = self._known.get(key)
            if known is None:
                known = _Known(shape_of(line), {})
                if len(self._known) < _MOST_SHAPES:
                    self._known[key] = known
            self._take(line, known)

    def _take(self, line: str, known: _Known) -> None:
        shape = known.shape
        if shape.epoch is not None:
            epoch = _number(line, shape.epoch)
            if epoch != self._epoch:
                self._epoch, self._scope = epoch, ""
        variant = (self._scope, *[line[a:b] for a, b in shape.names])
        found = known.fields.get(variant)
        if found is None:
            found = fields_of(line, self._scope, placed=shape.at is not None)
            known.fields[variant] = found
        fields, held_out = found
        if not fields:
            self._scope = shape.said or self._scope
            self._take_cells(line, shape)
            return
        row, columns = len(self._epochs), self._columns
        for field in fields:
            start, end = field.number
            column = columns.get(field.name) or self._column(field.name)
            column.rows.append(row)
            column.values.append(float(line[start:end]) if field.plain else field.value(line))
        self._end_row(line, shape, held_out=held_out)

    def _take_cells(self, line: str, shape: Shape) -> None:
        """A line that may be the heading of a table, or a row below one."""
        texts = tuple(line[a:b] for a, b in shape.cells)
        self._heading = heading(texts) or self._heading
        if not texts or len(texts) != len(self._heading):
            return
        values = numbers_below(self._heading, texts)
        self._epoch = values.pop("epoch", self._epoch)
        step = values.pop("step", None)
        for name, value in values.items():
            column = self._column(name)
            column.rows.append(len(self._epochs))
            column.values.append(value)
        if values:
            self._end_row(line, shape, step=step)

    def _column(self, name: str) -> _Column:
        return self._columns.setdefault(name, _Column())

    def _end_row(
        self, line: str, shape: Shape, *, held_out: bool = False, step: float | None = None
    ) -> None:
        self._epochs.append(self._epoch)
        self._steps.append(_number(line, shape.at) if step is None else step)
        self._wholes.append(_number(line, shape.whole))
        self._bars.append(shape.progress)
        self._held_out.append(held_out)

    def sheet(self) -> Sheet | None:
        """All that was read; of bars that redraw themselves the last of each epoch."""
        if not self._columns:
            return None
        epochs, steps = np.array(self._epochs), np.array(self._steps)
        columns = as_losses(
            {
                name: Cells(np.array(each.rows, np.int64), np.array(each.values))
                for name, each in self._columns.items()
            }
        )
        if not columns:
            return None
        bars, held_out = np.array(self._bars, bool), np.array(self._held_out, bool)
        if bars.any() or held_out.any():
            finished = bars & (steps == np.array(self._wholes))
            columns, bare = _thinned(columns, epochs, bars, held_out, finished)
            steps[bare] = np.nan
        return _sheet(columns, epochs, steps, thinned=bool(bars.any() or held_out.any()))


def _number(line: str, span: Span | None) -> float:
    return float(line[span[0] : span[1]]) if span is not None else math.nan


def _thinned(
    columns: dict[str, Cells], epochs: Floats, bars: NDArray[np.bool_],
    held_out: NDArray[np.bool_], finished: NDArray[np.bool_],
) -> tuple[dict[str, Cells], NDArray[np.bool_]]:  # fmt: skip
    """The cells without those of bars, and of held-out batches, that later ones supersede.

    Args:
        columns: by name, their rows those of the other arguments.
        epochs: (n,), NaN for none.
        bars: (n,) which lines are progress bars.
        held_out: (n,) which lines are batches of held-out data.
        finished: (n,) which bars are full.

    Returns:
        The cells, and (n,) of which lines the step counts no more.
    """
    labelled = ~np.isnan(epochs)
    each_epoch = len(np.unique(epochs[labelled])) >= _SEVERAL
    last_only = held_out | (bars & each_epoch)
    only_full = np.zeros(len(bars), bool)
    if finished.sum() >= _SEVERAL:
        only_full = bars & ~last_only & ~labelled
    result = {}
    for name, cells in columns.items():
        keep = ~last_only[cells.rows] | _last_of_each(np.nan_to_num(epochs[cells.rows], nan=-1.0))
        keep &= ~only_full[cells.rows] | finished[cells.rows]
        if keep.any():
            result[name] = Cells(cells.rows[keep], cells.values[keep])
    return result, last_only | only_full


def _last_of_each(labels: Floats) -> NDArray[np.bool_]:
    """(n,) which of them come last of their kind."""
    _, backwards = np.unique(labels[::-1], return_index=True)
    result = np.zeros(len(labels), bool)
    result[len(labels) - 1 - backwards] = True
    return result


def _sheet(columns: dict[str, Cells], epochs: Floats, steps: Floats, *, thinned: bool) -> Sheet:
    """The sheet of the rows that still hold a cell."""
    kept = np.zeros(len(epochs), bool)
    for cells in columns.values():
        kept[cells.rows] = True
    place: Integers = np.cumsum(kept) - 1
    ordered = sorted(columns.items(), key=lambda item: int(item[1].rows[0]))
    result = {name: Cells(place[cells.rows], cells.values) for name, cells in ordered}
    for name, labels in (("epoch", epochs[kept]), ("step", steps[kept])):
        rows = np.flatnonzero(~np.isnan(labels))
        if len(rows):
            result[name] = Cells(rows, labels[rows])
    dropped = int(len(kept) - kept.sum())
    note = f"{dropped} lines of progress bars are superseded by later ones"
    return Sheet(PRINTED, result, int(kept.sum()), notes=(note,) if dropped and thinned else ())
