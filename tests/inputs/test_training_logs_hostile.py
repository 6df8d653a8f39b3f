"""What is no log, or a strange one: one message that says so, in little time and memory."""

from __future__ import annotations

import gzip
import os
import time
from pathlib import Path

import numpy as np
import pytest

from netdoctor.errors import LogError
from netdoctor.inputs.training_logs import read, source
from netdoctor.inputs.training_logs.lines import sheet_of_text
from tests.inputs.logs import TRAIN, csv, first, only_run

NOT_LOGS: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "is empty"),
    "blank.csv": (b"\n \n\xef\xbb\xbf", "is empty"),
    "noise.log": (bytes(range(256)) * 20, "not a text file"),
    "photo.csv": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), r"picture \(PNG\)"),
    "history.pkl": (b"\x80\x04\x95" + b"a" * 50, "is a pickle"),
    "model.pt": (b"PK\x03\x04" + bytes(50), "zip archive, such as torch.save"),
    "model.safetensors": (
        (60).to_bytes(8, "little") + b'{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
        "safetensors checkpoint",
    ),
    "model.h5": (b"\x89HDF\r\n\x1a\n", "HDF5"),
    "page.csv": (b"<!DOCTYPE html><html>", "web page"),
    "half.json": (b'{"loss": [1, 2, 3', "JSON that is broken"),
    "deep.json": (b"[" * 100_000 + b"]" * 100_000, "JSON that is broken"),
    "deep_mapping.json": (b'{"a":' * 5000 + b"1" + b"}" * 5000, "JSON that is broken"),
    "prose.txt": (b"The quick brown fox\njumps over the lazy dog\n", "no series"),
    "words.csv": (b"name,city\nanna,paris\nbob,rome\n", "no series"),
    "header.csv": (b"epoch,loss,val_loss\n", "no series"),
    "one_row.csv": (b"epoch,loss,val_loss\n0,1,2\n", "one point"),
    "results.json": (b'{"train_loss": 0.5, "eval_loss": 0.6}', "one point"),
    "unknown.csv": (b"a,b\n1,2\n3,4\n5,6\n", "no loss and no metric that is known; it holds a, b"),
    "headerless.csv": (b"0,1,2\n1,2,3\n2,3,4\n", "it holds column 2, column 3"),
    "line.txt": (b"loss: 0.5 " * 200_000, "no series"),
    "wide.csv": (b"a," * 300_000 + b"loss\n" + (b"1," * 300_000 + b"2\n") * 2, "no series"),
}


@pytest.mark.parametrize("name", NOT_LOGS)
def test_what_is_no_log_is_told_by_name(name: str, tmp_path: Path) -> None:
    content, message = NOT_LOGS[name]
    (tmp_path / name).write_bytes(content)
    started = time.perf_counter()
    with pytest.raises(LogError, match=message) as told:
        read(tmp_path / name)
    assert told.value.hint
    assert "\n" not in told.value.message
    assert time.perf_counter() - started < 5


def test_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(csv())
    with pytest.raises(LogError, match="There is no log") as told:
        read(tmp_path / "metrcs.csv")
    assert "metrics.csv" in told.value.hint
    (tmp_path / "empty").mkdir()
    with pytest.raises(LogError, match="holds no training log: it is empty"):
        read(tmp_path / "empty")
    with pytest.raises(LogError, match="cannot be read"):
        read("\0")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LogError, match="not a regular file"):
        read(tmp_path / "pipe")


def test_a_gzip_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "_BOMB", 1_000_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"epoch,loss\n" + b" " * 20_000_000))
    with pytest.raises(LogError, match="unpacks to more than a log would"):
        read(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(bytes(20_000_000)))
    with pytest.raises(LogError, match="unpacks to more"):
        read(tmp_path / "b.csv.gz")


def test_a_gzip_file_that_is_still_written_counts_as_far_as_it_goes(tmp_path: Path) -> None:
    packed = gzip.compress(
        csv().encode() * 1 + b"".join(b"%d,1,1,1,1\n" % e for e in range(10, 4000))
    )
    (tmp_path / "a.csv.gz").write_bytes(packed[: len(packed) * 3 // 4])
    assert len(first(only_run(tmp_path / "a.csv.gz"), "train loss").x) > 100


def test_names_are_kept_as_they_are(tmp_path: Path) -> None:
    names = ["epoch", "[bold]train_loss[/bold]\x1b[31m", "$val_loss$"]
    rows = "".join(f"{e},{9 - e},{9 - e}\n" for e in range(9))
    (tmp_path / "a.csv").write_text(",".join(names) + "\n" + rows)
    assert first(only_run(tmp_path / "a.csv"), "train loss").name == names[1]


def test_zeros_behind_the_text_of_a_crashed_writer(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(csv().encode() + bytes(5000))
    assert len(first(only_run(tmp_path / "a.csv"), "train loss").x) == 10


def test_numbers_whose_squares_are_none_count_as_infinite(tmp_path: Path) -> None:
    rows = "".join(f"{e},{9 - e},{1.7e308 * (-1) ** e}\n" for e in range(9))
    (tmp_path / "a.csv").write_text(f"epoch,loss,val_loss\n{rows}1e200,0.5,1\n")
    run = only_run(tmp_path / "a.csv")
    np.testing.assert_array_equal(first(run, "validation loss").y[:2], [np.inf, -np.inf])
    assert first(run, "train loss").x.max() == 8
    assert any("val_loss: 9 numbers beyond" in note for note in run.notes)


def test_a_log_whose_newest_row_stands_first(tmp_path: Path) -> None:
    header, *rows = csv().splitlines()
    (tmp_path / "a.csv").write_text("\n".join([header, *rows[::-1]]) + "\n")
    run = only_run(tmp_path / "a.csv")
    np.testing.assert_array_equal(first(run, "train loss").x, np.arange(10))
    np.testing.assert_allclose(first(run, "train loss").y, TRAIN)
    assert any("read from the end" in note for note in run.notes)


def test_a_table_of_ten_thousand_columns(tmp_path: Path) -> None:
    names = ",".join(f"m{number}" for number in range(10_000))
    rows = "".join(f"{e},{9 - e}{',1' * 10_000}\n" for e in range(5))
    (tmp_path / "a.csv").write_text(f"epoch,loss,{names}\n{rows}")
    np.testing.assert_array_equal(first(only_run(tmp_path / "a.csv"), "train loss").x, np.arange(5))


def test_an_empty_path_is_not_the_working_folder() -> None:
    with pytest.raises(LogError, match="path of the log is empty"):
        read("")


@pytest.mark.parametrize("unit", ["a", "1", "a-", "a.", "1%| ", "aaaa ", "loss = ", "[ 1 / ", "1/"])
def test_long_lines_of_anything_take_no_time(unit: str) -> None:
    line = (unit * 20_000)[:19_900]
    started = time.perf_counter()
    sheet = sheet_of_text(f"epoch 1 loss 2\n{line}\nepoch 2 loss 1\n")
    assert time.perf_counter() - started < 4
    assert sheet is not None
    assert sheet.columns["loss"].values.tolist() == [2, 1]
