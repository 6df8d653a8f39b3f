"""`--report`: several forms of one report at once; what cannot be examined is in them too."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree

import pytest

from netdoctor.errors import ModelError
from netdoctor.report import Report
from tests.cli.commandline import CommandLine
from tests.render.pages import Page
from tests.render.sample import HEALTHY, SICK

ALL = "html=r/a.html,json=r/b.json,junit=r/c.xml,github=r/d.txt,text=r/e.txt"


def run(netdoctor: CommandLine, *arguments: str) -> tuple[int, str, str]:
    outcome = netdoctor("deadneurons", "x", "--no-plots", *arguments)
    return outcome.code, outcome.out, outcome.err


def test_all_kinds_from_one_run(netdoctor: CommandLine, tmp_path: Path) -> None:
    netdoctor.report(SICK)
    code, out, _ = run(netdoctor, "--report", ALL, "--format", "json")
    assert code == 1
    folder = tmp_path / "r"
    assert (folder / "b.json").read_text() == out
    assert json.loads(out)["findings"][0]["code"] == "ACT001"
    assert ElementTree.parse(folder / "c.xml").getroot().get("failures") == "1"
    assert (folder / "d.txt").read_text().startswith("::error ")
    assert "sick: 1 error" in (folder / "e.txt").read_text()
    page = Page((folder / "a.html").read_text())
    assert "Sick".lower() in page.one("p", class_="verdict").text
    assert f"netdoctor deadneurons x --no-plots --report {ALL}" in page.one("pre").text
    assert sorted(each.name for each in folder.iterdir()) == [
        "a.html", "b.json", "c.xml", "d.txt", "e.txt",
    ]  # fmt: skip


def test_the_option_is_repeatable_and_stdout_stays(netdoctor: CommandLine) -> None:
    netdoctor.report(HEALTHY)
    alone = run(netdoctor)
    beside = run(netdoctor, "--report", "json=a.json", "--report", "html=a.html")
    assert alone == beside
    assert Path("a.json").exists()
    assert Path("a.html").exists()


def test_a_comma_in_a_file_name_is_a_comma(netdoctor: CommandLine) -> None:
    netdoctor.report(HEALTHY)
    assert run(netdoctor, "--report", "json=a, b.json,text=c,d.txt")[0] == 0
    assert Path("a, b.json").exists()
    assert Path("c,d.txt").exists()


def test_quiet_adds_nothing_to_stdout(netdoctor: CommandLine) -> None:
    netdoctor.report(HEALTHY)
    assert run(netdoctor, "--quiet", "--report", ALL) == (0, "", "")
    assert Path("r/e.txt").read_text().endswith("at or above warning\n")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("htm=a.html", "did you mean html?"),
        ("xyz=a", "the kinds are html, json, junit, github, text"),
        ("a.html", "write --report html=report.html"),
        ("html=", "not of the form KIND=FILE"),
        ("html=a.html,html=b.html", "two files for html: a.html and b.html"),
        ("html=a,json=./a", "name the same file"),
        ("json=folder", "it is a folder"),
        ("json=file/a.json", "is a file, not a folder"),
        (f"json={'a' * 300}", "File name too long"),
        ("json=link.json,html=real.json", "name the same file"),
    ],
)
def test_what_cannot_be_meant_is_told_before_any_work(
    netdoctor: CommandLine, tmp_path: Path, wanted: str, said: str
) -> None:
    Path("folder").mkdir()
    Path("file").write_text("mine")
    Path("real.json").write_text("mine")
    Path("link.json").symlink_to("real.json")
    before = sorted(each.name for each in tmp_path.iterdir())

    def examination(*_: object, **__: object) -> Report:
        pytest.fail("it was examined")

    netdoctor.examine(examination)
    code, out, err = run(netdoctor, "--report", wanted)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("error: ") == 1
    assert sorted(each.name for each in tmp_path.iterdir()) == before
    assert Path("file").read_text() == Path("real.json").read_text() == "mine"


def test_a_folder_that_is_read_only(
    netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder").mkdir()
    netdoctor.report(HEALTHY)
    # Root, as which tests may run, is refused nothing.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "folder")
    code, _, err = run(netdoctor, "--report", "json=folder/a.json")
    assert code == 2
    assert "folder cannot be written to" in err


@pytest.mark.parametrize("option", ["--history", "--write-baseline"])
def test_a_report_is_not_written_over_another_file(netdoctor: CommandLine, option: str) -> None:
    Path("h").write_text('{"a": 1}\n')
    netdoctor.report(HEALTHY)
    code, _, err = run(netdoctor, "--report", "json=h", option, "h")
    assert code == 2
    assert "name the same file" in err
    netdoctor.fail(ModelError("no such model"))
    assert run(netdoctor, "--report", "json=h", option, "h", "--no-such-option")[0] == 2
    assert Path("h").read_text() == '{"a": 1}\n'


def test_what_cannot_be_examined_is_in_every_file(netdoctor: CommandLine) -> None:
    netdoctor.fail(ModelError("no such model", hint="look"))
    code, out, err = run(netdoctor, "--report", ALL)
    assert (code, out) == (2, "")
    assert err == "error: no such model\nhint: look\n"
    document = json.loads(Path("r/b.json").read_text())
    assert document["error"] == {"kind": "model", "message": "no such model", "hint": "look"}
    assert ElementTree.parse("r/c.xml").getroot().get("errors") == "1"
    assert Path("r/d.txt").read_text().startswith("::error ")
    assert Path("r/e.txt").read_text() == err
    assert "no such model" in Page(Path("r/a.html").read_text()).one("p", class_="verdict").text


@pytest.mark.parametrize(
    "arguments",
    [
        ["deadneurons", "--report", "html=a.html,json=a.json"],
        ["deadneurons", "x", "--no-such-option", "--report=html=a.html", "--report=json=a.json"],
        ["deadneurons", "x", "--seed", "-3", "--report", "html=a.html,json=a.json"],
        ["deadneurons", "x", "--config", "c.yaml", "--sed", "3"],
    ],
)
def test_a_line_that_does_not_parse_is_in_the_files_too(
    netdoctor: CommandLine, arguments: list[str]
) -> None:
    Path("c.yaml").write_text("report: {html: a.html, json: a.json}\n")
    outcome = netdoctor(*arguments)
    assert outcome.code == 2
    assert json.loads(Path("a.json").read_text())["error"]["kind"] == "usage"
    assert "Could not be examined" in Path("a.html").read_text()


def test_a_file_that_cannot_be_written_hides_no_error(netdoctor: CommandLine) -> None:
    Path("file").write_text("mine")
    netdoctor.fail(ModelError("no such model"))
    outcome = netdoctor("deadneurons", "x", "--sed", "3", "--report", "json=file/a,html=a.html")
    assert outcome.code == 2
    assert "No such option" in outcome.err
    assert "file is a file, not a folder" in outcome.err
    assert "Traceback" not in outcome.err
    assert Path("a.html").exists()


def test_a_config_file_names_reports(netdoctor: CommandLine) -> None:
    Path("c.yaml").write_text("report:\n  json: from-file.json\n")
    netdoctor.report(HEALTHY)
    assert run(netdoctor, "--config", "c.yaml")[0] == 0
    assert json.loads(Path("from-file.json").read_text())["findings"] == []
    assert run(netdoctor, "--config", "c.yaml", "--report", "text=flag.txt")[0] == 0
    assert Path("flag.txt").exists()
    Path("c.yaml").write_text("report: {jsn: a}\n")
    code, _, err = run(netdoctor, "--config", "c.yaml")
    assert code == 2
    assert "did you mean json?" in err
    Path("c.yaml").write_text("report: a.html\n")
    code, _, err = run(netdoctor, "--config", "c.yaml")
    assert code == 2
    assert "a mapping" in err


def test_a_file_that_is_found_names_reports_beside_itself(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("netdoctor.yaml").write_text(
        "report: {json: out/all.json}\ncommands: {deadneurons: {report: {json: out/dead.json}}}\n"
    )
    Path("inner").mkdir()
    monkeypatch.chdir("inner")
    netdoctor.report(HEALTHY)
    assert run(netdoctor)[0] == 0
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["dead.json"]
    assert netdoctor("rules").code == 0
    assert not (tmp_path / "out" / "all.json").exists()
    netdoctor.fail(ModelError("no such model"))
    assert run(netdoctor)[0] == 2
    assert "no such model" in (tmp_path / "out" / "dead.json").read_text()


@pytest.mark.parametrize("broken", ["[1]", "3", "{json: 3}", "{3: a}", "{json: [a]}", "x"])
def test_a_broken_file_is_one_message(netdoctor: CommandLine, broken: str) -> None:
    Path("netdoctor.yaml").write_text(f"report: {broken}\nhistory: [3]\n")
    netdoctor.report(HEALTHY)
    code, out, err = run(netdoctor)
    assert (code, out) == (2, "")
    assert err.count("error: ") == 1
    assert "Traceback" not in err


def test_an_old_file_stays_whole_when_writing_fails(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.json").write_text("old")
    netdoctor.report(HEALTHY)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    code, out, err = run(netdoctor, "--report", "json=a.json")
    assert (code, out) == (2, "")
    assert "No space left on device" in err
    assert "Traceback" not in err
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]
    assert Path("a.json").read_text() == "old"


def test_a_pipe_is_written_to_and_a_link_followed(netdoctor: CommandLine) -> None:
    netdoctor.report(HEALTHY)
    Path("real").mkdir()
    Path("link.json").symlink_to("real/a.json")
    assert run(netdoctor, "--report", f"json=link.json,text={os.devnull}")[0] == 0
    assert Path("link.json").is_symlink()
    assert json.loads(Path("real/a.json").read_text())["schema"] == 1
    assert not Path(os.devnull).is_file()


def test_a_tilde_is_the_home_folder(
    netdoctor: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    netdoctor.report(HEALTHY)
    assert run(netdoctor, "--report", "json=~/deep/a.json")[0] == 0
    assert (tmp_path / "home" / "deep" / "a.json").is_file()


@pytest.mark.parametrize("command", [["rules"], ["rule", "ACT001"]])
def test_listings_go_to_files_as_well(netdoctor: CommandLine, command: list[str]) -> None:
    outcome = netdoctor(*command, "--report", ALL, "--quiet")
    assert (outcome.code, outcome.out) == (0, "")
    assert json.loads(Path("r/b.json").read_text())["command"] == command[0]
    assert Page(Path("r/a.html").read_text()).one("h1").text == f"netdoctor {command[0]}"
    assert Path("r/e.txt").read_text() == netdoctor(*command).out


def test_pictures_of_a_log_are_in_the_page(netdoctor: CommandLine) -> None:
    rows = [f"{epoch},{1 / epoch},{1.1 / epoch}" for epoch in range(1, 12)]
    Path("log.csv").write_text("\n".join(["epoch,train_loss,val_loss", *rows]))
    for extra, files in (([], 1), (["--no-plots"], 0)):
        netdoctor("diagnose-curves", "log.csv", "--report", "html=a.html,json=a.json", *extra)
        page = Page(Path("a.html").read_text())
        assert len(page.all("img")) == 1
        assert len(json.loads(Path("a.json").read_text())["artifacts"]) == files
        assert "curves.png" in page.one("figcaption").text


def test_the_command_line_is_left_as_it_was(netdoctor: CommandLine) -> None:
    import sys

    before = list(sys.argv)
    netdoctor.report(HEALTHY)
    run(netdoctor, "--report", "html=a.html")
    assert sys.argv == before
