"""Running statistics that do not fit are found; dropout and odd batches raise no alarm."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.facts.wiring import ModeGap
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.wiring import measure
from sample_models import networks
from tests.healthy import HEALTHY, Healthy, healthy
from tests.observe.state import fingerprint
from tests.probes.tried import found, noise, pictures, seeded, skipped


@functools.cache
def trained(name: str) -> nn.Module:
    return healthy(name).trained()


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]


def gaps(model: nn.Module, batches: list[Batch], objective: Objective | None) -> list[str]:
    return [subject for code, subject in found(model, batches, objective=objective)
            if code == "MOD004"]  # fmt: skip


def test_the_sample_network_with_the_wrong_momentum_is_found() -> None:
    assert gaps(networks.sick_momentum(), pictures(), Objective()) == ["norms.0"]


def shift(norm: nn.BatchNorm2d) -> None:
    norm.running_mean += 5 * norm.running_var.sqrt()


def widen(norm: nn.BatchNorm2d) -> None:
    norm.running_var *= 100


@pytest.mark.parametrize("damage", [shift, widen])
@pytest.mark.parametrize("place", [0, -1])
def test_damaged_statistics_are_found_at_their_layer(
    damage: Callable[[nn.BatchNorm2d], None], place: int
) -> None:
    model = networks.healthy()
    damage(norms(model)[place])
    (name,) = [path for path, each in model.named_modules() if each is norms(model)[place]]
    assert gaps(model, pictures(), Objective()) == [name]


def test_without_a_target_only_a_large_gap_is_found() -> None:
    model = networks.healthy()
    assert gaps(model, pictures(), None) == []
    shift(norms(model)[0])
    assert gaps(model, pictures(), None) == ["stem.1"]


def test_an_odd_last_batch_with_momentum_one_is_found() -> None:
    model = networks.healthy().train()
    for norm in norms(model):
        norm.momentum = 1.0
    with torch.no_grad():
        model(0.2 * pictures()[0].args[0][:3] + 1)
    assert len(gaps(model.eval(), pictures(), Objective())) == 1


@pytest.mark.parametrize(
    "name",
    ["healthy", "healthy_functional", "healthy_convnext", "healthy_tanh", "healthy_dilated"],
)
@pytest.mark.parametrize("objective", [Objective, lambda: None])
def test_healthy_sample_networks_are_healthy(name: str, objective: Any) -> None:
    assert found(getattr(networks, name)(), pictures(), objective=objective()) == []


@pytest.mark.slow
@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_small_healthy_networks_are_healthy(each: Healthy) -> None:
    batches = [as_batch(one) for one in each.batches(3, 64, 0)]
    for fresh in (None, True):
        assert found(each.fresh(), batches, objective=Objective(), fresh=fresh) == []
    for objective in (Objective(), None):
        assert found(trained(each.name), batches, objective=objective) == []


def one_class_a_batch() -> list[Batch]:
    inputs, labels = zip(*healthy("squeeze-excitation").batches(6, 64, 0), strict=True)
    inputs, labels = torch.cat(inputs), torch.cat(labels)
    order = labels.argsort()
    cut = zip(inputs[order].split(96), labels[order].split(96), strict=True)
    return [as_batch(each) for each in cut]


def test_a_loader_sorted_by_class_is_mixed() -> None:
    for name in ("squeeze-excitation", "zero-init-residual", "depthwise-relu6"):
        assert gaps(trained(name), one_class_a_batch(), Objective()) == []
        assert gaps(trained(name), one_class_a_batch(), None) == []


class Dropped(nn.Module):
    """Every way of dropping at random, around a batch norm."""

    def __init__(self, *, by_hand: bool = False) -> None:
        super().__init__()
        self.fc, self.norm, self.head = nn.Linear(16, 64), nn.BatchNorm1d(64), nn.Linear(64, 4)
        self.drop, self.by_hand = nn.Dropout(0.5), by_hand

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.drop(self.norm(self.fc(x)).relu()), 0.5, self.training)
        if self.training:
            x = x * x.new_empty(len(x), 1).bernoulli_(0.5).div_(0.5)
            x = x * torch.bernoulli(torch.full_like(x, 0.5)) * 2
            if self.by_hand:
                x = x * (torch.rand(x.shape) > 0.5) * 2
        return self.head(x)


@pytest.mark.parametrize("by_hand", [False, True])
def test_dropout_is_no_gap(by_hand: bool) -> None:
    each = Healthy("dropped", lambda: Dropped(by_hand=by_hand), healthy("mlp-relu").batches)
    model = each.trained(300)
    batches = [as_batch(one) for one in each.batches(3, 64, 0)]
    assert found(model, batches, objective=Objective()) == []
    assert found(model, batches, objective=None) == []
    facts = measure(model, batches, objective=Objective())
    assert facts.mode_gap.cosine > (0.3 if by_hand else 0.95)
    assert by_hand or facts.mode_gap.repeat_cosine == pytest.approx(1.0)


def test_a_frozen_backbone_under_a_new_head_is_healthy() -> None:
    backbone = networks.healthy()
    model = nn.Sequential(backbone, nn.Linear(8, 8))
    model.requires_grad_(False)
    model[1].requires_grad_(True)
    optimizer = torch.optim.Adam(model[1].parameters(), 0.02)
    for _ in range(60):
        for batch in pictures():
            optimizer.zero_grad()
            F.cross_entropy(model(batch.args[0]), batch.target).backward()
            optimizer.step()
    assert found(model, pictures(), objective=Objective()) == []


def test_what_cannot_be_compared_is_skipped_with_the_reason() -> None:
    rule, model = "train-eval-gap", networks.healthy()
    assert "random" in skipped(model, pictures(), rule, synthetic=True)
    assert "fresh" in skipped(model, pictures(), rule, fresh=True)
    few = [as_batch((pictures()[0].args[0][:8], pictures()[0].target[:8]))]
    assert "8 samples" in skipped(model, few, rule)
    plain = networks.healthy_convnext()
    assert "running statistics" in skipped(plain, pictures(), rule)
    untouched = networks.healthy(trained=False)
    assert "as they were made" in skipped(untouched, pictures(), rule)


def test_statistics_that_were_reset_are_found_where_the_network_has_learnt() -> None:
    model = networks.healthy()
    for norm in norms(model):
        norm.reset_running_stats()
    assert len(gaps(model, pictures(), Objective())) == 1
    strangers = [Batch(each.args, {}, each.target.roll(5), each.size) for each in pictures()]
    assert "as they were made" in skipped(model, strangers, "train-eval-gap")


def test_the_model_and_the_random_states_are_left_as_they_were() -> None:
    model = networks.healthy()
    before, random = fingerprint(model), torch.get_rng_state()
    measure(model, pictures(), objective=Objective())
    assert fingerprint(model) == before
    assert torch.equal(random, torch.get_rng_state())


def test_the_norms_statistics_equal_those_computed_in_numpy() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5)))
    model[1].running_mean.uniform_(-1, 1)
    model[1].running_var.uniform_(0.5, 2)
    (batch,) = noise(3, 8, 8, count=1)
    with torch.no_grad():
        given = model[0](batch.args[0]).double().numpy()
    mean, variance = (
        each.double().numpy() for each in (model[1].running_mean, model[1].running_var)
    )
    shift = np.abs(given.mean((0, 2, 3)) - mean) / np.sqrt(variance + 1e-5)
    stretch = np.sqrt((given.var((0, 2, 3)) + 1e-5) / (variance + 1e-5))
    gap = measure(model, [batch], objective=None, fresh=False).mode_gap
    assert isinstance(gap, ModeGap)
    (norm,) = gap.norms
    assert (norm.path, norm.values, gap.samples) == ("1", 32 * 36, 32)
    assert norm.shift == pytest.approx(np.median(shift), rel=1e-4)
    assert norm.stretch == pytest.approx(np.median(stretch), rel=1e-4)
    assert norm.mismatch == pytest.approx((shift + np.abs(np.log(stretch))).mean(), rel=1e-4)
    normed = [
        (given - m) / np.sqrt(v + 1e-5)
        for m, v in (
            (mean.reshape(1, 5, 1, 1), variance.reshape(1, 5, 1, 1)),
            (given.mean((0, 2, 3), keepdims=True), given.var((0, 2, 3), keepdims=True)),
        )
    ]
    a, b = ((each - each.mean(0)).ravel() for each in normed)
    assert gap.cosine == pytest.approx(a @ b / np.sqrt(a @ a * (b @ b)), rel=1e-4)
