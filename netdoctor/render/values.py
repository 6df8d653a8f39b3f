"""How single values are written for people: short numbers, no control characters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from netdoctor.report import ColumnKind

_ASCII = str.maketrans(
    {
        "×": "x", "·": "|", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≥": ">=",
        "≤": "<=", "≠": "!=", "≈": "~", "±": "+/-", "µ": "u", "μ": "mu", "σ": "sigma", "∞": "inf",
        "✖": "x", "▲": "!", "●": "i", "✔": "+", "─": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
    }
)  # fmt: skip
_LISTED = 8
_NONE = "–"


def printable(text: str, *, unicode: bool = True) -> str:
    """The text with control characters written as escapes, and on one line.

    Args:
        text: from a file, a model or a user.
        unicode: False for an output that can say ASCII only.
    """
    if not text.isprintable():
        text = "".join(each if each.isprintable() else _escape(each) for each in text)
    if unicode or text.isascii():
        return text
    return text.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")


def cell(value: Any, kind: ColumnKind = "text") -> str:
    """A table cell: `1.2e-05`, `12.5 %`, `32×64×7×7`; a dash for None."""
    if value is None:
        return _NONE
    if isinstance(value, str):
        return value
    if kind == "percent":
        return percent(float(value))
    if kind == "shape" and isinstance(value, Sequence) and not isinstance(value, str):
        return "×".join(str(size) for size in value) or "scalar"
    if kind == "number" or isinstance(value, float):
        return number(float(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list | tuple):
        return brief(value) if value else _NONE
    return str(value)


def number(value: float) -> str:
    """Three significant digits: `0.125`, `1.2e-05`, `nan`, `-inf`; whole numbers in full."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return format(value, ".3g")


def percent(fraction: float) -> str:
    """A fraction as `12.5 %`; what is not quite none or all never reads as none or all."""
    if not math.isfinite(fraction):
        return number(fraction)
    if 0 < fraction < 0.0005:
        return "<0.1 %"
    if 0.9995 <= fraction < 1:
        return ">99.9 %"
    digits = 0 if fraction in (0, 1) else 1
    return f"{100 * fraction:.{digits}f} %"


def brief(value: Any) -> str:
    """A value of the evidence on one line; of a long list only the first items."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {brief(each)}" for key, each in value.items())
    if isinstance(value, str) or not isinstance(value, Iterable):
        return cell(plain_scalar(value))
    items = list(value)
    rest = f" … {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return ", ".join(brief(item) for item in items[:_LISTED]) + rest if items else "none"


def plain_scalar(value: Any) -> Any:
    """A numpy or torch scalar as Python's own number; anything else as it is."""
    item = getattr(value, "item", None)
    return item() if callable(item) and getattr(value, "ndim", None) == 0 else value


def counted(number_of: int, noun: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
