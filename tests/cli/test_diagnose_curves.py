"""`netdoctor diagnose-curves` from the file to the exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import netdoctor as api
from netdoctor.cli.watching import follow
from netdoctor.errors import LogError
from netdoctor.report import Report
from tests.cli.commandline import CommandLine
from tests.inputs.logs import TRAIN, TRAIN_ACC, VAL, VAL_ACC, csv

HISTORY = {"loss": TRAIN, "val_loss": VAL, "accuracy": TRAIN_ACC, "val_accuracy": VAL_ACC}


def test_the_worked_example(netdoctor: CommandLine) -> None:
    Path("history.json").write_text(json.dumps(HISTORY))
    done = netdoctor("diagnose-curves", "history.json", "--format", "json")
    document = json.loads(done.out)
    assert done.code == 0
    assert [finding["code"] for finding in document["findings"]] == ["CRV001", "CRV004"]
    assert document["best_epoch"] == 5
    assert document["artifacts"] == ["netdoctor-out/curves.png"]
    assert Path("netdoctor-out/curves.png").read_bytes().startswith(b"\x89PNG")
    assert [row["epoch"] for row in document["tables"]["epochs"]] == list(range(10))
    assert [row["role"] for row in document["tables"]["series"]] == [
        "train loss", "validation loss", "train metric", "validation metric",
    ]  # fmt: skip


def test_text_and_the_exit_code(netdoctor: CommandLine) -> None:
    Path("metrics.csv").write_text(csv())
    done = netdoctor("diagnose-curves", "metrics.csv", "--no-plots", "--fail-on", "warning")
    assert done.code == 1
    assert "CRV001 overfitting" in done.out
    assert "best epoch: 5, by val_loss" in done.out
    assert not done.err


def test_the_best_epoch_is_the_logs_own_label(netdoctor: CommandLine) -> None:
    text = "epoch,loss,val_loss\n" + "".join(
        f"{e + 1},{t},{v}\n" for e, (t, v) in enumerate(zip(TRAIN, VAL, strict=True))
    )
    Path("a.csv").write_text(text)
    done = netdoctor("diagnose-curves", "a.csv", "--no-plots", "--format", "json")
    assert json.loads(done.out)["best_epoch"] == 6
    Path("b.csv").write_text("epoch,loss\n" + "".join(f"{e},{t}\n" for e, t in enumerate(TRAIN)))
    done = netdoctor("diagnose-curves", "b.csv", "--no-plots", "--format", "json")
    assert json.loads(done.out)["best_epoch"] is None


def test_list_shows_what_each_series_was_taken_for(netdoctor: CommandLine) -> None:
    Path("a.csv").write_text(csv(header="epoch,train_loss,val_loss,oddity,[red]val_acc"))
    done = netdoctor("diagnose-curves", "a.csv", "--list")
    assert done.code == 0
    assert "[red]val_acc" in done.out
    assert "oddity" in done.out
    assert "CRV" not in done.out
    assert not Path("netdoctor-out").exists()


def test_options_name_the_series(netdoctor: CommandLine) -> None:
    Path("a.csv").write_text(csv(header="e,a,b,c,d"))
    assert netdoctor("diagnose-curves", "a.csv", "--no-plots").code == 2
    done = netdoctor("diagnose-curves", "a.csv", "--train", "a", "--val", "b", "--no-plots")
    assert "CRV001" in done.out
    wrong = netdoctor("diagnose-curves", "a.csv", "--train", "x")
    assert wrong.code == 2
    assert wrong.err.startswith("error: --train x: there is no such series")


@pytest.mark.parametrize("name", ["nothing.csv", "photo.png"])
def test_what_cannot_be_examined(name: str, netdoctor: CommandLine) -> None:
    Path("photo.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    done = netdoctor("diagnose-curves", name, "--format", "json")
    assert done.code == 2
    assert json.loads(done.out)["error"]["kind"] == "log"
    assert done.err.count("\n") == 2


def test_missing_tensorboard_is_told_with_what_to_install(
    netdoctor: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(__file__).parent.parent / "training_logs" / "tensorboard"
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    for name in [each for each in sys.modules if each.startswith("tensorboard.")]:
        monkeypatch.delitem(sys.modules, name)
    done = netdoctor("diagnose-curves", str(folder))
    assert done.code == 2
    assert 'pip install "torch-netdoctor[tensorboard]"' in done.err


def test_runs_are_judged_each_for_itself(netdoctor: CommandLine) -> None:
    rows = csv().partition("\n")[2]
    healthy = "".join(f"{e},{2 / (e + 1)},{2.1 / (e + 1)},0.5,0.5\n" for e in range(10))
    Path("a.csv").write_text(csv() + healthy + rows)
    done = netdoctor("diagnose-curves", "a.csv", "--format", "json")
    document = json.loads(done.out)
    sick = [each["subject"] for each in document["findings"] if each["code"] == "CRV001"]
    assert sick == ["run 1", "run 3"]
    assert document["best_epochs"] == {"run 1": 5, "run 2": 9, "run 3": 5}
    assert len(document["artifacts"]) == 3
    only = netdoctor("diagnose-curves", "a.csv", "--run", "run 2", "--no-plots", "--format", "json")
    assert not [f for f in json.loads(only.out)["findings"] if f["severity"] == "warning"]


def test_the_arrays_behind_the_picture(netdoctor: CommandLine) -> None:
    Path("a.csv").write_text(csv())
    netdoctor("diagnose-curves", "a.csv", "--save-arrays")
    with np.load("netdoctor-out/curves.npz") as arrays:
        np.testing.assert_array_equal(arrays["val_loss.y"], VAL)
        np.testing.assert_array_equal(arrays["val_loss.x"], np.arange(10))


def test_python_takes_lists_and_files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv())
    for log in (HISTORY, tmp_path / "a.csv"):
        report = api.diagnose_curves(log)
        assert [finding.code for finding in report.findings] == ["CRV001", "CRV004"]
        assert report.extra["best_epoch"] == 5
        assert set(report.ran) | {each.rule for each in report.skipped} >= {
            "overfitting",
            "plateau",
        }


def test_no_torch(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv())
    code = (
        "import sys\nfrom netdoctor.__main__ import main\n"
        "code = main(['diagnose-curves', 'a.csv'])\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules\nsys.exit(40 + code)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, timeout=60
    )
    assert done.returncode == 40, done.stderr


class Watched:
    """A log that is followed in this process, and what was told of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[list[str]] = []

    def examine(self, growing: bool) -> Report:
        return api.diagnose_curves(self.path, growing=growing)

    def tell(self, report: Report) -> int:
        self.told.append(sorted({each.code for each in report.findings}))
        return report.exit_code()


def test_watching_tells_when_the_verdict_changes(tmp_path: Path) -> None:
    log = Watched(tmp_path / "a.csv")
    lines = csv().splitlines(keepends=True)
    states = [
        "", lines[0], lines[0] + lines[1][:5], "".join(lines[:4]), "".join(lines) + "10,0.1",
        "", "{broken", "epoch,loss\n" + "".join(f"{e},nan\n" for e in range(9)) + "9,1\n10,nan\n",
    ]  # fmt: skip
    log.path.write_text(states[0])

    def write() -> None:
        for state in states[1:]:
            time.sleep(0.12)
            log.path.write_text(state)

    writer = threading.Thread(target=write)
    writer.start()
    code = follow(str(log.path), log.examine, log.tell, poll=0.03, rounds=45)
    writer.join()
    assert log.told[0] == []
    assert log.told[1] == ["CRV001", "CRV004"]
    assert "CRV005" in log.told[-1]
    assert len(log.told) == 3
    assert code == 1


def test_watching_what_is_no_log_ends_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    log = Watched(tmp_path / "a.png")
    with pytest.raises(LogError, match="picture"):
        follow(str(log.path), log.examine, log.tell, poll=0.01, rounds=3)


def test_ctrl_c_ends_watching_with_130(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv())
    arguments = [
        "-m",
        "netdoctor",
        "diagnose-curves",
        "a.csv",
        "--watch",
        "--poll",
        "0.05",
        "--no-plots",
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONUNBUFFERED": "1",
    }
    with subprocess.Popen(
        [sys.executable, *arguments], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("ailing"):
                break
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130


def test_a_series_cannot_be_two_things(netdoctor: CommandLine) -> None:
    Path("a.csv").write_text(csv())
    done = netdoctor("diagnose-curves", "a.csv", "--train", "val_loss", "--val", "VAL_LOSS")
    assert done.code == 2
    assert "--train and --val name the same series, val_loss" in done.err
    assert not Path("netdoctor-out").exists()


def test_a_run_that_is_misspelt(netdoctor: CommandLine) -> None:
    rows = "".join(f"trial-{run},{e},{9 - e}\n" for run in range(20) for e in range(9))
    Path("a.csv").write_text(f"run,epoch,loss\n{rows}")
    done = netdoctor("diagnose-curves", "a.csv", "--run", "trail-13", "--no-plots")
    assert done.code == 2
    assert "did you mean trial-13" in done.err
    done = netdoctor("diagnose-curves", "a.csv", "--run", "x", "--no-plots")
    assert "trial-7 and 12 more" in done.err
