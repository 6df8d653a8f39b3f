"""Sick gradients are found and rightly named, healthy ones are not: by the whole command's API."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import netdoctor
from netdoctor.errors import ModelError, NetDoctorError, NothingExaminedError, UsageError
from netdoctor.inputs.model import LoadedModel
from netdoctor.report import Finding, Report
from sample_models import networks, shapes
from tests.healthy import HEALTHY, Healthy
from tests.probes import gradient_networks as nets
from tests.probes.gradient_networks import Two, batches, deep, gain, spread, zeros

HERE = "tests.probes.test_gradient_faults"


def examined(
    model: nn.Module, data: Any = None, *, fresh: bool | None = None, **options: Any
) -> Report:
    loaded = LoadedModel(model, type(model).__name__, torch.device("cpu"), fresh=fresh)
    return netdoctor.gradflow(loaded, batches() if data is None else data, **options)


def alarms(report: Report) -> list[tuple[str, str]]:
    """Code and severity of all that is worse than information."""
    found = [(each.code, each.severity.value) for each in report.findings]
    return [each for each in found if each[1] != "info"]


def only(report: Report) -> Finding:
    (finding,) = report.findings
    return finding


def reasons(report: Report, rule: str) -> set[str]:
    return {each.reason for each in report.skipped if each.rule == rule}


# GRD001, GRD002: along the depth


@pytest.mark.parametrize(
    "model",
    [
        deep(20, nn.Sigmoid),
        deep(10, nn.Sigmoid),
        deep(20, nn.Tanh, spread(0.01)),
        deep(20, nn.Tanh, gain(0.01)),
        deep(20, nn.ReLU, spread(0.01)),
        deep(8, nn.Tanh, spread(0.01)),
    ],
    ids=["sigmoid 20", "sigmoid 10", "tanh", "tanh without biases", "relu", "tanh 8"],
)
def test_a_gradient_that_fades_over_the_layers(model: nn.Module) -> None:
    report = examined(model)
    assert alarms(report) == [("GRD001", "warning")]
    finding = only(report)
    assert finding.subject == "1#1"
    assert finding.evidence["ratio"] <= 1e-6
    assert "a layer" in finding.message


def test_a_gradient_that_fades_beyond_float32_is_vanishing_and_not_zero() -> None:
    report = examined(deep(20, nn.Tanh, spread(0.001)))
    assert alarms(report) == [("GRD001", "warning")]
    assert "zero before that" in only(report).message
    assert any("fades" in each for each in reasons(report, "zero-gradient"))


def test_one_layer_that_lets_nothing_through_is_named_as_the_place() -> None:
    model = deep(5, nn.Tanh)
    with torch.no_grad():
        model[4].weight.mul_(1e-7)
    finding = only(examined(model))
    assert finding.code == "GRD001"
    assert "between 5#1 and 3#1" in finding.message


@pytest.mark.parametrize(
    "model",
    [deep(10, nn.ReLU, gain(3.0)), deep(6, nn.ReLU, gain(3.0)), deep(20, nn.Tanh, gain(3.0))],
    ids=["relu 10", "relu 6", "tanh 20"],
)
def test_a_gain_of_three_explodes(model: nn.Module) -> None:
    report = examined(model)
    first, *others = report.findings
    assert (first.code, first.severity.value) == ("GRD002", "warning")
    assert first.evidence["per_layer"] > 1.3
    assert {each.code for each in others} <= {"GRD006"}  # the loss of exploded logits


@pytest.mark.parametrize(
    "model",
    [
        deep(20, nn.ReLU, gain(2**0.5)),
        deep(10, nn.ReLU),
        deep(20, nn.Tanh),
        deep(20, nn.Tanh, gain(1.0)),
        deep(4, nn.Sigmoid),
        deep(20, nn.GELU, gain(1.5)),
        nets.Vanilla(),
        nets.StemAndScaledBranches(),
        nets.BiasBeforeNorm(),
    ],
    ids=["he", "relu", "tanh", "tanh 1", "sigmoid 4", "gelu", "recurrent", "scaled", "bias"],
)
def test_fresh_networks_without_norms_loops_and_scaled_branches_are_healthy(
    model: nn.Module,
) -> None:
    assert alarms(examined(model, fresh=True)) == []


def mean_of_squares(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target)


def sum_of_losses(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, reduction="sum") * 1000


def tiny_loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target) * 1e-9


@pytest.mark.parametrize("loss", ["sum_of_losses", "tiny_loss"])
def test_the_scale_of_the_loss_changes_no_verdict(loss: str) -> None:
    spec = f"{HERE}:{loss}"
    for model in (deep(10, nn.ReLU), Two(), nets.BiasBeforeNorm()):
        assert alarms(examined(model, loss=spec)) == []
    assert alarms(examined(deep(20, nn.Sigmoid), loss=spec)) == [("GRD001", "warning")]
    assert alarms(examined(deep(10, nn.ReLU, gain(3.0)), loss=spec)) == [("GRD002", "warning")]


# GRD003


def test_a_nan_that_only_backward_makes_is_named_with_its_line() -> None:
    report = examined(nets.RootOfZero())
    assert alarms(report) == [("GRD003", "error")]
    finding = only(report)
    assert "sqrt" in finding.message
    line = next(
        number
        for number, text in enumerate(Path(nets.__file__).read_text().splitlines(), 1)
        if ".sqrt()" in text
    )
    assert finding.evidence["source"] == f"{nets.__file__}:{line}"
    assert set(finding.evidence["names"]) == {"first.weight", "first.bias"}


def test_a_loss_that_is_nan_is_put_down_to_the_forward_pass() -> None:
    model = Two()
    with torch.no_grad():
        model.second.weight[0, 0] = float("nan")
    report = examined(model)
    assert alarms(report) == [("GRD003", "error")]
    assert "begins in the forward pass" in only(report).message


# GRD004


@pytest.mark.parametrize("cut", nets.CUTS)
def test_the_operation_that_cuts_the_graph_is_named_with_its_line(cut: str) -> None:
    between, operation = nets.CUTS[cut]
    report = examined(Two(between))
    assert alarms(report) == [("GRD004", "error")]
    finding = only(report)
    assert finding.evidence["operation"] == operation
    assert set(finding.evidence["names"]) == {"first.weight", "first.bias"}
    file, _, line = finding.evidence["source"].rpartition(":")
    assert file == nets.__file__
    text = Path(file).read_text().splitlines()[int(line) - 1]
    assert {"gt": "> 0", "item": ".item()", "no_grad": "no_grad"}.get(operation, operation) in text


def test_layers_under_no_grad_are_one_finding() -> None:
    finding = only(examined(nets.NoGradBackbone()))
    assert (finding.code, finding.evidence["operation"]) == ("GRD004", "no_grad")
    assert finding.evidence["parameters"] == 4


def test_a_forward_that_is_all_under_no_grad() -> None:
    finding = only(examined(nets.Decorated()))
    assert (finding.code, finding.evidence["operation"]) == ("GRD004", "no_grad")
    assert finding.evidence["parameters"] == 6


def test_what_is_built_and_never_called() -> None:
    report = examined(nets.Unused())
    assert alarms(report) == [("GRD004", "error")] * 2
    by_subject = {each.subject: each for each in report.findings}
    assert "never called" in by_subject["block"].message
    assert by_subject["block"].evidence["parameters"] == 4
    assert "never used" in by_subject["token"].message


def test_what_is_computed_for_nothing() -> None:
    finding = only(examined(nets.Dropped()))
    assert (finding.code, finding.subject) == ("GRD004", "lost")
    assert "neither the output nor the loss" in finding.message


@pytest.mark.parametrize(
    "model",
    [
        nets.EvaluationHead(),
        nets.AuxiliaryOutput(),
        nets.Experts(),
        nets.Experts(empty_calls=True),
        nets.LowRank(),
        nets.Gated(),
        nets.Gated(lambda gate, x: gate.expand(16) * x),
        nets.Gated(lambda gate, x: x.mul(gate.view(1, 1))),
        nets.ZeroConvolution(),
        nets.OneToken(),
    ],
    ids=[
        "evaluation head", "auxiliary", "experts", "experts without samples", "low rank", "rezero",
        "expanded gate", "reshaped gate", "zero convolution", "one token",
    ],
)  # fmt: skip
def test_what_waits_or_runs_elsewhere_is_healthy(model: nn.Module) -> None:
    report = examined(model)
    assert alarms(report) == []
    assert any(
        each.subject
        for each in report.skipped
        if each.rule in ("missing-gradient", "zero-gradient")
    )


def test_an_expert_that_gets_gradients_in_other_batches_is_healthy() -> None:
    class Alternating(Two):
        """Another layer takes part in every second pass."""

        turn = 0

        def __init__(self) -> None:
            super().__init__()
            self.extra = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            self.turn += 1
            out = super().forward(x)
            return self.extra(out) if self.turn % 2 else out

    report = examined(Alternating())
    assert alarms(report) == []
    row = next(
        each for each in report.table("parameters").rows if each["parameter"] == "extra.weight"
    )
    assert (row["state"], row["batches"]) == ("value", 2)


class Straight(torch.autograd.Function):
    """Rounds, and passes the gradient on as if it had not."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class Checkpointed(Two):
    def __init__(self, *, reentrant: bool, cut: bool = False) -> None:
        super().__init__()
        self.reentrant, self.cut = reentrant, cut

    def forward(self, x: Tensor) -> Tensor:
        hidden = F.relu(self.first(x))
        hidden = hidden.detach() if self.cut else hidden
        again = checkpoint(lambda h: F.relu(self.second(h)), hidden, use_reentrant=self.reentrant)
        return self.head(again)


@pytest.mark.parametrize(
    "model",
    [
        Two(Straight.apply),
        Two(lambda h: h + (h.round() - h).detach()),
        Two(functools.partial(F.gumbel_softmax, hard=True)),
        Checkpointed(reentrant=False),
        Checkpointed(reentrant=True),
    ],
    ids=["function", "detached difference", "gumbel", "checkpoint", "reentrant"],
)
def test_estimators_and_checkpoints_keep_the_gradient(model: nn.Module) -> None:
    assert alarms(examined(model)) == []


def test_the_cut_is_named_and_not_what_a_custom_function_does_inside() -> None:
    finding = only(examined(Two(lambda h: Straight.apply(h).detach())))
    assert finding.evidence["operation"] == "detach"
    finding = only(examined(Checkpointed(reentrant=False, cut=True)))
    assert finding.evidence["names"] == ["first.weight", "first.bias"]


# GRD005


@pytest.mark.parametrize("activation", [nn.ReLU, nn.Tanh, nn.GELU])
def test_hidden_layers_drawn_as_zeros(activation: Callable[[], nn.Module]) -> None:
    report = examined(deep(3, activation, zeros), fresh=True)
    assert alarms(report) == [("GRD005", "error")]
    finding = only(report)
    assert len(finding.evidence["all_zero"]) == 3
    assert "zero" in finding.remedy


def test_a_dead_layer_is_named_as_what_stops_the_gradient() -> None:
    model = Two()
    nn.init.constant_(model.second.bias, -100.0)
    finding = only(examined(model))
    assert (finding.code, finding.evidence["operation"]) == ("GRD005", "relu")
    assert finding.evidence["names"] == ["first.weight", "second.weight"]
    assert finding.evidence["consequences"] == ["head.weight"]


def test_a_bias_before_a_norm_layer_and_a_loss_at_its_minimum_are_healthy() -> None:
    assert alarms(examined(nets.BiasBeforeNorm())) == []
    satisfied = examined(Two(), loss=f"{HERE}:hinge")
    assert alarms(satisfied) == []
    assert reasons(satisfied, "zero-gradient") == {"the loss is at its minimum or flat there"}


def hinge(output: Tensor, target: Tensor) -> Tensor:
    return F.relu(output - 100).mean()


def test_converged_networks_are_healthy() -> None:
    model = Two()
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    (batch,) = batches(1)
    for _ in range(300):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(*batch.args), batch.target)
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1e-3
    assert alarms(examined(model, [batch], fresh=False)) == []


# GRD006 to GRD008, MOD001, MOD002


class Times(nn.Module):
    def __init__(self, model: nn.Module, factor: float) -> None:
        super().__init__()
        self.model, self.factor = model, factor

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x) * self.factor


def test_logits_a_hundred_times_too_large() -> None:
    report = examined(Times(Two(), 100.0), fresh=True)
    assert alarms(report) == [("GRD006", "warning")]
    assert "ln 4" in only(report).message
    assert alarms(examined(Times(Two(), 100.0), fresh=False)) == []
    assert alarms(examined(Times(Two(), 1.0), fresh=True)) == []
    untargeted = [each.args[0] for each in batches()]
    made_up = examined(Times(Two(), 100.0), untargeted, fresh=True)
    assert reasons(made_up, "initial-loss") == {"the targets are random"}


def test_frozen_parameters_are_information_unless_nothing_is_left() -> None:
    model = Two()
    model.first.requires_grad_(False)
    report = examined(model)
    assert (only(report).code, only(report).severity.value) == ("GRD007", "info")
    model.requires_grad_(False)
    everything = only(examined(model))
    assert (everything.code, everything.severity.value) == ("GRD007", "warning")
    assert "nothing is left" in everything.message


@pytest.mark.parametrize(
    ("optimizer", "rate", "found"),
    [("sgd", 0.01, 0), ("adam", 1e-3, 0), ("adam", 1.0, 1), ("sgd", 1e-9, 1), ("sgd", 100.0, 1)],
)
def test_the_learning_rate_is_judged_only_when_given(
    optimizer: str, rate: float, found: int
) -> None:
    report = examined(Two(), fresh=True, optimizer=optimizer, lr=rate)
    assert alarms(report) == [("GRD008", "warning")] * found
    assert reasons(examined(Two()), "update-ratio") == {"no learning rate was given (--lr)"}


def squared(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, target)


def test_a_target_that_broadcasts_against_the_output() -> None:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1))
    data = [(each.args[0], each.target.float()) for each in batches()]
    with pytest.warns(UserWarning, match="Using a target size"):
        report = examined(model, data, loss=f"{HERE}:squared")
    assert alarms(report) == [("MOD002", "error")]
    assert alarms(examined(model, data, loss="mse")) == [("MOD002", "error")]


def test_the_sick_samples_are_found_and_the_healthy_ones_are_not() -> None:
    data = [next(iter(shapes.test_loader()))]
    expected = {
        "sick_softmax": [("MOD001", "error")],
        "sick_detached": [("GRD004", "error")] * 2,
        "sick_exploding": [("GRD002", "warning"), ("GRD006", "warning")],
        "sick_dead_layer": [("GRD005", "error")],
        "sick_nan": [("GRD003", "error")],
        "healthy": [],
        "healthy_functional": [],
        "healthy_convnext": [],
        "healthy_tanh": [],
        "healthy_dilated": [],
    }
    for name, wanted in expected.items():
        assert alarms(examined(getattr(networks, name)(), data)) == wanted, name


@functools.cache
def built(each: Healthy, kind: str) -> nn.Module:
    model: nn.Module = getattr(each, kind)()
    return model


@pytest.mark.parametrize("kind", ["fresh", "trained"])
@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_healthy_networks_raise_no_alarm(each: Healthy, kind: str) -> None:
    data = [
        (given, target["labels"] if isinstance(target, dict) else target)
        for given, target in each.batches(3, 32, 0)
    ]
    loss = {F.mse_loss: "mse", F.binary_cross_entropy_with_logits: "bce"}.get(each.loss)
    for fresh in {"fresh": (True, None), "trained": (False, None)}[kind]:
        report = examined(built(each, kind), data, loss=loss, fresh=fresh)
        assert alarms(report) == []
    untargeted = [given for given, _ in data]
    assert alarms(examined(built(each, kind), untargeted, fresh=kind == "fresh")) == []


# Usage


def test_layers_restricts_what_is_looked_at() -> None:
    report = examined(Two(), layers=["second"])
    assert [row["parameter"] for row in report.table("parameters").rows] == [
        "second.weight",
        "second.bias",
    ]
    assert [each["layer"] for each in examined(Two(), layers=["/relu#2"]).table("layers").rows] == [
        "/relu#2"
    ]
    with pytest.raises(NothingExaminedError, match="nothing"):
        examined(Two(), layers=["nothing"])


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": "lion"},
        {"amp": "float8"},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"loss": "huber"},
    ],
)
def test_wrong_options_are_usage_errors(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        examined(Two(), **options)


def test_networks_that_cannot_be_examined_say_so() -> None:
    class Detector(Two):
        def forward(self, x: Tensor) -> Any:
            return [{"boxes": torch.zeros(0, 4), "scores": torch.zeros(0)} for _ in x]

    for model, error in (
        (Detector(), ModelError),
        (nn.Sequential(nn.Flatten()), NetDoctorError),
    ):
        with pytest.raises(error):
            examined(model)
    detector = LoadedModel(Detector(), "boxes", torch.device("cpu"), input_style="images")
    with pytest.raises(ModelError, match="boxes is a detector"):
        netdoctor.gradflow(detector, batches())
    wrong = [(each.args[0], each.target + 4) for each in batches()]
    refused = examined(Two(), wrong)
    assert [(each.code, each.severity.value) for each in refused.findings] == [("DAT004", "error")]
    assert "gives 4 outputs" in refused.findings[0].message
