"""Exit codes and streams, as the contract lays them down."""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from netdoctor.errors import CheckpointError, ModelError
from netdoctor.report import Report
from tests.cli.commandline import CommandLine
from tests.render.sample import HEALTHY, SICK

RUN = ("deadneurons", "my_module:factory", "--no-plots")


def error_of(out: str) -> dict[str, str]:
    document = json.loads(out)
    assert list(document) == ["schema", "command", "error"]
    assert list(document["error"]) == ["kind", "message", "hint"]
    error: dict[str, str] = document["error"]
    return error


@pytest.mark.parametrize(
    ("findings", "fail_on", "code"),
    [
        (SICK.findings, "error", 1),
        (SICK.findings, "never", 0),
        (SICK.findings[1:], "error", 0),
        (SICK.findings[1:], "warning", 1),
        (SICK.findings[2:], "warning", 0),
        ((), "warning", 0),
    ],
)
def test_the_exit_code_is_1_from_fail_on(
    netdoctor: CommandLine, findings: Any, fail_on: str, code: int
) -> None:
    netdoctor.report(SICK.replace(findings=findings))
    assert netdoctor(*RUN, "--fail-on", fail_on).code == code


def test_the_report_is_all_of_stdout_and_stderr_is_silent(netdoctor: CommandLine) -> None:
    netdoctor.report(HEALTHY)
    outcome = netdoctor(*RUN)
    assert outcome.out == f"netdoctor deadneurons · googlenet · cpu\n\n{HEALTHY.verdict}\n"
    assert outcome.err == ""


def test_json_is_one_document(netdoctor: CommandLine) -> None:
    netdoctor.report(SICK)
    outcome = netdoctor(*RUN, "--format", "json", "--set", "ACT002.threshold=0.7")
    document = json.loads(outcome.out)
    assert document["command"] == "deadneurons"
    assert document["settings"]["rules"] == {"ACT002": {"threshold": 0.7}}
    assert "format" not in document["settings"]
    assert (outcome.code, outcome.err) == (1, "")


def test_quiet_says_nothing_when_there_is_nothing_to_say(netdoctor: CommandLine) -> None:
    netdoctor.report(SICK.replace(findings=SICK.findings[1:]))
    assert netdoctor(*RUN, "--quiet").out == ""
    outcome = netdoctor(*RUN, "--quiet", "--fail-on", "warning")
    assert "dead-units" in outcome.out
    assert "NUM003" not in outcome.out
    assert outcome.code == 1


def test_an_error_is_one_message_and_a_hint_on_stderr(netdoctor: CommandLine) -> None:
    netdoctor.fail(CheckpointError("best.pt is a Git LFS pointer", hint="run git lfs pull"))
    outcome = netdoctor(*RUN)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "error: best.pt is a Git LFS pointer\nhint: run git lfs pull\n"


def test_an_error_is_a_document_under_json(netdoctor: CommandLine) -> None:
    netdoctor.fail(CheckpointError("not one", hint="pull"))
    outcome = netdoctor(*RUN, "--format=json")
    assert error_of(outcome.out) == {"kind": "checkpoint", "message": "not one", "hint": "pull"}
    assert outcome.code == 2


def test_an_error_is_a_document_when_the_config_file_says_json(
    netdoctor: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "c.yaml").write_text("format: json\nbacthes: 3\n")
    assert error_of(netdoctor(*RUN, "--config", "c.yaml").out)["kind"] == "config"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bacthes", "3"), "No such option"),
        (("--batches", "many"), "--batches"),
        (("--batches", "0"), "--batches"),
        (("--format", "xml"), "--format"),
        (("--fail-on",), "--fail-on"),
        (("surplus",), "surplus"),
        (("--device", "gpu"), "--device: expected auto, cpu"),
        (("--select", "ACT009"), "no rule or family 'ACT009'"),
        (("--set", "ACT002.treshold=1"), "no threshold 'treshold'"),
        (("--set", "ACT002.threshold=high"), "must be a number, not 'high'"),
        (("--model-arg", "classes"), "not of the form key=value"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_usage_is_2_also_under_json(
    netdoctor: CommandLine, arguments: tuple[str, ...], message: str
) -> None:
    outcome = netdoctor(*RUN, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    outcome = netdoctor("deadneurons", "--format", "json", "m:f", *arguments)
    if "xml" not in arguments:
        assert message in error_of(outcome.out)["message"]
    assert outcome.code == 2


def test_a_misspelt_command_suggests_another(netdoctor: CommandLine) -> None:
    outcome = netdoctor("deadneuron", "resnet18", "--format", "json")
    assert "'deadneurons'" in error_of(outcome.out)["message"]
    assert json.loads(outcome.out)["command"] == "deadneuron"
    assert outcome.code == 2


def test_a_missing_model_is_2(netdoctor: CommandLine) -> None:
    outcome = netdoctor("deadneurons")
    assert outcome.code == 2
    assert "MODEL" in outcome.err
    assert "`netdoctor deadneurons --help`" in outcome.err


def test_no_command_shows_the_help_and_is_2(netdoctor: CommandLine) -> None:
    outcome = netdoctor()
    assert outcome.code == 2
    assert "deadneurons" in outcome.out


def test_version_is_one_line(netdoctor: CommandLine) -> None:
    outcome = netdoctor("--version")
    assert (outcome.code, outcome.out, outcome.err) == (0, "netdoctor 0.1.0\n", "")


def test_a_bug_says_that_it_is_one_and_traceback_shows_it(netdoctor: CommandLine) -> None:
    netdoctor.fail(ZeroDivisionError("division by zero"))
    outcome = netdoctor(*RUN, "--format", "json")
    assert outcome.code == 2
    assert "this is a bug in netdoctor: ZeroDivisionError" in error_of(outcome.out)["message"]
    assert "--traceback" in outcome.err
    assert "Traceback" not in outcome.err
    outcome = netdoctor(*RUN, "--traceback")
    assert "Traceback (most recent call last)" in outcome.err
    assert outcome.out == ""


class OutOfMemoryError(RuntimeError):
    """As torch calls its own."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    ],
)
def test_too_little_memory_gives_advice_also_when_wrapped(
    netdoctor: CommandLine, error: Exception
) -> None:
    wrapped = ModelError("the model raised")
    wrapped.__cause__ = error
    for raised in (error, wrapped):
        netdoctor.fail(raised)
        outcome = netdoctor(*RUN, "--format", "json")
        assert outcome.code == 2
        assert error_of(outcome.out)["kind"] == "memory"
        assert "--batch-size" in outcome.err


def test_ctrl_c_is_130_and_writes_nothing(netdoctor: CommandLine) -> None:
    netdoctor.fail(KeyboardInterrupt())
    outcome = netdoctor(*RUN, "--format", "json")
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "interrupted\n")


@pytest.mark.parametrize("status", [0, 1, "goodbye"])
def test_user_code_that_exits_is_2(netdoctor: CommandLine, status: int | str) -> None:
    netdoctor.fail(SystemExit(status))
    outcome = netdoctor(*RUN)
    assert (outcome.code, outcome.out) == (2, "")
    assert f"sys.exit({status!r})" in outcome.err


def test_what_user_code_prints_goes_to_stderr(netdoctor: CommandLine) -> None:
    def talkative(*_: Any, **__: Any) -> Report:
        print("a factory that prints")
        return HEALTHY

    netdoctor.examine(talkative)
    outcome = netdoctor(*RUN, "--format", "json")
    assert json.loads(outcome.out)["model"] == "googlenet"
    assert outcome.err == "a factory that prints\n"


def test_a_warning_is_shown_once_on_stderr(netdoctor: CommandLine) -> None:
    def warning(*_: Any, **__: Any) -> Report:
        for number in range(3):
            warnings.warn_explicit("old\nway", UserWarning, "library.py", number + 1)
        return HEALTHY

    netdoctor.examine(warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        outcome = netdoctor(*RUN)
    assert outcome.err == "UserWarning: old way\n"
    assert "old way" not in outcome.out


def test_stdout_and_stderr_are_put_back(netdoctor: CommandLine) -> None:
    before = sys.stdout, sys.stderr
    netdoctor.fail(ValueError("x"))
    netdoctor(*RUN)
    assert (sys.stdout, sys.stderr) == before


def test_the_options_reach_the_examination(netdoctor: CommandLine) -> None:
    seen: dict[str, Any] = {}

    def examination(model: Any, data: Any, **options: Any) -> Report:
        seen.update(options)
        return HEALTHY

    netdoctor.examine(examination)
    arguments = ["--batches", "3", "--seed", "7", "--layers", "a.*", "--layers", "b"]
    arguments += ["--ignore", "dead-units", "--set", "dead-layer.min_samples=5", "--per-position"]
    assert netdoctor(*RUN, *arguments).code == 0
    assert seen == {
        "batches": 3, "batch_size": 32, "seed": 7, "layers": ("a.*", "b"), "select": (),
        "ignore": ("dead-units",), "thresholds": {"ACT001": {"min_samples": 5}},
        "per_position": True, "progress": None, "doing": None,
    }  # fmt: skip


def test_an_option_in_front_of_the_command_is_told_where_it_belongs(
    netdoctor: CommandLine,
) -> None:
    outcome = netdoctor("--format", "json", *RUN)
    assert outcome.code == 2
    assert json.loads(outcome.out)["command"] == ""
    assert "behind the command" in error_of(outcome.out)["hint"]


def test_a_wrong_choice_is_told_with_the_choices(netdoctor: CommandLine) -> None:
    outcome = netdoctor(*RUN, "--format", "xml")
    assert outcome.code == 2
    assert outcome.err.startswith("error: Invalid value for '--format': 'xml' is not one of 'text'")


def test_a_folder_that_is_read_only_is_told_before_any_work(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net.py").write_text("raise AssertionError('work began')\n")
    monkeypatch.setattr("os.access", lambda *_: False)
    outcome = netdoctor("deadneurons", "net.py:make", "--out", "pictures")
    assert outcome.code == 2
    assert "cannot be written to" in outcome.err
    assert "--no-plots" in outcome.err


def test_an_interrupt_that_became_another_error_is_still_130(netdoctor: CommandLine) -> None:
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    netdoctor.fail(error)
    outcome = netdoctor(*RUN)
    assert (outcome.code, outcome.out, outcome.err) == (130, "", "interrupted\n")
