"""Each activation's flat regions, measured with float64 autograd, and what counts as one."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.observe.kinds import Kind, kind_of_module

ACTIVATIONS: list[nn.Module] = [
    nn.ReLU(), nn.ReLU6(), nn.LeakyReLU(0.1), nn.PReLU(), nn.RReLU(), nn.ELU(), nn.ELU(0.3),
    nn.CELU(), nn.CELU(2.0), nn.SELU(), nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.Mish(),
    nn.Softplus(), nn.Softplus(3.0), nn.Hardswish(), nn.Hardsigmoid(), nn.Hardtanh(),
    nn.Hardtanh(0.0, 2.0), nn.Sigmoid(), nn.Tanh(), nn.Threshold(0.0, 0.0),
]  # fmt: skip


def curve(module: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs from -40 to 40, the outputs there, and the slopes."""
    x = torch.linspace(-40.0003, 40.0001, 400_001, dtype=torch.float64, requires_grad=True)
    y = module.double().eval()(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    return x.detach(), y.detach(), slope.abs()


def known(module: nn.Module) -> Kind:
    kind = kind_of_module(module)
    assert kind is not None
    return kind


@pytest.mark.parametrize("module", ACTIVATIONS, ids=repr)
def test_a_dead_output_means_a_vanishing_slope(module: nn.Module) -> None:
    kind = known(module)
    x, y, slope = curve(module)
    if kind.dead_below is None:
        assert kind.flat is not None
        return
    dead = (y <= kind.dead_below) & (y >= kind.dead_above) & (x.abs() > 0.01)
    leaky = kind.name in ("leaky_relu", "prelu", "rrelu")
    assert bool(dead.any()) is not leaky
    exact = kind.name in ("relu", "relu6", "hardswish", "hardtanh", "threshold")
    assert slope[dead].max().item() <= (0 if exact else 1.001e-3) if not leaky else True
    assert x[dead].max() < 0 if not leaky else True


@pytest.mark.parametrize("module", ACTIVATIONS, ids=repr)
def test_a_saturated_output_means_less_than_a_hundredth_of_the_steepest_slope(
    module: nn.Module,
) -> None:
    kind = known(module)
    _, y, slope = curve(module)
    if kind.flat is None:
        assert slope[y == y.max()].max() > 0.1  # it has no upper bound
        return
    low, high = kind.flat
    flat = (y < low) | (y > high)
    assert flat.any()
    assert slope[flat].max() < 0.01 * slope.max()
    assert slope[~flat & (y > y.min())].min() >= 0.0099 * slope.max()


@pytest.mark.parametrize("module", ACTIVATIONS, ids=repr)
def test_a_unit_fires_for_positive_inputs_only(module: nn.Module) -> None:
    kind = known(module)
    x, y, _ = curve(module)
    fires = y > kind.fires_above
    assert fires[x > 1e-3].all()
    if not (kind.name == "hardtanh" and kind.fires_above == 0 and kind.dead_below is None):
        assert not fires[x < -1e-3].any()


def test_a_saturated_unit_of_a_function_from_zero_is_above_only() -> None:
    flat = known(nn.ReLU6()).flat
    assert flat is not None
    assert flat[0] == -math.inf
    assert 5.9 < flat[1] < 6


NOT_ACTIVATIONS: list[nn.Module] = [
    nn.LogSigmoid(), nn.Tanhshrink(), nn.Softmax(1), nn.LogSoftmax(1), nn.Softshrink(),
    nn.Hardshrink(), nn.Identity(), nn.Linear(2, 2), nn.Threshold(0.1, 0.0), nn.Threshold(0, 1.0),
    nn.GLU(), nn.Dropout(), nn.Softsign(), nn.BCEWithLogitsLoss(),
]  # fmt: skip


@pytest.mark.parametrize("module", NOT_ACTIVATIONS, ids=repr)
def test_what_is_no_activation(module: nn.Module) -> None:
    assert kind_of_module(module) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Swish", "silu"), ("MemoryEfficientSwish", "silu"), ("HardSwish", "hardswish"),
        ("Hard_Swish", "hardswish"), ("NewGELUActivation", "gelu"), ("QuickGELU", "gelu"),
        ("MyReLU", "relu"), ("ReLU6", "relu6"), ("MyLeakyReLU", "leaky_relu"),
        ("HardMish", "hardmish"), ("MishMe", "mish"), ("HardSigmoid", "hardsigmoid"),
        ("CustomTanh", "tanh"), ("SiLUActivation", "silu"), ("MySoftplus", "softplus"),
        ("SwiGLU", None), ("GatedGELU", None), ("MyLogSigmoid", None), ("SigmoidFocalLoss", None),
        ("Block", None), ("TanhShrink", None),
    ],
)  # fmt: skip
def test_custom_classes_are_known_by_their_name(name: str, expected: str | None) -> None:
    module: nn.Module = type(name, (nn.Module,), {})()
    kind = kind_of_module(module)
    assert (kind.name if kind else None) == expected


def test_a_class_with_parameters_or_children_is_no_activation_itself() -> None:
    class ConvReLU(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 1)

    class StarReLU(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    assert kind_of_module(ConvReLU()) is None
    assert kind_of_module(StarReLU()) is None


def test_every_activation_of_transformers_that_has_a_kind_has_the_right_one() -> None:
    activations = pytest.importorskip("transformers.activations")
    expected = {
        "gelu": "gelu", "gelu_10": "gelu", "gelu_fast": "gelu", "gelu_new": "gelu",
        "gelu_python": "gelu", "gelu_pytorch_tanh": "gelu", "gelu_accurate": "gelu",
        "gelu_python_tanh": "gelu", "quick_gelu": "gelu", "silu": "silu", "swish": "silu",
        "mish": "mish", "relu": "relu", "relu6": "relu6", "relu2": "relu",
        "sqrtsoftplus": None, "leaky_relu": "leaky_relu",
        "prelu": "prelu", "sigmoid": "sigmoid", "tanh": "tanh", "linear": None, "laplace": None,
        "xielu": None, "hardswish": "hardswish", "softplus": "softplus",
    }  # fmt: skip
    names = set(activations.ACT2CLS) - {"xielu"}
    for name in sorted(names):
        kind = kind_of_module(activations.ACT2FN[name])
        assert (kind.name if kind else None) == expected.get(name, name), name
    assert len(names) > 15


def test_timms_activations() -> None:
    layers = pytest.importorskip("timm.layers")
    for name, expected in {
        "swish": "silu", "mish": "mish", "hard_sigmoid": "hardsigmoid", "hard_swish": "hardswish",
        "hard_mish": "hardmish", "relu": "relu", "relu6": "relu6", "gelu": "gelu", "silu": "silu",
        "gelu_tanh": "gelu", "quick_gelu": "gelu", "sigmoid": "sigmoid", "tanh": "tanh",
        "prelu": "prelu", "leaky_relu": "leaky_relu", "elu": "elu", "celu": "celu", "selu": "selu",
    }.items():  # fmt: skip
        kind = kind_of_module(layers.get_act_layer(name)())
        assert kind is not None, name
        assert kind.name == expected, name


def test_unbounded_clips_are_rectifiers() -> None:
    assert known(nn.Hardtanh(0.0, math.inf)).flat is None
    assert known(nn.Hardtanh(0.0, math.inf)).dead_below == 0
    assert F.hardtanh(torch.tensor(-1.0), 0.0, math.inf) == 0
