"""The first bad gradient: the right forward line is named, and the healthy are left alone."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import CheckpointFunction

from netdoctor.errors import DataError, ModelError
from netdoctor.facts.backward import BackwardFacts, GradientOrigin
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.backward import first_bad_gradient
from tests.observe.state import fingerprint
from tests.observe.watching import Net
from tests.probes import sick_backward as sick

BLANK = sick.BLANK


def total(output: Tensor, batch: Batch) -> Tensor:
    return output.float().sum()


def examined(
    model: nn.Module, *inputs: Tensor, objective: Callable[..., Tensor] | None = None
) -> BackwardFacts:
    batches = [as_batch(each) for each in inputs or [sick.rows()]]
    return first_bad_gradient(model, batches, objective or Objective(seed=0))


def origin(*args: Any, **keywords: Any) -> GradientOrigin:
    found = examined(*args, **keywords).origin
    assert found is not None
    return found


def test_what_is_told_of_a_square_root_at_zero() -> None:
    found = origin(sick.network(sick.root_of_sum))
    assert (found.kind, found.path, found.operation) == ("operation", "", "sqrt")
    assert found.line == "return squares.sqrt() + 1  # here"
    (given,), (incoming,), (outgoing,) = found.inputs, found.incoming, found.outgoing
    assert given is not None
    assert incoming is not None
    assert outgoing is not None
    assert (given.shape, given.minimum, given.zeros) == ((8, 1), 0.0, 2)
    assert incoming.finite
    assert (outgoing.inf, outgoing.nan, outgoing.count) == (2, 0, 8)
    assert (found.parameters, found.model_inputs, found.examined) == (("fc.weight",), (), 1)
    assert math.isfinite(found.loss)


@pytest.mark.parametrize("name", sick.ROW_BY_ROW)
def test_the_operation_its_line_and_the_samples_are_named(name: str) -> None:
    forward, call, node = sick.ROW_BY_ROW[name]
    model = sick.network(forward)
    assert torch.isfinite(model(sick.rows())).all()
    found = origin(model)
    assert (found.call, found.source) == (call, sick.marked_line(forward))
    assert found.node.endswith(node)
    assert found.kind == "operation"
    assert set(found.samples or ()) >= set(BLANK)
    if "log" not in name:  # of negative numbers too
        assert found.samples == BLANK


@pytest.mark.parametrize("name", sick.ROW_BY_ROW)
def test_without_the_blank_rows_these_networks_are_healthy(name: str) -> None:
    forward, _, _ = sick.ROW_BY_ROW[name]
    inputs = sick.rows(blank=())
    if "log" in name:
        model = sick.network(lambda net, x: forward(Net(lambda _, y: y, fc=Positive(net.fc)), x))
    else:
        model = sick.network(forward)
    assert examined(model, inputs) == BackwardFacts(None, 1)


class Positive(nn.Module):
    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        positive: Tensor = self.layer(x).exp()
        return positive


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.fc(x).norm(dim=1),
        lambda net, x: net.fc(x).std(1),
        lambda net, x: torch.atan2(net.fc(x), net.fc(x)),
        lambda net, x: torch.cdist(net.fc(x), net.fc(x)),
        lambda net, x: F.normalize(net.fc(x)),
        lambda net, x: F.cosine_similarity(net.fc(x), net.fc(x) ** 2),
        lambda net, x: F.layer_norm(net.fc(x), (3,)),
        lambda net, x: net.fc(x).masked_fill(x[:, :1] == 0, -math.inf).softmax(0),
    ],
)
def test_what_torch_itself_keeps_finite_at_zero_is_healthy(forward: Any) -> None:
    assert examined(sick.network(forward)) == BackwardFacts(None, 1)


def test_a_function_of_several_nodes_is_named_as_one_call() -> None:
    found = origin(sick.network(sick.composite))
    assert (found.call, found.source) == ("/corrcoef#1", sick.marked_line(sick.composite))
    assert found.node == "DivBackward0"


def test_a_gradient_that_overflows_by_multiplication() -> None:
    model = sick.network(sick.overflowing_product)
    found = origin(model, objective=total)
    assert (found.call, found.source) == (
        "/mul#2",
        sick.marked_line(sick.overflowing_product),
    )


def test_a_reciprocal_overflows_in_half_precision_only() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        h = net.fc(x) * 0 + 0.003
        return 1 / h  # here

    model = sick.network(forward)
    assert examined(model, objective=total) == BackwardFacts(None, 1)
    found = origin(model.half(), sick.rows().half(), objective=total)
    assert (found.source, found.node) == (sick.marked_line(forward), "ReciprocalBackward0")
    assert found.outgoing[0] is not None
    assert found.outgoing[0].dtype == "float16"


@pytest.mark.parametrize(("module", "path"), [(sick.Custom(), "act"), (sick.OnlyCustom(), "act")])
def test_a_custom_function_is_named_with_its_line_and_its_backward(
    module: nn.Module, path: str
) -> None:
    found = origin(sick.network(lambda net, x: net.act(net.fc(x)), act=module))
    assert (found.call, found.site) == ("act/SickBackward", None)
    assert (found.path, found.source) == (path, sick.marked_line(type(module)))
    text = Path(sick.__file__).read_text(encoding="utf-8").splitlines()
    file, _, line = found.backward_source.rpartition(":")
    assert file == sick.__file__
    assert any("def backward" in each for each in text[int(line) - 1 : int(line) + 1])


def test_the_call_of_a_shared_module_that_fails_is_told_from_the_others() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.root(net.root(net.fc(x)) + 1) + net.root(net.root(x[:, :3] ** 2 + 1))

    found = origin(sick.network(forward, root=sick.Root()))
    assert found.call == "root/sqrt#1"
    assert found.source == sick.marked_line(sick.Root)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
def test_the_line_inside_a_checkpoint_is_named(reentrant: bool) -> None:
    model = sick.network(
        lambda net, x: sick.checkpointed(net, x, reentrant),
        second=nn.Linear(3, 2, bias=False),
    )
    found = origin(model)
    assert (found.call, found.source) == ("/sqrt#1", sick.marked_line(sick.checkpointed))
    assert set(found.parameters) == {"fc.weight", "second.weight"}
    assert found.samples == BLANK
    assert "apply" not in vars(CheckpointFunction)


@pytest.mark.parametrize("reentrant", [True, False])
def test_a_healthy_checkpoint_is_healthy(reentrant: bool) -> None:
    model = sick.network(
        lambda net, x: sick.checkpointed(net, x, reentrant), second=nn.Linear(3, 2)
    )
    assert examined(model) == BackwardFacts(None, 1)


def test_a_recurrent_network() -> None:
    model = sick.network(sick.behind_lstm, lstm=nn.LSTM(3, 5, 2, batch_first=True, dropout=0.5))
    found = origin(model)
    assert (found.call, found.source) == ("/sqrt#1", sick.marked_line(sick.behind_lstm))
    assert set(found.parameters) == {name for name, _ in model.named_parameters()}


def test_what_is_random_runs_again_as_it_was() -> None:
    found = origin(sick.network(sick.dropped))
    assert found.source == sick.marked_line(sick.dropped)


def test_infinities_of_both_signs_are_put_down_to_the_one_made_first() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        h = net.fc(x).abs()
        up = h.sqrt()
        return up - h.sqrt()  # here

    found = origin(sick.network(forward), objective=total)
    assert (found.kind, found.call) == ("operation", "/sqrt#2")  # backward runs from the end
    assert found.source == sick.marked_line(forward)


def test_a_sum_of_finite_gradients_that_overflows() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        h = net.fc(x * 0)  # here
        return h * 2e38 + h * 3e38

    found = origin(sick.network(forward), objective=total)
    assert (found.kind, found.path, found.node) == ("sum", "fc", "MmBackward0")
    assert found.outgoing == ()
    assert found.incoming[0] is not None
    assert found.incoming[0].inf == 24
    assert found.samples == tuple(range(8))


def test_a_parameters_own_sum_that_overflows() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return (x * 0 + 1) @ net.fc.weight.T * 4e37 + (x * 0 + 1) @ net.fc.weight.T * 4e37

    model = sick.network(forward)
    nn.init.constant_(model.fc.weight, 1e-3)
    found = origin(model, objective=total)
    assert (found.kind, found.parameters) == ("sum", ("fc.weight",))
    assert (found.node, found.call) == ("AccumulateGrad", "fc/weight")


def test_a_loss_of_the_users_own_is_named_with_its_line() -> None:
    def loss(output: Tensor, batch: Batch) -> Tensor:
        difference = output - output.detach()
        return difference.square().sum().sqrt()  # here

    found = origin(sick.network(lambda net, x: net.fc(x)), objective=loss)
    assert (found.kind, found.site, found.call) == ("loss", None, "loss/sqrt")
    assert found.source == sick.marked_line(loss)


def test_a_loss_given_as_a_spec(tmp_path: Path) -> None:
    file = tmp_path / "odd_loss.py"
    file.write_text("def root(output, target):\n\n    return output.mul(0).square().sum().sqrt()\n")
    batch = as_batch((sick.rows(), torch.zeros(8)))
    model = sick.network(lambda net, x: net.fc(x))
    found = first_bad_gradient(model, [batch], Objective(f"{file}:root")).origin
    assert found is not None
    assert found.kind == "loss"
    assert (found.source, found.line) == (
        f"{file}:3",
        "return output.mul(0).square().sum().sqrt()",
    )


def test_a_loss_that_the_model_computes_is_part_of_the_model() -> None:
    def forward(net: Net, x: Tensor) -> dict[str, Tensor]:
        h = net.fc(x)
        loss = h.square().sum(1).sqrt().mean()  # here
        return {"logits": h, "loss": loss}

    found = origin(sick.network(forward), objective=Objective())
    assert (found.kind, found.call) == ("operation", "/sqrt#1")
    assert found.source == sick.marked_line(forward)


def test_there_is_no_line_of_the_users_in_a_sequence_of_layers() -> None:
    model = nn.Sequential(nn.Linear(4, 3, bias=False), sick.Root(), sick.OnlyCustom())
    assert origin(model).source == sick.marked_line(sick.OnlyCustom)
    norm = nn.Sequential(nn.Linear(4, 3), nn.LPPool1d(0.5, 3))
    nn.init.zeros_(norm[0].weight), nn.init.zeros_(norm[0].bias)
    found = origin(norm)
    assert (found.path, found.source, found.line) == ("1", "", "")


def test_only_parameters_that_are_trained_are_looked_at() -> None:
    model = sick.network(lambda net, x: net.head(sick.root_of_sum(net, x)), head=nn.Linear(1, 2))
    assert origin(model).parameters == ("fc.weight",)
    model.fc.requires_grad_(False)
    assert examined(model) == BackwardFacts(None, 1)


def test_an_input_that_requires_a_gradient_is_looked_at() -> None:
    model = Net(lambda net, x, scale: (x * scale).sqrt())
    inputs = torch.arange(4.0)[:, None].requires_grad_()
    batch = Batch((inputs,), {"scale": torch.ones(1)}, None, 4)
    found = first_bad_gradient(model, [batch], Objective(seed=0)).origin
    assert found is not None
    assert (found.parameters, found.model_inputs, found.samples) == ((), ("input 0",), (0,))
    assert inputs.grad is None


@pytest.mark.parametrize(
    ("forward", "frozen", "reason"),
    [
        (sick.root_of_sum, True, "no parameter requires a gradient"),
        (lambda net, x: net.fc(x).detach(), False, "does not depend on any parameter"),
        (lambda net, x: torch.no_grad()(net.fc)(x), False, "made under no_grad"),
        (lambda net, x: net.fc(x).log(), False, "the loss is nan"),
    ],
)
def test_why_nothing_can_be_examined(forward: Any, frozen: bool, reason: str) -> None:
    model = sick.network(forward).requires_grad_(not frozen)
    facts = examined(model)
    assert (facts.origin, facts.batches, facts.notes) == (None, 0, ())
    assert reason in facts.reason


def test_a_tensor_that_is_no_parameter_is_no_backward_pass_of_the_model() -> None:
    stray = torch.zeros(1, requires_grad=True)
    facts = examined(sick.network(lambda net, x: net.fc(x).detach() + stray.sqrt()))
    assert "does not depend on any parameter" in facts.reason
    assert stray.grad is None


def test_no_batch_is_a_reason_too() -> None:
    facts = first_bad_gradient(sick.network(sick.root_of_sum), [], Objective(seed=0))
    assert facts == BackwardFacts(None, 0, "there was no batch")


def test_the_batch_is_named_and_the_later_ones_are_not_run() -> None:
    done: list[int] = []
    clean, infinite = sick.rows(blank=()), sick.rows() * math.inf
    batches = [as_batch(each) for each in (clean, infinite, clean, sick.rows(), clean)]
    model = sick.network(sick.root_of_sum)
    facts = first_bad_gradient(model, batches, Objective(seed=0), progress=done.append)
    assert facts.origin is not None
    assert (facts.origin.batch, facts.batches, done) == (3, 3, [1, 2, 3])
    assert len(facts.notes) == 1
    assert facts.notes[0].startswith("batch 1: the loss is nan")


def test_the_rows_of_a_weight_are_no_samples() -> None:
    class Weightless(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
            return x @ weight

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Any:
            return gradient @ torch.ones(3, 3), torch.full((3, 3), math.nan)

    model = Net(lambda net, x: Weightless.apply(net.fc(x), net.second.weight.T))
    model.fc, model.second = nn.Linear(4, 3), nn.Linear(3, 3)
    found = origin(model, sick.rows(3, blank=()))
    assert (found.parameters, found.samples) == (("second.weight",), None)


@pytest.mark.parametrize("forward", [sick.root_of_sum, lambda net, x: net.norm(net.fc(x))])
def test_the_model_is_left_as_it_was(forward: Any) -> None:
    model = sick.network(forward, norm=nn.BatchNorm1d(3)).train()
    model.fc.weight.grad = torch.ones(3, 4)
    before = fingerprint(model)
    with torch.no_grad():
        examined(model)
    assert fingerprint(model) == before
    assert not torch.is_anomaly_enabled()


def test_the_graph_is_let_go() -> None:
    kept: list[weakref.ref[Any]] = []

    class Kept(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.mark = torch.ones(1)  # lives as long as the node
            kept.append(weakref.ref(ctx.mark))
            return x * 1

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return gradient

    model = sick.network(lambda net, x: Kept.apply(net.fc(x).abs()).sqrt())
    gc.collect()
    gc.disable()
    try:
        assert origin(model).call == "/sqrt#1"
        assert [each() for each in kept] == [None, None]
    finally:
        gc.enable()


def test_a_backward_pass_that_raises_is_an_error_with_its_reason() -> None:
    model = sick.network(lambda net, x: _overwritten(net.fc(x)))
    before = fingerprint(model)
    with pytest.raises(ModelError, match="modified by an inplace operation"):
        examined(model)
    assert fingerprint(model) == before


def _overwritten(h: Tensor) -> Tensor:
    powers = h.exp()
    kept = powers * 1
    powers += 1
    return kept


def test_what_comes_out_otherwise_the_second_time_has_no_origin() -> None:
    runs: list[int] = []

    def forward(net: Net, x: Tensor) -> Tensor:
        runs.append(1)
        return (net.fc(x).abs() + len(runs) - 1).sqrt()

    found = origin(sick.network(forward))
    assert (found.kind, found.call, found.node, found.source) == ("unknown", "unknown", "", "")
    assert (found.parameters, len(runs)) == (("fc.weight",), 2)


@pytest.mark.parametrize(
    ("forward", "call"),
    [
        (sick.inside_vmap, "(model)#1"),
        (sick.complex_root, "/sqrt#1"),
        (sick.gradient_in_the_forward_pass, "/sqrt#1"),
        (sick.assigned_to_a_part, "/sqrt#1"),
    ],
)
def test_lines_that_are_not_seen_as_plain_calls(forward: Any, call: str) -> None:
    found = origin(sick.network(forward))
    assert (found.call, found.operation, found.node) == (call, "sqrt", "SqrtBackward0")
    assert (found.source, found.samples) == (sick.marked_line(forward), BLANK)


def test_batches_without_target_are_the_callers_to_mend() -> None:
    with pytest.raises(DataError, match="no target"):
        examined(sick.network(sick.root_of_sum), objective=Objective())


def test_an_embedding_with_sparse_gradients() -> None:
    model = Net(lambda net, x: net.table(x).sum(1).sqrt(), table=nn.Embedding(9, 3, sparse=True))
    nn.init.zeros_(model.table.weight)
    found = origin(model, torch.arange(8).reshape(4, 2))
    assert (found.call, found.parameters) == ("/sqrt#1", ("table.weight",))
    nn.init.ones_(model.table.weight)
    assert examined(model, torch.arange(8).reshape(4, 2)) == BackwardFacts(None, 1)
