"""Extremes, NaN and infinities of raw values of every type, at the speed of reading them. No torch.

A floating-point number is a sign and a magnitude, so its bits, read as integers, are ordered as it
is: the greatest signed integer is the greatest positive number or a NaN above it, the greatest
unsigned one is the lowest negative number. Two integer maxima tell what isnan and isinf would.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.weights import UNKNOWN

Bits = NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Format:
    """How a type holds its numbers.

    Attributes:
        bytes: of one number.
        exponent, mantissa: bits of each; 0 for integers.
        largest: the bits of the largest finite magnitude.
        infinity: the bits of infinity; None where there is none.
        kind: numpy's letter: `f` sign and magnitude, `z` the same without a negative zero, whose
            place NaN takes, `e` an exponent alone, `i` and `u` integers.
    """

    bytes: int
    exponent: int = 0
    mantissa: int = 0
    largest: int = 0
    infinity: int | None = None
    kind: str = "f"


FORMATS = {
    "float16": Format(2, 5, 10, 0x7BFF, 0x7C00),
    "bfloat16": Format(2, 8, 7, 0x7F7F, 0x7F80),
    "float32": Format(4, 8, 23, 0x7F7FFFFF, 0x7F800000),
    "float64": Format(8, 11, 52, 0x7FEFFFFFFFFFFFFF, 0x7FF0000000000000),
    "float8_e4m3fn": Format(1, 4, 3, 0x7E),
    "float8_e5m2": Format(1, 5, 2, 0x7B, 0x7C),
    "float8_e4m3fnuz": Format(1, 4, 3, 0x7F, kind="z"),
    "float8_e5m2fnuz": Format(1, 5, 2, 0x7F, kind="z"),
    "float8_e8m0fnu": Format(1, 8, 0, 0xFE, kind="e"),
    "bool": Format(1, kind="u"),
    **{f"uint{8 * n}": Format(n, kind="u") for n in (1, 2, 4, 8)},
    **{f"int{8 * n}": Format(n, kind="i") for n in (1, 2, 4, 8)},
}
_PARTS = {"complex32": "float16", "complex64": "float32", "complex128": "float64"}


@dataclasses.dataclass(frozen=True, slots=True)
class Extremes:
    """The finite range of some values and how many are not finite."""

    minimum: float = UNKNOWN
    maximum: float = UNKNOWN
    nan: int = 0
    inf: int = 0
    negative_inf: int = 0

    def merged(self, other: Extremes) -> Extremes:
        """Those of both."""
        return Extremes(
            _of_known(min, self.minimum, other.minimum),
            _of_known(max, self.maximum, other.maximum),
            self.nan + other.nan,
            self.inf + other.inf,
            self.negative_inf + other.negative_inf,
        )


def _of_known(choose: Callable[[float, float], float], one: float, other: float) -> float:
    if math.isnan(one) or math.isnan(other):
        return other if math.isnan(one) else one
    return choose(one, other)


def format_of(dtype: str) -> tuple[Format, int]:
    """The format of a type's numbers, and how many of them make one value: 2 for complex."""
    return FORMATS[_PARTS.get(dtype, dtype)], 2 if dtype in _PARTS else 1


def bits_of(raw: NDArray[np.uint8], form: Format, *, swapped: bool = False) -> Bits:
    """Raw bytes as unsigned integers, one a number."""
    bits: Bits = raw.view(f"u{form.bytes}")
    return bits.byteswap() if swapped else bits


def extremes(bits: Bits, dtype: str) -> Extremes:
    """What some numbers of a type range over.

    Args:
        bits: (M,) unsigned integers, the numbers of whole values.
        dtype: the values' type, by torch's name.
    """
    form, parts = format_of(dtype)
    if bits.size == 0:
        return Extremes()
    if form.kind in "ui":
        numbers = bits.view(f"i{form.bytes}") if form.kind == "i" else bits
        return Extremes(float(numbers.min()), float(numbers.max()))
    if form.kind == "f":
        low, high, finite = _range(bits, form)
        if finite:
            return Extremes(low, high)
    return _closer(bits, form, parts)


def _range(bits: Bits, form: Format) -> tuple[float, float, bool]:
    """Lowest and greatest number, and whether all are finite."""
    sign = 1 << (8 * form.bytes - 1)
    signed = bits.view(f"i{form.bytes}")
    top, bottom = int(signed.max()), int(bits.max())
    finite = top <= form.largest and (bottom < sign or bottom - sign <= form.largest)
    high = top if top >= 0 else int(signed.min()) + 2 * sign
    low = bottom if bottom >= sign else int(bits.min())
    return number(low, form), number(high, form), finite


def _closer(bits: Bits, form: Format, parts: int) -> Extremes:
    if form.kind in "ez":
        nan = bits == (0xFF if form.kind == "e" else 0x80)
        inf = np.zeros_like(nan)
    else:
        magnitude = bits & bits.dtype.type((1 << (8 * form.bytes - 1)) - 1)
        inf = magnitude == form.infinity if form.infinity is not None else np.zeros(len(bits), bool)
        nan = (magnitude > form.largest) & ~inf
    finite = bits[~(nan | inf)]
    if form.kind == "f":
        low, high = _range(finite, form)[:2] if finite.size else (UNKNOWN, UNKNOWN)
    else:
        held = [
            number(each, form)
            for each in np.flatnonzero(np.bincount(finite, minlength=256)).tolist()
        ]
        low, high = (min(held), max(held)) if held else (UNKNOWN, UNKNOWN)
    minus = inf & (bits >> bits.dtype.type(8 * form.bytes - 1) == 1)
    if parts == 2:
        nan = nan.reshape(-1, 2).any(1)
        inf = inf.reshape(-1, 2).any(1) & ~nan
        minus = inf & minus.reshape(-1, 2).any(1)
    return Extremes(low, high, int(nan.sum()), int(inf.sum()), int(minus.sum()))


def number(bits: int, form: Format) -> float:
    """The finite number that these bits stand for."""
    if form.bytes == 1:
        return float(_table(form)[bits])
    if form.exponent == 8 and form.bytes == 2:
        bits, letter, width = bits << 16, "f", 4
    else:
        letter, width = {2: "e", 4: "f", 8: "d"}[form.bytes], form.bytes
    return float(struct.unpack(f"<{letter}", bits.to_bytes(width, "little"))[0])


def decoded(bits: Bits, form: Format) -> NDArray[np.float64]:
    """The numbers in float64, in the shape of `bits`; NaN and infinities as they are."""
    if form.bytes == 1 and form.kind not in "ui":
        found: NDArray[np.float64] = _table(form)[bits]
        return found
    if form.kind in "ui":
        whole: Bits = bits.view(f"i{form.bytes}") if form.kind == "i" else bits
        return np.asarray(whole, np.float64)
    with np.errstate(invalid="ignore"):  # casting a signalling NaN
        if form.exponent == 8 and form.bytes == 2:
            wide = (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)
        else:
            wide = bits.view(f"f{form.bytes}")
        numbers: NDArray[np.float64] = wide.astype(np.float64)
        return numbers


@functools.cache
def _table(form: Format) -> NDArray[np.float64]:
    """(256,) the number of each byte."""
    bits = np.arange(256)
    if form.kind == "e":
        return np.where(bits == 255, np.nan, np.ldexp(1.0, bits - 127))
    bias = (1 << (form.exponent - 1)) - (form.kind == "f")
    exponent = (bits >> form.mantissa) & ((1 << form.exponent) - 1)
    fraction = (bits & ((1 << form.mantissa) - 1)) / (1 << form.mantissa)
    normal = np.ldexp(1 + fraction, exponent - bias)
    values = np.where(exponent > 0, normal, np.ldexp(fraction, 1 - bias))
    values = np.where(bits >= 128, -values, values)
    magnitude = bits & 0x7F
    if form.kind == "z":
        return np.where(bits == 0x80, np.nan, values)
    values = np.where(magnitude > form.largest, np.nan, values)
    if form.infinity is not None:
        values = np.where(bits == form.infinity, np.inf, values)
        values = np.where(bits == form.infinity + 0x80, -np.inf, values)
    return values
