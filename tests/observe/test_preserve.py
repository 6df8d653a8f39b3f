"""preserved() leaves a model bit for bit as it found it, whatever the block does."""

from __future__ import annotations

import copy
import gc
import random
import signal
import subprocess
import sys
import textwrap
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.observe import observe, preserved, trained_for_a_while
from tests.observe.state import fingerprint


class Busy(nn.Module):
    """A module with every kind of state; `act` is what its forward does to itself."""

    def __init__(self, act: Callable[[Busy], object]) -> None:
        super().__init__()
        self.act = act
        self.fc = nn.Linear(4, 4)
        self.conv = nn.Conv2d(2, 3, 3)
        self.norm = nn.BatchNorm1d(4)
        self.table = nn.Embedding(5, 4)
        self.other = nn.Linear(4, 4)
        self.other.weight = self.fc.weight  # tied
        self.register_buffer("small", torch.tensor([1.0, float("nan"), -0.0]))
        self.register_buffer("big", torch.zeros(2**18 + 1))  # over 1 MiB: copied on write
        self.plain = torch.arange(3.0)
        self.log: list[Any] = [1]
        self.cache: dict[str, Any] = {"k": [torch.zeros(2)], "deep": {"n": [1, {2}]}}
        self.recent = deque([1, 2], maxlen=2)
        self.counts = Counter("ab")
        self.steps = 0
        self.half_weight = nn.Parameter(torch.ones(3, dtype=torch.float16))
        self.fc.weight.grad = torch.full((4, 4), 2.0)
        self.norm.eval()

    def forward(self, x: Tensor) -> Tensor:
        self.act(self)
        return self.norm(self.fc(x))


def no_grad(act: Callable[[Busy], object]) -> Callable[[Busy], object]:
    return torch.no_grad()(act)


def set_attribute(name: str, value: Any) -> Callable[[Busy], object]:
    return lambda net: setattr(net, name, value)


def swap_data(net: Busy) -> None:
    net.fc.weight.data = torch.zeros(4, 4)


def transpose_data(net: Busy) -> None:
    net.fc.weight.data = net.fc.weight.data.t()


def set_item(net: Busy) -> None:
    net.fc.weight[0] = 5


def iadd(net: Busy) -> None:
    net.fc.weight += 1


def backward(net: Busy) -> None:
    net.fc(torch.ones(1, 4)).sum().backward()


def step(net: Busy) -> None:
    backward(net)
    torch.optim.SGD(net.parameters(), lr=1.0).step()


def draw(net: Busy) -> None:
    torch.rand(3), np.random.rand(3), random.random()


def through_numpy(net: Busy) -> None:
    net.fc.weight.detach().numpy()[0] = 7


def delete(net: Busy) -> None:
    del net.plain
    del net.small
    del net.conv


def replace_module(net: Busy) -> None:
    net.other = nn.Linear(4, 4)
    net.extra = nn.ReLU()


def set_type(net: Busy) -> None:
    net.fc.half()
    net.fc.float()
    net.conv.double()


class WritesInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor) -> Tensor:
        return weight.mul_(3)


ACTS: dict[str, Callable[[Busy], object]] = {
    "nothing": lambda net: None,
    "train": lambda net: net.train(),
    "eval": lambda net: net.eval(),
    "norm in training": lambda net: net.norm.train()(torch.randn(8, 4)),
    "small buffer": lambda net: net.small.add_(1),
    "big buffer": lambda net: net.big.add_(1),
    "part of the big buffer": lambda net: net.big[5:9].fill_(3),
    "data of the big buffer": lambda net: net.big.data.fill_(2),
    "big buffer out": lambda net: torch.ones(2**18 + 1, out=net.big),
    "big buffer resized": lambda net: net.big.resize_(3),
    "plain tensor": lambda net: net.plain.mul_(2),
    "tensor in a container": lambda net: net.cache["k"][0].add_(1),
    "attribute": set_attribute("steps", 7),
    "new attribute": set_attribute("brand_new", torch.ones(3)),
    "buffer replaced": set_attribute("small", torch.ones(2)),
    "parameter replaced": lambda net: setattr(net.fc, "bias", nn.Parameter(torch.ones(4))),
    "deleted": delete,
    "module replaced": replace_module,
    "list": lambda net: net.log.append(torch.ones(2)),
    "nested list": lambda net: net.cache["k"].append(3),
    "nested set": lambda net: net.cache["deep"]["n"][1].add(9),
    "dict": lambda net: net.cache.pop("k"),
    "deque": lambda net: net.recent.append(3),
    "counter": lambda net: net.counts.update("aaa"),
    "data.mul_": lambda net: net.fc.weight.data.mul_(2),
    "detach().zero_": lambda net: net.fc.weight.detach().zero_(),
    "add_": no_grad(lambda net: net.fc.weight.add_(1)),
    "iadd": no_grad(iadd),
    "setitem": no_grad(set_item),
    "view": no_grad(lambda net: net.fc.weight.view(-1)[3:5].fill_(1)),
    "functional in place": no_grad(lambda net: F.relu(net.fc.weight, inplace=True)),
    "functional dropout": no_grad(lambda net: F.dropout(net.fc.weight, 0.5, True, True)),
    "torch.relu_": no_grad(lambda net: torch.relu_(net.fc.weight)),
    "init normal": lambda net: nn.init.normal_(net.fc.weight),
    "init constant": lambda net: nn.init.constant_(net.fc.weight, 1.0),
    "init kaiming": lambda net: nn.init.kaiming_uniform_(net.conv.weight),
    "init orthogonal": lambda net: nn.init.orthogonal_(net.fc.weight),
    "reset": lambda net: net.conv.reset_parameters(),
    "out": no_grad(lambda net: torch.add(net.fc.weight, 1, out=net.fc.weight)),
    "normalize out": no_grad(lambda net: F.normalize(net.fc.weight, out=net.fc.weight)),
    "max_norm": lambda net: F.embedding(torch.tensor([1]), net.table.weight, max_norm=0.1),
    "foreach": no_grad(lambda net: torch._foreach_add_([net.fc.weight, net.fc.bias], 1.0)),
    "foreach copy": no_grad(lambda net: torch._foreach_copy_([net.fc.bias], [torch.ones(4)])),
    "copy_": no_grad(lambda net: net.fc.weight.copy_(torch.ones(4, 4))),
    "tied": no_grad(lambda net: net.other.weight.add_(1)),
    "half": no_grad(lambda net: net.half_weight.mul_(3)),
    "data =": swap_data,
    "data = its transpose": transpose_data,
    "set_": no_grad(lambda net: net.fc.weight.set_(torch.zeros(4, 4))),
    "vector_to_parameters": lambda net: nn.utils.vector_to_parameters(
        torch.zeros(20), net.fc.parameters()
    ),
    "load_state_dict": lambda net: net.load_state_dict(
        {name: value + 1 for name, value in net.state_dict().items()}
    ),
    "custom function": no_grad(lambda net: WritesInBackward.apply(net.fc.weight.data)),
    "through numpy": through_numpy,
    "type": set_type,
    "requires_grad": lambda net: net.requires_grad_(False),
    "backward": backward,
    "zero_grad": lambda net: net.zero_grad(),
    "optimizer": step,
    "user hook": lambda net: net.fc.register_forward_hook(lambda *a: None),
    "user gradient hook": lambda net: net.register_full_backward_hook(lambda *a: None),
    "random numbers": draw,
    "seeded": lambda net: torch.manual_seed(7),
}


@pytest.mark.parametrize("mode", ["preserved", "observe"])
@pytest.mark.parametrize("name", ACTS)
def test_the_model_is_as_it_was(name: str, mode: str) -> None:
    torch.manual_seed(0)
    net = Busy(ACTS[name])
    before = fingerprint(net)
    block = preserved(net) if mode == "preserved" else observe(net, lambda call: None)
    with block:
        net(torch.randn(2, 4))
    assert fingerprint(net) == before


@pytest.mark.parametrize("name", [name for name in ACTS if name != "nothing"])
def test_the_fingerprint_sees_each_change(name: str) -> None:
    """Without the block each of them leaves a trace, so the test above can fail."""
    net = Busy(ACTS[name])
    before = fingerprint(net)
    net.act(net)
    assert fingerprint(net) != before


def everything(net: Busy) -> None:
    for name, act in ACTS.items():
        if name not in ("deleted", "requires_grad", "big buffer resized"):
            act(net)
    net.requires_grad_(False)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_after_an_exception_in_forward(error: type[BaseException]) -> None:
    def act(net: Busy) -> None:
        everything(net)
        raise error("stop")

    net = Busy(act)
    before = fingerprint(net)
    with (
        pytest.raises(error, match="stop"),
        observe(net, lambda call: None, on_gradient=lambda s, g: None),
    ):
        net(torch.randn(2, 4))
    assert fingerprint(net) == before


def test_after_an_exception_in_the_callback() -> None:
    def fail(call: object) -> None:
        raise ValueError("callback")

    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    before = fingerprint(net)
    with pytest.raises(ValueError, match="callback"), observe(net, fail):
        net(torch.randn(2, 3))
    assert fingerprint(net) == before


def test_after_sigint_in_forward() -> None:
    def act(net: Busy) -> None:
        everything(net)
        signal.raise_signal(signal.SIGINT)

    net = Busy(act)
    before = fingerprint(net)
    with pytest.raises(KeyboardInterrupt), observe(net, lambda call: None):
        net(torch.randn(2, 4))
    assert fingerprint(net) == before


def test_a_second_sigint_waits_until_all_is_restored() -> None:
    class Impatient(dict[str, int]):
        def clear(self) -> None:
            super().clear()
            signal.raise_signal(signal.SIGINT)

    net = nn.Linear(2, 2)
    net.first = Impatient(a=1)
    before = fingerprint(net)

    def forward() -> None:
        with preserved(net):
            net.first["b"] = 2
            net.weight.data.zero_()
            torch.rand(1)

    with pytest.raises(KeyboardInterrupt):
        forward()
    assert fingerprint(net) == before


_KILLED = """
    import os, signal, sys, threading, time
    import torch
    from torch import nn
    from netdoctor.observe import observe
    from tests.observe.state import fingerprint

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.BatchNorm1d(3)
            self.log = []

        def forward(self, x):
            for step in range(10_000):
                x = self.norm(x)
                self.log.append(step)
                with torch.no_grad():
                    self.norm.weight.mul_(1.01)
                if step == 20:
                    print("ready", flush=True)
                time.sleep(0.001)

    net = Slow()
    before = fingerprint(net)
    try:
        with observe(net, lambda call: None, watch=("activation", "module")):
            net(torch.randn(4, 3))
    except KeyboardInterrupt:
        print("same" if fingerprint(net) == before else "changed")
"""


def test_after_a_real_ctrl_c() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(_KILLED)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert output == "same\n"


def test_the_training_flag_of_each_module() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(3), nn.ReLU()), nn.Linear(3, 3))
    net[1].eval()
    flags = [module.training for module in net.modules()]
    with observe(net, lambda call: None):
        net.eval()
    assert [module.training for module in net.modules()] == flags
    assert len(set(flags)) == 2


@pytest.mark.parametrize("parametrized", ["spectral", "weight", "old spectral", "old weight"])
@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated")
@pytest.mark.filterwarnings("ignore:.*spectral_norm.* is deprecated")
def test_parametrized_weights_in_training(parametrized: str) -> None:
    wrap = {
        "spectral": nn.utils.parametrizations.spectral_norm,
        "weight": nn.utils.parametrizations.weight_norm,
        "old spectral": nn.utils.spectral_norm,
        "old weight": nn.utils.weight_norm,
    }[parametrized]
    net = nn.Sequential(wrap(nn.Linear(5, 4)), nn.ReLU())
    before = fingerprint(net)
    with observe(net, lambda call: None) as seen:
        net(torch.randn(2, 5))
    assert fingerprint(net) == before
    assert seen.not_examined() == []


def test_gradients_are_none_inside_and_the_same_objects_after() -> None:
    net = nn.Linear(2, 2)
    net(torch.ones(1, 2)).sum().backward()
    gradient, value = net.weight.grad, net.weight.grad.clone()
    with observe(net, lambda call: None):
        assert net.weight.grad is None
        net(torch.ones(1, 2)).sum().backward()
    assert net.weight.grad is gradient
    assert torch.equal(gradient, value)


def test_a_weight_that_nothing_writes_to_is_not_copied() -> None:
    net = nn.Sequential(nn.Embedding(1000, 64), nn.Linear(64, 64), nn.LayerNorm(64)).eval()
    from netdoctor.observe.preserve import restored

    with restored(net) as guard:
        guard.before(F.linear, (torch.ones(1), net[1].weight), {})
        guard.before(F.embedding, (torch.ones(1), net[0].weight), {"max_norm": None})
        assert not guard._tensors.copies
        guard.before(torch.Tensor.mul_, (net[1].weight, 2), {})
        assert len(guard._tensors.copies) == 1


def test_hooks_of_the_user_stay_and_run() -> None:
    ran: list[str] = []
    net = nn.Linear(2, 2)
    net.register_forward_hook(lambda *a: ran.append("forward"))
    net.register_forward_pre_hook(lambda *a: ran.append("before"))
    before = fingerprint(net)
    with observe(net, lambda call: None):
        net(torch.ones(1, 2))
    assert ran == ["before", "forward"]
    assert fingerprint(net) == before


def test_a_compiled_child_runs_eagerly_and_is_put_back() -> None:
    def refuse(*args: object) -> object:
        raise AssertionError("compiled")

    inner = nn.Sequential(nn.Linear(3, 3), nn.ReLU())
    net = nn.Sequential(torch.compile(inner, backend=refuse), nn.DataParallel(nn.Linear(3, 2)))
    in_place = nn.Linear(2, 2)
    in_place.compile(backend=refuse)
    net.append(in_place)
    children = list(net.children())
    before, sites = fingerprint(net), []
    with observe(net, lambda call: sites.append(str(call.site))) as seen:
        net(torch.ones(1, 3))
    assert sites == ["0.1#1"]
    assert seen.not_examined() == []
    assert list(net.children()) == children
    assert net[0] is children[0]
    assert fingerprint(net) == before


def test_a_compiled_function_runs_eagerly() -> None:
    def refuse(*args: object) -> object:
        raise AssertionError("compiled")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(2, 2)
            self.act = torch.compile(lambda x: F.relu(x), backend=refuse)

        def forward(self, x: Tensor) -> Tensor:
            return self.act(self.fc(x))

    sites: list[str] = []
    net = Net()
    with observe(net, lambda call: sites.append(str(call.site))):
        net(torch.ones(1, 2))
    assert sites == ["/relu#1"]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.filterwarnings("ignore:.torch.jit")
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("change", ["half", "quantized", "scripted", "lazy", "meta"])
def test_unusual_models(change: str) -> None:
    x: Tensor = torch.randn(2, 4)
    net: nn.Module = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU())
    if change == "half":
        net, x = net.to(torch.bfloat16), x.to(torch.bfloat16)
    elif change == "quantized":
        weight = torch.quantize_per_tensor(torch.randn(3, 3), 0.1, 0, torch.qint8)
        net.register_buffer("quantized", weight)
    elif change == "scripted":
        net = nn.Sequential(torch.jit.script(net), nn.ReLU())
    elif change == "lazy":
        net = nn.Sequential(nn.Linear(4, 4), nn.LazyBatchNorm1d(), nn.LazyLinear(3))
    elif change == "meta":
        net, x = net.to("meta"), x.to("meta")
    before = fingerprint(net) if change != "lazy" else None
    with observe(net, lambda call: None):
        if change != "meta":
            net(x)
    if change != "lazy":
        assert fingerprint(net) == before
    else:  # it has its shapes now, and runs as a network without lazy layers does
        assert net(x).shape == net.eval()(x[:1].repeat(2, 1)).shape == (2, 3)


def test_nested_blocks_on_one_model() -> None:
    net = Busy(ACTS["norm in training"])
    outer: list[str] = []
    inner: list[str] = []
    before = fingerprint(net)
    with observe(net, lambda call: outer.append(str(call.site)), watch=("module",)):
        halfway = fingerprint(net)
        with observe(net, lambda call: inner.append(str(call.site)), watch=("module",)):
            net(torch.randn(2, 4))
        assert fingerprint(net) == halfway
        net(torch.randn(2, 4))
    assert fingerprint(net) == before
    assert outer[: len(inner)] == inner == outer[len(inner) :]


def test_a_copy_and_a_pickle_are_possible_afterwards() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    with observe(net, lambda call: None, on_gradient=lambda s, g: None):
        net(torch.ones(1, 2))
    assert fingerprint(copy.deepcopy(net), identity=False) == fingerprint(net, identity=False)


def test_nothing_keeps_the_tensors_alive() -> None:
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    kept: list[weakref.ref[Tensor]] = []
    gc.collect()
    gc.disable()
    try:
        x = torch.randn(2, 3)
        with observe(net, lambda call: kept.append(weakref.ref(call.output)), watch=("module",)):
            net(x)
        assert len(kept) == 3
        assert [each() for each in kept] == [None] * 3
    finally:
        gc.enable()


def test_fifty_passes_leave_as_many_tensors_as_one() -> None:
    def living() -> int:
        gc.collect()
        return sum(issubclass(type(each), Tensor) for each in gc.get_objects())

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    with observe(net, lambda call: None, watch=("module", "operation", "activation")):
        net(torch.randn(2, 3, 8, 8))
        after_one = living()
        for _ in range(50):
            net(torch.randn(2, 3, 8, 8))
        assert living() == after_one


@pytest.mark.parametrize("foreach", [False, True])
def test_a_model_trained_for_a_while_is_as_before_also_what_nobody_watched(foreach: bool) -> None:
    model = Busy(lambda busy: (busy.big.add_(1), busy.conv.weight.data.mul_(0.9)))
    model.conv.requires_grad_(False)
    before = fingerprint(model)
    with trained_for_a_while(model):
        model.train()
        weights = [each for each in model.parameters() if each.requires_grad]
        optimizer = torch.optim.Adam(weights, 0.1, foreach=foreach)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(8, 4)).square().sum().backward()
            optimizer.step()
        assert fingerprint(model) != before
    assert fingerprint(model) == before
