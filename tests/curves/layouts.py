"""Writes the rows of a study in the layout that its kind of trainer leaves behind."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from tests.curves.studies import Study
from tests.curves.training import Row
from tests.curves.writers import number, table, thinned

Layout = Callable[[Path, Study, list[Row], list[Row]], Path]
_NAMES = {
    "keras": {"train_": "", "val_": "val_"},
    "timm": {"train_": "train_", "val_": "eval_", "accuracy": "top1"},
    "ultralytics": {"train_": "train/", "val_": "metrics/", "val_loss": "val/loss"},
    "slash": {"train_": "train/", "val_": "val/"},
    "short": {"train_": "train_", "val_": "valid_", "accuracy": "acc"},
    "test": {"train_": "train ", "val_": "test ", "accuracy": "acc"},
}


def _named(key: str, style: str) -> str:
    names = _NAMES[style]
    if key in names:
        return names[key]
    for split in ("train_", "val_"):
        if key.startswith(split):
            rest = key[len(split) :]
            return names[split] + names.get(rest, rest)
    return {"keras": "learning_rate", "ultralytics": "lr/pg0"}.get(style, key)


def _epochs(study: Study, epochs: list[Row], style: str = "") -> list[dict[str, object]]:
    return [
        {"epoch": int(row["epoch"])}
        | {_named(k, style) if style else k: number(row[k]) for k in study.columns if k in row}
        for row in epochs
    ]


def csv(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """One line an epoch."""
    return table(folder / f"{study.name}.csv", _epochs(study, epochs))


def keras(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """CSVLogger: the epoch from 0, names sorted."""
    rows = [row | {"epoch": i} for i, row in enumerate(_epochs(study, epochs, "keras"))]
    keys = sorted(rows[0], key=lambda key: (key != "epoch", key))
    return table(folder / f"{study.name}.csv", [{k: row[k] for k in keys} for row in rows])


def timm(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """summary.csv: the epoch from 0, accuracies in percent."""
    rows = _epochs(study, epochs, "timm")
    for i, row in enumerate(rows):
        row["epoch"] = i
        for key in [name for name in row if name.endswith("top1")]:
            row[key] = round(100 * float(str(row[key])), 3)
    return table(folder / f"{study.name}.csv", rows)


def ultralytics(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """results.csv."""
    rows = _epochs(study, epochs, "ultralytics")
    rows = [{"epoch": row["epoch"], "time": round(1.7 * i + 2, 3)} | row
            for i, row in enumerate(rows)]  # fmt: skip
    return table(folder / f"{study.name}.csv", rows)


def slash_json(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """A dict of lists, `train/loss`."""
    rows = _epochs(study, epochs, "slash")
    path = folder / f"{study.name}.json"
    lists = {key: [row[key] for row in rows] for key in rows[0]}
    path.write_text(json.dumps(lists), encoding="utf-8")
    return path


def jsonl(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """One object an epoch."""
    path = folder / f"{study.name}.jsonl"
    lines = [json.dumps(row) + "\n" for row in _epochs(study, epochs, "short")]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def printed(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """`Epoch 3/20 - train loss: 0.51 - test acc: 0.8`."""
    lines = [f"Start: {study.epochs} epochs, batch size {study.batch}"]
    for row in _epochs(study, epochs, "test"):
        parts = [f"{k}: {float(str(v)):.4g}" for k, v in row.items() if k != "epoch"]
        lines.append(f"Epoch {row['epoch']}/{study.epochs} - " + " - ".join(parts))
    path = folder / f"{study.name}.log"
    path.write_text("\n".join([*lines, "done"]) + "\n", encoding="utf-8")
    return path


def steps_csv(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """Some of the steps, training alone."""
    keys = [key for key in study.columns if key in steps[0]]
    rows = [{"step": int(row["step"])} | {k: number(row[k]) for k in keys}
            for row in thinned(steps, study.most)]  # fmt: skip
    return table(folder / f"{study.name}.csv", list(rows))


def steps_gz(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """Every step, packed."""
    keys = [key for key in study.columns if key in steps[0]]
    rows = [{"step": int(row["step"])} | {k: f"{row[k]:.4g}" for k in keys}
            for row in thinned(steps, 2000)]  # fmt: skip
    path = table(folder / f"{study.name}.csv", list(rows))
    packed = folder / f"{study.name}.csv.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    return packed


def steps_txt(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """`iter 120: loss 2.31`, and `step 200: train loss 2.2, val loss 2.3` at each epoch."""
    ends = {row["step"]: row for row in epochs}
    shown = {row["step"] for row in thinned(steps, study.most)}
    lines = []
    for row in steps:
        at = int(row["step"])
        if row["step"] in shown:
            lines.append(f"iter {at}: loss {row['train_loss']:.4f}, time {9 + at % 3}.12ms")
        if row["step"] in ends and "val_loss" in study.columns:
            end = ends[row["step"]]
            lines.append(
                f"step {at}: train loss {end['train_loss']:.4f}, val loss {end['val_loss']:.4f}"
            )
    path = folder / f"{study.name}.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def steps_jsonl(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """Objects of steps, and of validations between them."""
    lines: list[tuple[float, dict[str, object]]] = []
    for row in thinned(steps, study.most):
        values = {k: number(row[k]) for k in study.columns if k in row}
        lines.append((row["step"], {"step": int(row["step"])} | values))
    for row in epochs:
        values = {k: number(row[k]) for k in study.columns if k.startswith("val_") and k in row}
        if values:
            lines.append((row["step"] + 0.5, {"step": int(row["step"])} | values))
    path = folder / f"{study.name}.jsonl"
    text = "".join(json.dumps(line) + "\n" for _, line in sorted(lines, key=lambda pair: pair[0]))
    path.write_text(text, encoding="utf-8")
    return path


def lightning(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """metrics.csv: training and validation on lines of their own."""
    rows: list[tuple[float, dict[str, object]]] = []
    for row in thinned(steps, min(study.most, 120)):
        own = {f"{k}_step" if k.startswith("train") else k: number(row[k])
               for k in study.columns if k in row}  # fmt: skip
        rows.append((row["step"], own | {"epoch": int(row["epoch"]) - 1}))
    for row in epochs:
        for part in ("val_", "train_"):
            own = {f"{k}_epoch" if part == "train_" else k: number(row[k])
                   for k in study.columns if k.startswith(part) and k in row}  # fmt: skip
            if own:
                rows.append((row["step"] + 0.5, own | {"epoch": int(row["epoch"]) - 1}))
    rows.sort(key=lambda pair: pair[0])
    path = folder / study.name / "metrics.csv"
    path.parent.mkdir()
    return table(path, [{"step": int(step) - 1} | own for step, own in rows])


def trainer_state(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """The trainer_state.json of Hugging Face's Trainer."""
    stride = max(1, -(-len(steps) // 50))
    logs: list[tuple[float, dict[str, object]]] = []
    for end in range(stride, len(steps) + 1, stride):
        window = steps[end - stride : end]
        mean = sum(row["train_loss"] for row in window) / stride
        values = {"loss": round(mean, 4), "grad_norm": number(window[-1]["grad_norm"]),
                  "learning_rate": number(window[-1]["lr"])}  # fmt: skip
        epoch = round(end * study.epochs / len(steps), 3)
        logs.append((end, {"epoch": epoch} | values | {"step": end}))
    for row in epochs:
        own = {f"eval_{k[4:]}": number(row[k]) for k in study.columns if k.startswith("val_")}
        if own:
            own |= {"eval_runtime": 0.11, "eval_samples_per_second": 900.0}
            logs.append((row["step"] + 0.5, {"epoch": row["epoch"]} | own | {"step": row["step"]}))
    logs.sort(key=lambda pair: pair[0])
    state = {"global_step": len(steps), "log_history": [entry for _, entry in logs],
             "logging_steps": stride, "max_steps": len(steps),
             "num_train_epochs": study.epochs, "train_batch_size": study.batch}  # fmt: skip
    path = folder / study.name / "trainer_state.json"
    path.parent.mkdir()
    path.write_text(json.dumps(state, indent=1), encoding="utf-8")
    return path


def tensorboard(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """An event file of the epochs."""
    from torch.utils.tensorboard import SummaryWriter

    target = folder / study.name
    scratch = folder / f"{study.name}_events"
    writer = SummaryWriter(str(scratch))
    for row in epochs:
        for key in [key for key in study.columns if key in row]:
            epoch = int(row["epoch"])
            writer.add_scalar(_named(key, "slash"), row[key], epoch, walltime=1.7e9 + epoch)
    writer.close()
    target.mkdir()
    next(scratch.iterdir()).rename(target / "events.out.tfevents.1700000000.run.1.0")
    scratch.rmdir()
    return target


LAYOUTS: dict[str, Layout] = {
    function.__name__: function
    for function in (
        csv, keras, timm, ultralytics, slash_json, jsonl, printed, steps_csv, steps_gz, steps_txt,
        steps_jsonl, lightning, trainer_state, tensorboard,
    )
}  # fmt: skip
