from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.errors import DataError
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective

LOGITS = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 2, 1, 1])


def batch(target: object) -> Batch:
    return Batch((LOGITS,), {}, target, 4)


def users_loss() -> nn.Module:
    return nn.CrossEntropyLoss(label_smoothing=0.1)


def test_a_fitting_loss_is_chosen_once_and_named() -> None:
    objective = Objective()
    torch.testing.assert_close(objective(LOGITS, batch(CLASSES)), F.cross_entropy(LOGITS, CLASSES))
    assert (objective.name, objective.chosen) == ("cross-entropy", True)
    assert "class indices" in objective.note
    assert "cross_entropy" in objective.functions


def test_a_loss_that_was_asked_for_is_not_a_guess() -> None:
    objective = Objective("mse")
    target = torch.zeros(4, 3)
    torch.testing.assert_close(objective(LOGITS, batch(target)), F.mse_loss(LOGITS, target))
    assert (objective.name, objective.chosen) == ("mse", False)


def test_of_the_users_own_loss_its_functions_are_known() -> None:
    spec = "tests.inputs.test_objective:users_loss"
    objective = Objective(spec)
    objective(LOGITS, batch(CLASSES))
    assert objective.name == spec
    assert "cross_entropy" in objective.functions


def test_the_models_own_loss_comes_first_unless_another_is_asked_for() -> None:
    output = {"loss": torch.tensor(2.5), "logits": LOGITS}
    objective = Objective()
    assert float(objective(output, batch(None))) == 2.5
    assert (objective.name, objective.chosen) == ("own", False)
    asked = Objective("cross-entropy")
    assert float(asked(output, batch(CLASSES))) == float(F.cross_entropy(LOGITS, CLASSES))


def test_targets_are_made_up_only_on_request_and_said_to_be() -> None:
    with pytest.raises(DataError, match="no target"):
        Objective()(LOGITS, batch(None))
    objective = Objective(seed=3)
    first: Tensor = objective(LOGITS, batch(None))
    assert torch.equal(first, objective(LOGITS, batch(None)))
    assert torch.equal(first, Objective(seed=3)(LOGITS, batch(None)))
    assert objective.random_targets
    assert "random" in objective.note


def test_a_target_that_the_loss_refuses_is_an_error_with_both_shapes() -> None:
    with pytest.raises(DataError, match=r"refuses the target.*float32 \(4, 3\), target int64"):
        Objective()(LOGITS, batch(torch.tensor([0, 1, 2, 3])))
