"""Channel axes, the layers and calls behind a call, and the role it plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.observe.watching import Net, calls

IMAGE = (2, 3, 9, 9)


def nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


AXES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], list[int | None]]] = {
    "conv": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), IMAGE, [1]),
    "conv, one sample": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), IMAGE[1:], [0]),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.ReLU()), (2, 3, 9), [1]),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(3, 4, 3), nn.ReLU()), (2, 3, 5, 5, 5), [1]),
    "groups": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.ReLU()), (2, 4, 5, 5), [1]),
    "transposed": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 3), nn.ReLU()), IMAGE, [1]),
    "linear": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU()), (2, 5), [1]),
    "tokens": (lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU()), (2, 7, 5), [2]),
    "swin": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LayerNorm(4), nn.ReLU()), (2, 7, 7, 5), [3]),
    "batch norm": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU()), IMAGE, [1]),
    "group norm": (lambda: nn.Sequential(nn.GroupNorm(1, 3), nn.ReLU()), IMAGE, [1]),
    "flattened": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.ReLU()), IMAGE, [1],
    ),
    "tokens of pixels": (
        lambda: Net(
            lambda net, x: F.relu(net.conv(x).flatten(2).transpose(1, 2)), conv=nn.Conv2d(3, 4, 3)
        ), IMAGE, [2],
    ),
    "convnext": (
        lambda: Net(
            lambda net, x: F.gelu(net.conv(nchw(F.gelu(net.fc(nhwc(x)))))),
            fc=nn.Linear(3, 6), conv=nn.Conv2d(6, 4, 3),
        ), IMAGE, [3, 1],
    ),
    "movedim": (
        lambda: Net(lambda net, x: F.relu(net.conv(x).movedim(1, -1)), conv=nn.Conv2d(3, 4, 3)),
        IMAGE, [3],
    ),
    "einops": (
        lambda: Net(
            lambda net, x: F.relu(net.conv(x).permute(0, 2, 3, 1).reshape(2, 49, 4)),
            conv=nn.Conv2d(3, 4, 3),
        ), IMAGE, [2],
    ),
    "T": (lambda: Net(lambda net, x: F.relu(net.fc(x).T), fc=nn.Linear(3, 4)), (2, 3), [0]),
    "mT": (lambda: Net(lambda net, x: F.relu(net.fc(x).mT), fc=nn.Linear(3, 4)), (2, 5, 3), [1]),
    "pixel shuffle": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.PixelShuffle(2), nn.ReLU()), IMAGE, [1],
    ),
    "chunk": (
        lambda: Net(
            lambda net, x: torch.mul(*(lambda a, b: (a, F.gelu(b)))(*net.fc(x).chunk(2, -1))),
            fc=nn.Linear(3, 8),
        ), (2, 5, 3), [2],
    ),
    "glu": (lambda: nn.Sequential(nn.Conv1d(3, 8, 3), nn.GLU(1), nn.ReLU()), (2, 3, 9), [1]),
    "lstm": (
        lambda: Net(
            lambda net, x: F.relu(net.lstm(x)[0]), lstm=nn.LSTM(3, 4, batch_first=True)
        ), (2, 5, 3), [2],
    ),
    "pooled": (
        lambda: Net(lambda net, x: F.relu(net.conv(x).mean((2, 3))), conv=nn.Conv2d(3, 4, 3)),
        IMAGE, [1],
    ),
    "matmul": (
        lambda: Net(lambda net, x: F.relu(x @ net.fc.weight.t()), fc=nn.Linear(3, 4)),
        (2, 5, 3), [2],
    ),
    "weight first": (
        lambda: Net(lambda net, x: F.relu(net.fc.weight @ x), fc=nn.Linear(5, 4)), (2, 5, 3), [1],
    ),
    "einsum": (
        lambda: Net(
            lambda net, x: F.relu(torch.einsum("nchw,oc->nohw", x, net.fc.weight)),
            fc=nn.Linear(3, 4),
        ), IMAGE, [1],
    ),
    "mean over the channels": (
        lambda: Net(lambda net, x: F.relu(net.conv(x).mean(1)), conv=nn.Conv2d(3, 7, 3)),
        IMAGE, [None],
    ),
    "attention": (
        lambda: Net(
            lambda net, x: F.relu(net.attention(x, x, x)[0]),
            attention=nn.MultiheadAttention(4, 2, batch_first=True),
        ), (2, 5, 4), [2],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", AXES)
def test_the_channel_axis(name: str) -> None:
    make, shape, expected = AXES[name]
    found, _ = calls(make().eval(), torch.randn(shape))
    assert [call.trace.axis for call in found.values()] == expected


class Gate(nn.Module):
    """Squeeze and excitation, written by hand."""

    def __init__(self, squash: nn.Module) -> None:
        super().__init__()
        self.down, self.up, self.squash = nn.Linear(4, 2), nn.Linear(2, 4), squash

    def forward(self, x: Tensor) -> Tensor:
        scale = self.squash(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * scale[:, :, None, None]


def roles(model: nn.Module, *inputs: Any) -> dict[str, str]:
    return dict(calls(model.eval(), *inputs)[1].roles)


@pytest.mark.parametrize("squash", [nn.Sigmoid(), nn.Hardsigmoid(), nn.Tanh()], ids=repr)
def test_squeeze_and_excitation(squash: nn.Module) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Gate(squash), nn.Conv2d(4, 2, 3))
    assert roles(net, torch.randn(IMAGE)) == {
        "1#1": "hidden", "2/relu#1": "gate-input", "2.squash#1": "gate",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"])
def test_squeeze_and_excitation_of_torchvision(name: str) -> None:
    from torchvision import models

    found, seen = calls(models.get_model(name, weights=None).eval(), torch.randn(1, 3, 64, 64))
    for site, call in found.items():
        inside = ".fc" in site or ".activation#" in site or ".scale_activation#" in site
        inside = inside or ".se." in site
        role = seen.roles[site]
        if "scale_activation" in site or (".se." in site and call.name.endswith("sigmoid")):
            assert role == "gate", site
        elif ".se." in site or (".block." in site and ".activation#" in site):
            assert role == "gate-input", site
        else:
            assert role == "hidden", site
    assert {"gate", "gate-input", "hidden"} == set(seen.roles.values())


def test_no_gates_in_mobilenet_v2_and_resnet() -> None:
    from torchvision import models

    for name in ("mobilenet_v2", "resnet18"):
        model = models.get_model(name, weights=None).eval()
        assert set(roles(model, torch.randn(1, 3, 64, 64)).values()) == {"hidden"}


class Recurrent(nn.Module):
    """An LSTM cell or a GRU cell, step by step."""

    def __init__(self, gru: bool) -> None:
        super().__init__()
        self.gru, self.gates, self.head = gru, nn.Linear(7, 16), nn.Linear(4, 2)
        self.reset, self.new = nn.Linear(7, 4), nn.Linear(7, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            both = torch.cat([step, h], 1)
            if self.gru:
                update, reset = torch.sigmoid(self.gates(both)[:, :8]).chunk(2, 1)
                new = torch.tanh(self.new(torch.cat([step, reset * h], 1)))
                h = (1 - update) * new + update * h
            else:
                i, f, g, o = self.gates(both).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
        return self.head(h)


@pytest.mark.parametrize("gru", [False, True])
def test_gates_of_recurrent_cells(gru: bool) -> None:
    found = roles(Recurrent(gru), torch.randn(2, 4, 3))
    later = ("#7", "#8", "#9", "#10", "#11", "#12") if not gru else ("#3", "#4")
    sigmoids = [role for site, role in found.items() if "sigmoid" in site and site.endswith(later)]
    assert sigmoids == ["gate"] * len(later)
    assert "output" not in found.values()


@pytest.mark.parametrize("shape", [IMAGE, (2, 4, 9, 9)])
def test_attention_times_features(shape: tuple[int, ...]) -> None:
    net = Net(
        lambda net, x: net.head(F.relu(net.stem(x)) * torch.sigmoid(net.attend(net.stem(x)))),
        stem=nn.Conv2d(shape[1], 4, 3), attend=nn.Conv2d(4, 1, 1), head=nn.Conv2d(4, 2, 1),
    )  # fmt: skip
    assert roles(net, torch.randn(shape)) == {"/relu#1": "hidden", "/sigmoid#1": "gate"}


def test_attention_over_the_models_own_input() -> None:
    net = Net(lambda net, x: net.fc(x * torch.sigmoid(net.fc(x))), fc=nn.Linear(4, 4))
    assert roles(net, torch.randn(2, 4)) == {"/sigmoid#1": "gate"}


def test_a_mask_makes_no_gate() -> None:
    net = Net(lambda net, x, mask: net.fc(torch.tanh(net.fc(x)) * mask), fc=nn.Linear(4, 4))
    assert roles(net, torch.randn(2, 5, 4), torch.ones(2, 5, 1)) == {"/tanh#1": "hidden"}


def test_a_swish_written_out() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.fc(x)
        return net.fc(x * torch.sigmoid(x))

    assert roles(Net(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4)) == {"/sigmoid#1": "gate"}


# What is done between the gate's function and the product: it is a gate all the same.
GATINGS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "expanded": lambda x, g: x * torch.sigmoid(g)[:, :1].expand_as(x),
    "squared": lambda x, g: x * torch.sigmoid(g) ** 2,
    "two-sided": lambda x, g: x * (2 * torch.sigmoid(g) - 1),
    "interpolated": lambda x, g: torch.lerp(x, x.flip(1), torch.sigmoid(g)),
    "thresholded": lambda x, g: x * (torch.sigmoid(g) > 0.5),
    "hard, by ReLU6": lambda x, g: x * (F.relu6(g + 3) / 6),
    "joined": lambda x, g: x * torch.cat([torch.sigmoid(g[:, :2]), torch.sigmoid(g[:, 2:])], 1),
}


@pytest.mark.parametrize("name", GATINGS)
def test_a_gate_on_its_way_to_the_product(name: str) -> None:
    net = Net(
        lambda net, x: net.head(GATINGS[name](net.a(x), net.b(x))),
        a=nn.Linear(4, 4), b=nn.Linear(4, 4), head=nn.Linear(4, 2),
    )  # fmt: skip
    assert set(roles(net, torch.randn(3, 4)).values()) == {"gate"}


def test_relu6_that_a_later_gate_scales_is_no_gate() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU6(), Gate(nn.Sigmoid()), nn.Conv2d(4, 2, 1))
    assert roles(net, torch.randn(IMAGE))["1#1"] == "hidden"


# What is made of the output's own activation.
HEADS: dict[str, Callable[[Tensor], Any]] = {
    "depth of a disparity": lambda x: 1 / (0.01 + 9.9 * torch.sigmoid(x)),
    "clipped logarithm": lambda x: torch.sigmoid(x).clamp(min=1e-6).log(),
    "two heads side by side": lambda x: torch.cat([torch.sigmoid(x), F.relu(x)], -1),
    "a mask": lambda x: {"mask": torch.sigmoid(x).gt(0.5), "score": torch.sigmoid(x)},
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_made_of_the_outputs_activation_is_the_output(name: str) -> None:
    net = Net(lambda net, x: HEADS[name](net.fc(x)), fc=nn.Linear(4, 4))
    assert set(roles(net, torch.randn(3, 4)).values()) == {"output"}


def test_tanh_before_a_norm_by_hand_is_no_gate() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = torch.tanh(net.fc(x))
        return net.fc(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

    assert roles(Net(forward, fc=nn.Linear(4, 4)), torch.randn(2, 4)) == {"/tanh#1": "hidden"}


def test_tanh_that_a_later_gate_scales_is_no_gate() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), Gate(nn.Sigmoid()), nn.Conv2d(4, 2, 1))
    assert roles(net, torch.randn(IMAGE))["1#1"] == "hidden"


@pytest.mark.parametrize("head", [nn.Sigmoid(), nn.Tanh(), nn.ReLU()], ids=repr)
def test_the_outputs_own_activation(head: nn.Module) -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1), head, nn.Flatten(0))
    assert roles(net, torch.randn(2, 4)) == {"1#1": "hidden", "3#1": "output"}


def flow(model: nn.Module, *inputs: Any) -> dict[str, tuple[str, set[str]]]:
    """Of each activation call: the layer before it and the calls, or "" the input, that feed it."""
    _, seen = calls(model.eval(), *inputs)
    return {site: (seen.after[site], set(seen.upstream[site])) for site in seen.after}


def test_what_comes_before_in_a_chain() -> None:
    net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 4), nn.ReLU())
    assert flow(net, torch.randn(2, 4)) == {"1#1": ("0", {""}), "4#1": ("3", {"1#1"})}


def test_what_comes_before_in_a_residual_block() -> None:
    from torchvision import models

    seen = flow(models.resnet18(weights=None), torch.randn(1, 3, 32, 32))
    assert seen["relu#1"] == ("bn1", {""})
    assert seen["layer1.0.relu#1"] == ("layer1.0.bn1", {"relu#1"})
    assert seen["layer1.0.relu#2"] == ("layer1.0.bn2", {"layer1.0.relu#1", "relu#1"})


def test_the_models_input_comes_before_whatever_a_residual_path_carries_it_to() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        x = x + net.up(F.gelu(net.down(x)))
        return net.head(F.gelu(net.up(x)))

    net = Net(
        forward,
        stem=nn.Linear(4, 4), down=nn.Linear(4, 4), up=nn.Linear(4, 4), head=nn.Linear(4, 2),
    )  # fmt: skip
    assert flow(net, torch.randn(3, 4)) == {
        "/gelu#1": ("down", {""}), "/gelu#2": ("up", {"", "/gelu#1"}),
    }  # fmt: skip


def test_what_comes_before_in_a_functional_network() -> None:
    net = Net(
        lambda net, x: net.out(F.relu(net.b(F.relu(net.a(x)).flatten(1)))),
        a=nn.Conv2d(3, 2, 9), b=nn.Linear(2, 3), out=nn.Linear(3, 1),
    )  # fmt: skip
    expected = {"/relu#1": ("a", {""}), "/relu#2": ("b", {"/relu#1"})}
    assert flow(net, torch.randn(IMAGE)) == expected


def test_a_custom_function_does_not_break_the_chain() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    class Scale(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = Twice.apply(x)
            return result

    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), Scale(), nn.Tanh())
    assert flow(net, torch.randn(IMAGE))["3#1"] == ("0", {"1#1"})
    assert calls(net, torch.randn(IMAGE))[0]["3#1"].trace.axis == 1
