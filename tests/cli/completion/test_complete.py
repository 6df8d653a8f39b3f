"""Which words fit where, without any shell."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdoctor.cli.app import make_app
from netdoctor.cli.completion.answer import complete
from netdoctor.cli.completion.parameters import commands, parameters_of
from netdoctor.inputs.torchvision_names import torchvision_names
from netdoctor.rules import catalogue
from netdoctor.rules.checks import CHECKS
from tests.cli.commandline import CommandLine

SOURCE = '''
import torch
raise SystemExit("this file must not be imported")

def factory():
    """A healthy [red]network[/red]."""

class Network: ...
def _hidden(): ...
network = Network()
SIZE = 3
'''


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my models.py").write_text(SOURCE)
    (tmp_path / "package" / "inner").mkdir(parents=True)
    for file in ("__init__.py", "networks.py", "inner/__init__.py"):
        (tmp_path / "package" / file).write_text(SOURCE)
    (tmp_path / "weights.pt").touch()
    return tmp_path


def values(*words: str) -> list[str]:
    offered = complete(words)
    assert offered is not None
    return [each.value for each in offered]


def test_commands_and_what_stands_before_them() -> None:
    assert values("") == list(commands()) == [each.name for each in registered()]
    assert values("dead") == ["deadneurons"]
    assert values("--v") == ["--version"]
    assert values("--show-completion", "") == ["bash", "zsh", "fish"]
    assert values("no-such-command", "x") == []


def registered() -> list[object]:
    return list(make_app("").registered_commands)


@pytest.mark.parametrize("command", list(commands()))
def test_every_option_is_offered_with_its_help(command: str) -> None:
    import typer

    parser = typer.main.get_command(make_app(command))
    every = parser.commands[command].params  # type: ignore[attr-defined]
    parsed = [each for each in every if not getattr(each, "hidden", False)]
    names = {name for each in parsed for name in (*each.opts, *each.secondary_opts)}
    long = {name for name in names if name.startswith("--")}
    offered = complete([command, "--"])
    assert offered is not None
    assert {each.value for each in offered} == {*long, "--help"}
    assert all(each.help for each in offered)


@pytest.mark.parametrize("command", list(commands()))
def test_every_choice_is_offered(command: str) -> None:
    for each in parameters_of(command) or []:
        if each.choices:
            assert values(command, "x", each.options[0], "") == list(each.choices)
            joined = [f"{each.options[0]}={choice}" for choice in each.choices]
            assert values(command, "x", f"{each.options[0]}=") == joined


def test_an_option_is_offered_once_unless_it_repeats() -> None:
    assert "--quiet" not in values("deadneurons", "resnet18", "--quiet", "--")
    assert "--seed" not in values("deadneurons", "resnet18", "--seed=3", "--")
    assert "--layers" in values("deadneurons", "resnet18", "--layers", "fc", "--")


def test_models_are_torchvision_names_files_and_packages() -> None:
    offered = values("deadneurons", "")
    assert set(torchvision_names()) < set(offered)
    assert {"my models.py:", "package/", "package."} <= set(offered)
    assert "weights.pt" not in offered
    assert "weights.pt" in values("kernels", "")
    assert values("deadneurons", "resnet1") == ["resnet101", "resnet152", "resnet18"]
    assert values("check-loader", "random", "--model", "resnet18") == ["resnet18"]


@pytest.mark.parametrize("location", ["my models.py", "package/networks.py", "package.networks"])
def test_factories_are_read_and_never_imported(location: str) -> None:
    offered = values("deadneurons", f"{location}:")
    assert offered == [f"{location}:{name}" for name in ("factory", "Network", "network")]
    assert values("deadneurons", f"{location}:fac") == [f"{location}:factory"]
    first = (complete(["deadneurons", f"{location}:fac"]) or [])[0]
    assert first.help == "A healthy network."


def test_modules_of_a_package() -> None:
    assert values("deadneurons", "package.") == ["package.inner.", "package.networks:"]


@pytest.mark.parametrize("content", [b"def broken(:", b"\x00", b"x" * 3_000_000, b"(" * 5_000])
def test_a_file_that_cannot_be_read_offers_nothing(content: bytes, folder: Path) -> None:
    (folder / "bad.py").write_bytes(content)
    assert values("deadneurons", "bad.py:") == []


def test_data_and_losses() -> None:
    assert {"random", "torchvision:", "weights.pt", "my models.py:"} <= set(
        values("deadneurons", "resnet18", "--data", "")
    )
    assert values("gradflow", "resnet18", "--loss", "c") == ["cross-entropy"]
    assert values("gradflow", "resnet18", "--loss", "my models.py:f") == ["my models.py:factory"]
    assert values("gradflow", "resnet18", "--device", "c") == ["cpu", "cuda", "cuda:0"]


def test_rules_by_code_slug_and_family() -> None:
    assert values("rule", "ACT00") == ["ACT001", "ACT002", "ACT003", "ACT004"]
    assert values("rule", "dead-l") == ["dead-layer"]
    assert values("deadneurons", "resnet18", "--select", "ACT")[0] == "ACT"
    assert values("deadneurons", "resnet18", "--ignore", "ACT", "--ignore", "AC") == [
        "ACT001", "ACT002", "ACT003", "ACT004",
    ]  # fmt: skip


def test_thresholds() -> None:
    assert values("deadneurons", "resnet18", "--set", "ACT002") == ["ACT002."]
    offered = values("deadneurons", "resnet18", "--set", "ACT002.")
    known = [*catalogue()["ACT002"].thresholds, "severity", "tolerance"]
    assert offered == [f"ACT002.{name}=" for name in known]
    assert values("deadneurons", "resnet18", "--set", "dead-units.th") == ["dead-units.threshold="]
    assert values("deadneurons", "resnet18", "--set", "nothing.") == []


@pytest.mark.parametrize("code", list(catalogue()))
def test_every_rule_has_its_thresholds(code: str) -> None:
    offered = values("deadneurons", "resnet18", "--set", f"{code}.")
    assert {f"{code}.{name}=" for name in catalogue()[code].thresholds} <= set(offered)


@pytest.mark.parametrize(
    "words",
    [
        ("deadneurons", "resnet18", "--config", ""),
        ("deadneurons", "resnet18", "--checkpoint", "w"),
        ("deadneurons", "resnet18", "--out="),
        ("check-weights", ""),
        ("check-weights", "weights.pt", ""),
        ("check-weights", "weights.pt", "--against", ""),
        ("diagnose-curves", ""),
        ("history", ""),
    ],
)
def test_files_are_left_to_the_shell(words: tuple[str, ...]) -> None:
    assert complete(words) is None


def test_a_number_offers_nothing() -> None:
    assert values("deadneurons", "resnet18", "--seed", "") == []


def test_names_that_a_terminal_would_obey_are_not_offered(folder: Path) -> None:
    for name in ("new\nline.py", "esc\x1b[31m.py", "tab\t.py"):
        (folder / name).touch()
    assert not [each for each in values("deadneurons", "") if not each.isprintable()]


def test_the_parts_of_a_checkup() -> None:
    assert values("checkup", "resnet18", "--only", "") == list(CHECKS)
    assert values("checkup", "resnet18", "--with", "l") == ["lrfind"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
@pytest.mark.parametrize("arguments", [[], ["netdoctor dead"], ["\udcff", "\udcff"], ["", ""]])
def test_whatever_a_shell_sends_nothing_is_shown_to_whoever_types(
    netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch, shell: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("_NETDOCTOR_COMPLETE", shell)
    outcome = netdoctor(*arguments)
    assert outcome.err == ""
    assert outcome.code in (0, 2)


def test_what_is_sent_back(netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_NETDOCTOR_COMPLETE", "zsh")
    assert netdoctor("rule", "ACT001").out == "ACT001\tdead-layer\n"
    assert netdoctor("history", "").out == "\tfiles\n"
    monkeypatch.setenv("_NETDOCTOR_COMPLETE", "fish")
    assert netdoctor("deadneurons", "'my models.py:fa").out == (
        "my models.py:factory\tA healthy network.\n"
    )
    monkeypatch.setenv("_NETDOCTOR_COMPLETE", "bash")
    assert netdoctor("netdoctor deadneurons my\\ models.py:fa", " :").out == "factory\n"
