"""What the model gives to the loss: found by what the output does, on networks made for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.facts.head import HeadFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes import head
from netdoctor.report import Finding
from netdoctor.rules import catalogue
from netdoctor.rules.core import judge
from sample_models import networks, shapes
from tests.healthy import HEALTHY, Healthy
from tests.observe.state import fingerprint

HERE = "tests.probes.test_head"


class Net(nn.Module):
    """A hidden layer, a last layer, and what comes behind it."""

    def __init__(
        self, end: Callable[[Tensor], Tensor] = lambda x: x, out: int = 4, train_end: Any = None
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.last = nn.Linear(6, 24), nn.Linear(24, out)
        self.end, self.train_end = end, train_end or end

    def forward(self, x: Tensor) -> Tensor:
        logits = self.last(F.relu(self.hidden(x)))
        return self.train_end(logits) if self.training else self.end(logits)


def softmax_by_hand(logits: Tensor) -> Tensor:
    powers = torch.exp(logits)
    return powers / powers.sum(1, keepdim=True)


def log_softmax_by_hand(logits: Tensor) -> Tensor:
    return logits - logits.logsumexp(1, keepdim=True)


def sigmoid_by_hand(logits: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-logits))


def mean_nll(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(output, target)


def smoothed(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, label_smoothing=0.1)


def spelled_out(output: Tensor, target: Tensor) -> Tensor:
    return F.nll_loss(F.log_softmax(output, 1), target)


def plain_bce(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy(output, target)


def squared(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).square().mean()


def squared_in_torch(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, target)


def squared_rightly(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output.squeeze(1), target)


def every_pair(output: Tensor, target: Tensor) -> Tensor:
    apart = output.unsqueeze(1) - output.unsqueeze(0)
    same = target.unsqueeze(1) == target.unsqueeze(0)
    quantiles = target.reshape(1, -1) - output.reshape(-1, 1)
    return (apart.squeeze(-1) * same).mean() + quantiles.abs().mean()


def inputs(*shape: int) -> Tensor:
    return torch.randn(16, *shape, generator=torch.Generator().manual_seed(0))


CLASSES = torch.arange(16) % 4
ONES = (torch.arange(16) % 2).float().reshape(16, 1)


def seen(
    network: nn.Module, target: Any, loss: str | None = None, given: Tensor | None = None
) -> HeadFacts:
    batch = Batch((inputs(6) if given is None else given,), {}, target, 16)
    return head.measure(network, [batch], Objective(loss))


def found(facts: HeadFacts, code: str = "MOD001") -> list[Finding]:
    return list(judge(facts, [catalogue()[code]]).findings)


def skipped(facts: HeadFacts, code: str = "MOD001") -> list[str]:
    return [each.reason for each in judge(facts, [catalogue()[code]]).skipped]


SOFTMAXES = {
    "module": nn.Softmax(1),
    "function": functools.partial(F.softmax, dim=-1),
    "by hand": softmax_by_hand,
    "twice": lambda x: F.softmax(F.softmax(x, 1), 1),
    "log, then exp": lambda x: F.log_softmax(x, 1).exp(),
}


@pytest.mark.parametrize("loss", [None, "cross-entropy", f"{HERE}:smoothed", f"{HERE}:spelled_out"])
@pytest.mark.parametrize("form", SOFTMAXES)
def test_a_softmax_before_cross_entropy(form: str, loss: str | None) -> None:
    (finding,) = found(seen(Net(SOFTMAXES[form]), CLASSES, loss))
    assert finding.severity.value == "error"
    assert "softmax" in finding.message
    assert finding.evidence["distribution_fraction"] == 1.0
    assert finding.evidence["rows"] == 16


def test_a_softmax_of_two_units_on_dense_outputs() -> None:
    class Dense(nn.Module):
        def __init__(self, axis: int) -> None:
            super().__init__()
            self.axis, self.conv = axis, nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            out = self.conv(x)
            return F.softmax(out, 1) if self.axis == 1 else out.flatten(2).mT.softmax(-1)

    images = inputs(3, 5, 5)
    pixels = torch.zeros(16, 5, 5, dtype=torch.long)
    (finding,) = found(seen(Dense(1), pixels, "cross-entropy", images))
    assert finding.evidence["rows"] == 16 * 25
    (finding,) = found(seen(Dense(-1), pixels.flatten(1), "cross-entropy", images))
    assert (finding.evidence["rows"], finding.evidence["classes"]) == (400, 2)


def test_a_softmax_in_evaluation_mode_alone_is_right() -> None:
    facts = seen(Net(nn.Softmax(1), train_end=nn.Identity()), CLASSES, "cross-entropy")
    assert facts.evaluation.distributions == 16
    assert found(facts) == []


def test_a_log_softmax_before_cross_entropy_is_harmless_and_judged_only_if_the_loss_is_known() -> (
    None
):
    for form in (nn.LogSoftmax(1), log_softmax_by_hand):
        (finding,) = found(seen(Net(form), CLASSES, "cross-entropy"))
        assert finding.severity.value == "warning"
        assert "the loss is right" in finding.message
        (finding,) = found(seen(Net(form), CLASSES, f"{HERE}:smoothed"))
        assert finding.severity.value == "warning"
        facts = seen(Net(form), CLASSES)
        assert found(facts) == []
        assert "NLLLoss" in skipped(facts)[0]
        assert found(seen(Net(form), CLASSES, f"{HERE}:mean_nll")) == []


SIGMOIDS = {
    "module": nn.Sigmoid(),
    "function": torch.sigmoid,
    "by hand": sigmoid_by_hand,
    "clipped": lambda x: x.clip(0, 1),
    "reshaped": lambda x: torch.sigmoid(x).reshape(-1, 1),
}


@pytest.mark.parametrize("form", SIGMOIDS)
def test_a_sigmoid_before_bce_with_logits(form: str) -> None:
    network = Net(SIGMOIDS[form], out=1)
    (finding,) = found(seen(network, ONES, "bce"))
    assert finding.severity.value == "error"
    assert "[0, 1]" in finding.message
    facts = seen(network, ONES)
    assert (facts.loss, facts.chosen) == ("bce", True)
    assert found(facts) == []
    assert "BCELoss" in skipped(facts)[0]
    if form != "clipped":
        assert found(seen(network, ONES, f"{HERE}:plain_bce")) == []


def test_logits_that_happen_to_lie_between_0_and_1_are_logits() -> None:
    network = Net(out=1)
    with torch.no_grad():
        network.last.weight.mul_(0.01)
        network.last.bias.fill_(0.5)
    facts = seen(network, ONES, "bce")
    assert facts.evaluation.in_unit == facts.evaluation.values == 16
    assert found(facts) == []


def test_logits_that_happen_to_sum_to_1_are_logits() -> None:
    network = Net()
    with torch.no_grad():
        network.last.weight.zero_()
        network.last.bias.fill_(0.25)
    facts = seen(network, CLASSES, "cross-entropy")
    assert facts.evaluation.distributions == 16
    assert found(facts) == []


RECTIFIERS = {
    "module": nn.ReLU(),
    "in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "clamp": lambda x: x.clamp(min=0),
    "flattened": lambda x: F.relu(x).flatten(1),
}


@pytest.mark.parametrize("form", RECTIFIERS)
def test_a_relu_on_logits(form: str) -> None:
    (finding,) = found(seen(Net(RECTIFIERS[form]), CLASSES))
    assert "no logit is below 0" in finding.message
    assert finding.evidence["non_negative_fraction"] == 1.0
    (finding,) = found(seen(Net(RECTIFIERS[form], out=1), ONES, "bce"))
    assert finding.severity.value == "error"
    assert found(seen(Net(RECTIFIERS[form], out=1), ONES, "mse")) == []


@pytest.mark.parametrize(
    ("end", "out", "target", "loss"),
    [
        (nn.Identity(), 4, CLASSES, None),
        (nn.Softmax(1), 4, inputs(4), None),
        (nn.Sigmoid(), 1, ONES + 0.5, "mse"),
        (lambda x: x / 0.07, 4, CLASSES, "cross-entropy"),
        (lambda x: 30 * torch.tanh(x / 30), 4, CLASSES, "cross-entropy"),
        (nn.Identity(), 4, inputs(4).softmax(1), "cross-entropy"),
        (F.normalize, 4, CLASSES, "cross-entropy"),
        (nn.LogSigmoid(), 1, ONES, "mse"),
    ],
)
def test_what_fits_is_left_alone(end: Any, out: int, target: Tensor, loss: str | None) -> None:
    assert found(seen(Net(end, out), target, loss)) == []


def test_the_models_own_loss_is_its_own_affair() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = Net(nn.Softmax(1))

        def forward(self, x: Tensor, labels: Tensor) -> dict[str, Tensor]:
            output = self.net(x)
            return {"loss": F.nll_loss(output.log(), labels), "logits": output}

    batch = Batch((), {"x": inputs(6), "labels": CLASSES}, CLASSES, 16)
    facts = head.measure(Own(), [batch], Objective())
    assert facts.loss == "own"
    assert found(facts) == []
    assert found(facts, "MOD002") == []


def test_without_a_target_the_rule_is_skipped_with_the_reason() -> None:
    facts = seen(Net(nn.Softmax(1)), None)
    assert "no target" in facts.problem
    assert (found(facts), len(skipped(facts)), len(skipped(facts, "MOD002"))) == ([], 1, 1)
    batch = Batch((inputs(6),), {}, None, 16)
    assert "random" in skipped(head.measure(Net(), [batch], Objective(seed=0)))[0]


def test_several_outputs_are_a_problem_not_an_error() -> None:
    class Two(Net):
        def forward(self, x: Tensor) -> Any:
            return {"boxes": self.last(self.hidden(x)), "scores": self.hidden(x)}

    assert "2 float tensors" in seen(Two(), CLASSES).problem


def test_of_two_outputs_only_the_one_that_the_loss_takes_counts() -> None:
    class Two(Net):
        def forward(self, x: Tensor) -> Any:
            logits = self.last(F.relu(self.hidden(x)))
            return {"logits": logits, "scores": logits.softmax(1), "gates": logits.relu()}

    assert found(seen(Two(), CLASSES)) == []


def test_batch_norm_on_one_sample_is_skipped() -> None:
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 4), nn.Softmax(1))
    batch = Batch((inputs(6)[:1],), {}, CLASSES[:1], 1)
    facts = head.measure(network, [batch], Objective())
    assert facts.training is None
    assert "training mode" in skipped(facts)[0]


@pytest.mark.parametrize("loss", ["squared", "squared_in_torch"])
def test_a_target_that_broadcasts_against_the_output(loss: str) -> None:
    facts = seen(Net(out=1), ONES.squeeze(1), f"{HERE}:{loss}")
    (finding,) = found(facts, "MOD002")
    assert finding.evidence["result_shape"] == [16, 16]
    assert finding.evidence["output_shape"] == [16, 1]
    assert finding.evidence["target_shape"] == [16]
    assert finding.subject == f"{HERE}:{loss}"


@pytest.mark.parametrize("loss", ["squared", "squared_in_torch", "squared_rightly", "every_pair"])
def test_targets_that_fit_or_are_compared_on_purpose_are_left_alone(loss: str) -> None:
    target = ONES.squeeze(1) if loss in ("squared_rightly", "every_pair") else ONES
    assert found(seen(Net(out=1), target, f"{HERE}:{loss}"), "MOD002") == []


def test_a_squared_error_is_judged_by_what_pytorchs_own_would_blow_up() -> None:
    (finding,) = found(seen(Net(out=1), ONES.squeeze(1), "mse"), "MOD002")
    assert finding.evidence["result_shape"] == [len(ONES), len(ONES)]
    for target, loss in ((ONES.squeeze(1), "bce"), (ONES, "mse"), (ONES, "bce")):
        assert found(seen(Net(out=1), target, loss), "MOD002") == []


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    network = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 4))
    network.train(training)
    before = fingerprint(network)
    seen(network, CLASSES)
    assert fingerprint(network) == before


class Distance(nn.Module):
    """One less the distance of two codes: between 0 and 1 for as long as the codes are small."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.code = nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        return 1 - 0.01 * (self.code(x) - self.code(x.flip(0))).square().mean(1)


def test_an_output_that_happens_to_lie_in_0_to_1_is_no_sigmoid() -> None:
    source = torch.Generator().manual_seed(0)
    x = 0.2 * torch.randn(16, 6, generator=source)
    facts = head.measure(Distance(), [Batch((x,), {}, (x[:, 0] > 0).float(), 16)], Objective("bce"))
    assert facts.evaluation.in_unit == 16
    assert found(facts) == []


def test_the_sample_network_with_a_softmax_is_found_and_its_siblings_are_not() -> None:
    batches = [Batch((x,), {}, y, len(x)) for x, y in [next(iter(shapes.test_loader()))]]
    (finding,) = found(head.measure(networks.sick_softmax(), batches, Objective()))
    assert finding.severity.value == "error"
    healthy = (networks.healthy, networks.healthy_convnext, networks.healthy_tanh)
    for factory in (*healthy, networks.healthy_dilated):
        assert found(head.measure(factory(), batches, Objective())) == []


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_healthy_networks_end_as_they_should(each: Healthy) -> None:
    batches = []
    for given, target in each.batches(2, 16, 0):
        target = target["labels"] if isinstance(target, dict) else target
        batches.append(Batch((given,), {}, target, 16))
    loss = {F.mse_loss: "mse", F.binary_cross_entropy_with_logits: "bce"}.get(each.loss)
    facts = head.measure(each.fresh(), batches, Objective(loss))
    assert (found(facts), found(facts, "MOD002")) == ([], [])


@pytest.mark.parametrize(
    ("end", "target", "loss", "passes"),
    [
        (lambda x: x, None, None, 1),  # no loss: nothing to compare with
        (lambda x: x, CLASSES, "cross-entropy", 2),  # both modes
        (lambda x: F.softmax(x, 1), CLASSES, "cross-entropy", 4),  # and two random heads
        (F.relu, CLASSES, "cross-entropy", 4),
        (lambda x: x, torch.randn(16, 4), "mse", 2),
        (lambda x: x, ONES.expand(16, 4), "bce", 4),
    ],
)
def test_the_model_runs_only_as_often_as_something_can_be_learnt(
    end: Any, target: Any, loss: str | None, passes: int
) -> None:
    network, runs = Net(end), []
    network.hidden.register_forward_hook(lambda *_: runs.append(1))
    seen(network, target, loss)
    assert len(runs) == passes
