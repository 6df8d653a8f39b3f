"""Weights measured, against slow versions and by hand."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from netdoctor.facts.weights import TensorFacts, WeightFacts
from netdoctor.probes.filters import effective_rank, measure_filters
from netdoctor.probes.initial_values import random_distribution
from netdoctor.probes.weight_roles import role_by_name
from netdoctor.probes.weights import measure, output_first


def by_name(facts: WeightFacts) -> dict[str, TensorFacts]:
    return {each.name: each for each in facts.tensors}


def test_moments_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(1e4, 0.1, (7, 11)).astype(np.float32)
    values[0, 0], values[1, 1], values[2, 2], values[3, 3] = np.nan, np.inf, -np.inf, 0
    one = by_name(measure({"fc.weight": values}))["fc.weight"]
    finite = values[np.isfinite(values)].astype(np.float64)
    assert (one.nan, one.inf, one.negative_inf, one.zeros, one.tiny) == (1, 2, 1, 1, 1)
    assert (one.minimum, one.maximum) == (finite.min(), finite.max())
    assert one.mean == pytest.approx(finite.mean(), rel=1e-12)
    assert one.std == pytest.approx(finite.std(), rel=1e-12)
    assert one.norm == pytest.approx(np.linalg.norm(finite), rel=1e-12)
    assert one.filters is None


@pytest.mark.parametrize("shape", [(20, 30), (64, 9), (5, 5), (3, 200)])
def test_effective_rank_is_that_of_the_singular_values(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(1).normal(size=shape)
    singular = np.linalg.svd(values, compute_uv=False)
    share = singular / singular.sum()
    slow = math.exp(-(share * np.log(share)).sum())
    assert effective_rank(torch.from_numpy(values)) == pytest.approx(slow, rel=1e-6)
    one = torch.outer(torch.arange(1.0, 9), torch.ones(12))
    assert effective_rank(one) == pytest.approx(1, abs=1e-3)
    assert math.isnan(effective_rank(torch.zeros(4, 4)))


def slow_groups(filters: Tensor, groups: int = 1, least: float = 0.99) -> set[frozenset[int]]:
    """Pairs by comparing each filter with each other, joined until nothing changes."""
    flat = filters.double()
    sets = [{each} for each in range(len(flat))]
    size = len(flat) // groups
    for a in range(len(flat)):
        for b in range(a):
            cosine = flat[a] @ flat[b] / (flat[a].norm() * flat[b].norm())
            if a // size == b // size and cosine > least:
                one = next(each for each in sets if a in each)
                other = next(each for each in sets if b in each)
                if one is not other:
                    sets.remove(other)
                    one |= other
    return {frozenset(each) for each in sets if len(each) > 1}


@pytest.mark.parametrize(("elements", "groups"), [(12, 1), (400, 1), (400, 2)])
def test_copies_are_those_that_comparing_all_pairs_finds(elements: int, groups: int) -> None:
    source = torch.Generator().manual_seed(3)
    filters = torch.randn(40, elements, generator=source)
    filters[7] = 3 * filters[2]
    filters[31] = filters[2]
    filters[12] = -filters[11]
    filters[22] = filters[21] + 0.02 * torch.randn(elements, generator=source)
    found = measure_filters(filters, groups=groups).duplicates
    slow = slow_groups(filters, groups)
    assert {frozenset(group) for group in found} == slow
    assert any({2, 7} <= group for group in slow)


def test_many_filters_are_compared_for_exact_copies_only() -> None:
    filters = torch.randn(9000, 10, generator=torch.Generator().manual_seed(0))
    filters[8000] = filters[5]
    assert measure_filters(filters).duplicates == ((5, 8000),)


def test_dead_and_quantised_filters_are_no_copies() -> None:
    filters = torch.randn(16, 20, generator=torch.Generator().manual_seed(0))
    filters[:3] = 0
    assert measure_filters(filters).duplicates == ()
    assert measure_filters(filters.sign().repeat(40, 1)).duplicates == ()
    assert measure_filters(torch.full((4, 9), 0.5)).duplicates == ((0, 1, 2, 3),)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_transposed_convolutions_filters_are_by_output_channel(groups: int) -> None:
    layer = nn.ConvTranspose2d(8, 12, 3, groups=groups, bias=False)
    filters = output_first(layer.weight, groups)
    assert filters.shape == (12, 8 // groups, 3, 3)
    with torch.no_grad():
        layer.weight.zero_()
        output_first(layer.weight, groups)  # a copy or a view: written through the slow way
        for group in range(groups):
            layer.weight[group * (8 // groups) : (group + 1) * (8 // groups), 1] = 1
    norms = by_name(measure(layer))["weight"].filters
    assert norms is not None
    alive = layer(torch.ones(1, 8, 4, 4))[0].abs().sum((1, 2)) > 0
    assert np.array_equal(norms.norms > 0, alive.numpy())


def test_the_roles_of_a_model_and_of_its_state_dict_agree() -> None:
    model = nn.ModuleDict({
        "conv": nn.Conv2d(3, 8, 3), "bn": nn.BatchNorm2d(8), "fc": nn.Linear(8, 4),
        "emb": nn.Embedding(10, 4), "rnn": nn.LSTM(4, 4), "attn": nn.MultiheadAttention(4, 2),
        "norm": nn.LayerNorm(4), "act": nn.PReLU(4), "up": nn.ConvTranspose1d(4, 4, 2),
    })  # fmt: skip
    live, stored = by_name(measure(model)), by_name(measure(model.state_dict()))
    assert {name: each.role for name, each in live.items()} == {
        name: each.role for name, each in stored.items()
    }
    assert live["rnn.weight_hh_l0"].role == "recurrent"
    assert live["act.weight"].role == "other"
    assert live["bn.running_var"].role == "running variance"
    assert role_by_name("attn.bias", (1, 1, 8, 8)) == "other"


def test_what_follows_is_told_only_where_it_is_known() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 4))
    found = by_name(measure(model))
    assert found["0.weight"].filters is not None
    assert found["0.weight"].filters.follows_norm is True
    assert found["3.weight"].filters is not None
    assert found["3.weight"].filters.follows_norm is None
    alone = by_name(measure(nn.Sequential(nn.Linear(4, 4))))["0.weight"].filters
    assert alone is not None
    assert alone.follows_norm is False


def test_odd_tensors_are_measured_or_named() -> None:
    tensors = {
        "half.weight": torch.ones(4, 4, dtype=torch.float16),
        "brain.weight": torch.ones(4, 4, dtype=torch.bfloat16),
        "eight.weight": torch.ones(4, 4).to(torch.float8_e4m3fn),
        "whole": torch.arange(4),
        "complex": torch.tensor([3 + 4j]),
        "empty.weight": torch.zeros(0, 4),
        "scalar": torch.tensor(2.0),
        "meta.weight": torch.zeros(4, 4, device="meta"),
        "sparse.weight": torch.eye(4).to_sparse(),
        "no tensor": "text",
    }
    facts = measure(tensors)
    found = by_name(facts)
    assert {each.subject for each in facts.not_examined} == {"meta.weight", "sparse.weight"}
    assert {found[f"{name}.weight"].norm for name in ("half", "brain", "eight")} == {4.0}
    assert (found["whole"].maximum, found["complex"].norm, found["scalar"].constant) == (
        3,
        5,
        False,
    )
    assert math.isnan(found["empty.weight"].norm)
    lazy = measure(nn.LazyLinear(3))
    assert {each.subject for each in lazy.not_examined} == {"weight", "bias"}


def test_tied_weights_are_told_and_the_model_is_left_alone() -> None:
    model = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 50, bias=False))
    model[1].weight = model[0].weight
    before = copy.deepcopy(model.state_dict())
    assert by_name(measure(model))["1.weight"].tied == "0.weight"
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert model[0].weight.grad is None


def test_fresh_weights_look_drawn_and_changed_ones_do_not() -> None:
    torch.manual_seed(0)
    layers = [nn.Linear(100, 60) for _ in range(40)] + [nn.Embedding(100, 60) for _ in range(40)]
    drawn = [
        random_distribution(layer.weight.detach().double().numpy().ravel()) for layer in layers
    ]
    assert sum(bool(each) for each in drawn) >= 78
    assert all(each.startswith("uniform within ±") for each in drawn[:40] if each)
    values = layers[0].weight.detach().double().numpy().ravel()
    noise = np.random.default_rng(0).standard_t(3, values.shape)
    assert random_distribution(values + 0.05 * noise) == ""
    assert random_distribution(values + 0.05) == ""
    truncated = nn.init.trunc_normal_(torch.empty(20_000), std=0.02, a=-0.04, b=0.04)
    assert "truncated" in (random_distribution(truncated.double().numpy()) or "")
    assert random_distribution(values[:400]) is None
    assert random_distribution(np.zeros(5000)) is None
