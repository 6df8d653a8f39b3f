from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.cli.commandline import CommandLine

MODULE = """
from tests.api import checkup_subjects as subjects

healthy, dead, poisoned, raising = (
    subjects.Net, subjects.dead, subjects.poisoned, subjects.Raising
)


def loader():
    print("loading")
    return subjects.loader(shuffle=True)


def broken():
    raise OSError("no such disk")


def elsewhere():
    import os
    import tempfile

    os.chdir(tempfile.gettempdir())
    return subjects.Net()
"""


@pytest.fixture
def checkup(netdoctor: CommandLine, tmp_path: Path) -> CommandLine:
    (tmp_path / "checkup_command.py").write_text(MODULE)
    return netdoctor


def test_a_healthy_network(checkup: CommandLine) -> None:
    done = checkup("checkup", "checkup_command.py:healthy", "--data", "checkup_command.py:loader")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("healthy")
    assert "loading" not in done.out
    pictures = {each.name for each in Path("netdoctor-out").iterdir()}
    expected = {"graph.svg", "activations.png", "gradflow.png", "check-forward.png", "labels.png"}
    assert expected <= pictures


def test_one_fault_is_one_finding(checkup: CommandLine) -> None:
    done = checkup(
        "checkup", "checkup_command.py:poisoned", "--data", "checkup_command.py:loader",
        "--format", "json", "--no-plots",
    )  # fmt: skip
    assert done.code == 1
    document = json.loads(done.out)
    (finding,) = [each for each in document["findings"] if each["severity"] == "error"]
    assert finding["code"] == "WGT001"
    assert {each["code"] for each in finding["consequences"]} == {"NUM001", "GRD003"}
    assert document["summary"]["error"] == 1
    assert [row["check"] for row in document["tables"]["checks"]][:2] == [
        "check-loader", "check-weights"
    ]  # fmt: skip


def test_what_follows_from_a_finding_does_not_pass_in_junit(checkup: CommandLine) -> None:
    done = checkup(
        "checkup", "checkup_command.py:poisoned", "--data", "checkup_command.py:loader",
        "--format", "junit", "--no-plots",
    )  # fmt: skip
    suite = ElementTree.fromstring(done.out)
    failed = {
        case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None
    }
    assert failed == {"nan-weight", "nan-activation", "nan-gradient"}


def test_a_broken_module_is_one_message(checkup: CommandLine) -> None:
    done = checkup("checkup", "checkup_command.py:raising", "--data", "checkup_command.py:loader")
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("error:") == 1
    assert not Path("netdoctor-out").exists()
    assert (
        checkup("checkup", "checkup_command.py:healthy", "--data", "checkup_command.py:broken").code
        == 2
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--only", "dta"), "did you mean data?"),
        (("--with", "lrfind,gradcm"), "did you mean gradcam or"),
        (("--time-limit", "soon"), "such as 90, 90s, 5m or 1h"),
        (("--time-limit", "0"), "such as 90"),
        (("--log", "nowhere.csv"), "nowhere.csv"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_mistakes(checkup: CommandLine, options: tuple[str, ...], said: str) -> None:
    done = checkup("checkup", "checkup_command.py:healthy", *options)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""


def test_known_findings_and_their_consequences_do_not_count(checkup: CommandLine) -> None:
    arguments = (
        "checkup", "checkup_command.py:poisoned", "--data", "checkup_command.py:loader",
        "--no-plots", "--quiet",
    )  # fmt: skip
    assert checkup(*arguments, "--write-baseline", "known.json").code == 0
    again = checkup(*arguments, "--baseline", "known.json")
    assert (again.code, again.out) == (0, "")


def test_the_checks_that_are_asked_for(checkup: CommandLine) -> None:
    done = checkup(
        "checkup", "checkup_command.py:healthy", "--data", "checkup_command.py:loader",
        "--only", "weights,forward", "--format", "json", "--no-plots",
    )  # fmt: skip
    rows = json.loads(done.out)["tables"]["checks"]
    assert [row["check"] for row in rows if row["state"] == "done"] == [
        "check-weights", "check-forward"
    ]  # fmt: skip


def test_pictures_of_a_check_on_demand(checkup: CommandLine) -> None:
    done = checkup(
        "checkup", "sample_models.networks:healthy_functional", "--only", "gradcam",
        "--data", "sample_models.shapes:test_loader", "--batches", "1",
    )  # fmt: skip
    assert done.code == 0
    assert {each.suffix for each in Path("netdoctor-out").iterdir()} == {".png"}


def test_reports_go_where_they_are_asked_for_though_user_code_changes_the_folder(
    checkup: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = checkup(
        "checkup", "checkup_command.py:elsewhere", "--data", "checkup_command:loader",
        "--no-plots", "--report", "json=here.json",
    )  # fmt: skip
    assert done.code == 0
    assert (tmp_path / "here.json").is_file()
    assert Path.cwd() == tmp_path
