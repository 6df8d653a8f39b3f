"""Layouts of logs that only the second held-out set has."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.curves.layouts import Layout
from tests.curves.studies import Study
from tests.curves.training import Row
from tests.curves.writers import number, table, thinned


def _text(folder: Path, study: Study, lines: Iterable[str], ending: str = "log") -> Path:
    path = folder / f"{study.name}.{ending}"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _parts(study: Study, row: Row, split: str, rename: Callable[[str], str]) -> dict[str, float]:
    return {rename(k[len(split) :]): row[k]
            for k in study.columns if k.startswith(split) and k in row}  # fmt: skip


def hf_printed(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """The dicts that Hugging Face's Trainer prints."""
    stride = max(1, len(steps) // 60)
    lines: list[tuple[float, str]] = []
    for row in steps[stride - 1 :: stride]:
        shown = {"loss": round(row["train_loss"], 4), "grad_norm": number(row["grad_norm"]),
                 "learning_rate": number(row["lr"]),
                 "epoch": round(row["step"] / len(steps) * study.epochs, 2)}  # fmt: skip
        lines.append((row["step"], str(shown)))
    for row in epochs:
        own = {f"eval_{k}": number(v) for k, v in _parts(study, row, "val_", str).items()}
        if own:
            own |= {"eval_runtime": 0.0841, "epoch": float(row["epoch"])}
            lines.append((row["step"] + 0.5, str(own)))
    return _text(folder, study, [line for _, line in sorted(lines)], "txt")


def keras_bars(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """Two lines an epoch, as `fit` prints them."""
    lines, of = [], len(steps) // max(len(epochs), 1)
    for row in epochs:
        shown = _parts(study, row, "train_", str)
        shown |= {f"val_{k}": v for k, v in _parts(study, row, "val_", str).items()}
        lines.append(f"Epoch {int(row['epoch'])}/{study.epochs}")
        values = " - ".join(f"{k}: {shown[k]:.4f}" for k in sorted(shown))
        lines.append(f"{of}/{of} " + "━" * 20 + f" 0s 4ms/step - {values}")
    return _text(folder, study, lines)


def mmlab(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """The JSON lines of OpenMMLab's older runners."""
    lines: list[tuple[float, str]] = []
    of = max(1, len(steps) // len(epochs))
    for row in thinned(steps, 150):
        inside = int(row["step"] - 1) % of + 1
        values = {"mode": "train", "epoch": int(row["epoch"]), "iter": inside,
                  "lr": number(row["lr"]), "memory": 912, "data_time": 0.004,
                  "loss": number(row["train_loss"]), "time": 0.051}  # fmt: skip
        lines.append((row["step"], json.dumps(values)))
    for row in epochs:
        own = {k: number(v) for k, v in _parts(study, row, "val_", str).items()}
        head = {"mode": "val", "epoch": int(row["epoch"]), "iter": of, "lr": number(row["lr"])}
        lines.append((row["step"] + 0.5, json.dumps(head | own)))
    return _text(folder, study, [line for _, line in sorted(lines)], "log.json")


def detectron(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """metrics.json of Detectron2: one object every few iterations."""
    lines = [
        json.dumps({"data_time": 0.002, "eta_seconds": 12.5, "iteration": int(row["step"]) - 1,
                    "lr": number(row["lr"]), "total_loss": number(row["train_loss"])})
        for row in thinned(steps, 180)
    ]  # fmt: skip
    return _text(folder, study, lines, "json")


def skorch(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """The table that skorch prints."""
    keys = [key for key in ("train_loss", "val_accuracy", "val_r2", "val_mae", "val_loss")
            if key in study.columns]  # fmt: skip
    heads = [key.replace("val_", "valid_").replace("accuracy", "acc") for key in keys]
    lines = ["  epoch  " + "  ".join(f"{head:>12}" for head in heads) + "     dur",
             "-------  " + "  ".join("-" * 12 for _ in heads) + "  ------"]  # fmt: skip
    for row in epochs:
        values = "  ".join(f"{row[key]:>12.4f}" for key in keys)
        lines.append(f"{int(row['epoch']):>7}  {values}  0.0312")
    return _text(folder, study, lines, "txt")


def timm_real(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """The summary.csv of timm itself, or its layout."""
    path = folder / study.name / "summary.csv"
    path.parent.mkdir()
    rows = [
        {"epoch": int(row["epoch"]) - 1}
        | {f"train_{k}": number(v) for k, v in _parts(study, row, "train_", str).items()}
        | {f"eval_{k}": number(100 * v if k == "top1" else v) for k, v in _parts(
            study, row, "val_", lambda k: k.replace("accuracy", "top1")).items()}
        | {"lr": row["lr"]}
        for row in epochs
    ]  # fmt: skip
    try:
        from timm.utils import update_summary
    except ImportError:
        return table(path, list(rows))
    for index, row in enumerate(rows):
        parts = [{k[len(s) :]: v for k, v in row.items() if k.startswith(s)}
                 for s in ("train_", "eval_")]  # fmt: skip
        update_summary(int(row["epoch"]), *parts, path, lr=row["lr"], write_header=index == 0)
    return path


def wandb_csv(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """An exported chart table of Weights & Biases."""
    keys = [key for key in study.columns if key in epochs[0]]
    slash = [key.replace("_", "/", 1) if key != "lr" else key for key in keys]
    rows: list[dict[str, object]] = []
    for row in epochs:
        own: dict[str, object] = {"Step": int(row["step"])}
        for key, name in zip(keys, slash, strict=True):
            own |= {f"{study.name} - {name}": number(row[key]),
                    f"{study.name} - {name}__MIN": number(row[key]),
                    f"{study.name} - {name}__MAX": number(row[key])}  # fmt: skip
        rows.append(own)
    return table(folder / f"{study.name}.csv", rows)


def keras_events(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """Keras's TensorBoard callback: `epoch_loss` below train/ and below validation/."""
    from torch.utils.tensorboard import SummaryWriter

    for split, name in (("train_", "train"), ("val_", "validation")):
        target, scratch = folder / study.name / name, folder / f"{study.name}_{name}"
        target.mkdir(parents=True)
        writer = SummaryWriter(str(scratch))
        for row in epochs:
            for key, value in _parts(study, row, split, str).items():
                at = int(row["epoch"]) - 1
                writer.add_scalar(f"epoch_{key}", value, at, walltime=1.7e9 + at)
        writer.close()
        next(scratch.iterdir()).rename(target / "events.out.tfevents.1700000000.host.1.0.v2")
        scratch.rmdir()
    return folder / study.name


def loguru(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """One line an epoch with time, level and place before it."""
    lines = []
    for row in epochs:
        at = int(row["epoch"])
        values = " ".join(f"{k}={row[k]:.5f}" for k in study.columns if k in row)
        lines.append(f"2025-03-02 12:{at // 60:02d}:{at % 60:02d}.417 | INFO     | "
                     f"__main__:fit:88 - Epoch {at:03d}: {values}")  # fmt: skip
    return _text(folder, study, lines)


def mae_log(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """log.txt of DeiT and MAE: one object an epoch."""
    lines = [
        json.dumps(
            {"train_lr": number(row["lr"])}
            | {f"train_{k}": number(v) for k, v in _parts(study, row, "train_", str).items()}
            | {f"test_{k}": number(100 * v if k == "acc1" else v) for k, v in _parts(
                study, row, "val_", lambda k: k.replace("accuracy", "acc1")).items()}
            | {"epoch": int(row["epoch"]) - 1, "n_parameters": 21342}
        )
        for row in epochs
    ]  # fmt: skip
    return _text(folder, study, lines, "txt")


def fairseq(folder: Path, study: Study, steps: list[Row], epochs: list[Row]) -> Path:
    """`| INFO | train | epoch 001 | loss 5.21 | ppl 37`."""
    lines = []
    for row in epochs:
        stamp = f"2025-03-02 12:00:{int(row['epoch']) % 60:02d} | INFO |"
        for split, name in (("train_", "train"), ("val_", "valid")):
            own = _parts(study, row, split, lambda k: k.replace("perplexity", "ppl"))
            values = " | ".join(f"{k} {v:.4g}" for k, v in own.items())
            if own:
                head = f"{stamp} {name} | epoch {int(row['epoch']):03d}"
                lines.append(f"{head} | {values} | num_updates {int(row['step'])}")
    return _text(folder, study, lines)


FRESH: dict[str, Layout] = {
    function.__name__: function
    for function in (
        hf_printed, keras_bars, mmlab, detectron, skorch, timm_real, wandb_csv, keras_events,
        loguru, mae_log, fairseq,
    )
}  # fmt: skip
