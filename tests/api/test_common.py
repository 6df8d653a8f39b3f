"""What the functions of the API share: the batches that are put aside while they pass by."""

from __future__ import annotations

import torch

from netdoctor.api.common import noted
from netdoctor.inputs.batches import Batch


def test_a_few_samples_of_the_first_batches_are_copied() -> None:
    batches = [Batch((torch.randn(32, 3),), {}, torch.arange(32), 32) for _ in range(12)]
    aside: list[Batch] = []
    assert list(noted(batches, aside)) == batches
    assert [each.size for each in aside] == [8] * 8
    kept = [each.args[0] for each in aside]
    assert torch.equal(kept[3], batches[3].args[0][::4])
    storages = {each.untyped_storage().data_ptr() for each in kept}
    assert not storages & {each.args[0].untyped_storage().data_ptr() for each in batches}


def test_of_batches_that_cannot_be_split_only_two_are_kept() -> None:
    batches = [Batch(([torch.randn(3, 8, 8)] * 2,), {}, None, 2) for _ in range(12)]
    aside: list[Batch] = []
    assert list(noted(batches, aside)) == batches
    assert [any(each is batch for batch in batches) for each in aside] == [True, True]
