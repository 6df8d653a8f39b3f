"""The gradient probe against a slow double-precision version, and what it leaves behind."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.gradflow import GradientFacts, ParameterGradient
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.gradflow import measure
from netdoctor.probes.gradient_passes import Options
from tests.healthy import healthy
from tests.observe.state import fingerprint
from tests.probes import gradient_networks as nets
from tests.probes.gradient_networks import Two, batches


def flow(model: nn.Module, given: list[Batch] | None = None, **options: Any) -> GradientFacts:
    return measure(model, given or batches(), Objective(seed=0), Options(**options))


def parameter(facts: GradientFacts, name: str) -> ParameterGradient:
    return next(each for each in facts.parameters if each.name == name)


def slow_gradients(model: nn.Module, given: list[Batch]) -> list[dict[str, Tensor]]:
    """The gradients of each batch in float64, one after another."""
    model = copy.deepcopy(model).train()
    found = []
    for batch in given:
        model.zero_grad()
        F.cross_entropy(model(*batch.args), batch.target).backward()
        found.append({name: each.grad.double() for name, each in model.named_parameters()})
    return found


@pytest.mark.parametrize("name", ["mlp-relu", "depthwise-relu6", "transformer", "gru"])
def test_every_statistic_is_that_of_the_slow_version(name: str) -> None:
    each = healthy(name)
    model = each.fresh()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, nn.MultiheadAttention):
            module.dropout = 0.0
    given = [Batch((x,), {}, y, 16) for x, y in each.batches(4, 16, 0)]
    slow, facts = slow_gradients(model, given), flow(model, given)
    assert {each.name for each in facts.parameters} == set(slow[0])
    for measured in facts.parameters:
        all_of = torch.stack([batch[measured.name] for batch in slow])
        norms = all_of.flatten(1).norm(dim=1)
        assert measured.norm == pytest.approx(float(norms.mean()), rel=1e-5)
        assert measured.mean == pytest.approx(float(all_of.abs().mean()), rel=1e-5)
        assert measured.maximum == pytest.approx(float(all_of.abs().max()), rel=1e-6)
        assert measured.batches == 4
        spread = float(all_of.var(0).sum().sqrt())
        assert measured.signal == pytest.approx(float(all_of.mean(0).norm()) / spread, rel=1e-3)


def test_large_and_oddly_laid_out_gradients_are_read_right() -> None:
    class Large(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(700, 1000))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            hidden = torch.relu(self.weight * x).reshape(10, 70, 10, 100)
            return {"loss": (hidden.to(memory_format=torch.channels_last) * 3).square().sum()}

    model, source = Large(), torch.Generator().manual_seed(0)
    x = torch.randn(700, 1000, generator=source)
    facts = flow(model, [Batch((x,), {}, None, 700)])
    model(x)["loss"].backward()
    wanted = model.weight.grad.double()
    assert facts.parameters[0].norm == pytest.approx(float(wanted.norm()), rel=1e-5)
    assert facts.parameters[0].mean == pytest.approx(float(wanted.abs().mean()), rel=1e-5)
    assert facts.parameters[0].maximum == pytest.approx(float(wanted.abs().max()))
    with torch.no_grad():
        of_relu = 18 * torch.relu(x).double()
    assert facts.calls[0].norm == pytest.approx(float(of_relu.norm()), rel=1e-5)


@pytest.mark.parametrize("scale", [1e-25, 1.0, 1e25])
def test_norms_are_right_where_squares_have_no_number_in_float32(scale: float) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(30, 20))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": (self.weight * x).sum() * scale}

    x = torch.randn(30, 20, generator=torch.Generator().manual_seed(0))
    facts = flow(Scaled(), [Batch((x,), {}, None, 30)])
    wanted = (x * scale).double()
    assert facts.parameters[0].norm == pytest.approx(float(wanted.norm()), rel=1e-5)
    assert facts.parameters[0].mean == pytest.approx(float(wanted.abs().mean()), rel=1e-5)


def test_the_gradient_of_every_activation_call_is_that_of_autograd() -> None:
    model, (batch, *_) = Two(), batches(1)
    hidden = F.relu(model.first(batch.args[0]))
    again = F.relu(model.second(hidden))
    loss = F.cross_entropy(model.head(again), batch.target)
    wanted = torch.autograd.grad(loss, [hidden, again])
    calls = flow(model, [batch]).calls
    assert [str(call.site) for call in calls] == ["/relu#1", "/relu#2"]
    for call, gradient in zip(calls, wanted, strict=True):
        assert call.norm == pytest.approx(float(gradient.double().norm()), rel=1e-5)
        assert call.mean == pytest.approx(float(gradient.abs().mean()), rel=1e-5)
        assert call.maximum == pytest.approx(float(gradient.abs().max()), rel=1e-6)
    assert [call.after for call in calls] == ["first", "second"]


def test_parameters_come_in_the_order_of_their_use() -> None:
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.middle, self.first = (nn.Linear(16, 16) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.last(self.middle(self.first(x)))

    names = [each.name for each in flow(Backwards()).parameters]
    assert names[::2] == ["first.weight", "middle.weight", "last.weight"]


def test_a_shared_weight_is_one_parameter_with_two_names() -> None:
    tokens = torch.randint(80, (32, 6), generator=torch.Generator().manual_seed(0))
    facts = flow(nets.Tied(), [Batch((tokens,), {}, tokens[:, 0], 32)])
    (shared,) = [each for each in facts.parameters if each.also]
    assert (shared.name, shared.also) == ("embed.weight", ("head.weight",))
    assert len(facts.parameters) == 3


def test_sparse_gradients_are_measured_too() -> None:
    model = nets.Tied(sparse=True)
    tokens = torch.randint(80, (32, 6), generator=torch.Generator().manual_seed(0))
    facts = flow(model, [Batch((tokens,), {}, tokens[:, 0], 32)])
    F.cross_entropy(model(tokens), tokens[:, 0]).backward()
    wanted = model.embed.weight.grad.to_dense().double().norm()
    assert parameter(facts, "embed.weight").norm == pytest.approx(float(wanted), rel=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_the_update_ratio_is_that_of_the_optimisers_first_step(optimizer: str) -> None:
    model, given, rate = Two(), batches(1), 0.01
    facts = flow(model, given, optimizer=optimizer, rate=rate)
    before = {name: each.detach().clone() for name, each in model.named_parameters()}
    made = {
        "sgd": torch.optim.SGD(model.parameters(), rate),
        "adam": torch.optim.Adam(model.parameters(), rate),
        "adamw": torch.optim.AdamW(model.parameters(), rate, weight_decay=0.0),
    }[optimizer]
    F.cross_entropy(model(*given[0].args), given[0].target).backward()
    made.step()
    for name, each in model.named_parameters():
        step = (each.detach() - before[name]).double().norm() / before[name].double().norm()
        assert parameter(facts, name).update_ratio == pytest.approx(float(step), rel=1e-3)
    assert all(each.update_ratio is None for each in flow(Two()).parameters)


def test_batch_norm_uses_the_batch_and_keeps_its_statistics_unless_asked() -> None:
    model = nets.BiasBeforeNorm()
    seen: list[Tensor] = []

    class Spy(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(model.norm.running_mean.clone())
            return x

    model.spy = Spy()
    plain = model.forward
    model.forward = lambda x: model.spy(plain(x))
    evaluation = slow_gradients(nets.BiasBeforeNorm(), batches(1))[0]
    frozen = flow(model)
    assert all(not bool(mean.any()) for mean in seen)
    first = flow(nets.BiasBeforeNorm(), batches(1))
    wanted = float(evaluation["head.weight"].norm())
    assert parameter(first, "head.weight").norm == pytest.approx(wanted, rel=1e-5)
    seen.clear()
    asked = flow(model, update_norms=True)
    assert bool(seen[1].any())
    assert not bool(model.norm.running_mean.any())
    assert parameter(asked, "fc.weight").norm == pytest.approx(
        parameter(frozen, "fc.weight").norm, rel=1e-5
    )


@pytest.mark.parametrize(
    "options", [{}, {"update_norms": True}, {"amp": "bfloat16"}, {"rate": 0.1}]
)
def test_the_model_is_left_as_it_was(options: dict[str, Any]) -> None:
    model = nn.Sequential(nn.Linear(16, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4)).eval()
    model[0].weight.grad = torch.ones(8, 16)
    model[3].weight.requires_grad_(False)
    before = fingerprint(model)
    flow(model, **options)
    assert fingerprint(model) == before


def test_the_model_is_left_as_it_was_after_an_error_and_after_a_search_for_causes() -> None:
    model = Two(lambda h: h.detach()).eval()
    before = fingerprint(model)
    flow(model)
    assert fingerprint(model) == before

    def overwritten(h: Tensor) -> Tensor:
        square = h.exp()
        square.mul_(2)
        return square

    broken = Two(overwritten).eval()
    before = fingerprint(broken)
    with pytest.raises(ModelError, match="backward pass raised"):
        flow(broken)
    assert fingerprint(broken) == before


def test_gradients_are_those_of_one_batch_and_not_of_their_sum() -> None:
    one = batches(1)
    single, again = flow(Two(), one), flow(Two(), one * 3)
    for a, b in zip(single.parameters, again.parameters, strict=True):
        assert a.norm == pytest.approx(b.norm, rel=1e-6)
        assert b.signal == math.inf
    assert again.samples == 96


def test_frozen_parameters_are_told_apart_from_missing_ones() -> None:
    model = Two()
    model.first.requires_grad_(False)
    facts = flow(model)
    states = {each.name: each.state for each in facts.parameters}
    assert states["first.weight"] == states["first.bias"] == "frozen"
    assert states["second.weight"] == "value"
    assert [call.state for call in facts.calls] == ["frozen", "value"]


def test_the_models_own_loss_is_used() -> None:
    given = [
        Batch((), {"x": each.args[0], "labels": each.target}, each.target, 32) for each in batches()
    ]
    own, chosen = flow(nets.OwnLoss(), given), flow(Two())
    assert (own.loss, chosen.loss) == ("own", "cross-entropy")
    assert own.losses == pytest.approx(chosen.losses)
    assert own.expected_loss is None
    assert chosen.expected_loss == pytest.approx(math.log(4))


def test_dense_targets_and_what_to_expect_of_them() -> None:
    images = torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(6, (4, 5, 5), generator=torch.Generator().manual_seed(1))
    facts = flow(nn.Conv2d(3, 6, 1), [Batch((images,), {}, labels, 4)])
    assert facts.expected_loss == pytest.approx(math.log(6))
    target = torch.randn(32, 4, generator=torch.Generator().manual_seed(2)) * 3
    given = [Batch(batches(1)[0].args, {}, target, 32)]
    regression = flow(Two(), given)
    assert (regression.loss, regression.expectation) == ("mse", "the targets' variance")
    assert regression.expected_loss == pytest.approx(float(target.var(correction=0)), rel=1e-5)


def test_without_targets_they_are_random_and_nothing_is_expected() -> None:
    facts = flow(Two(), [Batch(each.args, {}, None, 32) for each in batches()])
    assert facts.random_targets
    assert facts.expected_loss is None
    assert {each.state for each in facts.parameters} == {"value"}


def test_the_loss_scale_of_mixed_precision_is_taken_out() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    plain = flow(model)
    for amp in ("float16", "bfloat16"):
        mixed = flow(model, amp=amp)
        assert mixed.scale == (2.0**16 if amp == "float16" else 1.0)
        for a, b in zip(plain.parameters, mixed.parameters, strict=True):
            assert b.norm == pytest.approx(a.norm, rel=0.05)
        assert mixed.calls[0].norm == pytest.approx(plain.calls[0].norm, rel=0.05)


def test_an_overflow_lowers_the_scale_and_is_counted() -> None:
    class Steep(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.fc, self.head = nn.Linear(16, 32), nn.Linear(32, 4)

        def forward(self, x: Tensor) -> Tensor:
            return 300 * self.head(torch.relu(self.fc(x)))

    facts = flow(Steep(), amp="float16")
    assert facts.overflows >= 1
    assert facts.scale == 2.0 ** (16 - facts.overflows)
    assert {each.state for each in facts.parameters} == {"value"}
    plain = flow(Steep())
    for a, b in zip(plain.parameters, facts.parameters, strict=True):
        assert b.norm == pytest.approx(a.norm, rel=0.1)


def test_what_float16_would_lose_without_a_scale_is_counted() -> None:
    class Faint(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(10))
            self.factor = torch.tensor([factor] * 4 + [1.0] * 4 + [0.0] * 2)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"loss": (self.weight * self.factor).sum() + 0 * x.sum()}

    given = [Batch((torch.ones(4),), {}, None, 4)]
    assert flow(Faint(1e-8), given, amp="float16").parameters[0].underflow == 0.5
    assert flow(Faint(1e-3), given, amp="float16").parameters[0].underflow == 0.0
    assert flow(Faint(1e-8), given).parameters[0].underflow is None


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions_are_measured(dtype: torch.dtype) -> None:
    given = [Batch((each.args[0].to(dtype),), {}, each.target, 32) for each in batches()]
    plain, other = flow(Two()), flow(Two().to(dtype), given)
    for a, b in zip(plain.parameters, other.parameters, strict=True):
        assert b.norm == pytest.approx(a.norm, rel=0.1)


def test_lazy_layers_and_parametrised_weights() -> None:
    torch.manual_seed(0)
    lazy = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(4))
    assert {each.state for each in flow(lazy).parameters} == {"value"}
    normed = nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Linear(16, 8)), nn.ReLU(), nn.Linear(8, 4)
    )
    facts = flow(normed)
    assert {each.state for each in facts.parameters} == {"value"}
    assert facts.parameters[0].name.startswith("0.")
