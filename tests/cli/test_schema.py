"""`netdoctor schema`, and the documents of every command held against it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator
from safetensors.torch import save_file

from netdoctor.cli.app import make_app
from netdoctor.render.schema import schema
from tests.cli.commandline import CommandLine

MODELS = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )

def nan():
    made = net()
    made[0].weight.data[0, 0, 0, 0] = float("nan")
    return made

def dead():
    made = net()
    made[0].bias.data -= 1000.0
    return made

def batch(n):
    made = torch.Generator().manual_seed(n)
    return torch.randn(8, 1, 8, 8, generator=made), torch.arange(8) % 3

loader = [batch(n) for n in range(4)]
wrong = [(torch.randn(8, 1, 8, 8), torch.full((8,), 9)) for n in range(2)]
"""
DATA = ("--data", "schema_models:loader", "--batches", "2")
LOADER = ("--data", "schema_models:loader")
SICK = "schema_models:nan"
EXAMPLES = {
    "checkup": (SICK, *DATA),
    "check-forward": (SICK, *DATA),
    "deadneurons": ("schema_models:dead", *DATA),
    "activations": (SICK, *DATA),
    "gradflow": (SICK, *DATA),
    "lrfind": ("schema_models:net", *LOADER, "--steps", "20", "--repeats", "1"),
    "overfit": ("schema_models:net", *LOADER, "--steps", "5"),
    "check-loader": ("schema_models:wrong", "--num-classes", "3", "--no-processes"),
    "featuremaps": ("schema_models:net", "--input-shape", "1,8,8"),
    "check-weights": ("sick.safetensors",),
    "kernels": (SICK,),
    "gradcam": ("schema_models:net", "--input-shape", "1,8,8", "--scores", "none"),
    "diagnose-curves": ("log.csv",),
    "graph": (SICK, *DATA),
    "layers": ("schema_models:net", "--input-shape", "1,8,8"),
    "rules": (),
    "rule": ("ACT001",),
    "history": ("history.jsonl",),
    "env": (),
    "config": (),
}
OTHERS = [
    ("checkup", ("schema_models:dead", *DATA, "--log", "log.csv", "--with", "gradcam")),
    ("diagnose-curves", ("log.csv", "--list")),
    ("diagnose-curves", ("lonely.csv",)),
    ("check-weights", ("sick.safetensors", "log.csv")),
    ("lrfind", ("schema_models:net", "--data", "schema_models:wrong", "--steps", "20")),
    ("lrfind", (SICK, *LOADER, "--steps", "20", "--repeats", "1")),
    ("gradflow", ("schema_models:net", "--data", "schema_models:wrong")),
    ("deadneurons", ("schema_models:nothing",)),
    ("deadneurons", ("schema_models:net", "--bacthes", "3")),
    ("deadneuron", ()),
    ("check-weights", ("nowhere.safetensors",)),
    ("deadneurons", ("schema_models:dead", *DATA, "--baseline", "known.json")),
]
VALIDATOR = Draft202012Validator(schema())


@pytest.fixture
def prepared(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> CommandLine:
    """The command line in a folder that has what the examples name."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "schema_models.py").write_text(MODELS, encoding="utf-8")
    save_file({"a": torch.full((3, 3), math.nan)}, tmp_path / "sick.safetensors")
    rows = [f"{n},{1 / (n + 1)},{1 / (n + 1) + max(0, n - 8) * 0.1}" for n in range(20)]
    (tmp_path / "log.csv").write_text("\n".join(["epoch,train_loss,val_loss", *rows]))
    lonely = [f"{n},{1 / (n + 1)}" for n in range(20)]
    (tmp_path / "lonely.csv").write_text("\n".join(["epoch,train_loss", *lonely]))
    code = netdoctor(
        "deadneurons", "schema_models:dead", *DATA, "--no-plots",
        "--history", "history.jsonl", "--write-baseline", "known.json",
    ).code  # fmt: skip
    assert code == 0
    return netdoctor


def test_every_command_that_prints_documents_has_an_example() -> None:
    commands = {each.name for each in make_app("").registered_commands}
    assert commands - {"schema"} == set(EXAMPLES)


@pytest.mark.parametrize(("command", "arguments"), [*EXAMPLES.items(), *OTHERS])
def test_a_document_is_as_the_schema_says(
    prepared: CommandLine, command: str, arguments: tuple[str, ...]
) -> None:
    outcome = prepared(command, *arguments, "--format", "json")
    document = json.loads(outcome.out)
    VALIDATOR.validate(document)
    assert document["command"] == command
    assert outcome.code == 2 or "findings" in document


def test_schema_prints_the_schema(netdoctor: CommandLine) -> None:
    outcome = netdoctor("schema")
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out) == schema()
