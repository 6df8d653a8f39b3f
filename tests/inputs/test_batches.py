from __future__ import annotations

import re
from collections import namedtuple
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BatchEncoding

from netdoctor.errors import DataError, ModelError
from netdoctor.inputs.batches import as_batch

X, Y = torch.zeros(4, 3), torch.arange(4)


class TakesLabels(nn.Module):
    def forward(self, input_ids: Tensor, labels: Tensor | None = None) -> Any:
        return input_ids, labels


@pytest.mark.parametrize(
    ("raw", "args", "has_target"),
    [
        (X, (X,), False),
        ((X,), (X,), False),
        ([X], (X,), False),
        ((X, Y), (X,), True),
        ([X, Y], (X,), True),
        ((X, X, Y), (X, X), True),
        (([X, X], Y), ([X, X],), True),
        (({"a": X}, Y), ({"a": X},), True),
        ((X, None), (X,), False),
    ],
)
def test_positional_forms(raw: Any, args: tuple[Any, ...], has_target: bool) -> None:
    batch = as_batch(raw)
    assert len(batch.args) == len(args)
    assert all(one is other or one == other for one, other in zip(batch.args, args, strict=True))
    assert batch.kwargs == {}
    assert (batch.target is Y) == has_target
    assert batch.size == 4


@pytest.mark.parametrize("name", ["labels", "label", "target", "targets"])
def test_a_mapping_is_keywords_and_its_target_is_found(name: str) -> None:
    batch = as_batch({"input_ids": X, name: Y}, TakesLabels())
    assert batch.target is Y
    assert batch.kwargs["input_ids"] is X
    assert (name in batch.kwargs) == (name == "labels")
    assert "labels" not in as_batch({"input_ids": X, "labels": Y}).kwargs
    assert batch.size == 4


def test_a_tokenizer_result_is_a_mapping() -> None:
    batch = as_batch(BatchEncoding({"input_ids": X, "labels": Y}), TakesLabels())
    assert batch.target is Y
    assert batch.call(TakesLabels()) == (X, Y)


def test_images_of_several_sizes_are_one_argument() -> None:
    images = [torch.zeros(3, 5, 6), torch.zeros(3, 7, 8)]
    assert as_batch((images, [{}, {}])).size == 2
    lone = as_batch(images, images=True)
    assert len(lone.args) == 1
    assert lone.args[0][1] is images[1]
    assert lone.size == 2


def test_an_object_with_to_passes_as_one_argument() -> None:
    class Graph:
        num_graphs = 7
        y = Y

        def to(self, device: Any) -> str:
            return f"on {device}"

    batch = as_batch(Graph())
    assert batch.size == 7
    assert batch.target is Y
    assert batch.to("cpu").args == ("on cpu",)


def test_every_tensor_moves_and_containers_keep_their_type() -> None:
    pair = namedtuple("pair", "first second")
    raw = ({"a": [X, (X,)], "b": "text"}, pair(X, np.ones(4)), Y)
    batch = as_batch(raw).to("meta")
    mapping, moved = batch.args
    assert mapping["a"][0].is_meta
    assert mapping["a"][1][0].is_meta
    assert mapping["b"] == "text"
    assert type(moved) is pair
    assert moved.second.is_meta
    assert batch.target.is_meta


def test_tensors_without_values_are_refused() -> None:
    with pytest.raises(DataError, match=r"\(2, 3\) without values, on the meta device"):
        as_batch(torch.zeros(2, 3, device="meta")).to("cpu")


def test_copies_share_no_memory() -> None:
    copied = as_batch((X, Y)).to("cpu", copy=True)
    assert copied.args[0].data_ptr() != X.data_ptr()
    assert as_batch((X, Y)).to("cpu").args[0] is X


@pytest.mark.parametrize("raw", [None, 3, "text", (), [], {}, ("a", "b"), {"labels": Y}])
def test_what_is_no_batch_is_an_error_with_a_hint(raw: Any) -> None:
    with pytest.raises(DataError) as caught:
        as_batch(raw)
    assert "mapping" in caught.value.hint


def test_a_model_that_raises_is_a_model_error_with_the_input_and_the_users_line() -> None:
    class Wrong(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x @ torch.zeros(9, 9)

    with pytest.raises(ModelError) as caught:
        as_batch((X, Y)).call(Wrong())
    assert "float32 (4, 3)" in caught.value.message
    assert "test_batches.py" in caught.value.message


class TakesX(nn.Linear):
    def __init__(self) -> None:
        super().__init__(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


def test_names_beside_the_tensors_stay_out_of_a_model_that_asks_for_none() -> None:
    raw = {"x": X, "path": ["a.jpg"] * 4, "label": Y}
    assert set(as_batch(raw, TakesX()).kwargs) == {"x"}
    assert set(as_batch(raw).kwargs) == {"x", "path"}

    class TakesAll(nn.Module):
        def forward(self, **inputs: Any) -> Any:
            return inputs

    assert set(as_batch(raw, TakesAll()).kwargs) == {"x", "path"}


@pytest.mark.parametrize(
    ("raw", "advice"),
    [
        ({"image": X}, r"forward takes \(x\)"),
        ((X, X, Y), r"forward takes \(x\)"),
        (X.double(), "data are float64 and the weights float32"),
        (torch.zeros(4, 3, dtype=torch.uint8), "data are uint8 and the weights float32"),
        (torch.zeros(4, 5), "in shape and type"),
    ],
)
def test_a_batch_that_the_model_refuses_is_told_what_to_do(raw: Any, advice: str) -> None:
    net = TakesX()
    with pytest.raises(ModelError) as caught:
        as_batch(raw, net).call(net)
    assert re.search(advice, caught.value.hint)
