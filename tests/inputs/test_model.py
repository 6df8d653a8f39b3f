"""Factories, classes, files: found, called, unwrapped, and explained when they fail."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from netdoctor.errors import CheckpointError, ModelError, NetDoctorError, UsageError
from netdoctor.inputs.model import load_model, resolve_device, unwrap
from netdoctor.inputs.spec import check_spec

SOURCE = """
import sys
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4, classes=2):
        super().__init__()
        self.body = nn.Linear(3, width)
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))

    @classmethod
    def small(cls):
        return cls(width=2)

ready = Net().eval()
number = 3

def factory(width=4):
    return Net(width)

def needs(depth, *, wide):
    return Net(depth)

def compiled():
    return torch.compile(nn.DataParallel(Net()))

def scripted():
    return torch.jit.trace(Net(), torch.zeros(1, 3))

def pair():
    return Net(), 3

def nothing():
    Net()

def leaves():
    sys.exit(1)

def broken():
    raise ValueError("no such width")

def meta():
    with torch.device("meta"):
        return Net()

def interrupted():
    raise KeyboardInterrupt
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "my_network.py").write_text(SOURCE)
    path, modules = list(sys.path), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("my_network"):
            del sys.modules[name]


@pytest.mark.parametrize(
    "spec",
    [
        "my_network:factory",
        "my_network.py:factory",
        "./my_network.py:factory",
        "my_network:Net",
        "my_network:Net.small",
        "my_network:ready",
    ],
)
def test_every_form_of_a_factory(project: Path, spec: str) -> None:
    loaded = load_model(spec, device="cpu")
    assert type(loaded.module).__name__ == "Net"
    assert type(loaded.module).__module__ == "my_network"
    assert loaded.name == spec
    assert loaded.fresh is None
    assert loaded.device == torch.device("cpu")
    assert loaded.module.training is (spec != "my_network:ready")


def test_arguments_reach_the_factory(project: Path) -> None:
    loaded = load_model("my_network:factory", model_args={"width": 7}, device="cpu")
    assert loaded.module.get_submodule("body").weight.shape == (7, 3)


@pytest.mark.parametrize(
    ("spec", "arguments", "said", "hint"),
    [
        ("my_network:needs", {}, "that were not given: depth, wide", "--model-arg depth=VALUE"),
        ("my_network:needs", {"depth": 2}, "an argument that was not given: wide", "wide=VALUE"),
        ("my_network:torch", {}, "a Python module, neither a network", "module class"),
        ("my_network:factory", {"widht": 3}, "no argument 'widht'", "width"),
        ("my_network:ready", {"width": 3}, "finished module", "builds it"),
        ("my_network:number", {}, "an int", "nn.Module"),
        ("my_network:pair", {}, "returned a tuple", "that one alone"),
        ("my_network:nothing", {}, "returned None", "return model"),
        ("my_network:leaves", {}, "SystemExit", "__main__"),
        ("my_network:broken", {}, r"ValueError: no such width \(at .*my_network\.py:\d+", "Fix"),
        ("my_network:factry", {}, "has no factry", "factory"),
        ("my_netwrok:factory", {}, "no module my_netwrok", "my_network"),
        ("my_netwrok.py:factory", {}, "no file", "my_network.py"),
        ("my_network.py", {}, "which object", "my_network.py:"),
        ("my_network:meta", {}, "meta device", "CPU"),
        ("resnet81", {}, "no model 'resnet81'", "resnet18"),
        ("best.pt", {}, "a file of weights", "--checkpoint best.pt"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(
    project: Path, spec: str, arguments: dict[str, int], said: str, hint: str
) -> None:
    with pytest.raises(NetDoctorError, match=said) as caught:
        load_model(spec, model_args=arguments, device="cpu")
    assert hint in caught.value.hint


def test_an_interrupt_passes(project: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load_model("my_network:interrupted", device="cpu")


def test_the_spec_alone_is_checked_without_importing_it(project: Path) -> None:
    check_spec("my_network:factory")
    check_spec("resnet18")
    with pytest.raises(ModelError, match="does not say which object") as caught:
        check_spec("my_network")
    assert "my_network.py:" in caught.value.hint
    assert "my_network" not in sys.modules
    with pytest.raises(ModelError, match="no file"):
        check_spec("absent.py:factory")


def test_wrappers_are_taken_off(project: Path) -> None:
    loaded = load_model("my_network:compiled", device="cpu")
    assert type(loaded.module).__name__ == "Net"
    assert "unwrapped OptimizedModule" in loaded.notes[0]
    inner = nn.Linear(2, 2)
    assert unwrap(nn.DataParallel(torch.compile(nn.DataParallel(inner)))) is inner
    assert unwrap(torch.optim.swa_utils.AveragedModel(inner)) is not inner
    assert unwrap(inner) is inner


def test_a_torchscript_program_is_declined(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import my_network

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, its files are still around
        program = my_network.scripted()
    monkeypatch.setattr(my_network, "program", program, raising=False)
    with pytest.raises(ModelError, match="TorchScript"):
        load_model("my_network:program", device="cpu")


def test_a_checkpoint_is_loaded_and_reported(project: Path) -> None:
    import my_network

    source = my_network.Net()
    torch.save({"state_dict": nn.DataParallel(source).state_dict()}, project / "best.ckpt")
    loaded = load_model("my_network:Net", checkpoint=project / "best.ckpt", device="cpu")
    assert loaded.fresh is False
    assert torch.equal(loaded.module.get_submodule("head").weight, source.head.weight)
    assert loaded.notes == (
        "weights: best.ckpt, loaded 4/4 tensors (100 % of parameters); stripped 'module.'",
    )


def test_a_checkpoint_of_another_network_is_refused(project: Path) -> None:
    save_file(nn.Linear(9, 9).state_dict(), project / "other.safetensors")
    with pytest.raises(CheckpointError, match="0 of 4 tensors match"):
        load_model("my_network:Net", checkpoint=project / "other.safetensors", device="cpu")


def test_a_checkpoint_of_a_torchvision_model_makes_it_not_fresh(tmp_path: Path) -> None:
    from torchvision.models import squeezenet1_1

    state = squeezenet1_1(num_classes=3).state_dict()
    torch.save({"model": state}, tmp_path / "three.pt")
    loaded = load_model(
        "squeezenet1_1",
        model_args={"num_classes": 3},
        checkpoint=tmp_path / "three.pt",
        device="cpu",
    )
    assert loaded.fresh is False
    with pytest.raises(CheckpointError, match="3 classes in the file, 1000 in the model"):
        load_model("squeezenet1_1", checkpoint=tmp_path / "three.pt", device="cpu")


def test_options_without_their_subject(project: Path) -> None:
    with pytest.raises(UsageError, match="torchvision names"):
        load_model("my_network:Net", weights="DEFAULT", device="cpu")
    with pytest.raises(UsageError, match="there is none"):
        load_model("my_network:Net", partial=True, device="cpu")


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "meta", "xla", "cpu:x", "mps"])
def test_absent_devices(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UsageError, match=name) as caught:
        resolve_device(name)
    assert caught.value.hint


def test_auto_is_cuda_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto").type == "cpu"


def test_timm_models_bring_their_preprocessing() -> None:
    arguments = {"model_name": "resnet18", "in_chans": 1}
    loaded = load_model("timm:create_model", model_args=arguments, device="cpu")
    assert loaded.input_shapes == ((1, 224, 224),)
    assert loaded.preprocessing is not None
    assert loaded.preprocessing.source == "timm config of resnet18"
    assert len(loaded.preprocessing.mean) == 1


def test_hugging_face_models_bring_their_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_network_vit.py").write_text(
        "from transformers import ViTConfig, ViTForImageClassification\n"
        "def vit():\n"
        "    return ViTForImageClassification(ViTConfig(hidden_size=8, num_hidden_layers=1,\n"
        "        num_attention_heads=1, intermediate_size=8, image_size=64, num_channels=1))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    loaded = load_model("my_network_vit.py:vit", device="cpu")
    assert loaded.input_shapes == ((1, 64, 64),)
    assert loaded.preprocessing is not None
    assert loaded.preprocessing.crop == (64, 64)
    assert "Hugging Face ViTConfig" in loaded.preprocessing.source
