"""Which samples are taken, and which of them share an input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from netdoctor.errors import DataError
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.probes.small_batch import conflicting, equal_inputs, one_target, small_batch


def pair(target: Tensor) -> Batch:
    return as_batch((torch.arange(len(target) * 2.0).view(-1, 2), target))


def test_every_label_takes_its_turn_and_inputs_stay_with_their_targets() -> None:
    batch = small_batch([pair(torch.tensor([0, 0, 0, 0, 1, 1, 2]))], 4)
    assert batch.target.tolist() == [0, 1, 2, 0]
    assert batch.args[0][:, 0].tolist() == [0.0, 8.0, 12.0, 2.0]
    assert batch.size == 4


def test_the_first_batch_whose_labels_differ_is_taken() -> None:
    same, different = pair(torch.ones(4).long()), pair(torch.tensor([1, 1, 0, 1]))
    assert small_batch([same, different], 8).target.tolist() == [1, 1, 0, 1]
    assert small_batch([same, same], 2).target.tolist() == [1, 1]
    with pytest.raises(DataError, match="no batch"):
        small_batch([], 8)


def test_mappings_lists_and_tuples_are_cut_too() -> None:
    pictures = [torch.full((3, 2, 2), float(n)) for n in range(6)]
    target = {"boxes": torch.arange(6.0)[:, None], "scale": 2.0}
    state = (torch.arange(6), torch.ones(1, 6))
    batch = small_batch([Batch((pictures, state), {}, target, 6)], 2)
    assert [float(each[0, 0, 0]) for each in batch.args[0]] == [0.0, 1.0]
    assert batch.args[1][0].tolist() == [0, 1]
    assert batch.args[1][1].shape == (1, 6)
    assert batch.target["boxes"].shape == (2, 1)
    assert batch.target["scale"] == 2.0


def test_equal_inputs_are_found_bit_for_bit_and_targets_do_not_count() -> None:
    x = torch.tensor([[0.0, 1.0], [1.0, 1.0], [0.0, 1.0], [0.0, 1.0 + 1e-7]])
    labels = torch.tensor([0, 1, 2, 0])
    assert equal_inputs(as_batch((x, labels))).tolist() == [0, 1, 0, 3]
    batch = Batch((), {"x": x, "labels": labels}, labels, 4)
    groups = equal_inputs(batch)
    assert groups.tolist() == [0, 1, 0, 3]
    assert conflicting(groups, labels) == 2
    assert conflicting(groups, torch.tensor([5, 1, 5, 0])) == 0
    assert conflicting(groups, None) == 0


def test_inputs_of_several_tensors_are_equal_when_all_are() -> None:
    one, two = torch.tensor([[1], [1], [1]]), torch.tensor([[0.0], [0.0], [2.0]])
    assert equal_inputs(Batch((one, two), {}, None, 3)).tolist() == [0, 0, 2]
    assert np.array_equal(equal_inputs(Batch((object(),), {}, None, 3)), [0, 1, 2])


def test_one_target() -> None:
    assert one_target(torch.tensor([2, 2]))
    assert not one_target(torch.tensor([2, 1]))
    assert not one_target(None)
