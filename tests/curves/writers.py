"""Writes the curves of a run as tables, JSON and printed text."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.curves.training import History, Recipe, Row

Writer = Callable[[Path, Recipe, History], Path]

WANTED = {
    "all": ("train_loss", "val_loss", "train_accuracy", "val_accuracy", "lr"),
    "no lr": ("train_loss", "val_loss", "train_accuracy", "val_accuracy"),
    "val accuracy": ("train_loss", "val_loss", "val_accuracy"),
    "loss": ("train_loss", "val_loss"),
    "train": ("train_loss",),
    "train lr": ("train_loss", "lr"),
    "gradient": ("train_loss", "lr", "grad_norm"),
    "accuracy": ("train_accuracy", "val_accuracy"),
}


def kept(recipe: Recipe, history: History, rows: Sequence[Row]) -> list[str]:
    wanted = WANTED[recipe.columns]
    return [
        key for key in wanted
        if key in rows[0] and (history.classes or "accuracy" not in key)
    ]  # fmt: skip


def number(value: float) -> float | int:
    return value if not math.isfinite(value) else float(f"{value:.5g}")


def table(path: Path, rows: list[dict[str, object]], separator: str = ",") -> Path:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, delimiter=separator, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def epoch_rows(recipe: Recipe, history: History, names: dict[str, str]) -> list[dict[str, object]]:
    chosen = kept(recipe, history, history.epochs)
    return [
        {"epoch": int(row["epoch"])} | {names.get(k, k): number(row[k]) for k in chosen}
        for row in history.epochs
    ]


def plain_csv(folder: Path, recipe: Recipe, history: History) -> Path:
    """epoch,train_loss,val_loss,train_accuracy,val_accuracy,lr."""
    return table(folder / f"{recipe.name}.csv", epoch_rows(recipe, history, {}))


def short_csv(folder: Path, recipe: Recipe, history: History) -> Path:
    """Short names, the epoch counted from 0."""
    names = {"train_loss": "loss/train", "val_loss": "loss/val", "train_accuracy": "acc/train",
             "val_accuracy": "acc/val"}  # fmt: skip
    rows = epoch_rows(recipe, history, names)
    return table(
        folder / f"{recipe.name}.csv",
        [row | {"epoch": index} for index, row in enumerate(rows)],
    )


def tsv(folder: Path, recipe: Recipe, history: History) -> Path:
    """Tabs, accuracies in percent."""
    rows = epoch_rows(recipe, history, {"train_accuracy": "train_acc", "val_accuracy": "test_acc",
                                         "val_loss": "test_loss"})  # fmt: skip
    for row in rows:
        for key in [name for name in row if name.endswith("_acc")]:
            row[key] = round(100 * float(str(row[key])), 2)
    return table(folder / f"{recipe.name}.tsv", rows, "\t")


def fastai(folder: Path, recipe: Recipe, history: History) -> Path:
    """Fastai's CSVLogger: epoch,train_loss,valid_loss,accuracy,time."""
    rows = epoch_rows(recipe, history, {"val_loss": "valid_loss", "val_accuracy": "accuracy"})
    plain = [{k: v for k, v in row.items() if k not in ("train_accuracy", "lr")} for row in rows]
    return table(
        folder / f"{recipe.name}.csv",
        [row | {"epoch": i, "time": "00:01"} for i, row in enumerate(plain)],
    )


def ultralytics(folder: Path, recipe: Recipe, history: History) -> Path:
    """Names padded with blanks, as older results.csv have them."""
    names = {"train_loss": "train/loss", "val_loss": "val/loss", "lr": "lr/pg0",
             "val_accuracy": "metrics/accuracy_top1"}  # fmt: skip
    rows = epoch_rows(recipe, history, names)
    wide = [
        {f"{k:>23}": f"{v:>23}" for k, v in row.items() if k != "train_accuracy"} for row in rows
    ]
    return table(folder / f"{recipe.name}.csv", list(wide))


def jsonl(folder: Path, recipe: Recipe, history: History) -> Path:
    """One object an epoch."""
    path = folder / f"{recipe.name}.jsonl"
    rows = epoch_rows(recipe, history, {"train_accuracy": "train_acc", "val_accuracy": "val_acc"})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def history_json(folder: Path, recipe: Recipe, history: History) -> Path:
    """A Keras History dumped: a dict of lists."""
    names = {"train_loss": "loss", "train_accuracy": "accuracy", "lr": "learning_rate"}
    rows = epoch_rows(recipe, history, names)
    lists = {key: [row[key] for row in rows] for key in rows[0] if key != "epoch"}
    path = folder / f"{recipe.name}.json"
    path.write_text(json.dumps(lists), encoding="utf-8")
    return path


def list_json(folder: Path, recipe: Recipe, history: History) -> Path:
    """A list of objects."""
    path = folder / f"{recipe.name}.json"
    path.write_text(json.dumps(epoch_rows(recipe, history, {}), indent=0), encoding="utf-8")
    return path


def thinned(rows: list[Row], most: int) -> list[Row]:
    stride = max(1, math.ceil(len(rows) / most))
    return rows[::stride]


def step_jsonl(folder: Path, recipe: Recipe, history: History) -> Path:
    """One object a step, and the validation in objects of its own."""
    chosen = kept(recipe, history, history.steps)
    lines: list[tuple[float, dict[str, object]]] = []
    for row in thinned(history.steps, 400):
        values = {key: number(row[key]) for key in chosen if key != "train_accuracy"}
        lines.append((row["step"], {"step": int(row["step"])} | values))
    if "val_loss" in WANTED[recipe.columns]:
        for row in history.epochs:
            values = {key: number(row[key]) for key in ("val_loss", "val_accuracy")
                      if history.classes or key == "val_loss"}  # fmt: skip
            lines.append((row["step"] + 0.5, {"step": int(row["step"])} | values))
    path = folder / f"{recipe.name}.jsonl"
    text = "".join(json.dumps(line) + "\n" for _, line in sorted(lines, key=lambda pair: pair[0]))
    path.write_text(text, encoding="utf-8")
    return path


def step_csv_gz(folder: Path, recipe: Recipe, history: History) -> Path:
    """Every step, packed."""
    names = [key for key in kept(recipe, history, history.steps) if key != "train_accuracy"]
    rows = [
        {"step": int(row["step"])} | {key: number(row[key]) for key in names}
        for row in thinned(history.steps, 3000)
    ]
    path = table(folder / f"{recipe.name}.csv", list(rows))
    packed = folder / f"{recipe.name}.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    return packed


def stdout_bars(folder: Path, recipe: Recipe, history: History) -> Path:
    """Printed lines between other words."""
    out = io.StringIO()
    print(f"Using device: cpu\nModel: {recipe.net}, {recipe.epochs} epochs\n", file=out)
    chosen = kept(recipe, history, history.epochs)
    words = {"train_loss": "Train Loss", "val_loss": "Val Loss", "train_accuracy": "Train Acc",
             "val_accuracy": "Val Acc", "lr": "LR"}  # fmt: skip
    for row in history.epochs:
        parts = [
            f"{words[k]}: {row[k] * 100:.2f}%" if "accuracy" in k
            else f"{words[k]}: {row[k]:.2e}" if k == "lr" else f"{words[k]}: {row[k]:.4f}"
            for k in chosen
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
    shown = {row["step"] for row in thinned(history.steps, 500)}
    with_lr = "lr" in WANTED[recipe.columns]
    for row in history.steps:
        second = int(row["step"]) % 60
        stamp = f"2025-03-01 10:{int(row['step']) // 60 % 60:02d}:{second:02d},120 INFO"
        if row["step"] in shown:
            rate = f", lr {row['lr']:.3g}" if with_lr else ""
            print(f"{stamp} step {int(row['step'])}: loss {row['train_loss']:.4f}{rate}", file=out)
        if row["step"] in at and "val_loss" in WANTED[recipe.columns]:
            print(f"{stamp} step {int(row['step'])}: val loss {at[row['step']]['val_loss']:.4f}",
                  file=out)  # fmt: skip
    path = folder / f"{recipe.name}.txt"
    path.write_text(out.getvalue(), encoding="utf-8")
    return path
