"""observe() sees every call, module or function, and nothing that is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from netdoctor.observe import Call, Watch, observe, unwrap
from tests.observe.state import fingerprint
from tests.observe.watching import Net, calls, functional, kinds

IMAGE = torch.randn(2, 3, 9, 9)


@pytest.mark.parametrize(
    ("name", "count"), [("resnet18", 17), ("googlenet", 57), ("inception_v3", 94)]
)
def test_relu_calls_of_torchvision(name: str, count: int) -> None:
    from torchvision import models

    extra = {} if name == "resnet18" else {"init_weights": False}
    model = models.get_model(name, weights=None, **extra).eval()
    found, seen = calls(model, torch.randn(1, 3, 80, 80))
    assert len(found) == count
    assert {call.name for call in found.values()} == {"relu"}
    not_examined = [each.subject for each in seen.not_examined()]
    if name == "resnet18":
        assert {"layer1.0.relu#1", "layer1.0.relu#2"} <= set(found)
        assert not_examined == []
    else:
        assert not_examined
        assert all(each.startswith(("aux", "AuxLogits")) for each in not_examined)


def test_one_module_called_twelve_times() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        for _ in range(12):
            x = net.act(net.fc(x))
        return x

    found, _ = calls(Net(forward, fc=nn.Linear(4, 4), act=nn.ReLU()), torch.ones(1, 4), passes=2)
    assert list(found) == [f"act#{number}" for number in range(1, 13)]


FORMS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "F.relu": (F.relu, "relu"),
    "F.relu in place": (lambda x: F.relu(x, inplace=True), "relu"),
    "F.relu_": (F.relu_, "relu"),
    "torch.relu": (torch.relu, "relu"),
    "torch.relu_": (torch.relu_, "relu"),
    "relu": (lambda x: x.relu(), "relu"),
    "relu_": (lambda x: x.relu_(), "relu"),
    "a new module": (lambda x: nn.ReLU()(x), "relu"),
    "relu6": (F.relu6, "relu6"),
    "leaky_relu": (lambda x: F.leaky_relu(x, 0.2), "leaky_relu"),
    "leaky_relu_": (F.leaky_relu_, "leaky_relu"),
    "prelu": (lambda x: F.prelu(x, torch.ones(1)), "prelu"),
    "rrelu": (F.rrelu, "rrelu"),
    "elu": (F.elu, "elu"),
    "elu_": (F.elu_, "elu"),
    "selu": (F.selu, "selu"),
    "torch.selu_": (torch.selu_, "selu"),
    "celu": (F.celu, "celu"),
    "gelu": (F.gelu, "gelu"),
    "gelu tanh": (lambda x: F.gelu(x, approximate="tanh"), "gelu"),
    "silu": (F.silu, "silu"),
    "silu in place": (lambda x: F.silu(x, inplace=True), "silu"),
    "mish": (F.mish, "mish"),
    "softplus": (F.softplus, "softplus"),
    "hardswish": (F.hardswish, "hardswish"),
    "hardsigmoid": (F.hardsigmoid, "hardsigmoid"),
    "hardtanh": (lambda x: F.hardtanh(x, -2.0, 2.0), "hardtanh"),
    "hardtanh_": (F.hardtanh_, "hardtanh"),
    "F.sigmoid": (F.sigmoid, "sigmoid"),
    "torch.sigmoid": (torch.sigmoid, "sigmoid"),
    "sigmoid": (lambda x: x.sigmoid(), "sigmoid"),
    "sigmoid_": (lambda x: x.sigmoid_(), "sigmoid"),
    "expit": (torch.special.expit, "sigmoid"),
    "tanh": (torch.tanh, "tanh"),
    "x.tanh_": (lambda x: x.tanh_(), "tanh"),
    "threshold": (lambda x: F.threshold(x, 0.0, 0.0), "threshold"),
    "clamp": (lambda x: x.clamp(min=0), "clamp"),
    "clamp positional": (lambda x: torch.clamp(x, 0), "clamp"),
    "clamp_": (lambda x: x.clamp_(0), "clamp"),
    "clamp to 6": (lambda x: x.clamp(0, 6), "clamp"),
    "clamp by a tensor": (lambda x: x.clamp(min=torch.zeros(())), "clamp"),
    "clip": (lambda x: x.clip(0), "clamp"),
    "clip_": (lambda x: x.clip_(min=0.0), "clamp"),
    "clamp_min": (lambda x: x.clamp_min(0), "clamp_min"),
    "torch.clamp_min_": (lambda x: torch.clamp_min_(x, 0), "clamp_min"),
    "maximum": (lambda x: torch.maximum(x, torch.zeros(())), "maximum"),
    "maximum swapped": (lambda x: torch.maximum(torch.zeros(()), x), "maximum"),
    "maximum zeros_like": (lambda x: torch.maximum(x, torch.zeros_like(x)), "maximum"),
    "x.maximum": (lambda x: x.maximum(x.new_zeros(())), "maximum"),
    "torch.max": (lambda x: torch.max(x, torch.zeros_like(x)), "maximum"),
    "x.max": (lambda x: x.max(torch.tensor(0.0)), "maximum"),
    "fmax": (lambda x: torch.fmax(x, torch.zeros(1)), "maximum"),
    "clamp of a sum": (lambda x: (x + x.flip(0)).clamp(min=0) + x, "clamp"),
    "clamp of tokens": (lambda x: x.flatten(2).transpose(1, 2).clamp(min=0), "clamp"),
    "clamp of a crop": (lambda x: x[:, :, 1:].clamp(min=0), "clamp"),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_activation(form: str) -> None:
    function, expected = FORMS[form]
    model = functional(function)
    found, _ = calls(model, IMAGE)
    assert [call.kind.name for call in found.values() if call.kind] == [expected]
    (call,) = found.values()
    assert call.name == expected
    assert call.trace.axis == (2 if "tokens" in form else 1)
    assert call.trace.layer == "conv"


NONE: dict[str, Callable[[Tensor], Any]] = {
    "x.max(0)": lambda x: x.max(0)[0],
    "x.max(dim=0)": lambda x: x.max(dim=0).values,
    "x.max()": lambda x: x.max(),
    "torch.max over features": lambda x: torch.max(x, 1)[0],
    "amax": lambda x: x.amax(1),
    "maximum of two signals": lambda x: torch.maximum(x, x * 2),
    "torch.max of two signals": lambda x: torch.max(x, -x),
    "maximum with ones": lambda x: torch.maximum(x, torch.ones(())),
    "clamp above zero": lambda x: x.clamp(min=1e-6),
    "clamp max": lambda x: x.clamp(max=0),
    "clamp around zero": lambda x: x.clamp(-1, 1),
    "boxes": lambda x: x[:, :4].clamp(min=0),
    "boxes, last axis": lambda x: x.permute(0, 2, 3, 1)[..., 0::2].clamp(0, 640),
    "unbound boxes": lambda x: [each.clamp(min=0) for each in x.unbind(1)],
    "decoded boxes": lambda x: (x * 3 + 1).exp().clamp(min=0),
    "a variance": lambda x: (x.pow(2).mean(1, True) - x.mean(1, True) ** 2).clamp(min=0),
    "a hinge": lambda x: (1 - x * torch.sign(x)).clamp(min=0),
    "softmax": lambda x: x.softmax(1),
    "logsigmoid": F.logsigmoid,
    "tanhshrink": F.tanhshrink,
    "threshold elsewhere": lambda x: F.threshold(x, 0.1, 20),
    "softsign": F.softsign,
}


@pytest.mark.parametrize("name", NONE)
def test_what_is_no_activation(name: str) -> None:
    assert kinds(functional(NONE[name]), IMAGE) == {}


def test_clamping_the_input_is_no_activation() -> None:
    assert (
        kinds(Net(lambda net, x: net.fc(x.clamp(min=0)), fc=nn.Linear(3, 2)), torch.ones(1, 3))
        == {}
    )


def test_modules_with_a_kind_report_once_and_under_their_own_name() -> None:
    class MySwish(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.sigmoid(x)

    net = nn.Sequential(nn.Conv2d(3, 4, 3), MySwish(), nn.Tanhshrink(), nn.LogSigmoid(), nn.Tanh())
    found, _ = calls(net, IMAGE)
    assert {site: call.name for site, call in found.items()} == {"1#1": "silu", "4#1": "tanh"}
    assert found["1#1"].module is net[1]


def test_efficientnet_lites_swish() -> None:
    lite = pytest.importorskip("efficientnet_lite_pytorch.utils")
    act = lite.MemoryEfficientSwish()

    def forward(net: Net, x: Tensor) -> Tensor:
        return net.act(net.conv(net.act(net.conv(x))))

    found, seen = calls(Net(forward, conv=nn.Conv2d(3, 3, 3), act=act), IMAGE)
    assert [(site, call.name) for site, call in found.items()] == [
        ("act#1", "silu"),
        ("act#2", "silu"),
    ]
    assert [call.trace.axis for call in found.values()] == [1, 1]
    assert seen.after == {"act#1": "conv", "act#2": "conv"}


@pytest.mark.parametrize("watch", [("module",), ("operation",)])
def test_what_the_callback_sees_before_an_in_place_relu(watch: tuple[Watch, ...]) -> None:
    conv = nn.Conv2d(3, 4, 3)
    net = nn.Sequential(conv, nn.ReLU(inplace=True))
    expected, seen = conv(IMAGE).detach(), []

    def on_call(call: Call) -> None:
        if call.name in ("Conv2d", "conv2d"):
            seen.append(call.output.clone())

    with observe(net, on_call, watch=watch), torch.no_grad():
        net(IMAGE)
    assert torch.equal(seen[0], expected)
    assert (seen[0] < 0).any()


def test_site_texts_are_unique_even_for_paths_with_a_slash() -> None:
    net = Net(lambda net, x: net.run_both(x))
    inner = Net(lambda inner, x: F.relu(inner.fc(x)), fc=nn.Linear(3, 3))
    net.add_module("[red]x", inner)
    net.add_module("[red]x/relu", nn.ReLU())
    net.run_both = lambda x: net._modules["[red]x/relu"](net._modules["[red]x"](x))
    found, _ = calls(net, torch.ones(1, 3), watch=("activation", "module"))
    assert {"[red]x/relu#1", "[red]x/relu#2"} <= set(found)


def test_numbers_start_again_with_each_pass() -> None:
    net = functional(lambda x: F.relu(F.relu(x)))
    first, _ = calls(net, IMAGE)
    second, seen = calls(net, IMAGE, passes=3)
    assert list(first) == list(second) == ["/relu#1", "/relu#2"]
    assert seen.passes == 3


def test_numbers_do_not_depend_on_what_is_watched() -> None:
    net = functional(lambda x: F.relu(x[:, :2].clamp(min=0)) + x.clamp(min=0)[:, :2])
    alone, _ = calls(net, IMAGE)
    together, _ = calls(net, IMAGE, watch=("operation", "activation"))
    assert set(alone) == {"/relu#1", "/clamp#2"}
    assert set(alone) < set(together)


def reasons(model: nn.Module, *inputs: Any) -> dict[str, str]:
    return {each.subject: each.reason for each in calls(model.eval(), *inputs)[1].not_examined()}


def test_not_examined() -> None:
    branch = Net(
        lambda net, x: net.a(x), a=nn.Linear(3, 3), b=nn.Linear(3, 3), c=nn.ReLU(), d=nn.Identity()
    )
    assert reasons(branch, torch.ones(1, 3)) == {
        "b": "never called in these forward passes", "c": "never called in these forward passes",
    }  # fmt: skip
    attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    assert reasons(attention, torch.ones(1, 3, 8)) == {
        "self_attn.out_proj": "never called: its weights were used directly inside self_attn",
    }
    direct = Net(lambda net, x: x @ net.fc.weight.T, fc=nn.Linear(3, 3))
    assert reasons(direct, torch.ones(1, 3)) == {
        "fc": "never called: its weights were used directly inside the model",
    }
    held = Net(lambda net, x: x * net.scales[0], scales=nn.ParameterList([torch.ones(3)]))
    assert reasons(held, torch.ones(1, 3)) == {}


def test_transformer_encoder_in_evaluation() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    mask = torch.tensor([[False, False, True]])
    found, seen = calls(encoder, torch.randn(1, 3, 8), src_key_padding_mask=mask)
    assert list(found) == ["layers.0/relu#1", "layers.1/relu#1"]
    assert {call.trace.axis for call in found.values()} == {2}
    assert all(each.subject.endswith("out_proj") for each in seen.not_examined())


def test_an_exception_that_the_forward_catches() -> None:
    def fail(net: Net, x: Tensor) -> Tensor:
        F.relu(x)
        raise ValueError

    def forward(net: Net, x: Tensor) -> Tensor:
        try:
            net.bad(x)
        except ValueError:
            x = F.relu(net.fc(x))
        return net.act(x)

    net = Net(forward, bad=Net(fail, inner=nn.ReLU()), fc=nn.Linear(3, 3), act=nn.ReLU())
    assert list(kinds(net, torch.ones(1, 3))) == ["bad/relu#1", "/relu#1", "act#1"]


def test_a_pass_after_one_that_raised() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.act(net.fc(x))
        if x.shape[0] == 1:
            raise ValueError("one")
        return x

    net = Net(forward, fc=nn.Linear(3, 3), act=nn.ReLU())
    sites: list[str] = []
    with observe(net, lambda call: sites.append(str(call.site))) as seen:
        with pytest.raises(ValueError, match="one"):
            net(torch.ones(1, 3))
        net(torch.ones(2, 3))
    assert sites == ["act#1", "act#1"]
    assert seen.passes == 1


def test_a_model_that_calls_itself() -> None:
    def forward(net: Net, x: Tensor, depth: int = 2) -> Tensor:
        x = net.act(net.fc(x))
        return net(x, depth - 1) if depth else x

    found, seen = calls(Net(forward, fc=nn.Linear(3, 3), act=nn.ReLU()), torch.ones(1, 3))
    assert list(found) == ["act#1", "act#2", "act#3"]
    assert seen.passes == 1
    assert seen.roles == {"act#1": "hidden", "act#2": "hidden", "act#3": "output"}


@pytest.mark.parametrize("inplace", [False, True])
def test_gradients_equal_those_of_autograd(inplace: bool) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace), nn.Conv2d(4, 2, 3), nn.Tanh())
    got: dict[str, Tensor] = {}
    with observe(
        net,
        lambda call: None,
        watch=("module", "activation"),
        on_gradient=lambda site, gradient: got.update({str(site): gradient.clone()}),
    ):
        net(IMAGE).square().sum().backward()
    a = net[0](IMAGE)
    b = F.relu(a)
    c = net[2](b)
    d = torch.tanh(c)
    expected = torch.autograd.grad(d.square().sum(), [a, b, c, d])
    for site, gradient in zip(("0#1", "1#1", "2#1", "3#1"), expected, strict=True):
        torch.testing.assert_close(got[site], gradient)
    assert all(each.grad is None for each in net.parameters())


def test_gradient_hooks_leave_no_trace_on_the_users_tensors() -> None:
    x = torch.ones(1, 3, requires_grad=True)
    net = nn.Sequential(nn.Identity(), nn.Linear(3, 3), nn.ReLU())
    seen: list[str] = []
    with observe(
        net, lambda call: None, watch=("module",), on_gradient=lambda s, g: seen.append(str(s))
    ):
        net(x).sum().backward()
    assert "0#1" in seen
    seen.clear()
    (x * 2).sum().backward()
    assert seen == []


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpointing_is_reported_once(reentrant: bool) -> None:
    net = Net(
        lambda net, x: checkpoint(net.block, x, use_reentrant=reentrant),
        block=nn.Sequential(nn.Linear(3, 3), nn.ReLU()),
    )
    sites: list[str] = []
    before = fingerprint(net)
    with observe(net, lambda call: sites.append(str(call.site)), on_gradient=lambda s, g: None):
        net(torch.ones(1, 3, requires_grad=True)).sum().backward()
    assert sites == ["block.1#1"]
    assert fingerprint(net) == before


def test_the_first_operation_that_makes_nan_and_its_line() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.fc(x)
        x = torch.log(-x.abs())  # the culprit
        return net.fc(x)

    bad: list[tuple[str, str]] = []

    def on_call(call: Call) -> None:
        inputs = [each for each in call.inputs if each.is_floating_point()]
        if all(each.isfinite().all() for each in inputs) and not call.output.isfinite().all():
            bad.append((str(call.site), call.source()))

    line = forward.__code__.co_firstlineno + 2
    net = Net(forward, fc=nn.Linear(3, 3))
    with observe(net, on_call, watch=("operation",)):
        net(torch.ones(1, 3))
    assert bad[0] == ("/log#1", f"{__file__}:{line}")


def test_nan_written_by_an_assignment_is_seen() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.fc(x)
        x[0, 0] = float("nan")
        return x

    broken: list[str] = []

    def on_call(call: Call) -> None:
        if call.output.isnan().any():
            broken.append(str(call.site))

    net = Net(forward, fc=nn.Linear(3, 3))
    with observe(net, on_call, watch=("operation",)), torch.no_grad():
        net(torch.ones(1, 3))
    assert broken == ["/setitem#1"]


@dataclasses.dataclass
class Output:
    logits: Tensor
    extra: dict[str, Any]


OUTPUTS: dict[str, Callable[[Tensor], Any]] = {
    "None": lambda x: None,
    "tuple": lambda x: (x, None, 3),
    "dict": lambda x: {"a": x, "b": [x]},
    "dataclass": lambda x: Output(x, {"a": x}),
    "namespace": lambda x: SimpleNamespace(a=x),
    "complex": lambda x: torch.fft.fft(x).abs(),
    "complex output": lambda x: torch.complex(x, x) * 2,
    "sparse": lambda x: x.detach()[0, 0].to_sparse(),
    "zero-size": lambda x: F.relu(x[:0]),
    "integer": lambda x: x.argmax(1),
    "boolean": lambda x: x > 0,
    "generator": lambda x: (each for each in [x]),
    "half": lambda x: F.gelu(x.half()).float(),
    "nested": lambda x: {"a": {"b": [{"c": (x,)}]}},
    "vmap": torch.vmap(lambda row: torch.relu(row) * 2),
    "functional grad": lambda x: torch.func.grad(lambda y: F.relu(y).sum())(x),
    "iteration": lambda x: [F.relu(each) for each in x],
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_of_every_type(name: str) -> None:
    net = functional(lambda x: OUTPUTS[name](F.relu(x)))
    values: list[float] = []

    def on_call(call: Call) -> None:
        values.append(float(call.output.detach().float().sum()))

    everything: tuple[Watch, ...] = ("activation", "module", "operation")
    before = fingerprint(net)
    with observe(net, on_call, watch=everything, on_gradient=lambda s, g: None) as seen:
        net(IMAGE)
    assert seen.passes == 1
    assert values
    assert fingerprint(net) == before


@pytest.mark.parametrize("context", ["inference", "autocast", "no_grad", "deterministic"])
def test_in_every_context(context: str) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
    block: Any = {
        "inference": torch.inference_mode,
        "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
        "no_grad": torch.no_grad,
        "deterministic": torch.enable_grad,
    }[context]
    before = fingerprint(net)
    seen: list[tuple[str, float]] = []
    with (
        block(),
        observe(net, lambda call: seen.append((str(call.site), float(call.output.detach().sum())))),
    ):
        net(IMAGE)
    assert [site for site, _ in seen] == ["2#1"]
    assert fingerprint(net) == before


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_a_scripted_submodule_is_not_called_healthy() -> None:
    scripted = torch.jit.script(nn.Sequential(nn.Linear(3, 3), nn.ReLU()))
    net = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), scripted, nn.Tanh())
    found, seen = calls(net, torch.ones(2, 3))
    assert set(found) == {"1#1", "3#1"}
    (unseen,) = seen.not_examined()
    assert unseen.subject == "2"
    assert "scripted" in unseen.reason


def test_packed_sequences() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([4, 2]), batch_first=True)
        output, _ = net.lstm(packed)
        padded, _ = nn.utils.rnn.pad_packed_sequence(output, batch_first=True)
        return F.relu(net.fc(padded))

    net = Net(forward, lstm=nn.LSTM(3, 5, batch_first=True), fc=nn.Linear(5, 4))
    found, seen = calls(net, torch.randn(2, 4, 3), watch=("activation", "module"))
    assert {"lstm#1", "fc#1", "/relu#1"} <= set(found)
    assert found["/relu#1"].trace.axis == 2
    assert seen.not_examined() == []


def test_a_model_of_transformers() -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        vocab_size=50,
    )  # fmt: skip
    model = transformers.BertModel(config).eval()
    ids = torch.randint(0, 50, (2, 7))
    before = fingerprint(model)
    found, seen = calls(model, input_ids=ids)
    names = [(site, call.name, call.trace.axis) for site, call in found.items()]
    assert names == [
        ("encoder.layer.0.intermediate.intermediate_act_fn#1", "gelu", 2),
        ("encoder.layer.1.intermediate.intermediate_act_fn#1", "gelu", 2),
        ("pooler.activation#1", "tanh", 1),
    ]
    assert seen.not_examined() == []
    assert seen.roles["pooler.activation#1"] == "output"
    assert fingerprint(model) == before


def test_a_quantizable_network_of_torchvision() -> None:
    from torchvision.models import quantization

    model = quantization.resnet18(weights=None, quantize=False).eval()
    found, seen = calls(model, torch.randn(1, 3, 32, 32))
    assert len(found) == 17
    assert seen.not_examined() == []


def test_modules_called_inside_an_activation_are_not_counted_apart() -> None:
    found, _ = calls(nn.Sequential(nn.Linear(2, 2), nn.Hardswish(), nn.SiLU()), torch.ones(1, 2))
    assert list(found) == ["1#1", "2#1"]


def test_module_watch_gives_every_output_once() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    found, _ = calls(net, IMAGE, watch=("module", "activation"))
    assert {site: call.watch for site, call in found.items()} == {
        "0#1": "module", "1.0#1": "module", "1.1#1": "activation", "1#1": "module",
        "(model)#1": "module",
    }  # fmt: skip
    assert found["0#1"].name == "Conv2d"
    assert found["0#1"].inputs[0] is IMAGE


def test_unwrap() -> None:
    inner = nn.Linear(2, 2)
    assert unwrap(torch.compile(nn.DataParallel(inner))) is inner
    assert unwrap(inner) is inner
