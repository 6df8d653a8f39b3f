"""Every layout gives the same curves as the numbers that were written."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from netdoctor.errors import LogError, UsageError
from netdoctor.inputs.training_logs import read
from tests.inputs.logs import ROWS, TRAIN, TRAIN_ACC, VAL, VAL_ACC, WRITTEN, csv, first, only_run


def lines(pattern: str) -> str:
    """The worked example, a block of text an epoch."""
    return "".join(
        pattern.format(e=e, n=e + 1, t=t, v=v, ta=ta, va=va, tp=100 * ta, vp=100 * va)
        for e, t, v, ta, va in ROWS
    )


def records(one: Callable[[int, float, float, float, float], dict[str, object]]) -> str:
    return "\n".join(json.dumps(one(*row)) for row in ROWS) + "\n"


def ultralytics() -> str:
    names = ["epoch", "train/box_loss", "train/cls_loss", "metrics/mAP50-95(B)", "val/box_loss"]
    names += ["val/cls_loss", "lr/pg0"]
    rows = [names, *([n + 1, t * 0.75, t / 4, va, v * 0.75, v / 4, 0.01]
                     for n, t, v, _, va in ROWS)]  # fmt: skip
    return "\n".join(",".join(f"{cell:>22}" for cell in row) for row in rows) + "\n"


def detectron() -> str:
    rows = []
    for e, t, v, _, va in ROWS:
        at = e * 20 + 19
        rows.append({"iteration": at, "loss_cls": t / 2, "total_loss": t, "lr": 0.1})
        rows.append({"iteration": at, "validation_loss": v, "bbox/AP": 100 * va})
    return "\n".join(map(json.dumps, rows)) + "\n"


def mmengine() -> str:
    rows = []
    for e, t, _, _, va in ROWS:
        for place in (10, 20):
            rows.append({"lr": 0.1, "data_time": 0.1, "loss": t, "time": 0.2, "epoch": e + 1,
                         "iter": e * 20 + place, "memory": 1, "step": e * 20 + place})  # fmt: skip
        rows.append({"accuracy/top1": 100 * va, "data_time": 0.1, "time": 0.2, "step": e + 1})
    return "\n".join(map(json.dumps, rows)) + "\n"


TEXTS = {
    "plain.csv": csv(),
    "tabs.tsv": csv(sep="\t"),
    "semicolons.csv": csv(sep=";").replace(".", ","),
    "bom.csv": "\ufeff" + csv(),
    "padded.csv": csv(header="  epoch ,   train_loss,  val_loss,  train_acc,   val_acc "),
    "windows.csv": csv().replace("\n", "\r\n"),
    "markdown.md": "|" + csv(sep="|").replace("\n", "|\n|", 1).replace(
        "\n|", "\n|---|---|---|---|---|\n|", 1),
    "quoted.csv": '"epoch","Train Loss","Validation Loss","Train Accuracy","Validation Accuracy"\n'
    + csv().partition("\n")[2],
    "tensors.csv": "epoch,train_loss,val_loss,train_acc,val_acc\n"
    + lines('{e},"tensor({t}, device=\'cuda:0\')",{v},{ta},{va}\n'),
    "commented.txt": "# " + csv(sep=" "),
    "keras.csv": csv(header="epoch,loss,val_loss,accuracy,val_accuracy"),
    "camel.csv": csv(header="Epoch,trainLoss,valLoss,trainAcc,valAcc"),
    "slashes.csv": csv(header="epoch,loss/train,loss/val,acc/train,acc/val"),
    "glued.csv": csv(header="epoch,trainloss,valloss,trainacc,valacc"),
    "long.csv": "step,tag,value\n" + lines(
        "{e},train_loss,{t}\n{e},val_loss,{v}\n{e},train_acc,{ta}\n{e},val_acc,{va}\n"),
    "phases.csv": "epoch,phase,loss,acc\n" + lines("{e},train,{t},{ta}\n{e},val,{v},{va}\n"),
    "keras.json": json.dumps(
        {"loss": TRAIN, "val_loss": VAL, "accuracy": TRAIN_ACC, "val_accuracy": VAL_ACC}),
    "nested.json": json.dumps(
        {"train": {"loss": TRAIN, "acc": TRAIN_ACC}, "val": {"loss": VAL, "acc": VAL_ACC}}),
    "wrapped.json": json.dumps(
        {"config": {"lr": 0.1}, "history": {"train_loss": TRAIN, "val_loss": VAL,
                                            "train_acc": TRAIN_ACC, "val_acc": VAL_ACC}}),
    "pandas.json": json.dumps({name: {str(e): value for e, value in enumerate(values)}
        for name, values in (("loss", TRAIN), ("val_loss", VAL), ("accuracy", TRAIN_ACC),
                             ("val_accuracy", VAL_ACC))}),
    "records.json": json.dumps([{"epoch": e, "train_loss": t, "val_loss": v, "train_acc": ta,
        "val_acc": va} for e, t, v, ta, va in ROWS], indent=1),
    "by_epoch.json": json.dumps({str(e): {"train_loss": t, "val_loss": v, "train_acc": ta,
        "val_acc": va} for e, t, v, ta, va in ROWS}),
    "lines.jsonl": records(lambda e, t, v, ta, va: {"epoch": e, "train": {"loss": t, "acc": ta},
        "val": {"loss": v, "acc": va}}),
    "modes.jsonl": "".join(json.dumps({"mode": mode, "epoch": e, "loss": loss, "acc": acc}) + "\n"
        for e, t, v, ta, va in ROWS for mode, loss, acc in (("train", t, ta), ("val", v, va))),
    "issue.txt": lines("Epoch {e}: train_loss={t} val_loss={v} train_acc={ta} val_acc={va}\n"),
    "colons.log": lines("2024-05-01 10:00:00,123 - INFO - Epoch [{e}/10] train_loss: {t}, "
                        "train_acc: {tp:.1f}%, val_loss: {v}, val_acc: {vp:.1f}%\n"),
    "spaces.log": lines("epoch {e} | train loss {t} | train acc {tp:.0f}% | valid loss {v} "
                        "| valid acc {vp:.0f}%\n"),
    "transfer.log": lines("Epoch {e}/9\n----------\ntrain Loss: {t:.4f} Acc: {ta:.4f}\n"
                          "val Loss: {v:.4f} Acc: {va:.4f}\n\n") + "Best val Acc: 0.7\n",
    "verbose2.log": lines("Epoch {e}/10\n10/10 - 2s - 3ms/step - accuracy: {ta} - loss: {t} - "
                          "val_accuracy: {va} - val_loss: {v}\n"),
    "tqdm.log": lines("\rEpoch {e}:  50%|████▌    | 5/10 [00:01<00:01, 5.0it/s, train_loss=9.9]"
                      "\rEpoch {e}: 100%|█████████| 10/10 [00:02<00:00, 5.0it/s, train_loss={t}, "
                      "train_acc={ta}, val_loss={v}, val_acc={va}]\n"),
    "dicts.log": lines("{{'loss': {t}, 'accuracy': {ta}, 'epoch': {e}.0}}\n{{'eval_loss': {v}, "
                       "'eval_accuracy': {va}, 'eval_runtime': 1.5, 'epoch': {e}.0}}\n")
    + "{'train_runtime': 9.0, 'train_loss': 77.0, 'epoch': 9.0}\n",
    "numpy.log": lines("epoch={e} train_loss=np.float64({t}) train_acc=np.float64({ta}) "
                       "val_loss=np.float64({v}) val_acc=np.float64({va})\n"),
    "colours.log": lines("\x1b[32mEpoch {e}\x1b[0m train loss: \x1b[1m{t}\x1b[0m train acc: {ta} "
                         "val loss: {v} val acc: {va}\n"),
    "dev.log": lines("INFO:root:epoch {e} train: loss {t} acc {ta}; dev: loss {v} acc {va}\n"),
    "tabs.log": lines("Epoch {e}\tTraining loss {t}\tTraining acc {ta}\tValidation loss {v}"
                      "\tValidation acc {va}\n"),
    "ascii_table.txt": "+---+---+---+\n| Epoch | Train Loss | Val Loss | Train Acc | Val Acc |\n"
    + lines("+---+---+---+---+---+\n| {e} | {t} | {v} | {ta} | {va} |\n"),
    "rich_table.txt": "┏━━┳━┓\n┃ Epoch ┃ Train Loss ┃ Val Loss ┃ Train Acc ┃ Val Acc ┃\n┡━━╇━┩\n"
    + lines("│ {e} │ {t} │ {v} │ {ta} │ {va} │\n") + "└───┴───┘\n",
    "splits.json": json.dumps({
        "train": [{"loss": t, "acc": a} for t, a in zip(TRAIN, TRAIN_ACC, strict=True)],
        "val": [{"loss": v, "acc": a} for v, a in zip(VAL, VAL_ACC, strict=True)]}),
    "of_ten.csv": "epoch,train_loss,val_loss,train_acc,val_acc\n"
    + lines("{e}/10,{t},{v},{tp}%,{vp}%\n"),
    "blocks.log": lines("Epoch {e}\nTraining:\n  loss: {t}\n  accuracy: {ta}\nValidation:\n"
                        "  loss: {v}\n  accuracy: {va}\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_the_worked_example_in_every_layout(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(TEXTS[name], encoding="utf-8", newline="")
    run = only_run(tmp_path / name)
    assert run.axis == "epoch"
    for role, values in (("train loss", TRAIN), ("validation loss", VAL),
                         ("train metric", TRAIN_ACC), ("validation metric", VAL_ACC)):  # fmt: skip
        curve = first(run, role)
        np.testing.assert_allclose(curve.y, values, atol=1e-4, err_msg=role)
        np.testing.assert_array_equal(curve.x, np.arange(10), err_msg=role)
        assert curve.better == (-1 if "loss" in role else 1)
    assert first(run, "train metric").measure == first(run, "validation metric").measure


@pytest.mark.parametrize(
    ("text", "losses", "metric"),
    [
        (ultralytics(), (TRAIN, VAL), VAL_ACC),
        (detectron(), (TRAIN, VAL), VAL_ACC),
        (mmengine(), (TRAIN, None), VAL_ACC),
        ("epoch,train_loss,valid_loss,accuracy,time\n" + lines("{e},{t},{v},{va},00:03\n"),
         (TRAIN, VAL), VAL_ACC),
        ("epoch     train_loss  valid_loss  accuracy  time    \n"
         + lines("{e}         {t:.6f}    {v:.6f}    {va:.6f}  00:03   \n"), (TRAIN, VAL), VAL_ACC),
        (lines("[{e}]\ttrain-rmse:{t:.5f}\tvalidation-rmse:{v:.5f}\n"), (TRAIN, VAL), None),
        (lines("[{n}]\ttraining's l2: {t}\tvalid_1's l2: {v}\n"), (TRAIN, VAL), None),
        (lines("step {e}00: train loss {t:.4f}, val loss {v:.4f}\niter {e}00: loss 7, time 20ms\n"),
         (TRAIN, VAL), None),
        (lines("2020-01-01 10:00:00 | INFO | train | epoch {n:03d} | loss {t} | ppl 9.7 | lr 0.1\n"
               "2020-01-01 10:00:00 | INFO | valid | epoch {n:03d} | valid on 'valid' subset | "
               "loss {v} | ppl 9.7\n"), (TRAIN, VAL), None),
        ('"Step","brave-run-1 - loss","brave-run-1 - loss__MIN","brave-run-1 - loss__MAX"\n'
         + lines('"{e}","{t}","0","9"\n'), (TRAIN, None), None),
        ("_step,_runtime,_timestamp,train/loss,val/loss,system/cpu\n"
         + lines("{e},1,17,{t},{v},50\n"), (TRAIN, VAL), None),
        ("Wall time,Step,Value\n" + lines("17.5,{e},{t}\n"), (TRAIN, None), None),
        (lines("1700000000{e:03d} {t} {e}\n"), (TRAIN, None), None),
        (json.dumps([[1.5, e, t] for e, t in enumerate(TRAIN)]), (TRAIN, None), None),
    ],
    ids=["ultralytics", "detectron2", "mmengine", "fastai", "fastai-printed", "xgboost", "lightgbm",
         "nanogpt", "fairseq", "wandb-chart", "wandb-history", "tensorboard-chart", "mlflow",
         "tensorboard-json"],
)  # fmt: skip
def test_layouts_of_trainers(
    text: str, losses: tuple[list[float], list[float] | None], metric: list[float] | None,
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "train_loss.log").write_text(text, encoding="utf-8")
    run = only_run(tmp_path / "train_loss.log")
    train, held_out = losses
    # A log with several points an epoch has each of them.
    y = first(run, "train loss").y
    np.testing.assert_allclose(y[:: len(y) // 10], train, atol=1e-5)
    if held_out is None:
        assert not run.of("validation loss")
    else:
        np.testing.assert_allclose(first(run, "validation loss").y, held_out, atol=1e-5)
    if metric is not None:
        np.testing.assert_allclose(first(run, "validation metric").y, metric, atol=1e-5)


def test_the_parts_of_a_loss_are_summed_and_said_so(tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_text(ultralytics())
    run = only_run(tmp_path / "results.csv")
    assert first(run, "train loss").name == "train/box_loss + train/cls_loss"
    assert any("the sum of train/box_loss + train/cls_loss" in note for note in run.notes)
    assert run.first_label == 1


def test_the_losses_of_adversaries_are_not_summed(tmp_path: Path) -> None:
    text = "epoch,train/g_loss,train/d_loss,val/g_loss,val/d_loss\n" + lines("{e},{t},1,{v},1\n")
    (tmp_path / "gan.csv").write_text(text)
    run = only_run(tmp_path / "gan.csv")
    assert not any("+" in curve.name for curve in run.curves)


def test_percent_is_read_as_fractions(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("epoch,loss,val_acc\n" + lines("{e},{t},{vp}\n"))
    run = only_run(tmp_path / "a.csv")
    np.testing.assert_allclose(first(run, "validation metric").y, VAL_ACC)
    assert any("percent" in note for note in run.notes)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "latin-1"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(csv().replace("epoch", "époch").encode(encoding))
    np.testing.assert_allclose(first(only_run(tmp_path / "log.csv"), "train loss").y, TRAIN)


def test_gzip(tmp_path: Path) -> None:
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(csv().encode()))
    np.testing.assert_allclose(first(only_run(tmp_path / "log.csv.gz"), "train loss").y, TRAIN)


def test_missing_cells_are_no_points_and_nan_is_one(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss,lr\n0,1.0,NA,\n1,nan,0.9,0.1\n2,inf,,n/a\n3,-Infinity,0.8,0.1\n"
    (tmp_path / "log.csv").write_text(text)
    run = only_run(tmp_path / "log.csv")
    np.testing.assert_array_equal(first(run, "train loss").y, [1.0, np.nan, np.inf, -np.inf])
    np.testing.assert_array_equal(first(run, "validation loss").x, [1, 3])
    np.testing.assert_array_equal(first(run, "learning rate").x, [1, 3])


def test_bare_nan_in_json(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"loss": [1.0, NaN, Infinity], "val_loss": [1, nan, -inf]}')
    run = only_run(tmp_path / "a.json")
    np.testing.assert_array_equal(first(run, "train loss").y, [1.0, np.nan, np.inf])
    np.testing.assert_array_equal(first(run, "validation loss").y, [1.0, np.nan, -np.inf])


def test_nan_for_rows_of_the_other_split_is_missing(tmp_path: Path) -> None:
    text = "step,train_loss,val_loss\n" + lines("{e}0,{t},NaN\n{e}1,NaN,{v}\n")
    (tmp_path / "log.csv").write_text(text)
    run = only_run(tmp_path / "log.csv")
    np.testing.assert_allclose(first(run, "train loss").y, TRAIN)
    np.testing.assert_allclose(first(run, "validation loss").y, VAL)


def test_a_training_loss_that_is_nan_again_and_again_stays_so(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n" + "".join(
        f"{e},{'nan' if e % 2 else 1 / (e + 1)},1\n" for e in range(10)
    )
    (tmp_path / "log.csv").write_text(text)
    assert np.isnan(first(only_run(tmp_path / "log.csv"), "train loss").y).sum() == 5


def test_a_loss_that_becomes_nan_stays_so(tmp_path: Path) -> None:
    text = "epoch,loss\n" + "".join(f"{e},{'nan' if e > 3 else 1 / (e + 1)}\n" for e in range(10))
    (tmp_path / "log.csv").write_text(text)
    assert np.isnan(first(only_run(tmp_path / "log.csv"), "train loss").y).sum() == 6


def test_a_resumed_run_is_joined_and_the_later_values_count(tmp_path: Path) -> None:
    text = "epoch,loss,val_loss\n" + "".join(f"{e},{9 - e},9\n" for e in range(6))
    text += "epoch,loss,val_loss\n" + "".join(f"{e},{9 - e - 0.5},8\n" for e in range(4, 10))
    (tmp_path / "log.csv").write_text(text)
    run = only_run(tmp_path / "log.csv")
    np.testing.assert_array_equal(first(run, "train loss").x, np.arange(10))
    np.testing.assert_array_equal(
        first(run, "train loss").y, [9, 8, 7, 6, 4.5, 3.5, 2.5, 1.5, 0.5, -0.5]
    )
    assert any("resumed" in note for note in run.notes)


@pytest.mark.parametrize("header", ["epoch,loss,val_loss\n", ""])
def test_a_second_run_in_one_file_is_a_run_of_its_own(header: str, tmp_path: Path) -> None:
    rows = lines("{e},{t},{v}\n")
    (tmp_path / "log.csv").write_text("epoch,loss,val_loss\n" + rows + header + rows)
    log = read(tmp_path / "log.csv")
    assert [run.name for run in log.runs] == ["run 1", "run 2"]
    for run in log.runs:
        np.testing.assert_allclose(first(run, "train loss").y, TRAIN)


def test_training_that_went_on_with_its_epochs_counted_anew_is_one_run(tmp_path: Path) -> None:
    text = "epoch,loss\n" + "".join(f"{e},{10 - e}\n" for e in range(5))
    text += "epoch,loss\n" + "".join(f"{e},{5 - e / 2}\n" for e in range(5))
    (tmp_path / "log.csv").write_text(text)
    run = only_run(tmp_path / "log.csv")
    np.testing.assert_array_equal(first(run, "train loss").x, np.arange(10))
    assert any("counted on" in note for note in run.notes)


@pytest.mark.parametrize("column", ["run_id", "fold"])
def test_a_column_tells_the_runs_apart(column: str, tmp_path: Path) -> None:
    names = ["a", "b"] if column == "run_id" else ["0", "1"]
    text = f"{column},epoch,loss\n" + "".join(
        f"{name},{e},{t}\n" for e, t in enumerate(TRAIN) for name in names
    )
    (tmp_path / "log.csv").write_text(text)
    log = read(tmp_path / "log.csv")
    assert len(log.runs) == 2
    np.testing.assert_allclose(first(log.runs[1], "train loss").y, TRAIN)


def test_steps_and_epochs_share_one_axis(tmp_path: Path) -> None:
    text = "epoch,step,loss,val_loss\n"
    for e in range(3):
        text += "".join(f"{e},{e * 4 + s},{5 - e - s / 4},\n" for s in range(1, 5))
        text += f"{e},{e * 4 + 4},,{6 - e}\n"
    (tmp_path / "metrics.csv").write_text(text)
    run = only_run(tmp_path / "metrics.csv")
    train, held_out = first(run, "train loss"), first(run, "validation loss")
    np.testing.assert_array_equal(held_out.x, [0, 1, 2])
    np.testing.assert_allclose(train.x, np.arange(1, 13) / 4 - 1)
    assert train.steps is not None
    np.testing.assert_array_equal(train.steps, np.arange(1, 13))
    assert run.spread


def test_batches_that_are_counted_within_each_epoch(tmp_path: Path) -> None:
    text = "".join(
        f"Epoch [{e}/3], Step [{s}/300], Loss: {5 - e}\n"
        for e in (1, 2, 3)
        for s in (100, 200, 300)
    )
    (tmp_path / "a.log").write_text(text)
    np.testing.assert_allclose(
        first(only_run(tmp_path / "a.log"), "train loss").x, np.arange(1, 10) / 3
    )


def test_what_the_user_names_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("e,a,b,c\n" + lines("{e},{t},{v},{va}\n"))
    run = only_run(tmp_path / "a.csv", train="a", val="B", metric="c")
    assert [first(run, role).name for role in ("train loss", "validation loss")] == ["a", "b"]
    assert first(run, "train loss").measure == first(run, "validation loss").measure
    assert first(run, "validation metric").name == "c"
    with pytest.raises(UsageError, match="--train lss"):
        read(tmp_path / "a.csv", train="lss")


def test_of_two_losses_the_one_that_is_not_chosen_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("epoch,train_loss,train_kl_loss\n" + lines("{e},{t},{v}\n"))
    run = only_run(tmp_path / "a.csv")
    assert first(run, "train loss").name == "train_loss"
    assert any("train_kl_loss" in note and "--train" in note for note in run.notes)


def test_a_test_split_stands_behind_validation(tmp_path: Path) -> None:
    header = "epoch,train_loss,test_loss,val_loss\n"
    (tmp_path / "a.csv").write_text(header + lines("{e},{t},7,{v}\n"))
    assert first(only_run(tmp_path / "a.csv"), "validation loss").name == "val_loss"
    (tmp_path / "b.csv").write_text("epoch,train_loss,test_loss\n" + lines("{e},{t},{v}\n"))
    assert first(only_run(tmp_path / "b.csv"), "validation loss").name == "test_loss"


def test_a_large_table_is_read_like_a_small_one(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    losses = rng.random(30_000)
    rows = [
        f"{step},{loss:.9f},{loss / 2 if step % 7 == 0 else ''},{'nan' if step == 5 else 1e-3}"
        for step, loss in enumerate(losses)
    ]
    (tmp_path / "a.csv").write_text("step,train_loss,val_loss,lr\n" + "\n".join(rows) + "\n")
    run = only_run(tmp_path / "a.csv")
    np.testing.assert_allclose(first(run, "train loss").y, losses, atol=1e-9)
    np.testing.assert_array_equal(first(run, "validation loss").x, np.arange(0, 30_000, 7))
    assert np.isnan(first(run, "learning rate").y[5])


def test_a_half_written_last_line_of_a_growing_log_is_left(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(csv() + "10,0.1")
    log = read(tmp_path / "a.csv", growing=True)
    assert len(first(log.runs[0], "train loss").x) == 10


WRITERS = {
    "keras_csvlogger.log": (8, 8, "val_accuracy", 0),
    "keras_history.json": (4, 4, "val_accuracy", 0),
    "keras_stdout.txt": (4, 4, "val_accuracy", 1),
    "keras_verbose2.txt": (4, 4, "val_accuracy", 1),
    "timm_summary.csv": (6, 6, "eval_top1", 0),
    "trainer_state.json": (8, 4, "eval_accuracy", 0),
    "hf_stdout.txt": (8, 4, "eval_accuracy", 0),
    "lightning": (4, 4, "val_acc", 0),
    "lightning/metrics.csv": (4, 4, "val_acc", 0),
    "tensorboard": (4, 4, "val_acc", 0),
    "tensorboard_keras": (10, 10, "validation/epoch_accuracy", 0),
}


@pytest.mark.parametrize("name", WRITERS)
def test_logs_of_real_writers(name: str) -> None:
    trained, held_out, metric, label = WRITERS[name]
    run = only_run(WRITTEN / name)
    assert run.axis == "epoch"
    assert run.first_label == label
    assert len(first(run, "train loss").y) == trained
    assert len(first(run, "validation loss").y) == held_out
    assert first(run, "validation metric").name == metric
    assert first(run, "train loss").x[-1] == first(run, "validation loss").x[-1]


def test_lightning_wrote_the_same_to_both_of_its_loggers() -> None:
    table, events = only_run(WRITTEN / "lightning"), only_run(WRITTEN / "tensorboard")
    for role in ("train loss", "validation loss", "validation metric", "learning rate"):
        np.testing.assert_allclose(first(table, role).y, first(events, role).y, rtol=1e-5)
        np.testing.assert_allclose(first(table, role).x, first(events, role).x)


def test_a_folder_with_versions_has_a_run_each(tmp_path: Path) -> None:
    for version in (0, 10, 9):
        folder = tmp_path / f"version_{version}"
        folder.mkdir()
        (folder / "metrics.csv").write_text(csv())
    assert [run.name for run in read(tmp_path).runs] == ["version_0", "version_9", "version_10"]


def test_a_folder_with_two_logs_asks_which(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(csv())
    with pytest.raises(LogError, match=r"2 files that may be the log: a.csv, b.csv"):
        read(tmp_path)


def test_mlflow_runs(tmp_path: Path) -> None:
    metrics = tmp_path / "mlruns" / "0" / "abc" / "metrics"
    (metrics / "val").mkdir(parents=True)
    (metrics.parent / "meta.yaml").write_text("run_id: abc\n")
    (metrics / "train_loss").write_text(lines("1700000000{e:03d} {t} {e}\n"))
    (metrics / "val" / "loss").write_text(lines("1700000000{e:03d} {v} {e}\n"))
    for place in (tmp_path / "mlruns", metrics.parent, metrics):
        run = only_run(place)
        np.testing.assert_allclose(first(run, "train loss").y, TRAIN)
        np.testing.assert_allclose(first(run, "validation loss").y, VAL)
