"""Sick weights are found and rightly named; weights that only look sick raise no alarm."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import netdoctor
from netdoctor.report import Finding, Severity
from tests.healthy import HEALTHY, Healthy, healthy


def findings(weights: Any, **options: Any) -> list[Finding]:
    return list(netdoctor.kernels(weights, **options).findings)


def alarms(weights: Any) -> list[tuple[str, str]]:
    found = findings(weights)
    return [(each.code, each.subject) for each in found if each.severity is not Severity.INFO]


def convolutional(norm: bool = True) -> nn.Sequential:
    """A small network whose weights do not look as drawn, as after training."""
    source = torch.Generator().manual_seed(0)
    layers: list[nn.Module] = []
    for before, after in ((3, 24), (24, 24), (24, 24)):
        layers += [nn.Conv2d(before, after, 3)]
        layers += [nn.BatchNorm2d(after), nn.ReLU()] if norm else [nn.ReLU()]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 50))
    with torch.no_grad():
        for name, each in model.named_parameters():
            if each.ndim > 1:
                drawn = torch.randn(each.shape, generator=source)
                each.copy_(drawn * drawn.abs() * (each[0].numel() ** -0.5) * 0.7)
            elif "bias" in name:
                each.normal_(0, 0.1, generator=source)
        for name, each in model.named_buffers():
            if "running_mean" in name:
                each.normal_(generator=source)
            elif "running_var" in name:
                each.uniform_(0.5, 2, generator=source)
    return model.eval()


def wiped(model: nn.Sequential) -> None:
    model[3].weight.zero_()


def zero_head(model: nn.Sequential) -> None:
    model[-1].weight.zero_()


def constant(model: nn.Sequential) -> None:
    model[3].weight.fill_(0.05)


def dead_before_norm(model: nn.Sequential) -> None:
    model[3].weight[:6] = 0


def copies(model: nn.Sequential) -> None:
    model[3].weight[:8] = model[3].weight[20]


def all_alike(model: nn.Sequential) -> None:
    model[-1].weight.copy_(model[-1].weight[:1].expand_as(model[-1].weight).clone())


def flipped_bit(model: nn.Sequential) -> None:
    model[3].weight[0, 0, 0, 0] = 1e30


def infinite(model: nn.Sequential) -> None:
    model[3].weight[0, 0, 0, 0] = -torch.inf


def negative(model: nn.Sequential) -> None:
    model[4].running_var[2] = -0.1


def vanished(model: nn.Sequential) -> None:
    model[4].running_var.fill_(1e-14)


SICK = [
    (wiped, "WGT002", "3.weight"), (zero_head, "WGT002", "11.weight"),
    (constant, "WGT003", "3.weight"), (dead_before_norm, "WGT004", "3.weight"),
    (copies, "WGT005", "3.weight"), (all_alike, "WGT005", "11.weight"),
    (flipped_bit, "WGT006", "3.weight"), (infinite, "WGT001", "3.weight"),
    (negative, "WGT007", "4"), (vanished, "WGT007", "4"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "code", "where"), SICK, ids=[each[0].__name__ for each in SICK])
@pytest.mark.parametrize("stored", [False, True], ids=["model", "file"])
def test_each_fault_is_found_and_is_the_only_one(
    fault: Callable[[nn.Sequential], None], code: str, where: str, stored: bool
) -> None:
    model = convolutional()
    assert alarms(model.state_dict() if stored else model) == []
    with torch.no_grad():
        fault(model)
    assert alarms(model.state_dict() if stored else model) == [(code, where)]


def test_filters_shrunk_to_nothing_count_only_where_no_norm_follows() -> None:
    for norm, expected in ((True, []), (False, [("WGT004", "2.weight")])):
        model = convolutional(norm)
        with torch.no_grad():
            model[3 if norm else 2].weight[:6] *= 1e-5
        assert alarms(model) == expected


def test_weights_drawn_without_regard_to_the_fan_in_are_out_of_scale() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(200, 100), nn.ReLU(), nn.Linear(100, 10))
    nn.init.normal_(model[0].weight)
    assert alarms(model) == [("WGT006", "0.weight")]
    nn.init.kaiming_normal_(model[0].weight)
    assert alarms(model) == []


def moved(*layers: nn.Module) -> nn.Sequential:
    """Layers whose weights follow no distribution of fresh ones, as after training."""
    torch.manual_seed(0)
    model = nn.Sequential(*layers)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(each + 2 * each.std() * torch.rand(each.shape).pow(6))
    return model


def four_layers() -> nn.Sequential:
    sizes = [nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64)]
    return moved(*sizes, nn.ReLU(), nn.Linear(64, 10))


@pytest.mark.parametrize(("place", "factor"), [(0, 100), (2, 100), (6, 100), (0, 1e-3), (4, 1e-3)])
def test_a_weight_far_from_the_scale_of_the_others_is_told(place: int, factor: float) -> None:
    model = four_layers()
    assert alarms(model) == []
    with torch.no_grad():
        model[place].weight *= factor
    (found,) = findings(model)
    assert (found.code, found.subject) == ("WGT006", f"{place}.weight")
    assert found.evidence["measured"] == pytest.approx(factor, rel=0.7)


def test_small_last_layers_and_layers_that_started_at_zero_are_quiet() -> None:
    model = four_layers()
    with torch.no_grad():
        model[6].weight *= 1e-3  # as small as its targets
        model[2].weight *= 1e-3
        model[2].bias *= 1e-3  # a gate that has just begun to open
    assert alarms(model) == []


def test_the_scale_of_a_frozen_projection_is_chosen() -> None:
    model = four_layers()
    with torch.no_grad():
        model[0].weight *= 60
    assert alarms(model) == [("WGT006", "0.weight")]
    model[0].requires_grad_(False)
    assert alarms(model) == []


def test_a_new_head_on_a_trained_network_is_an_info() -> None:
    model = convolutional()
    model[-1] = nn.Linear(24, 100)
    (found,) = findings(model)
    assert (found.code, found.severity, found.subject) == ("WGT008", Severity.INFO, "11.weight")


def test_gates_that_start_at_zero_alarm_only_where_their_like_have_moved() -> None:
    model = convolutional()
    model.add_module("adapters", nn.ModuleList(
        nn.ModuleDict({"lora_A": nn.Linear(24, 4, False), "lora_B": nn.Linear(4, 24, False)})
        for _ in range(2)
    ))  # fmt: skip
    with torch.no_grad():
        for each in model.adapters:
            each["lora_B"].weight.zero_()
        assert alarms(model) == []
        assert [each.code for each in findings(model)] == ["WGT002"]
        model.adapters[0]["lora_B"].weight.normal_(0, 0.1)
    assert alarms(model) == [("WGT002", "adapters.1.lora_B.weight")]


def test_pruned_networks_are_quiet() -> None:
    model = convolutional()
    for at in (0, 3, 6):
        prune.ln_structured(model[at], "weight", amount=0.5, n=2, dim=0)
    assert alarms(model) == []
    for at in (0, 3, 6):
        prune.remove(model[at], "weight")
    assert alarms(model) == []


def averaging(model: nn.Sequential) -> None:
    model[0] = nn.Conv2d(24, 24, 3, groups=24)
    model[0].weight.fill_(1 / 9)


def frozen_filter(model: nn.Sequential) -> None:
    model[-1].weight.fill_(0.1)
    model[-1].weight.requires_grad_(False)


def shuffled(model: nn.Sequential) -> None:
    model[3].weight.copy_(model[3].weight[:6].repeat_interleave(4, 0))


def mask(model: nn.Sequential) -> None:
    model.register_buffer("mask", torch.full((4, 4), -torch.inf).triu(1))


def halved(model: nn.Sequential) -> None:
    model.half()


def binary(model: nn.Sequential) -> None:
    for at in (0, 3, 6):
        model[at].weight.sign_()


def emptied_by_decay(model: nn.Sequential) -> None:
    model[3].weight.mul_(1e-10)
    model[4].running_var.fill_(1e-20)


@pytest.mark.parametrize(
    "change", [averaging, frozen_filter, shuffled, mask, halved, binary, emptied_by_decay]
)
def test_what_only_looks_sick_is_quiet(change: Callable[[nn.Sequential], None]) -> None:
    model = convolutional()
    with torch.no_grad():
        change(model)
    assert alarms(model) == []


@pytest.mark.parametrize("one", HEALTHY, ids=[each.name for each in HEALTHY])
def test_fresh_networks_raise_no_alarm(one: Healthy) -> None:
    for seed in range(2):
        model = one.fresh(seed)
        assert alarms(model) == []
        assert alarms(model.state_dict()) == []


@pytest.mark.slow
@pytest.mark.parametrize("one", HEALTHY, ids=[each.name for each in HEALTHY])
def test_trained_networks_raise_no_alarm(one: Healthy) -> None:
    model = one.trained()
    assert alarms(model) == []
    assert alarms(copy.deepcopy(model).half().state_dict()) == []


@pytest.mark.filterwarnings("ignore")
def test_a_network_with_quantised_layers_is_quiet() -> None:
    dynamic = torch.ao.quantization.quantize_dynamic(convolutional(), {nn.Linear})
    assert alarms(dynamic) == []


def test_a_trained_network_tells_of_a_layer_that_was_wiped() -> None:
    model = healthy("unet").trained(20)
    with torch.no_grad():
        model.middle[0][0].weight.zero_()
    assert ("WGT002", "middle.0.0.weight") in alarms(model)


def test_a_network_that_was_wiped_is_one_finding() -> None:
    model = healthy("unet").trained(20)
    with torch.no_grad():
        for each in model.parameters():
            if each.ndim > 1:
                each.zero_()
    errors = [each for each in findings(model) if each.severity is Severity.ERROR]
    assert [each.code for each in errors] == ["WGT002"]
    assert "more weights" in errors[0].message
