"""Networks that users have: a fault planted in one layer is found there, and named once."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.probes.activations import measure
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from sample_models import shapes

# Network: the layer whose bias is pushed down, and the call that is silent for it.
PLANTED = {
    "resnet18": ("layer2.0.bn1", "layer2.0.relu#1"),
    "googlenet": ("inception4a.branch2.1.bn", "inception4a.branch2.1/relu#1"),
    "densenet121": ("features.denseblock2.denselayer3.norm2",
                    "features.denseblock2.denselayer3.relu2#1"),
    "mobilenet_v2": ("features.5.conv.0.1", "features.5.conv.0.2#1"),
    "mobilenet_v3_small": ("features.5.block.0.1", "features.5.block.0.2#1"),
    "efficientnet_b0": ("features.3.0.block.0.1", "features.3.0.block.0.2#1"),
    "regnet_y_400mf": ("trunk_output.block3.block3-1.f.a.1",
                       "trunk_output.block3.block3-1.f.a.2#1"),
    "vgg11": ("classifier.0", "classifier.1#1"),
    "squeezenet1_1": ("features.6.squeeze", "features.6.squeeze_activation#1"),
    "shufflenet_v2_x0_5": ("stage3.1.branch2.1", "stage3.1.branch2.2#1"),
    "mnasnet0_5": ("layers.9.0.layers.1", "layers.9.0.layers.2#1"),
    "vit_b_32": ("encoder.layers.encoder_layer_4.mlp.0",
                 "encoder.layers.encoder_layer_4.mlp.1#1"),
    "convnext_tiny": ("features.3.0.block.3", "features.3.0.block.4#1"),
    "swin_t": ("features.3.1.mlp.0", "features.3.1.mlp.1#1"),
}  # fmt: skip


@functools.cache
def pictures() -> tuple[Batch, ...]:
    drawn = shapes.Shapes(size=96, seed=3)
    images = torch.stack([drawn[index][0] for index in range(96)])
    return tuple(as_batch(each) for each in F.interpolate(images, size=64).split(32))


def built(name: str) -> nn.Module:
    options = {"image_size": 64} if name.startswith("vit") else {}
    if name == "googlenet":
        options = {"init_weights": True}
    torch.manual_seed(0)
    network: nn.Module = models.get_model(name, weights=None, **options)
    return network


def findings(network: nn.Module, batches: tuple[Batch, ...]) -> list[tuple[str, str]]:
    facts = measure(network, batches, every_module=True)
    return [(each.code, each.subject) for each in judge(facts, rules_of("activations")).findings]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_dead_layer(name: str) -> None:
    layer, silent = PLANTED[name]
    network = built(name)
    nn.init.constant_(network.get_submodule(layer).bias, -100.0)
    assert findings(network, pictures()) == [("ACT001", silent)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_a_layer_of_which_most_is_dead(name: str) -> None:
    layer, silent = PLANTED[name]
    network = built(name)
    bias = network.get_submodule(layer).bias
    with torch.no_grad():
        bias[torch.randperm(len(bias))[: round(0.8 * len(bias))]] = -100.0
    assert findings(network, pictures()) == [("ACT002", silent)]


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTED)
def test_as_it_is_made_it_is_healthy(name: str) -> None:
    assert findings(built(name), pictures()) == []


class Recurrent(nn.Module):
    """A plain recurrent network, its loop over time written out."""

    def __init__(self) -> None:
        super().__init__()
        self.given, self.kept, self.head = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 24)
        for step in x.unbind(1):
            h = torch.tanh(self.given(step) + self.kept(h))
        return self.head(h)


def normal(*shape: int, scale: float = 1.0) -> tuple[Batch, ...]:
    drawn = scale * torch.randn(128, *shape, generator=torch.Generator().manual_seed(0))
    return tuple(as_batch(each) for each in drawn.split(32))


def test_a_saturated_recurrent_layer_is_one_finding_not_one_a_time_step() -> None:
    torch.manual_seed(0)
    network = Recurrent()
    assert findings(network, normal(10, 6)) == []
    assert findings(network, normal(10, 6, scale=200.0)) == [("ACT003", "/tanh#1")]


def mlp(activation: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(16, 48), activation(), nn.Linear(48, 48), activation(), nn.Linear(48, 3)
    )


@pytest.mark.parametrize("activation", [nn.Tanh, nn.Sigmoid, nn.ReLU6, nn.Hardtanh])
def test_inputs_of_the_wrong_scale_saturate_the_first_layer(
    activation: Callable[[], nn.Module],
) -> None:
    assert findings(mlp(activation), normal(16)) == []
    assert findings(mlp(activation), normal(16, scale=200.0)) == [("ACT003", "1#1")]


@pytest.mark.parametrize("activation", [nn.SiLU, nn.GELU, nn.Hardswish, nn.LeakyReLU, nn.PReLU])
def test_a_branch_that_starts_at_zero_is_healthy(activation: Callable[[], nn.Module]) -> None:
    """The last norm of a residual branch has weight 0 in a fresh network."""

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.norm, self.activation = nn.Linear(16, 16), nn.LayerNorm(16), activation()
            nn.init.zeros_(self.norm.weight)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.activation(self.norm(self.fc(x)))

    assert findings(nn.Sequential(Block(), Block(), nn.Linear(16, 2)), normal(16)) == []


def test_infinity_is_named_and_the_nan_that_follow_from_it_are_not() -> None:
    network = mlp(nn.GELU)
    with torch.no_grad():
        network[0].weight[3].zero_()
        network[0].bias[3] = float("inf")
    assert findings(network, normal(16)) == [("NUM002", "0#1")]
