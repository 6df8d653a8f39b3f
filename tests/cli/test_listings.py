"""`rules`, `rule`, `config`, `env`: the commands that need no model."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from netdoctor.cli.completion.parameters import commands
from netdoctor.rules import catalogue
from netdoctor.version import __version__
from tests.cli.commandline import CommandLine


def document(netdoctor: CommandLine, *arguments: str) -> dict[str, Any]:
    outcome = netdoctor(*arguments, "--format", "json")
    assert (outcome.code, outcome.err) == (0, "")
    loaded: dict[str, Any] = json.loads(outcome.out)
    return loaded


def test_rules_lists_every_rule(netdoctor: CommandLine) -> None:
    lines = netdoctor("rules").out.splitlines()[2:]
    assert len(lines) == len(catalogue())
    for line, rule in zip(lines, catalogue().values(), strict=True):
        assert line.split()[:3] == [rule.code, rule.slug, rule.severity.value]
        assert rule.documentation.partition(".")[0] in line
    rows = document(netdoctor, "rules")["tables"]["rules"]
    assert [row["code"] for row in rows] == list(catalogue())
    assert "deadneurons" in rows[0]["commands"]


@pytest.mark.parametrize("name", ["ACT002", "act002", "dead-units"])
def test_rule_prints_the_documentation_and_the_thresholds(
    netdoctor: CommandLine, name: str
) -> None:
    outcome = netdoctor("rule", name)
    rule = catalogue()["ACT002"]
    assert outcome.code == 0
    assert " ".join(rule.documentation.split()) in " ".join(outcome.out.split())
    for threshold in rule.thresholds:
        assert f"\n  {threshold} " in outcome.out
    extra = document(netdoctor, "rule", name)["rule"]
    assert extra["thresholds"] == rule.thresholds
    assert extra["documentation"] == rule.documentation


def test_an_unknown_rule_is_2_with_a_near_miss(netdoctor: CommandLine) -> None:
    outcome = netdoctor("rule", "dead-unit")
    assert outcome.code == 2
    assert "dead-units" in outcome.err


def test_config_shows_every_setting_with_its_origin(netdoctor: CommandLine, tmp_path: Any) -> None:
    (tmp_path / "c.yaml").write_text("seed: 5\nrules: {dead-units: {error_at: 0.8}}\n")
    arguments = ["--config", "c.yaml", "--batches", "3", "--set", "ACT002.threshold=0.6"]
    rows = document(netdoctor, "config", *arguments)["tables"]["settings"]
    shown = {row["key"]: (row["value"], row["origin"]) for row in rows}
    assert shown["seed"] == (5, "c.yaml:1")
    assert shown["batches"] == (3, "flag")
    assert shown["format"] == ("json", "flag")
    assert shown["workers"] == (0, "default")
    assert shown["rules.ACT002.threshold"] == (0.6, "flag")
    assert shown["rules.ACT002.error_at"] == (0.8, "c.yaml:2")
    min_samples = catalogue()["ACT002"].thresholds["min_samples"]
    assert shown["rules.ACT002.min_samples"] == (min_samples, "default")


def test_env_tells_versions_and_devices(netdoctor: CommandLine) -> None:
    rows = document(netdoctor, "env")["tables"]["env"]
    told = {row["what"]: row["value"] for row in rows}
    assert told["netdoctor"] == __version__
    assert told["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert told["devices"].startswith("cpu (")
    declared = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    needed = re.search(r"^dependencies = \[\n(.*?)\n\]", declared, re.MULTILINE | re.DOTALL)
    assert needed
    assert set(re.findall(r'"([a-z]+)>=[\d.]+"', needed[1])) <= told.keys()


def test_env_tells_which_settings_are_found(netdoctor: CommandLine) -> None:
    assert "settings      no file" in netdoctor("env").out
    Path("netdoctor.yaml").write_text("batches: 3\n", encoding="utf-8")
    assert f"settings      {Path.cwd() / 'netdoctor.yaml'}" in netdoctor("env").out


def test_env_tells_why_torch_does_not_import(
    netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    outcome = netdoctor("env")
    assert outcome.code == 0
    assert "torch cannot be imported: " in outcome.out


def test_version_is_one_line(netdoctor: CommandLine) -> None:
    assert netdoctor("--version").out == f"netdoctor {__version__}\n"


@pytest.mark.parametrize("command", ["", *commands()])
def test_h_is_help_everywhere(netdoctor: CommandLine, command: str) -> None:
    outcome = netdoctor(*command.split(), "-h")
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out == netdoctor(*command.split(), "--help").out
    assert f"Usage: netdoctor {command}".rstrip() in outcome.out


@pytest.mark.parametrize("command", ["", "deadneurons", "activations", "layers", "rules", "rule"])
def test_help_fits_80_columns(
    netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    outcome = netdoctor(*command.split(), "--help")
    assert outcome.code == 0
    assert "Usage: netdoctor" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert netdoctor(*command.split(), "-h").out == outcome.out
