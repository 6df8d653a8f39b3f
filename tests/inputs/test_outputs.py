from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, BertModel

from netdoctor.errors import ModelError
from netdoctor.inputs.outputs import main_output, own_loss

F1, F2, I1 = torch.zeros(2, 3), torch.ones(2, 3), torch.zeros(2, dtype=torch.long)
TINY = BertConfig(
    vocab_size=30, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8
)
Named = namedtuple("Named", "logits aux")


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (F1, "output"),
        (I1, "output"),
        ({"out": F1, "aux": F2}, "out"),
        ({"aux": F2, "logits": F1, "out": F2}, "logits"),
        (Named(F1, F2), "logits"),
        ((F1,), "[0]"),
        ([I1, F1], "[1]"),
        ((F1, (F2, F2)), "[0]"),
        ({"loss": F2.sum(), "hidden": F1}, "hidden"),
    ],
)
def test_the_tensor_that_is_meant(output: Any, name: str) -> None:
    tensor, found = main_output(output)
    assert found == name
    assert tensor is (output if isinstance(output, torch.Tensor) else F1)


def test_a_transformers_output() -> None:
    model = BertForSequenceClassification(TINY).eval()
    output = model(torch.zeros(2, 4, dtype=torch.long), labels=torch.tensor([0, 1]))
    tensor, name = main_output(output)
    assert (tuple(tensor.shape), name) == ((2, 2), "logits")
    assert own_loss(output) is output.loss


def test_an_lstm_gives_its_sequence() -> None:
    assert main_output(nn.LSTM(3, 5)(torch.zeros(4, 2, 3)))[0].shape == (4, 2, 5)


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ((F1, F2), r"2 float tensors.*\[0\]: float32 \(2, 3\)"),
        ([{"boxes": F1}], "no float tensor"),
        ({}, "no float tensor"),
        (None, "NoneType"),
        ("text", "no float tensor"),
    ],
)
def test_an_unclear_output_is_listed(output: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words) as caught:
        main_output(output)
    assert "logits" in caught.value.hint


def test_bert_without_a_head_has_two_tensors() -> None:
    with pytest.raises(ModelError, match=r"last_hidden_state.*pooler_output"):
        main_output(BertModel(TINY).eval()(torch.zeros(2, 4, dtype=torch.long)))


def test_no_loss_of_its_own() -> None:
    assert own_loss(F1) is None
    assert own_loss({"logits": F1}) is None
    assert own_loss(None) is None
