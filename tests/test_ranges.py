"""Ranges and non-finite counts against numpy, however the values are cut into batches."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from netdoctor.stats import RangeAccumulator, values_of

NUMBERS = st.lists(st.floats(width=32), max_size=40)


@given(st.lists(NUMBERS, max_size=4))
def test_it_is_what_numpy_says(batches: list[list[float]]) -> None:
    seen = RangeAccumulator()
    told = [seen.update(torch.tensor(each, dtype=torch.float32)) for each in batches]
    values = np.array([value for each in batches for value in each], np.float32)
    finite = values[np.isfinite(values)]
    assert seen.count == len(values)
    assert (seen.nan, seen.inf) == (np.isnan(values).sum(), np.isinf(values).sum())
    assert seen.negative_inf == np.isneginf(values).sum()
    assert [sum(column) for column in zip(*told, strict=True)] in (
        [], [seen.nan, seen.inf, seen.negative_inf],
    )  # fmt: skip
    if len(finite):
        assert (seen.minimum, seen.maximum) == (finite.min(), finite.max())
    else:
        assert seen.minimum > seen.maximum


def test_the_latest_range_is_that_of_the_latest_batch() -> None:
    seen = RangeAccumulator()
    seen.update(torch.tensor([-3.0, 5.0]))
    seen.update(torch.tensor([1.0, float("nan"), 2.0]))
    assert seen.latest == (1.0, 2.0)
    seen.update(torch.tensor([float("nan")]))
    assert all(map(math.isnan, seen.latest))
    assert (seen.minimum, seen.maximum) == (-3.0, 5.0)


def test_values_lie_as_in_memory_without_a_copy_where_the_layout_allows() -> None:
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    flat = values_of(image)
    assert flat.data_ptr() == image.data_ptr()
    assert sorted(flat.tolist()) == sorted(image.flatten().tolist())
    crop = torch.randn(4, 6)[:, ::2]
    assert torch.equal(values_of(crop), crop.flatten())
    assert values_of(torch.ones(3, dtype=torch.float16)).dtype is torch.float32
    pairs = values_of(torch.tensor([1 + 2j, 3 - 4j]))
    assert pairs.tolist() == [1, 2, 3, -4]
