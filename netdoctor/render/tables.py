"""Tables whose names are never cut: a narrow terminal loses whole columns, least needed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from types import MappingProxyType
from typing import Any

from rich.cells import cell_len
from rich.text import Text

from netdoctor.render.values import cell, counted, printable
from netdoctor.report import Column, ColumnKind, Table

Row = Mapping[str, Any]

_GAP = 2
_INDENT = 2
_RIGHT: frozenset[ColumnKind] = frozenset({"integer", "number", "percent"})


def draw(
    table: Table,
    width: int | None,
    *,
    unicode: bool = True,
    styles: Mapping[str, str] = MappingProxyType({}),
) -> list[Text]:
    """The table's lines: title, headings, a rule, the shown rows, and what was left out.

    Args:
        table: hidden columns and rows beyond `shown` are left out.
        width: columns of the terminal; None for no limit.
        unicode: False for ASCII only.
        styles: of names that stand out, in rich's words.
    """
    visible = [column for column in table.columns if not column.hidden]
    rows = table.rows if table.shown is None else table.rows[: table.shown]
    drawn = {column.key: _draw_column(column, rows, unicode) for column in visible}
    kept = _fitting(visible, {key: cell_len(texts[0]) for key, texts in drawn.items()}, width)
    lines = _grid(kept, [drawn[column.key] for column in kept], unicode, styles)
    title = [Text(printable(table.title, unicode=unicode), "bold")] if table.title else []
    left_out = _left_out(len(visible) - len(kept), len(table.rows) - len(rows))
    return [*title, *lines, *left_out, *_legend(table, width, unicode)]


def _draw_column(column: Column, rows: Sequence[Row], unicode: bool) -> list[str]:
    texts = [column.title, *(cell(row.get(column.key), column.kind) for row in rows)]
    texts = [printable(text, unicode=unicode) for text in texts]
    width = max(cell_len(text) for text in texts)
    padding = [" " * (width - cell_len(text)) for text in texts]
    if column.kind in _RIGHT:
        return [pad + text for pad, text in zip(padding, texts, strict=True)]
    return [text + pad for pad, text in zip(padding, texts, strict=True)]


def _fitting(columns: list[Column], widths: dict[str, int], width: int | None) -> list[Column]:
    kept = list(columns)
    while width is not None and _total([widths[each.key] for each in kept]) > width:
        least_needed = max(reversed(kept), key=lambda column: column.priority)
        if least_needed.priority == 0:
            break
        kept.remove(least_needed)
    return kept


def _total(widths: list[int]) -> int:
    return _INDENT + sum(widths) + _GAP * (len(widths) - 1)


def _grid(
    columns: list[Column], drawn: list[list[str]], unicode: bool, styles: Mapping[str, str]
) -> list[Text]:
    indent, gap = " " * _INDENT, " " * _GAP
    headings, *rows = zip(*drawn, strict=True)
    rule = ("─" if unicode else "-") * (_total([cell_len(each) for each in headings]) - _INDENT)
    heading = Text((indent + gap.join(headings)).rstrip(), "bold")
    return [heading, Text(indent + rule, "dim"), *(_row(columns, cells, styles) for cells in rows)]


def _row(columns: list[Column], cells: tuple[str, ...], styles: Mapping[str, str]) -> Text:
    line = Text(" " * _INDENT)
    for number, (column, text) in enumerate(zip(columns, cells, strict=True)):
        line.append(" " * _GAP if number else "")
        line.append(text, styles.get(text.strip(), "cyan") if column.kind == "name" else "")
    line.rstrip()
    return line


def _left_out(columns: int, rows: int) -> list[Text]:
    lines = []
    if rows:
        lines.append(f"{counted(rows, 'more row')} in --format json")
    if columns:
        lines.append(f"{counted(columns, 'more column')}: widen the terminal or --format json")
    return [Text(" " * _INDENT + line, "dim") for line in lines]


def _legend(table: Table, width: int | None, unicode: bool) -> list[Text]:
    indent = " " * _INDENT
    lines = []
    for each in table.legend:
        text = printable(each, unicode=unicode)
        lines += wrap(text, width or 100, initial_indent=indent, subsequent_indent=2 * indent)
    return [Text(line, "dim") for line in lines]
