"""Writes the curves of a run with the loggers in use, or in their layout where they are missing."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path

from tests.curves import writers
from tests.curves.training import History, Recipe


def lightning(folder: Path, recipe: Recipe, history: History) -> Path:
    """Lightning's metrics.csv: training and validation on rows of their own."""
    kept = [key for key in writers.kept(recipe, history, history.steps) if key != "train_accuracy"]
    calls: list[tuple[float, dict[str, float]]] = []
    for row in writers.thinned(history.steps, 120):
        values = {"train_loss_step" if k == "train_loss" else k: row[k] for k in kept}
        calls.append((row["step"] - 1, {"epoch": row["epoch"] - 1} | values))
    for row in history.epochs:
        both = writers.kept(recipe, history, history.epochs)
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
            {k: int(v) if k == "epoch" else writers.number(v) for k, v in values.items()}
            | {"step": int(step)}
            for step, values in calls
        ]
        return writers.table(target, list(rows))
    with tempfile.TemporaryDirectory() as scratch:
        logger = CSVLogger(scratch, name="", version="")
        for step, values in calls:
            short = {k: int(v) if k == "epoch" else writers.number(v) for k, v in values.items()}
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
            values["grad_norm"] = writers.number(window[-1]["grad_norm"])
        logs.append((index, at | values))
    if "val_loss" in writers.WANTED[recipe.columns]:
        for row in history.epochs:
            values = {"eval_loss": writers.number(row["val_loss"]), "eval_runtime": 0.05}
            if history.classes and "val_accuracy" in writers.WANTED[recipe.columns]:
                values["eval_accuracy"] = writers.number(row["val_accuracy"])
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
    rows = [row | {"epoch": i} for i, row in enumerate(writers.epoch_rows(recipe, history, names))]
    path = folder / f"{recipe.name}.csv"
    try:
        from keras.callbacks import CSVLogger
    except ImportError:
        ordered = [{key: row[key] for key in sorted(row, key=lambda k: (k != "epoch", k))}
                   for row in rows]  # fmt: skip
        return writers.table(path, ordered)

    class Model:
        stop_training = False

    logger = CSVLogger(str(path))
    logger.set_model(Model())
    logger.on_train_begin()
    for row in rows:
        logger.on_epoch_end(row["epoch"], {k: v for k, v in row.items() if k != "epoch"})
    logger.on_train_end()
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
            for key in writers.kept(recipe, history, history.epochs):
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
    for key in writers.kept(recipe, history, history.epochs):
        lines = [
            f"{1700000000000 + int(row['epoch'])} {writers.number(row[key])} {int(row['epoch'])}\n"
            for row in history.epochs
        ]
        (target / "metrics" / key).write_text("".join(lines), encoding="utf-8")
    return target


_TEXTS: tuple[writers.Writer, ...] = (
    writers.plain_csv, writers.short_csv, writers.tsv, writers.fastai, writers.ultralytics,
    writers.jsonl, writers.history_json, writers.list_json, writers.step_jsonl,
    writers.step_csv_gz, writers.stdout_bars, writers.stdout_steps,
)  # fmt: skip
WRITERS: dict[str, writers.Writer] = {
    function.__name__: function
    for function in (*_TEXTS, lightning, trainer_state, keras, tensorboard, mlflow)
}
