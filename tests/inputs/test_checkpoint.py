"""State dicts are found wherever a trainer put them, and files are read without their classes."""

from __future__ import annotations

import argparse
import collections
import datetime
import json
import pathlib
import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from netdoctor.errors import CheckpointError
from netdoctor.inputs.checkpoint import load_into, read_state


def _net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4, 2))


def _same(state: Any, net: nn.Module) -> bool:
    own = net.state_dict()
    return state.tensors.keys() == own.keys() and all(
        torch.equal(state.tensors[name], own[name]) for name in own
    )


def _save(tmp_path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, tmp_path / "best.pt", **options)
    return tmp_path / "best.pt"


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("keys", [(), ("state_dict",), ("model",), ("trainer", "net", "weights")])
def test_finds_the_state_dict_at_any_depth(
    tmp_path: Path, keys: tuple[str, ...], zipped: bool
) -> None:
    net = _net()
    content: Any = net.state_dict()
    for key in reversed(keys):
        content = {key: content, "epoch": 3, "best": torch.tensor(0.9), "note": None}
    path = _save(tmp_path, content, _use_new_zipfile_serialization=zipped)
    state = read_state(path)
    assert _same(state, net)
    assert state.key == ".".join(keys)
    assert state.not_read == ()


def test_the_optimizer_is_no_candidate(tmp_path: Path) -> None:
    net = _net()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.randn(2, 3, 3, 3)).sum().backward()
    optimizer.step()
    content = {
        "optimizer": optimizer.state_dict(),
        "optimizer_states": [optimizer.state_dict()],
        "rng": {"torch": torch.get_rng_state(), "other": torch.get_rng_state()},
        "net": net.state_dict(),
    }
    assert read_state(_save(tmp_path, content)).key == "net"


INERT = {
    "accuracy": np.float64(0.5),
    "array": np.arange(3),
    "args": argparse.Namespace(lr=0.1, out=pathlib.PurePosixPath("runs")),
    "path": pathlib.Path("runs"),
    "when": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    "counts": collections.defaultdict(list, a=[1]),
    "numpy_rng": np.random.RandomState(0).get_state(),
    "set": {1, 2},
}


@pytest.mark.parametrize("key", INERT)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_common_objects_are_no_hindrance(tmp_path: Path, key: str, protocol: int) -> None:
    net = _net()
    content = {"state_dict": net.state_dict(), key: INERT[key]}
    state = read_state(_save(tmp_path, content, pickle_protocol=protocol))
    assert _same(state, net)
    assert state.not_read == ()


def test_state_dicts_in_other_containers(tmp_path: Path) -> None:
    net = _net()
    held = argparse.Namespace(weights=collections.defaultdict(dict, net.state_dict()))
    state = read_state(_save(tmp_path, {"run": held}))
    assert _same(state, net)
    assert state.key == "run.weights"


def test_numpy_arrays_and_parameters_count_as_tensors(tmp_path: Path) -> None:
    net = _net()
    arrays = {name: value.numpy() for name, value in net.state_dict().items()}
    arrays["0.weight"] = np.asfortranarray(arrays["0.weight"])
    arrays["0.bias"] = arrays["0.bias"].astype(">f4")
    assert _same(read_state(_save(tmp_path, arrays)), net)
    parameters = {**net.state_dict(), **dict(net.named_parameters())}
    assert _same(read_state(_save(tmp_path, {"model": parameters})), net)


@pytest.fixture
def foreign_package() -> Any:
    """A package that is importable when the file is written and gone when it is read."""
    module = types.ModuleType("vanished_package")
    source = (
        "from torch import nn\n"
        "class Config:\n    pass\n"
        "class Names(dict):\n    pass\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))\n"
        "        self.register_buffer('scratch', self.body[0].weight.detach(), persistent=False)\n"
        "        self.head = nn.Linear(4, 2)\n"
    )
    exec(source, module.__dict__)
    sys.modules["vanished_package"] = module
    yield module
    sys.modules.pop("vanished_package", None)


def test_objects_of_unknown_classes_are_named_and_the_tensors_read(
    tmp_path: Path, foreign_package: Any
) -> None:
    net = _net()
    config = foreign_package.Config()
    config.inner = foreign_package.Config()
    config.lr = 0.1
    content = {"state_dict": net.state_dict(), "hyper_parameters": config, "list": [config]}
    path = _save(tmp_path, content)
    del sys.modules["vanished_package"]
    state = read_state(path)
    assert _same(state, net)
    assert state.not_read == ("hyper_parameters (vanished_package.Config)",)
    assert any("not read: hyper_parameters" in note for note in state.notes)
    assert "vanished_package" not in sys.modules


def test_a_state_dict_in_a_subclass_of_dict(tmp_path: Path, foreign_package: Any) -> None:
    net = _net()
    path = _save(tmp_path, {"model": foreign_package.Names(net.state_dict())})
    del sys.modules["vanished_package"]
    assert _same(read_state(path), net)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_module_saved_whole_gives_its_tensors(
    tmp_path: Path, foreign_package: Any, zipped: bool
) -> None:
    net = foreign_package.Net()
    net.config = foreign_package.Config()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the legacy format misses the source code of the class
        path = _save(tmp_path, {"model": net, "epoch": 1}, _use_new_zipfile_serialization=zipped)
    del sys.modules["vanished_package"]
    state = read_state(path)
    assert _same(state, net)
    assert state.key == "model"
    assert any("vanished_package.Net" in note for note in state.notes)
    assert state.not_read == ()
    with pytest.raises(CheckpointError, match="vanished_package"):
        read_state(path, trust=True)


def test_trust_takes_the_state_dict_of_the_real_module(
    tmp_path: Path, foreign_package: Any
) -> None:
    net = foreign_package.Net()
    assert _same(read_state(_save(tmp_path, net), trust=True), net)


def test_several_state_dicts_need_a_key(tmp_path: Path) -> None:
    net, other = _net(), _net()
    path = _save(tmp_path, {"model": net.state_dict(), "ema": {"shadow": other.state_dict()}})
    with pytest.raises(CheckpointError, match=r"2 state dicts: model .*ema\.shadow") as caught:
        read_state(path)
    assert "--state-key model" in caught.value.hint
    assert _same(read_state(path, state_key="model"), net)
    assert _same(read_state(path, state_key="ema"), other)
    assert _same(read_state(path, state_key="ema.shadow"), other)
    with pytest.raises(CheckpointError, match="no state dict under 'mode'") as caught:
        read_state(path, state_key="mode")
    assert "model" in caught.value.hint
    with pytest.raises(CheckpointError, match="2 state dicts"):
        read_state(path, model=_net())


def test_the_model_chooses_between_different_networks(tmp_path: Path) -> None:
    generator, discriminator = _net(), nn.Sequential(nn.Linear(5, 5))
    content = {"generator": generator.state_dict(), "discriminator": discriminator.state_dict()}
    state = read_state(_save(tmp_path, content), model=nn.Sequential(nn.Linear(5, 5)))
    assert state.key == "discriminator"
    assert any("fits the model best" in note for note in state.notes)


@pytest.mark.parametrize("content", [{"epoch": 1, "loss": torch.tensor(0.1)}, {}, [1, 2], 3])
def test_without_tensors_it_says_what_there_is(tmp_path: Path, content: Any) -> None:
    with pytest.raises(CheckpointError, match="no state dict"):
        read_state(_save(tmp_path, content))


def test_safetensors_single_and_renamed(tmp_path: Path) -> None:
    net = _net()
    for name in ("model.safetensors", "renamed.pt"):
        save_file(net.state_dict(), tmp_path / name)
        assert _same(read_state(tmp_path / name), net)
    whole = (tmp_path / "renamed.pt").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-50])
    with pytest.raises(CheckpointError, match="damaged safetensors"):
        read_state(tmp_path / "cut.safetensors")


def _sharded(tmp_path: Path, net: nn.Module) -> Path:
    state = net.state_dict()
    weight_map = {}
    for place, name in enumerate(state):
        shard = f"model-{place % 2}.safetensors"
        weight_map[name] = shard
    for shard in set(weight_map.values()):
        save_file({n: state[n] for n, s in weight_map.items() if s == shard}, tmp_path / shard)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_sharded_by_index(tmp_path: Path) -> None:
    net = _net()
    index = _sharded(tmp_path, net)
    state = read_state(index)
    assert set(state.tensors) == set(net.state_dict())
    assert load_into(_net(), state).complete
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"model-1\.safetensors"):
        read_state(index)


@pytest.mark.parametrize("shard", ["../x.safetensors", "/etc/x", "a/../../b", "C:\\x", "..\\x", ""])
def test_an_index_cannot_leave_its_folder(tmp_path: Path, shard: str) -> None:
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"weight": shard}}))
    with pytest.raises(CheckpointError, match="outside its own folder"):
        read_state(index)


def test_another_json_file_is_no_index(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"lr": 1}')
    with pytest.raises(CheckpointError, match="not the index"):
        read_state(tmp_path / "config.json")


def test_tensors_of_every_dtype_beside_an_unknown_object(
    tmp_path: Path, foreign_package: Any
) -> None:
    dtypes = (torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.bool, torch.complex64)
    tensors = {str(dtype): torch.ones(2, 3).to(dtype) for dtype in dtypes}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but in the files of these years
        tensors["quantised"] = torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)
    tensors["unsigned"] = torch.ones(4, dtype=torch.uint16)
    tensors["view"] = torch.arange(12.0).reshape(3, 4).t()[1:, ::2]
    path = _save(tmp_path, {"state": tensors, "x": foreign_package.Config()})
    del sys.modules["vanished_package"]
    read = read_state(path).tensors
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype
        same = (read[name] == tensor) if not tensor.is_quantized else read[name].int_repr() == 2
        assert bool(same.all())


def test_names_come_back_as_they_are(tmp_path: Path) -> None:
    names = ["[red]x/../y", "tab\tnew\nline", "ünïcode.\x1b[31m"]
    state = read_state(_save(tmp_path, {name: torch.ones(1) for name in names}))
    assert list(state.tensors) == names


def test_a_damaged_archive_is_said_so(tmp_path: Path) -> None:
    path = _save(tmp_path, _net().state_dict())
    content = bytearray(path.read_bytes())
    at = content.find(b"ctorch._utils")
    content[at : at + 200] = b"\x00" * 200
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        read_state(path)
    assert "damaged" in caught.value.hint


def test_state_dicts_of_which_none_fits_are_no_choice(tmp_path: Path) -> None:
    net = _net()
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.zeros(2, 3, 3, 3)).sum().backward()
    optimizer.step()
    path = _save(tmp_path, {"optimizer": optimizer.state_dict()})
    with pytest.raises(CheckpointError, match="none of which has a tensor of the model") as caught:
        read_state(path, model=net)
    assert "--state-key" not in caught.value.hint


def test_a_key_for_a_file_with_one_state_dict_at_the_top(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="under 'ema'") as caught:
        read_state(_save(tmp_path, _net().state_dict()), state_key="ema")
    assert caught.value.hint == "Leave it out."


@pytest.mark.parametrize(("content", "held"), [({}, "it is empty"), ([1], "it holds a list")])
def test_a_file_without_tensors_says_what_it_holds(tmp_path: Path, content: Any, held: str) -> None:
    with pytest.raises(CheckpointError, match=held):
        read_state(_save(tmp_path, content))


def test_a_name_in_a_file_cannot_write_lines_of_its_own(tmp_path: Path) -> None:
    net = _net()
    state = {**net.state_dict(), "x\nhint: all is well\x1b[2K": torch.zeros(1)}
    with pytest.raises(CheckpointError, match="unknown to the model") as caught:
        load_into(net, read_state(_save(tmp_path, state)))
    assert caught.value.message.isprintable()


def test_a_web_address_is_no_checkpoint() -> None:
    with pytest.raises(CheckpointError) as caught:
        read_state(Path("https://example.com/best.pt"))
    assert "web address" in caught.value.hint
