"""What a cell of a log says: a number, or nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MISSING = frozenset({"", "na", "n/a", "null", "none", "-", "--", "<na>", "#n/a", "."})
_WRAPPED = re.compile(r"(?:tensor|(?:np|numpy)\.float\d+)\(\s*([^,()]+)[^()]*\)")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?")
_COMMA = re.compile(r"[-+]?\d+,\d+(?:[eE][-+]?\d+)?")


def unwrapped(text: str) -> str:
    """The text with `tensor(0.5, device='cuda:0')` and `np.float64(0.5)` as plain numbers."""
    return _WRAPPED.sub(r"\1", text) if "(" in text else text


def number(text: str, *, decimal_comma: bool = False) -> float | None:
    """The number that a cell holds, NaN and infinities among them; None for nothing or words."""
    try:
        return float(text)
    except ValueError:
        pass
    plain = unwrapped(text).strip().strip("\"'").rstrip("%").strip()
    if plain.lower() in MISSING:
        return None
    if decimal_comma and _COMMA.fullmatch(plain):
        plain = plain.replace(",", ".")
    elif "," in plain and _THOUSANDS.fullmatch(plain):
        plain = plain.replace(",", "")
    try:
        return float(plain)
    except ValueError:
        return None


def has_decimal_comma(texts: Sequence[str]) -> bool:
    """Whether those cells write 0,53 for 0.53."""
    return any(_COMMA.fullmatch(text.strip()) for text in texts)


def numbers(
    texts: Sequence[str], *, decimal_comma: bool = False
) -> tuple[Floats, NDArray[np.bool_]]:
    """The numbers of a column, and which of its cells hold one; the others are 0."""
    try:
        return np.array(list(map(float, texts))), np.ones(len(texts), bool)
    except ValueError:
        pass
    values = [None if not text else number(text, decimal_comma=decimal_comma) for text in texts]
    present = np.array([value is not None for value in values], bool)
    return np.array([0.0 if value is None else value for value in values]), present
