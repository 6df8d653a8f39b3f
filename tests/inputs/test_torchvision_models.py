"""Every torchvision name is known without importing it, and every family says what it takes."""

from __future__ import annotations

import subprocess
import sys
import time
import warnings

import pytest
import torch
from torch import nn
from torchvision.models import list_models

from netdoctor.errors import ModelError
from netdoctor.inputs.model import load_model
from netdoctor.inputs.torchvision_models import build_torchvision
from netdoctor.inputs.torchvision_names import torchvision_names


def test_knows_every_name() -> None:
    assert torchvision_names() == list_models()


def test_names_are_read_quickly() -> None:
    seconds = []
    for _ in range(3):
        torchvision_names.cache_clear()
        start = time.process_time()
        torchvision_names()
        seconds.append(time.process_time() - start)
    assert min(seconds) < 0.2


def test_a_misspelt_name_needs_no_torch() -> None:
    program = (
        "import sys\n"
        "from netdoctor.inputs.spec import check_spec\n"
        "from netdoctor.errors import ModelError\n"
        "try:\n    check_spec('resnet81')\n"
        "except ModelError as error:\n    print(error.hint)\n"
        "print('torch' in sys.modules, 'torchvision' in sys.modules)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    hint, modules = ran.stdout.splitlines()
    assert "resnet18" in hint
    assert modules == "False False"


@pytest.mark.parametrize(
    ("name", "shapes", "style", "source"),
    [
        ("resnet18", ((3, 224, 224),), "batch", "ResNet18_Weights.IMAGENET1K_V1"),
        ("mobilenet_v3_small", ((3, 224, 224),), "batch", "MobileNet_V3_Small_Weights"),
        ("inception_v3", ((3, 299, 299),), "batch", "Inception_V3_Weights"),
        ("lraspp_mobilenet_v3_large", ((3, 256, 256),), "batch", "LRASPP"),
        ("ssdlite320_mobilenet_v3_large", ((3, 320, 320),), "images", "normalises by itself"),
        ("mc3_18", ((3, 16, 112, 112),), "batch", "MC3_18_Weights"),
        ("swin3d_t", ((3, 16, 224, 224),), "batch", "Swin3D_T_Weights"),
        ("raft_small", ((3, 128, 128), (3, 128, 128)), "batch", "Raft_Small_Weights"),
        ("quantized_mobilenet_v2", ((3, 224, 224),), "batch", "MobileNet_V2_QuantizedWeights"),
    ],
)
def test_each_family_says_what_it_takes(
    name: str, shapes: tuple[tuple[int, ...], ...], style: str, source: str
) -> None:
    loaded = load_model(name, device="cpu")
    assert loaded.fresh is True
    assert loaded.input_shapes == shapes
    assert loaded.input_style == style
    assert loaded.preprocessing is not None
    assert source in loaded.preprocessing.source


def test_preprocessing_is_that_of_the_default_weights() -> None:
    built = build_torchvision("shufflenet_v2_x1_5", None, {})
    assert built.preprocessing.resize == 232
    assert built.preprocessing.crop == (224, 224)
    assert built.preprocessing.mean == (0.485, 0.456, 0.406)
    assert built.class_names[281:283] == ("tabby", "tiger cat")
    assert build_torchvision("shufflenet_v2_x1_5", None, {"num_classes": 3}).class_names == ()


def test_googlenet_is_initialised_without_a_warning() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        built = build_torchvision("googlenet", None, {"aux_logits": False})
    assert caught == []
    weight = built.module.get_submodule("fc").get_parameter("weight")
    assert float(weight.detach().std()) == pytest.approx(0.01, rel=0.1)


def test_wrong_weights_name_is_corrected() -> None:
    with pytest.raises(ModelError, match="no weights 'IMAGENET1K_V3'") as caught:
        load_model("resnet50", weights="IMAGENET1K_V3", device="cpu")
    assert "IMAGENET1K_V2" in caught.value.hint


def test_a_failed_download_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import _api

    def offline(*_args: object, **_kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(_api, "load_state_dict_from_url", offline)
    with pytest.raises(ModelError, match="could not be downloaded: no network") as caught:
        load_model("squeezenet1_1", weights="DEFAULT", device="cpu")
    assert "--checkpoint" in caught.value.hint
    assert "squeezenet1_1-" in caught.value.hint


def test_weights_make_a_model_that_is_not_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import _api, squeezenet1_1

    state = squeezenet1_1().state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_args, **_kwargs: state)
    loaded = load_model("squeezenet1_1", weights="IMAGENET1K_V1", device="cpu")
    assert loaded.fresh is False
    assert loaded.notes == ("weights: torchvision SqueezeNet1_1_Weights.IMAGENET1K_V1",)
    assert torch.equal(loaded.module.state_dict()["features.0.weight"], state["features.0.weight"])


def test_the_legacy_argument_asks_for_weights_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import _api, squeezenet1_1

    state = squeezenet1_1().state_dict()
    monkeypatch.setattr(_api, "load_state_dict_from_url", lambda *_args, **_kwargs: state)
    loaded = load_model("squeezenet1_1", model_args={"pretrained": True}, device="cpu")
    assert loaded.fresh is False
    assert torch.equal(loaded.module.state_dict()["features.0.weight"], state["features.0.weight"])


def test_arguments_that_the_builder_refuses() -> None:
    with pytest.raises(ModelError, match="resnet18 raised TypeError"):
        load_model("resnet18", model_args={"depth": 3}, device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("name", torchvision_names())
def test_every_model_builds_offline(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Memory that nothing is written to costs nothing: the largest of them has 2.6 GB.
    for function in [each for each in vars(nn.init) if each.endswith("_") and each[0] != "_"]:
        monkeypatch.setattr(nn.init, function, lambda tensor, *_args, **_kwargs: tensor)
    built = build_torchvision(name, None, {})
    assert not built.pretrained
    assert built.input_shapes
    assert built.preprocessing.source.startswith("torchvision ")
