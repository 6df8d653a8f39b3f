"""The layer names that completion offers."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from netdoctor.cli import layer_cache
from netdoctor.cli.completion.answer import complete
from netdoctor.report import Column, Report, Table
from tests.cli.commandline import CommandLine

NETWORK = """
from torch import nn

class Network(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), nn.ReLU())
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NETDOCTOR_CACHE", "on")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "netdoctor" / "layers"


def report(*names: str, command: str = "layers") -> Report:
    rows = [{"layer": name} for name in names]
    return Report(command, "m", tables=[Table("layers", "", [Column("layer", "layer")], rows)])


def test_calls_and_the_name_that_selects_them_all() -> None:
    layer_cache.remember("resnet18", report("conv1#1", "relu#1", "relu#2", "/add#1"))
    assert layer_cache.recall("resnet18") == [
        "conv1", "conv1#1", "relu", "relu#1", "relu#2", "/add", "/add#1",
    ]  # fmt: skip
    assert layer_cache.recall("resnet34") == []


def test_the_same_spec_in_another_folder_is_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer_cache.remember("net.py:make", report("a#1"))
    layer_cache.remember("resnet18", report("b#1"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert layer_cache.recall("net.py:make") == []
    assert layer_cache.recall("resnet18") == ["b", "b#1"]


def test_layers_replaces_what_is_known_and_others_add_to_it() -> None:
    layer_cache.remember("resnet18", report("relu#1", command="deadneurons"))
    assert layer_cache.recall("resnet18") == ["relu", "relu#1"]
    layer_cache.remember("resnet18", report("conv#1", "relu#1"))
    layer_cache.remember("resnet18", report("relu#1", "fc#1", command="activations"))
    known = ["conv", "conv#1", "relu", "relu#1", "fc", "fc#1"]
    assert layer_cache.recall("resnet18") == known
    layer_cache.remember("resnet18", report("renamed#1"))
    assert layer_cache.recall("resnet18") == ["renamed", "renamed#1"]


def test_every_table_of_layers_counts() -> None:
    both = report("a#1")
    layer_cache.remember("m", both.replace(tables=[*both.tables, *report("b#1").tables]))
    assert layer_cache.recall("m") == ["a", "a#1", "b", "b#1"]


def test_names_that_a_terminal_would_obey_are_left_out() -> None:
    layer_cache.remember("m", report("a\x1b[31m#1", "b\n#1", "[red]c[/red]#1", "<img src=x>#1"))
    assert layer_cache.recall("m") == [
        "[red]c[/red]", "[red]c[/red]#1", "<img src=x>", "<img src=x>#1",
    ]  # fmt: skip


def test_bounded_in_size_and_number(cache: Path) -> None:
    layer_cache.remember("big", report(*(f"layer{number}#1" for number in range(20_000))))
    assert len(layer_cache.recall("big")) == 5_000
    layer_cache.remember("too big", report(*(f"{number:0500}#1" for number in range(2_000))))
    assert layer_cache.recall("too big") == []
    for number in range(70):
        layer_cache.remember(f"model{number}", report("a#1"))
        os.utime(next(iter(sorted(cache.iterdir(), key=os.path.getmtime, reverse=True))))
    assert len(list(cache.iterdir())) == 64
    assert layer_cache.recall("model69") == ["a", "a#1"]
    assert layer_cache.recall("big") == []


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"layers": 3}', b"\xff\xfe", b"[" * 100_000, b" " * 2_000_000]
)
def test_a_broken_file_offers_nothing_and_is_written_again(content: bytes, cache: Path) -> None:
    layer_cache.remember("m", report("a#1"))
    (file,) = cache.iterdir()
    file.write_bytes(content)
    assert layer_cache.recall("m") == []
    layer_cache.remember("m", report("a#1", command="deadneurons"))
    assert layer_cache.recall("m") == ["a", "a#1"]


def test_turned_off(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDOCTOR_CACHE", "off")
    layer_cache.remember("m", report("a#1"))
    assert not cache.exists()
    assert layer_cache.recall("m") == []


@pytest.mark.parametrize("place", ["/dev/null/nowhere", "relative"])
def test_a_cache_that_cannot_be_written_is_passed_over(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", place)
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    (tmp_path / "file").touch()
    layer_cache.remember("m", report("a#1"))
    assert layer_cache.recall("m") == []
    assert not (tmp_path / "relative").exists()


def test_two_runs_at_once_leave_one_whole_file(cache: Path) -> None:
    runs = [
        threading.Thread(target=layer_cache.remember, args=("m", report(*[f"{name}#1"] * 500)))
        for name in "abcdefgh"
    ]
    for each in runs:
        each.start()
    for each in runs:
        each.join()
    assert len(layer_cache.recall("m")) == 2
    assert len(list(cache.iterdir())) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="folders by another variable")
def test_without_a_variable_it_is_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    below = "Library/Caches" if sys.platform == "darwin" else ".cache"
    assert layer_cache.folder() == tmp_path / below / "netdoctor" / "layers"


def test_a_run_makes_its_layers_known_to_the_shell(netdoctor: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NETWORK)
    options = ("net.py:Network", "--input-shape", "4")
    assert netdoctor("layers", *options, "--layers", "1").code == 0
    assert complete(["deadneurons", "net.py:Network", "--layers", ""]) == []
    assert netdoctor("layers", *options).code == 0
    offered = complete(["deadneurons", "net.py:Network", "--layers", "1"])
    assert [each.value for each in offered or []] == ["1", "1#1"]
    again = complete(["deadneurons", "net.py:Network", "--layers", "1", "--layers", "1"])
    assert [each.value for each in again or []] == ["1#1"]
