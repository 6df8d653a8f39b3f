"""The graph of networks whose wiring is known by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.graph import GraphFacts
from netdoctor.facts.graph_folding import folded
from netdoctor.inputs.batches import Batch
from netdoctor.probes.graph import measure
from tests.observe.state import fingerprint


def graph(module: nn.Module, *args: Any, size: int = 2, **kwargs: Any) -> GraphFacts:
    return measure(module, Batch(args, kwargs, None, size))


def edges(facts: GraphFacts) -> set[tuple[str, str]]:
    return {(facts.nodes[e.source].name, facts.nodes[e.target].name) for e in facts.edges}


def chain(*names: str) -> set[tuple[str, str]]:
    return set(pairwise(names))


class Net(nn.Module):
    """Layers a, b, c of four units and a forward of the test's own."""

    def __init__(self, forward: Any, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in {**{n: nn.Linear(4, 4) for n in "abc"}, **layers}.items():
            self.add_module(name, layer)
        self.run = forward

    def forward(self, x: Tensor, *more: Tensor) -> Any:
        return self.run(self, x, *more)


def of(forward: Any, *more: Tensor, **layers: nn.Module) -> GraphFacts:
    return graph(Net(forward, **layers), torch.randn(2, 4), *more)


def test_residual_addition() -> None:
    facts = of(lambda net, x: x + net.a(F.relu(x)))
    assert edges(facts) == {
        *chain("input x", "/relu#1", "a#1", "/add#1", "output"), ("input x", "/add#1"),
    }  # fmt: skip
    assert [node.shape for node in facts.nodes] == [(2, 4)] * 5
    assert [node.kind for node in facts.nodes] == [
        "input",
        "function",
        "module",
        "function",
        "output",
    ]


def test_concatenation_and_shapes() -> None:
    facts = of(lambda net, x: torch.cat([net.a(x), net.b(x)], 1))
    assert {("a#1", "/cat#1"), ("b#1", "/cat#1"), ("/cat#1", "output")} <= edges(facts)
    assert {edge.shape for edge in facts.edges} == {(2, 4), (2, 8)}
    assert facts.nodes[-1].shape == (2, 8)


def test_a_shared_module_is_a_node_a_call() -> None:
    facts = of(lambda net, x: net.a(F.relu(net.a(x))))
    assert edges(facts) == chain("input x", "a#1", "/relu#1", "a#2", "output")
    assert facts.calls == {"a": 2}


def test_in_place_operations_continue_the_tensor() -> None:
    facts = of(lambda net, x: net.b(net.relu(net.a(x))), relu=nn.ReLU(inplace=True))
    assert edges(facts) == chain("input x", "a#1", "relu#1", "b#1", "output")

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.a(x)
        x.mul_(2)  # its result is not used: the tensor is
        x += 1
        return net.b(x)

    assert edges(of(forward)) == chain("input x", "a#1", "/mul#1", "/add#1", "b#1", "output")


def test_in_place_operations_in_inference_mode() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return net.b(F.relu(net.a(x), inplace=True))

    facts = of(forward)
    assert edges(facts) == chain("input x", "a#1", "/relu#1", "b#1", "output")
    assert not any(node.moves for node in facts.nodes)


def test_writing_through_a_view_reaches_the_whole() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.a(x)
        x[:, :2].mul_(2)
        x[:, 2:] = 0
        return net.b(x)

    found = edges(of(forward))
    assert ("/mul#1", "/setitem#1") in found
    assert ("/setitem#1", "b#1") in found
    assert ("/mul#1", "output") not in found


def test_an_input_written_to_before_is_still_the_input_elsewhere() -> None:
    facts = of(lambda net, x: net.b(x.clone().mul_(2)) + net.a(x))
    assert {("input x", "a#1"), ("/mul#1", "b#1")} <= edges(facts)
    assert ("/mul#1", "a#1") not in edges(facts)


def test_functions_only_and_freed_tensors() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        for _ in range(200):  # memory is used again and again
            x = torch.sin(x) * 1.5
        return x

    names = [name for n in range(1, 201) for name in (f"/sin#{n}", f"/mul#{n}")]
    assert edges(of(forward)) == chain("input x", *names, "output")


def test_weights_and_buffers_are_no_inputs() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4, 4))
            self.register_buffer("mean", torch.zeros(4))
            self.unused = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(x - self.mean, self.weight.T)

    facts = graph(Own(), torch.randn(2, 4))
    assert edges(facts) == chain("input x", "/sub#1", "/linear#1", "output")
    assert [each.subject for each in facts.not_examined] == ["unused"]


def test_constants_come_from_no_input() -> None:
    facts = of(lambda net, x: net.a(x + torch.arange(4.0)) * torch.zeros_like(x))
    reached = {facts.nodes[at].name for at in facts.from_input}
    assert reached == {"input x", "/add#1", "a#1", "/mul#1", "output"}
    assert ("/arange#1", "/add#1") in edges(facts)


def test_outputs_have_their_names() -> None:
    facts = of(lambda net, x: {"logits": net.a(x), "hidden": [net.b(x), {"c": net.c(x)}], "n": 3})
    assert [node.name for node in facts.nodes if node.kind == "output"] == [
        "output logits",
        "output hidden",
    ]
    assert {("a#1", "output logits"), ("b#1", "output hidden"), ("c#1", "output hidden")} <= edges(
        facts
    )
    pair = of(lambda net, x: (net.a(x), x))
    assert {("a#1", "output 0"), ("input x", "output 1")} <= edges(pair)


def test_inputs_have_the_names_of_the_arguments() -> None:
    class Two(nn.Module):
        def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
            return ids if mask is None else ids * mask

    facts = graph(Two(), torch.ones(2, 3), mask=torch.ones(2, 3))
    assert edges(facts) == {
        ("input ids", "/mul#1"), ("input mask", "/mul#1"), ("/mul#1", "output"),
    }  # fmt: skip


def test_modules_are_nested_as_they_ran() -> None:
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    facts = graph(nn.Sequential(inner, inner, nn.Linear(4, 2)), torch.randn(2, 4))
    assert [(scope.name, scope.kind, scope.parent) for scope in facts.scopes] == [
        ("(model)#1", "Sequential", -1), ("0#1", "Sequential", 0), ("0#2", "Sequential", 0),
    ]  # fmt: skip
    assert [(node.name, node.scope) for node in facts.nodes] == [
        ("input", 0), ("0.0#1", 1), ("0.1#1", 1), ("0.0#2", 2), ("0.1#2", 2), ("2#1", 0),
        ("output", 0),
    ]  # fmt: skip
    assert facts.scopes[1].parameters == 20


def test_a_model_that_is_a_single_layer() -> None:
    assert edges(graph(nn.Linear(4, 4), torch.randn(2, 4))) == chain("input", "(model)#1", "output")


def test_what_only_moves_values_says_so() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        dropped: Tensor = net.drop(net.a(x.view(4, 2).t().reshape(2, 4)))
        return dropped.flatten()

    facts = of(forward, drop=nn.Dropout())
    moves = {node.operation for node in facts.nodes if node.moves}
    assert moves == {"view", "t", "reshape", "Dropout"}


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_is_one_call(batch_first: bool) -> None:
    attention = nn.MultiheadAttention(4, 2, batch_first=batch_first)
    facts = graph(
        Net(lambda net, x: net.attention(x, x, x)[0] + x, attention=attention), torch.randn(2, 3, 4)
    )
    assert ("attention#1", "/add#1") in edges(facts)
    assert "attention.out_proj" in {each.subject for each in facts.not_examined}


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_layers(kind: Any) -> None:
    facts = of(lambda net, x: net.rnn(x[None])[0].mean(), rnn=kind(4, 3, 2))
    assert {("rnn#1", "/mean#1"), ("/getitem#1", "rnn#1")} <= edges(facts)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
def test_scripted_modules_are_opaque_and_connected() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    facts = of(lambda net, x: net.b(net.script(net.a(x))), script=scripted)
    assert edges(facts) == chain("input x", "a#1", "script#1", "b#1", "output")
    assert [node.name for node in facts.nodes if node.opaque] == ["script#1"]
    assert [each.subject for each in facts.not_examined] == ["c", "script"]


def test_wrappers_are_taken_off() -> None:
    compiled = torch.compile(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    parallel = nn.DataParallel(nn.Linear(4, 4))
    facts = of(lambda net, x: net.par(net.comp(x)), comp=compiled, par=parallel)
    assert edges(facts) == chain("input x", "comp.0#1", "comp.1#1", "par#1", "output")


def test_custom_functions_do_not_cut_the_graph() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    facts = of(lambda net, x: net.b(Twice.apply(net.a(x))))
    assert edges(facts) == chain("input x", "a#1", "/mul#1", "b#1", "output")


def test_code_that_is_not_seen_is_linked_to_the_modules_inputs() -> None:
    class Unseen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch._C.DisableTorchFunction():
                return x * 2

    facts = of(lambda net, x: net.b(net.unseen(net.a(x))), unseen=Unseen())
    assert edges(facts) == chain("input x", "a#1", "unseen#1", "b#1", "output")
    assert [node.name for node in facts.nodes if node.opaque] == ["unseen#1"]


def test_what_goes_through_numpy_is_told_and_the_rest_is_still_there() -> None:
    facts = of(lambda net, x: F.relu(net.b(torch.as_tensor(net.a(x).numpy() * 2))))
    assert chain("b#1", "/relu#1", "output") < edges(facts)
    assert ("a#1", "b#1") not in edges(facts)
    assert [(each.subject, "numpy" in each.reason) for each in facts.not_examined] == [
        ("c", False),
        ("(model)", True),
    ]
    assert [row.title for row in folded(facts).rows()] == ["input x", "a", "b", "relu", "output"]


def test_the_model_is_left_as_it_was() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten()
    ).train()
    model[1].eval()
    given = torch.randn(2, 3, 8, 8)
    before = fingerprint(model)
    graph(model, given)
    assert fingerprint(model) == before
    assert not torch.nn.modules.module._global_forward_hooks
    assert not torch.nn.modules.module._global_forward_pre_hooks


def test_the_model_is_left_as_it_was_when_it_raises() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        net.a.weight.data.mul_(2)
        raise RuntimeError("no")

    model = Net(forward)
    given = torch.randn(2, 4)
    before = fingerprint(model)
    with pytest.raises(ModelError, match="no"):
        graph(model, given)
    assert fingerprint(model) == before
    assert not torch.nn.modules.module._global_forward_hooks


def test_an_exception_that_the_model_catches() -> None:
    class Fails(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("try the other")

    def forward(net: Net, x: Tensor) -> Tensor:
        try:
            return net.fails(x)
        except ValueError:
            return net.b(net.a(x))

    assert chain("input x", "a#1", "b#1", "output") == edges(of(forward, fails=Fails()))


def test_a_model_that_returns_no_tensor() -> None:
    with pytest.raises(ModelError, match="no tensor"):
        of(lambda net, x: "text")


def test_only_a_few_samples_run() -> None:
    facts = graph(nn.Linear(4, 4), torch.randn(64, 4), size=64)
    assert (facts.samples, facts.nodes[1].shape) == (2, (2, 4))


def test_a_tensor_in_the_place_of_a_freed_one_is_another() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        freed = id(torch.sin(x))
        kept = []
        with torch._C.DisableTorchFunction():
            while id(unseen := torch.zeros(2, 4)) != freed and len(kept) < 1000:
                kept.append(unseen)
        assert id(unseen) == freed
        return net.a(x) + unseen

    assert edges(of(forward)) == {
        ("input x", "/sin#1"),
        *chain("input x", "a#1", "/add#1", "output"),
    }
