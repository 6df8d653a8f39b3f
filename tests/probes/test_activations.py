"""The probe and its rules together: faults found and named, the healthy left alone."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.activations import ActivationFacts
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.probes.activations import measure
from netdoctor.report import Finding
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from tests.healthy import HEALTHY, Healthy
from tests.probes.networks import FORMS, ConvStage, Three


def noise(*shape: int, samples: int = 320, batch: int = 32) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    return [as_batch(x) for x in torch.randn(samples, *shape, generator=generator).split(batch)]


def judged(facts: ActivationFacts, command: str = "activations") -> Judgement:
    return judge(facts, rules_of(command))


def alarms(model: nn.Module, batches: list[Batch], **state: Any) -> list[Finding]:
    found = judged(measure(model, batches, every_module=True, **state)).findings
    return [finding for finding in found if finding.severity != "info"]


def seeded(factory: Any, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    model: nn.Module = factory().eval()
    return model


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("number", "synthetic"), [(1, False), (2, True), (3, False)])
def test_a_layer_with_its_bias_pushed_down_is_found(
    form: str, number: int, synthetic: bool
) -> None:
    make, site = FORMS[form]
    model = seeded(lambda: Three(make()))
    layer = getattr(model, f"fc{number}")
    nn.init.constant_(layer.bias, -100.0)
    (finding,) = alarms(model, noise(10), synthetic=synthetic)
    assert (finding.code, finding.subject) == ("ACT001", site.format(number))
    assert f"fc{number}" in finding.message
    assert finding.evidence["samples"] == 320


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_networks_are_healthy_as_they_are(form: str, seed: int) -> None:
    assert alarms(seeded(lambda: Three(FORMS[form][0]()), seed), noise(10)) == []


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_a_dead_stage_behind_a_norm_is_found_and_its_heirs_are_not_blamed(
    in_place: bool, memory: torch.memory_format
) -> None:
    model = seeded(lambda: ConvStage(in_place=in_place)).to(memory_format=memory)
    nn.init.constant_(model.stages[1][1].bias, -50.0)
    batches = [
        as_batch(each.args[0].to(memory_format=memory)) for each in noise(3, 16, 16, samples=64)
    ]
    (finding,) = alarms(model, batches)
    assert (finding.code, finding.subject) == ("ACT001", "stages.1.2#1")
    assert finding.evidence["consequences"] == ["stages.2.2#1"]


@pytest.mark.parametrize(("share", "severity"), [(0.75, "warning"), (0.95, "error")])
def test_partly_dead_layers_are_found_with_their_units(share: float, severity: str) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 4)))
    dead = torch.randperm(40)[: int(40 * share)].sort().values
    with torch.no_grad():
        model[0].bias[dead] = -100.0
    facts = measure(model, noise(10))
    (finding,) = judged(facts).findings
    assert (finding.code, finding.severity.value) == ("ACT002", severity)
    assert np.flatnonzero(facts.calls[0].units.dead).tolist() == dead.tolist()


@pytest.mark.parametrize(
    ("activation", "site"), [(nn.Tanh, "activation#2"), (nn.Sigmoid, "activation#2")]
)
def test_saturated_layers_are_found(activation: Any, site: str) -> None:
    model = seeded(lambda: Three(activation()))
    with torch.no_grad():
        model.fc2.weight *= 200
    assert [(each.code, each.subject) for each in alarms(model, noise(10))] == [("ACT003", site)]


def test_relu6_at_its_upper_bound_is_saturated_and_at_its_lower_dead() -> None:
    model = seeded(lambda: Three(nn.ReLU6()))
    nn.init.constant_(model.fc1.bias, 50.0)
    assert [each.code for each in alarms(model, noise(10))] == ["ACT003"]


def test_a_nan_weight_is_named_at_the_first_call_that_shows_it() -> None:
    model = seeded(lambda: Three(nn.ReLU()))
    with torch.no_grad():
        model.fc2.weight[3, 4] = float("nan")
    facts = measure(model, noise(10), every_module=True)
    (finding,) = judged(facts).findings
    assert (finding.code, finding.subject) == ("NUM001", "fc2#1")
    units = facts.calls[3].units
    assert units is not None
    assert not units.dead[3]  # never finite is not dead


def test_an_infinity_is_named() -> None:
    model = seeded(lambda: Three(nn.ReLU()))
    with torch.no_grad():
        model.fc1.bias[0] = float("inf")
    assert ("NUM002", "fc1#1") in [(each.code, each.subject) for each in alarms(model, noise(10))]


def test_minus_infinity_that_masks_logits_is_no_finding() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits, self.mask = nn.Linear(10, 8), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            return self.mask(self.logits(x).masked_fill(x[:, :8] > 0, float("-inf")))

    assert alarms(seeded(Masked), noise(10)) == []


def test_too_few_samples_are_said_and_not_judged() -> None:
    model = seeded(lambda: Three(nn.ReLU()))
    nn.init.constant_(model.fc3.bias, -100.0)
    verdict = judged(measure(model, noise(10, samples=8)))
    assert verdict.findings == ()
    reasons = {each.rule: each.reason for each in verdict.skipped if each.subject}
    assert "8 samples" in reasons["dead-layer"]


def test_fresh_torchvision_weights_and_random_input_are_skipped_with_the_reason() -> None:
    model = seeded(lambda: Three(nn.ReLU()))
    fresh = judged(measure(model, noise(10), fresh=True))
    assert [(each.rule, each.subject) for each in fresh.skipped] == [("dead-units", None)]
    synthetic = judged(measure(model, noise(10), synthetic=True))
    assert [(each.rule, each.subject) for each in synthetic.skipped] == [("dead-units", None)]


def test_units_known_by_hand() -> None:
    model = nn.Sequential(nn.Linear(2, 4, bias=False), nn.ReLU(), nn.Linear(4, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]]))
    inputs = torch.tensor([[1.0, 2], [2, 3], [-1, 4], [3, 0]])
    (call,) = measure(model, [as_batch(inputs[:1]), as_batch(inputs[1:])]).calls
    assert call.units.fired.tolist() == [3, 1, 3, 0]
    assert call.units.dead.tolist() == [False, False, False, True]
    assert call.units.dead_positions == 0.25
    assert call.moments.mean == pytest.approx((1 + 2 + 3 + 1 + 2 + 3 + 4) / 16)


def test_positions_are_pooled_unless_asked_for() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(8, 1))
    with torch.no_grad():
        model[0].weight.fill_(1.0)
        model[0].bias.zero_()
    inputs = torch.tensor([[[[1.0, -1], [-1, -1]]], [[[-1.0, 1], [-1, -1]]]])
    pooled = measure(model, [as_batch(inputs)]).calls[0].units
    assert (pooled.count, pooled.positions, pooled.dead_positions) == (2, 4, 0.5)
    strict = measure(model, [as_batch(inputs)], per_position=True).calls[0].units
    assert (strict.count, int(strict.dead.sum()), strict.fired.tolist()) == (8, 4, [1, 1, 0, 0] * 2)


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_nothing_depends_on_the_batches(batch: int) -> None:
    model = seeded(ConvStage)
    whole = measure(model, noise(3, 12, 12, samples=64, batch=64), detailed=True)
    split = measure(model, noise(3, 12, 12, samples=64, batch=batch), detailed=True)
    for one, other in zip(whole.calls, split.calls, strict=True):
        assert one.units.fired.tolist() == other.units.fired.tolist()
        assert one.units.dead_positions == other.units.dead_positions
        for field in ("mean", "std", "minimum", "maximum"):
            assert getattr(one.moments, field) == pytest.approx(
                getattr(other.moments, field), rel=1e-5, abs=1e-6
            )


def test_a_model_that_raises_is_an_error_with_what_to_do_and_stays_as_it_was() -> None:
    model = seeded(lambda: Three(nn.ReLU())).train()
    with pytest.raises(ModelError, match=r"float32 \(32, 11\).*mat1 and mat2.*networks.py:\d+"):
        measure(model, noise(11))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("healthy", HEALTHY, ids=[each.name for each in HEALTHY])
@pytest.mark.parametrize("trained", [False, True], ids=["fresh", "trained"])
@pytest.mark.parametrize("synthetic", [False, True], ids=["data", "noise"])
def test_healthy_networks_raise_no_alarm(healthy: Healthy, trained: bool, synthetic: bool) -> None:
    model = _trained(healthy.name) if trained else healthy.fresh()
    batches = [as_batch(inputs) for inputs, _ in healthy.batches(10, 32, 99)]
    if synthetic:
        generator = torch.Generator().manual_seed(1)
        batches = [as_batch(_like(each.args[0], generator)) for each in batches]
    assert alarms(model, batches, synthetic=synthetic) == []


@functools.cache
def _trained(name: str) -> nn.Module:
    return next(each for each in HEALTHY if each.name == name).trained()


def _like(inputs: Any, generator: torch.Generator) -> Any:
    if not isinstance(inputs, Tensor):
        return type(inputs)(_like(each, generator) for each in inputs)
    if not inputs.is_floating_point():
        return inputs
    return torch.randn(inputs.shape, generator=generator)
