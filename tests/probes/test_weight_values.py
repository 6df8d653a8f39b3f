"""Extremes by integer tricks against torch, on random bits of every type."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from netdoctor.inputs.stored import ITEM_BYTES
from netdoctor.probes.weight_values import bits_of, decoded, extremes, format_of

FLOATS = ["float16", "bfloat16", "float32", "float64"]
EIGHTS = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


def slow(raw: np.ndarray, dtype: str) -> tuple[float, float, int, int, int]:
    kind = getattr(torch, dtype)
    values = torch.frombuffer(bytearray(raw.tobytes()), dtype=kind)
    if values.is_complex():
        parts = torch.view_as_real(values).double()
        nan = parts.isnan().any(1)
        inf = parts.isinf().any(1) & ~nan
        minus = (parts == -math.inf).any(1) & inf
    else:
        parts = values.double()
        nan, inf, minus = parts.isnan(), parts.isinf(), parts == -math.inf
    finite = parts[parts.isfinite()]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (math.nan, math.nan)
    return low, high, int(nan.sum()), int(inf.sum()), int(minus.sum())


@pytest.mark.parametrize("dtype", ITEM_BYTES)
def test_extremes_equal_those_of_torch_on_any_bits(dtype: str) -> None:
    generator = np.random.default_rng(0)
    width = ITEM_BYTES[dtype]
    for length in (1, 2, 3, 64, 5000):
        for masked in range(4):
            raw = generator.integers(0, 2 if dtype == "bool" else 256, length * width, np.uint8)
            if masked == 1:  # finite in most types, and without a sign
                raw &= 0x3F if dtype != "bool" else 1
            if masked == 2 and dtype != "bool":
                raw |= 0x80
                raw &= 0xBB
            if masked == 3 and dtype != "bool":
                raw[:] = raw[: len(raw) // length].repeat(length)[: len(raw)]
            form, _ = format_of(dtype)
            found = extremes(bits_of(raw, form), dtype)
            got = (found.minimum, found.maximum, found.nan, found.inf, found.negative_inf)
            np.testing.assert_equal(got, slow(raw, dtype), err_msg=f"{dtype} {length} {masked}")


@pytest.mark.parametrize("dtype", EIGHTS)
def test_every_byte_of_an_eight_bit_type_is_decoded_as_torch_does(dtype: str) -> None:
    raw = np.arange(256, dtype=np.uint8)
    expected = torch.from_numpy(raw.copy()).view(getattr(torch, dtype)).double().numpy()
    np.testing.assert_array_equal(decoded(raw, format_of(dtype)[0]), expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_every_pattern_of_a_sixteen_bit_type_is_decoded_as_torch_does(dtype: str) -> None:
    raw = np.arange(65536).astype(np.uint16)
    expected = torch.from_numpy(raw.view(np.int16).copy()).view(getattr(torch, dtype)).double()
    np.testing.assert_array_equal(decoded(raw, format_of(dtype)[0]), expected.numpy())
