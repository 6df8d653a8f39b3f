"""The whole program in a process of its own, on small real models."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netdoctor.cli.examine import open_inputs
from netdoctor.config import Config

MODELS = """
import argparse
import os
import time
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, bias=0.0):
        super().__init__()
        self.first = nn.Linear(8, 16)
        self.second = nn.Linear(16, 4)
        self.first.bias.data -= bias

    def forward(self, x):
        return self.second(torch.relu(self.first(x)))

def healthy():
    torch.manual_seed(0)
    return Net()

def sick():
    return Net(bias=1000.0)

def talkative():
    print("hello from the factory")
    os.system("echo hello from its child")
    return healthy()

def random():
    return Net()

def nan():
    net = healthy()
    net.first.weight.data[0, 0] = float("nan")
    return net

class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = nn.ModuleDict({"[red]x/ / y": nn.ReLU()})

    def forward(self, x):
        return self.parts["[red]x/ / y"](x - 1000.0) + x

def parses():
    argparse.ArgumentParser().parse_args()
    return healthy()

def exits():
    raise SystemExit(0)

class Slow(Net):
    def forward(self, x):
        open("started", "w").close()
        time.sleep(60)
        return super().forward(x)

loader = [(torch.randn(64, 8, generator=torch.Generator().manual_seed(n)), torch.zeros(64))
          for n in range(4)]
"""
DATA = ("--data", "models:loader", "--no-plots")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with `models.py` in it."""
    (tmp_path / "models.py").write_text(MODELS, encoding="utf-8")
    return tmp_path


def environment(**changes: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "CI")}
    return {**kept, "PYTHONWARNINGS": "", "OMP_WAIT_POLICY": "PASSIVE", **changes}


def run(folder: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "netdoctor", *arguments],
        cwd=folder,
        env=environment(**changes),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


def test_a_healthy_network_is_0_and_a_dead_layer_1(folder: Path) -> None:
    done = run(folder, "deadneurons", "models:healthy", *DATA)
    assert (done.returncode, done.stderr) == (0, "")
    assert "healthy" in done.stdout.splitlines()[-1]
    done = run(folder, "deadneurons", "models:sick", *DATA)
    assert (done.returncode, done.stderr) == (1, "")
    assert "ACT001 dead-layer" in done.stdout
    assert done.stdout.endswith("sick: 1 error\n")


def test_json_is_not_disturbed_by_what_a_factory_and_its_children_print(folder: Path) -> None:
    done = run(folder, "deadneurons", "models:talkative", *DATA, "--format", "json")
    assert json.loads(done.stdout)["model"] == "models:talkative"
    assert sorted(done.stderr.splitlines()) == [
        "hello from its child",
        "hello from the factory",
    ]


def test_nan_in_the_network_is_strict_json(folder: Path) -> None:
    done = run(folder, "activations", "models:nan", *DATA, "--format", "json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    document = json.loads(done.stdout, parse_constant=refuse)
    assert "NUM001" in [finding["code"] for finding in document["findings"]]
    assert done.returncode == 1


def test_pictures_and_arrays_are_written_and_listed(folder: Path) -> None:
    arguments = ("--data", "models:loader", "--out", "pictures", "--save-arrays")
    done = run(folder, "deadneurons", "models:sick", *arguments, "--format", "json")
    artifacts = json.loads(done.stdout)["artifacts"]
    written = {str(path.relative_to(folder)) for path in (folder / "pictures").iterdir()}
    assert set(artifacts) == written
    assert {Path(path).suffix for path in written} == {".png", ".npz"}


def test_an_out_that_is_a_file_is_told_at_once(folder: Path) -> None:
    done = run(folder, "deadneurons", "models:sick", "--out", "models.py/pictures")
    assert (done.returncode, done.stdout) == (2, "")
    assert "models.py is a file, not a folder" in done.stderr


def test_layers_lists_names(folder: Path) -> None:
    done = run(folder, "layers", "models:healthy", "--input-shape", "8")
    assert done.returncode == 0
    assert re.search(r"^ +first\b.* 2×16", done.stdout, re.MULTILINE)


def test_a_strange_name_is_whole_on_a_narrow_terminal_and_in_ascii(folder: Path) -> None:
    arguments = ("deadneurons", "models:Odd", "--data", "models:loader", "--no-plots")
    done = run(folder, *arguments, COLUMNS="60", NO_COLOR="1", LANG="C", LC_ALL="C")
    assert "parts.[red]x/ / y#1" in done.stdout
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["deadneurons", "models:sick", *DATA], ["--help"], ["rules"]])
def test_a_reader_who_leaves_is_no_failure(folder: Path, command: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "netdoctor", *command],
            cwd=folder,
            env=environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            timeout=120,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_ctrl_c_is_130_and_leaves_no_file(folder: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "netdoctor",
            "deadneurons",
            "models:Slow",
            "--data",
            "models:loader",
        ],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not (folder / "started").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, "", "interrupted\n")
    assert not (folder / "netdoctor-out").exists()


def test_a_factory_that_exits_is_2(folder: Path) -> None:
    done = run(folder, "deadneurons", "models:exits", *DATA, "--format", "json")
    assert done.returncode == 2
    assert "error" in json.loads(done.stdout)


def test_an_encoding_that_cannot_say_it_is_no_error(folder: Path) -> None:
    done = run(folder, "rule", "ACT001", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    help_text = run(folder, "deadneurons", "--help", PYTHONIOENCODING="ascii")
    assert (help_text.returncode, help_text.stderr) == (0, "")


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [(">&-", 0, ""), ("2>&-", 0, ""), ("> /dev/full", 2, "No space left on device")],
)
def test_streams_that_cannot_be_written(
    folder: Path, redirection: str, code: int, message: str
) -> None:
    line = f"{sys.executable} -m netdoctor rules {redirection}"
    done = subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_that_cannot_be_written_is_still_no_finding(folder: Path) -> None:
    command = [sys.executable, "-m", "netdoctor", "deadneurons", "nope"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, cwd=folder, env=environment(), stderr=full, timeout=120)
    assert done.returncode == 2


def test_a_factorys_random_weights_depend_on_the_seed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    spec = f"{folder / 'models.py'}:random"

    def weight(seed: int) -> list[float]:
        loaded, _ = open_inputs(spec, Config(seed=seed, device="cpu"))
        return loaded.module.get_parameter("first.weight").flatten().tolist()

    assert weight(1) == weight(1) != weight(2)


def test_a_factory_that_parses_arguments_finds_its_own_defaults(folder: Path) -> None:
    done = run(folder, "layers", "models:parses")
    assert (done.returncode, done.stderr) == (0, "")
