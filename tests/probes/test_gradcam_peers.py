"""Heat maps against captum's and pytorch-grad-cam's, where nothing overwrites what they read."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

import netdoctor
from netdoctor.facts.gradcam import GradCamFacts, normalised, upsampled

captum = pytest.importorskip("captum.attr")
peer = pytest.importorskip("pytorch_grad_cam")

PEERS = {
    "gradcam": "GradCAM", "gradcam++": "GradCAMPlusPlus", "hirescam": "HiResCAM",
    "layercam": "LayerCAM", "eigencam": "EigenCAM", "scorecam": "ScoreCAM",
    "ablationcam": "AblationCAM",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Case:
    """A network, a layer of it, and how pytorch-grad-cam has to reshape that layer's output."""

    build: Callable[[], nn.Module]
    layer: str
    size: tuple[int, int]
    reshape: Callable[[Tensor], Tensor] | None = None


class Small(nn.Module):
    """Convolutions with ReLUs that write to their own output only, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(8, 12, 3, 2, 1), nn.BatchNorm2d(12), nn.ReLU())
        self.fc = nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.fc(self.last(self.first(x)).mean((2, 3)))
        return scores


def vit() -> nn.Module:
    network = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32,
        num_classes=5,
    )  # fmt: skip
    nn.init.normal_(network.heads.head.weight)
    return network


def patches(output: Tensor) -> Tensor:
    return output[:, 1:].reshape(len(output), 4, 4, -1).permute(0, 3, 1, 2)


def swin() -> nn.Module:
    return models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=5)


CASES = {
    "small": Case(Small, "last", (40, 28)),
    "resnet18": Case(lambda: models.resnet18(num_classes=7), "layer4", (64, 64)),
    "mobilenet_v2": Case(lambda: models.mobilenet_v2(num_classes=7), "features", (64, 64)),
    "googlenet": Case(
        lambda: models.googlenet(num_classes=7, init_weights=False, aux_logits=False),
        "inception5b", (64, 64),
    ),
    "vit": Case(vit, "encoder.layers.encoder_layer_1.ln_1", (32, 32), patches),
    "swin": Case(swin, "norm", (32, 32), lambda output: output.permute(0, 3, 1, 2)),
}  # fmt: skip


def built(name: str) -> nn.Module:
    torch.manual_seed(1)
    network = CASES[name].build().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if trained, so that no signal dies out
            module.running_var.fill_(0.2)
    return network


def images(name: str, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 3, *CASES[name].size, generator=generator)


def explained(network: nn.Module, given: Tensor, layer: str, **options: Any) -> GradCamFacts:
    facts: GradCamFacts = netdoctor.gradcam(network, given, layer=layer, **options).facts
    return facts


@pytest.mark.parametrize("name", CASES)
def test_raw_values_equal_captums(name: str) -> None:
    network, given, layer = built(name), images(name), CASES[name].layer
    facts = explained(network, given, layer)
    target = network(given).argmax(1)
    reshape = CASES[name].reshape
    if reshape is None:
        gradcam = captum.LayerGradCam(network, network.get_submodule(layer))
        expected = gradcam.attribute(given, target=target, relu_attributions=True)[:, 0]
    else:  # captum takes the second axis for the channels
        seen: list[Tensor] = []
        hook = network.get_submodule(layer).register_forward_hook(lambda *all: seen.append(all[2]))
        value = network(given).amax(1).sum()
        hook.remove()
        (slope,) = torch.autograd.grad(value, seen[0])
        output, slope = reshape(seen[0]), reshape(slope)
        expected = F.relu((slope.mean((2, 3), keepdim=True) * output).sum(1))
    assert expected.max() > 0
    found = np.stack([each.maps[0].values for each in facts.images])
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5, rtol=1e-5)


LONG = ("scorecam", "ablationcam")  # hundreds of passes of a large network
PAIRS = [
    pytest.param(name, method, marks=pytest.mark.slow)
    if name == "resnet18" and method in LONG
    else (name, method)
    for name in ("small", "resnet18", "vit", "swin")
    for method in PEERS
    if name in ("small", "resnet18") or method != "ablationcam"  # the peer puts in -1e7 there
]


@pytest.mark.parametrize(("name", "method"), PAIRS)
def test_shown_maps_equal_grad_cams(name: str, method: str) -> None:
    network, given, case = built(name), images(name, 1), CASES[name]
    found = explained(network, given, case.layer, method=method).images[0]
    assert not found.maps[0].blank
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        layers = [network.get_submodule(case.layer)]
        with getattr(peer, PEERS[method])(network, layers, case.reshape) as cam:
            expected = cam(given, None)[0]
    shown = normalised(upsampled(found.maps[0].values, found.size))
    np.testing.assert_allclose(shown, expected, atol=1e-5)


def test_an_ablated_channel_is_zero_where_the_layer_can_be_negative() -> None:
    network, given = built("small"), images("small", 1)
    name = "last.1"  # before the ReLU
    found = explained(network, given, name, method="ablationcam", target=2).images[0]
    kept: list[Tensor] = []
    hook = network.get_submodule(name).register_forward_hook(lambda *all: kept.append(all[2]))
    with torch.no_grad():
        before = network(given)[0, 2]
    hook.remove()
    weights = []
    for channel in range(12):
        changed = kept[0].clone()
        changed[:, channel] = 0
        with torch.no_grad():
            after = network.fc(changed.relu().mean((2, 3)))[0, 2]
        weights.append(float((before - after) / before))
    slow = (torch.tensor(weights).view(-1, 1, 1) * kept[0][0]).sum(0).clamp(min=0)
    np.testing.assert_allclose(found.maps[0].values, slow.numpy(), atol=1e-5, rtol=1e-4)


def test_images_do_not_depend_on_their_batch() -> None:
    network, given = built("resnet18"), images("resnet18", 5)
    alone = explained(network, given, "layer4", batch_size=1)
    together = explained(network, given, "layer4", batch_size=3)
    for one, other in zip(alone.images, together.images, strict=True):
        assert one.target.index == other.target.index
        np.testing.assert_allclose(one.maps[0].values, other.maps[0].values, atol=1e-6, rtol=1e-4)
