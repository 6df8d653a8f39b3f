"""Writes the curves of a run as the loggers in use write them.

The real writer is used where it can be imported (Lightning, Keras, TensorBoard); elsewhere its
layout is written out.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.curves.training import History, Recipe, Row

Writer = Callable[[Path, Recipe, History], Path]

_WANTED = {
    "all": ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr"),
    "no lr": ("train_loss", "val_loss", "train_accuracy", "val_accuracy"),
    "val accuracy": ("train_loss", "val_loss", "val_accuracy"),
    "loss": ("train_loss", "val_loss"),
    "train": ("train_loss",),
    "train lr": ("train_loss", "lr"),
    "gradient": ("train_loss", "lr", "grad_norm"),
    "accuracy": ("train_accuracy", "val_accuracy"),
}


def _kept(recipe: Recipe, history: History, rows: Sequence[Row]) -> list[str]:
    wanted = _WANTED[recipe.columns]
    return [
        key for key in wanted
        if key in rows[0] and (history.classes or "accuracy" not in key)
    ]  # fmt: skip


def _number(value: float) -> float | int:
    return value if not math.isfinite(value) else float(f"{value:.5g}")


def _table(path: Path, rows: list[dict[str, object]], separator: str = ",") -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, delimiter=separator, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def _epoch_rows(recipe: Recipe, history: History, names: dict[str, str]) -> list[dict[str, object]]:
    kept = _kept(recipe, history, history.epochs)
    return [
        {"epoch": int(row["epoch"])} | {names.get(k, k): _number(row[k]) for k in kept}
        for row in history.epochs
    ]


def plain_csv(folder: Path, recipe: Recipe, history: History) -> Path:
    """epoch,train_loss,val_loss,train_accuracy,val_accuracy,lr."""
    return _table(folder / f"{recipe.name}.csv", _epoch_rows(recipe, history, {}))


def short_csv(folder: Path, recipe: Recipe, history: History) -> Path:
    """Short names, the epoch counted from 0."""
    names = {"train_loss": "loss/train", "val_loss": "loss/val", "train_accuracy": "acc/train",
             "val_accuracy": "acc/val"}  # fmt: skip
    rows = _epoch_rows(recipe, history, names)
    return _table(
        folder / f"{recipe.name}.csv",
        [row | {"epoch": index} for index, row in enumerate(rows)],
    )


def tsv(folder: Path, recipe: Recipe, history: History) -> Path:
    """Tabs, accuracies in percent."""
    rows = _epoch_rows(recipe, history, {"train_accuracy": "train_acc", "val_accuracy": "test_acc",
                                         "val_loss": "test_loss"})  # fmt: skip
    for row in rows:
        for key in [name for name in row if name.endswith("_acc")]:
            row[key] = round(100 * float(str(row[key])), 2)
    return _table(folder / f"{recipe.name}.tsv", rows, "\t")


def fastai(folder: Path, recipe: Recipe, history: History) -> Path:
    """Fastai's CSVLogger: epoch,train_loss,valid_loss,accuracy,time."""
    rows = _epoch_rows(recipe, history, {"val_loss": "valid_loss", "val_accuracy": "accuracy"})
    plain = [{k: v for k, v in row.items() if k not in ("train_accuracy", "lr")} for row in rows]
    return _table(
        folder / f"{recipe.name}.csv",
        [row | {"epoch": i, "time": "00:01"} for i, row in enumerate(plain)],
    )


def ultralytics(folder: Path, recipe: Recipe, history: History) -> Path:
    """Names padded with blanks, as older results.csv have them."""
    names = {"train_loss": "train/loss", "val_loss": "val/loss", "lr": "lr/pg0",
             "val_accuracy": "metrics/accuracy_top1"}  # fmt: skip
    rows = _epoch_rows(recipe, history, names)
    wide = [
        {f"{k:>23}": f"{v:>23}" for k, v in row.items() if k != "train_accuracy"} for row in rows
    ]
    return _table(folder / f"{recipe.name}.csv", list(wide))


def jsonl(folder: Path, recipe: Recipe, history: History) -> Path:
    """One object an epoch."""
    path = folder / f"{recipe.name}.jsonl"
    rows = _epoch_rows(recipe, history, {"train_accuracy": "train_acc", "val_accuracy": "val_acc"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def history_json(folder: Path, recipe: Recipe, history: History) -> Path:
    """A Keras History dumped: a dict of lists."""
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "lr": "learning_rate"}
    rows = _epoch_rows(recipe, history, names)
    lists = {key: [row[key] for row in rows] for key in rows[0] if key != "epoch"}
    path = folder / f"{recipe.name}.json"
    path.write_text(json.dumps(lists), encoding="utf-8")
    return path


def list_json(folder: Path, recipe: Recipe, history: History) -> Path:
    """A list of objects."""
    path = folder / f"{recipe.name}.json"
    path.write_text(json.dumps(_epoch_rows(recipe, history, {}), indent=0), encoding="utf-8")
    return path


def _thinned(rows: list[Row], most: int) -> list[Row]:
    stride = max(1, math.ceil(len(rows) / most))
    return rows[::stride]


def step_jsonl(folder: Path, recipe: Recipe, history: History) -> Path:
    """One object a step, and the validation in objects of its own."""
    kept = _kept(recipe, history, history.steps)
    lines: list[tuple[float, dict[str, object]]] = []
    for row in _thinned(history.steps, 400):
        values = {key: _number(row[key]) for key in kept if key != "train_accuracy"}
        lines.append((row["step"], {"step": int(row["step"])} | values))
    if "val_loss" in _WANTED[recipe.columns]:
        for row in history.epochs:
            values = {key: _number(row[key]) for key in ("val_loss", "val_accuracy")
                      if history.classes or key == "val_loss"}  # fmt: skip
            lines.append((row["step"] + 0.5, {"step": int(row["step"])} | values))
    path = folder / f"{recipe.name}.jsonl"
    text = "".join(json.dumps(line) + "\n" for _, line in sorted(lines, key=lambda pair: pair[0]))
    path.write_text(text, encoding="utf-8")
    return path


def step_csv_gz(folder: Path, recipe: Recipe, history: History) -> Path:
    """Every step, packed."""
    kept = [key for key in _kept(recipe, history, history.steps) if key != "train_accuracy"]
    rows = [
        {"step": int(row["step"])} | {key: _number(row[key]) for key in kept}
        for row in _thinned(history.steps, 3000)
    ]
    path = _table(folder / f"{recipe.name}.csv", list(rows))
    packed = folder / f"{recipe.name}.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    return packed


def lightning(folder: Path, recipe: Recipe, history: History) -> Path:
    """Lightning's metrics.csv: training and validation on rows of their own."""
    kept = [key for key in _kept(recipe, history, history.steps) if key != "train_accuracy"]
    calls: list[tuple[float, dict[str, float]]] = []
    for row in _thinned(history.steps, 120):
        values = {"train_loss_step" if k == "train_loss" else k: row[k] for k in kept}
        calls.append((row["step"] - 1, {"epoch": row["epoch"] - 1} | values))
    for row in history.epochs:
        both = _kept(recipe, history, history.epochs)
        values = {"train_loss_epoch" if k == "train_loss" else k: row[k] for k in both if k != "lr"}
        for part in ("val", "train"):
            own = {k: v for k, v in values.items() if k.startswith(part)}
            if own:
                calls.append((row["step"] - 1, {"epoch": row["epoch"] - 1} | own))
    calls.sort(key=lambda call: call[0])
    target = folder / recipe.name / "metrics.csv"
    target.parent.mkdir(exist_ok=True)
    try:
        from lightning.pytorch.loggers import CSVLogger
    except ImportError:
        rows = [
            {k: int(v) if k == "epoch" else _number(v) for k, v in values.items()}
            | {"step": int(step)}
            for step, values in calls
        ]
        return _table(target, list(rows))
    with tempfile.TemporaryDirectory() as scratch:
        logger = CSVLogger(scratch, name="", version="")
        for step, values in calls:
            short = {k: int(v) if k == "epoch" else _number(v) for k, v in values.items()}
            logger.log_metrics(short, step=int(step))
            if step % 50 == 0:
                logger.save()
        logger.save()
        shutil.copy(next(Path(scratch).rglob("metrics.csv")), target)
    return target


def trainer_state(folder: Path, recipe: Recipe, history: History) -> Path:
    """The trainer_state.json of Hugging Face's Trainer."""
    total = history.steps[-1]["step"]
    stride = max(1, math.ceil(len(history.steps) / 60))
    logs: list[tuple[float, dict[str, object]]] = []
    for index in range(stride, len(history.steps) + 1, stride):
        window = history.steps[index - stride : index]
        mean = sum(row["train_loss"] for row in window) / stride
        at = {"epoch": round(index / total * recipe.epochs, 3), "step": index}
        values = {"loss": round(mean, 4), "learning_rate": window[-1]["lr"]}
        if recipe.columns == "gradient":
            values["grad_norm"] = _number(window[-1]["grad_norm"])
        logs.append((index, at | values))
    if "val_loss" in _WANTED[recipe.columns]:
        for row in history.epochs:
            values = {"eval_loss": _number(row["val_loss"]), "eval_runtime": 0.05}
            if history.classes and "val_accuracy" in _WANTED[recipe.columns]:
                values["eval_accuracy"] = _number(row["val_accuracy"])
            logs.append((row["step"] + 0.5, {"epoch": row["epoch"], "step": row["step"]} | values))
    logs.sort(key=lambda pair: pair[0])
    state = {
        "best_metric": None, "epoch": recipe.epochs, "global_step": total,
        "log_history": [entry for _, entry in logs], "logging_steps": stride, "max_steps": total,
        "num_train_epochs": recipe.epochs, "train_batch_size": recipe.batch,
    }  # fmt: skip
    path = folder / recipe.name / "trainer_state.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(state, indent=1), encoding="utf-8")
    return path


def keras(folder: Path, recipe: Recipe, history: History) -> Path:
    """Keras's CSVLogger."""
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "lr": "learning_rate"}
    rows = [row | {"epoch": i} for i, row in enumerate(_epoch_rows(recipe, history, names))]
    path = folder / f"{recipe.name}.csv"
    try:
        from keras.callbacks import CSVLogger
    except ImportError:
        ordered = [{key: row[key] for key in sorted(row, key=lambda k: (k != "epoch", k))}
                   for row in rows]  # fmt: skip
        return _table(path, ordered)

    class Model:
        stop_training = False

    logger = CSVLogger(str(path))
    logger.set_model(Model())
    logger.on_train_begin()
    for row in rows:
        logger.on_epoch_end(row["epoch"], {k: v for k, v in row.items() if k != "epoch"})
    logger.on_train_end()
    return path


def stdout_bars(folder: Path, recipe: Recipe, history: History) -> Path:
    """Printed lines between other words."""
    out = io.StringIO()
    print(f"Using device: cpu\nModel: {recipe.net}, {recipe.epochs} epochs\n", file=out)
    kept = _kept(recipe, history, history.epochs)
    words = {"train_loss": "Train Loss", "val_loss": "Val Loss", "train_accuracy": "Train Acc",
             "val_accuracy": "Val Acc", "lr": "LR"}  # fmt: skip
    for row in history.epochs:
        parts = [
            f"{words[k]}: {row[k] * 100:.2f}%" if "accuracy" in k
            else f"{words[k]}: {row[k]:.2e}" if k == "lr" else f"{words[k]}: {row[k]:.4f}"
            for k in kept
        ]  # fmt: skip
        print(f"Epoch [{int(row['epoch'])}/{recipe.epochs}] " + " | ".join(parts), file=out)
    print("Training finished.", file=out)
    path = folder / f"{recipe.name}.log"
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def stdout_steps(folder: Path, recipe: Recipe, history: History) -> Path:
    """`step 100: train loss 1.234, val loss 1.345`, with a time stamp before it."""
    out = io.StringIO()
    at = {row["step"]: row for row in history.epochs}
    shown = {row["step"] for row in _thinned(history.steps, 500)}
    with_lr = "lr" in _WANTED[recipe.columns]
    for row in history.steps:
        second = int(row["step"]) % 60
        stamp = f"2025-03-01 10:{int(row['step']) // 60 % 60:02d}:{second:02d},120 INFO"
        if row["step"] in shown:
            rate = f", lr {row['lr']:.3g}" if with_lr else ""
            print(f"{stamp} step {int(row['step'])}: loss {row['train_loss']:.4f}{rate}", file=out)
        if row["step"] in at and "val_loss" in _WANTED[recipe.columns]:
            print(f"{stamp} step {int(row['step'])}: val loss {at[row['step']]['val_loss']:.4f}",
                  file=out)  # fmt: skip
    path = folder / f"{recipe.name}.txt"
    path.write_text(out.getvalue(), encoding="utf-8")
    return path


def tensorboard(folder: Path, recipe: Recipe, history: History) -> Path:
    """An event file."""
    from torch.utils.tensorboard import SummaryWriter

    names = {"train_loss": "Loss/train", "val_loss": "Loss/val", "train_accuracy": "Accuracy/train",
             "val_accuracy": "Accuracy/val", "lr": "lr"}  # fmt: skip
    target = folder / recipe.name
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        writer = SummaryWriter(scratch)
        for row in history.epochs:
            for key in _kept(recipe, history, history.epochs):
                epoch = int(row["epoch"])
                writer.add_scalar(names[key], row[key], epoch, walltime=1.7e9 + epoch)
        writer.close()
        shutil.copy(
            next(Path(scratch).iterdir()), target / "events.out.tfevents.1700000000.run.1.0"
        )
    return target


def mlflow(folder: Path, recipe: Recipe, history: History) -> Path:
    """The files of an MLflow run: one a metric, `timestamp value step` a line."""
    target = folder / recipe.name
    (target / "metrics").mkdir(parents=True, exist_ok=True)
    (target / "meta.yaml").write_text(
        f"run_id: {recipe.name}\nrun_name: {recipe.name}\nstatus: 3\nlifecycle_stage: active\n",
        encoding="utf-8",
    )
    for key in _kept(recipe, history, history.epochs):
        lines = [
            f"{1700000000000 + 1000 * int(row['epoch'])} {_number(row[key])} {int(row['epoch'])}\n"
            for row in history.epochs
        ]
        (target / "metrics" / key).write_text("".join(lines), encoding="utf-8")
    return target


WRITERS: dict[str, Writer] = {
    function.__name__: function
    for function in (
        plain_csv, short_csv, tsv, fastai, ultralytics, jsonl, history_json, list_json, step_jsonl,
        step_csv_gz, lightning, trainer_state, keras, stdout_bars, stdout_steps, tensorboard,
        mlflow,
    )
}  # fmt: skip
