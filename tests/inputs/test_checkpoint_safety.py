"""Nothing in a checkpoint ever runs, and what wanted to is named."""

from __future__ import annotations

import builtins
import collections
import contextlib
import copyreg
import functools
import io
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from netdoctor.errors import CheckpointError
from netdoctor.inputs import inert_pickle
from netdoctor.inputs.checkpoint import read_state
from netdoctor.inputs.inert_objects import Known, Opaque
from netdoctor.inputs.state_dicts import find_state_dicts, not_read


class Call:
    """Pickles as a call."""

    def __init__(self, function: Callable[..., Any], *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


ATTACKS = {
    "system": (os.system, "touch {}"),
    "run": (subprocess.check_call, ["touch", "{}"]),
    "eval": (builtins.eval, "open('{}', 'w')"),
    "exec": (builtins.exec, "open('{}', 'w')"),
    "open": (io.open, "{}", "w"),
}


def _attack(kind: str, marker: Path) -> Call:
    function, *args = ATTACKS[kind]
    filled = [
        [part.format(marker) for part in arg] if isinstance(arg, list) else arg.format(marker)
        for arg in args
    ]
    return Call(function, *filled)


def _lightning(attack: Call) -> dict[str, Any]:
    return {
        "epoch": 3,
        "state_dict": nn.Linear(2, 2).state_dict(),
        "optimizer_states": [{"state": {}, "param_groups": []}],
        "callbacks": {"ModelCheckpoint": {"best": attack}},
        "hyper_parameters": {"lr": 0.1},
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", ATTACKS)
@pytest.mark.parametrize("shape", [lambda attack: attack, _lightning])
def test_an_attack_does_not_run_and_is_named(
    tmp_path: Path, kind: str, shape: Callable[[Call], Any], zipped: bool
) -> None:
    marker = tmp_path / "marker"
    path = tmp_path / "evil.ckpt"
    torch.save(
        shape(_attack(kind, marker)), path, pickle_protocol=2, _use_new_zipfile_serialization=zipped
    )
    with pytest.raises(CheckpointError) as caught:
        read_state(path)
    assert not marker.exists()
    name = ATTACKS[kind][0].__name__
    assert f".{name} " in caught.value.message
    assert "--trust-checkpoint" in caught.value.hint


def test_trust_is_what_runs_it(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    torch.save(_lightning(_attack("system", marker)), tmp_path / "evil.ckpt")
    state = read_state(tmp_path / "evil.ckpt", trust=True)
    assert marker.exists()
    assert state.key == "state_dict"


def _touch(path: str) -> None:
    Path(path).touch()


def test_a_function_of_any_other_module_does_not_run_either(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = {"state_dict": nn.Linear(2, 2).state_dict(), "late": Call(_touch, str(marker))}
    torch.save(content, tmp_path / "odd.ckpt")
    state = read_state(tmp_path / "odd.ckpt")
    assert not marker.exists()
    assert state.not_read == (f"late ({__name__}._touch)",)


def test_no_global_is_ever_imported_or_returned() -> None:
    for value in (functools.partial(print, 1), copyreg.pickle, collections.Counter, nn.Linear):
        read = inert_pickle.load(io.BytesIO(pickle.dumps(value)))
        assert isinstance(read, (Opaque, Known))
    absent = b"cno_such_package.inner\nThing\n."
    assert isinstance(inert_pickle.load(io.BytesIO(absent)), Opaque)
    assert "no_such_package" not in sys.modules


@pytest.mark.parametrize(
    "stream",
    [
        b"ctorch\nTensor\n}X\x01\x00\x00\x00aK\x01sb.",  # attributes of a class
        b"ctorch._utils\n_rebuild_tensor_v2\n}X\x04\x00\x00\x00evilK\x01sb.",  # of a function
        b"N}X\x01\x00\x00\x00aK\x01sb.",  # of a plain value
    ],
)
def test_attributes_of_real_objects_are_never_set(stream: bytes) -> None:
    inert_pickle.load(io.BytesIO(stream))
    assert not hasattr(torch.Tensor, "a")
    assert not hasattr(torch._utils._rebuild_tensor_v2, "evil")


@pytest.mark.parametrize(
    "stream",
    [
        b"\x82\x01.",  # a name from copyreg's registry
        b"K\x01K\x02a.",  # an element for a number
        b"K\x01X\x01\x00\x00\x00aK\x02s.",  # an entry for a number
    ],
)
def test_operations_on_wrong_targets_are_refused(stream: bytes) -> None:
    with pytest.raises(pickle.UnpicklingError):
        inert_pickle.load(io.BytesIO(stream))


def test_a_tensor_cannot_reach_beyond_its_storage(tmp_path: Path) -> None:
    path, forged = tmp_path / "good.pt", tmp_path / "forged.pt"
    torch.save({"weight": torch.zeros(100), "late": Call(_touch, "x")}, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename.endswith("data.pkl"):
                assert content.count(b"K\x00Kd\x85") == 1  # offset 0, shape (100,)
                content = content.replace(b"K\x00Kd\x85", b"K\x00K\xff\x85")
            new.writestr(item.filename, content)
    with pytest.raises(CheckpointError, match=r"beyond its storage|cannot be read"):
        read_state(forged)


def test_an_object_that_is_its_own_state_ends() -> None:
    loop = inert_pickle.load(io.BytesIO(b"\x80\x02cpackage\nThing\n)Rq\x00h\x00b."))
    assert loop.state is loop
    assert find_state_dicts(loop) == []
    assert not_read({"x": loop, ("a", "b"): 1, 10**5000: loop}, "none") == ["x (package.Thing)"]


def test_any_damaged_byte_is_an_error_or_harmless(tmp_path: Path) -> None:
    content = {"state_dict": nn.Linear(2, 2).state_dict(), "late": Call(_touch, "never")}
    torch.save(content, tmp_path / "good.pt", _use_new_zipfile_serialization=False)
    good = (tmp_path / "good.pt").read_bytes()
    random = Random(0)
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(random.randint(1, 3)):
            bad[random.randrange(120, len(bad))] = random.randrange(256)
        (tmp_path / "bad.pt").write_bytes(bad)
        with contextlib.suppress(CheckpointError):
            read_state(tmp_path / "bad.pt")
    assert not Path("never").exists()


def test_a_cyclic_object_ends(tmp_path: Path) -> None:
    loop: dict[str, Any] = {"state_dict": nn.Linear(2, 2).state_dict(), "x": Call(_touch, "y")}
    loop["self"] = loop
    torch.save(loop, tmp_path / "loop.pt")
    assert read_state(tmp_path / "loop.pt").key == "state_dict"
