"""What a cell of a log says: a number, or nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_LOOKED_AT = 100
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
    filled = [place for place, text in enumerate(texts) if text]
    told = [texts[place] for place in filled]
    values, present = np.zeros(len(texts)), np.zeros(len(texts), bool)
    if _are_words(told):
        return values, present
    try:
        read: list[float | None] = list(map(float, told))
    except ValueError:
        read = [number(text, decimal_comma=decimal_comma) for text in told]
    for place, value in zip(filled, read, strict=True):
        if value is not None:
            values[place], present[place] = value, True
    return values, present


def _are_words(texts: Sequence[str]) -> bool:
    """Whether a long column holds words alone, such as times, by a look at a hundred of them."""
    if len(texts) < 10 * _LOOKED_AT:
        return False
    sample = texts[:: len(texts) // _LOOKED_AT]
    return all(
        number(text) is None and text.lower() not in MISSING and not has_decimal_comma([text])
        for text in sample
    )
