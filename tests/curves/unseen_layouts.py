"""How the logs of the third held-out set are laid out; each names its columns itself."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.curves.training import Row
from tests.curves.unseen_loop import Rows
from tests.curves.writers import number, table

Names = Mapping[str, str]


def spaced(rows: Sequence[Row], most: int) -> Sequence[Row]:
    """Every n-th of them, at most that many."""
    return rows[:: max(1, -(-len(rows) // most))]


def _named(row: Row, names: Names) -> dict[str, object]:
    return {
        name: number(100 * row[key[:-4]] if key.endswith("_pct") else row[key])
        for key, name in names.items()
        if key.removesuffix("_pct") in row
    }


def _write(folder: Path, file: str, text: str) -> Path:
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _dump(value: object, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent)


def epochs_csv(
    folder: Path, name: str, rows: Rows, *, names: Names, epoch: str = "epoch", first: int = 1,
    ending: str = "csv", separator: str = ",", file: str = "",
) -> Path:  # fmt: skip
    """One line an epoch."""
    lines = [{epoch: i} | _named(row, names) for i, row in enumerate(rows[1], first)]
    path = folder / (f"{name}/{file}" if file else f"{name}.{ending}")
    path.parent.mkdir(exist_ok=True)
    return table(path, lines, separator)


def steps_csv(
    folder: Path, name: str, rows: Rows, *, names: Names, most: int = 300, step: str = "step"
) -> Path:
    """Some steps, one line each."""
    lines = [{step: int(row["step"])} | _named(row, names) for row in spaced(rows[0], most)]
    return table(folder / f"{name}.csv", lines)


def lightning(
    folder: Path, name: str, rows: Rows, *, names: Names, steps: Names | None = None,
    most: int = 100,
) -> Path:  # fmt: skip
    """metrics.csv: steps, validations and means of epochs on lines of their own."""
    lines: list[tuple[float, dict[str, object]]] = []
    for row in spaced(rows[0], most) if steps else ():
        lines.append((row["step"], {"epoch": int(row["epoch"]) - 1} | _named(row, steps or {})))
    for row in rows[1]:
        for part in ("val_", "train_"):
            own = _named(row, {k: v for k, v in names.items() if k.startswith(part)})
            if own:
                lines.append((row["step"] + 0.5, {"epoch": int(row["epoch"]) - 1} | own))
    lines.sort(key=lambda line: line[0])
    cells = [own | {"step": int(step) - 1} for step, own in lines]
    keys = sorted({key for own in cells for key in own})
    path = folder / name / "metrics.csv"
    path.parent.mkdir()
    return table(path, [{key: own.get(key, "") for key in keys} for own in cells])


def trainer_state(
    folder: Path, name: str, rows: Rows, *, names: Names, every: int = 0, at_step: bool = False
) -> Path:
    """Hugging Face's trainer_state.json, with the summary that ends it."""
    steps, epochs = rows
    every = every or max(1, len(steps) // 50)
    logs: list[tuple[float, dict[str, object]]] = []
    for end in range(every, len(steps) + 1, every):
        mean = sum(row["train_loss"] for row in steps[end - every : end]) / every
        at = {"epoch": round(end / len(steps) * len(epochs), 4)}
        values = {"grad_norm": steps[end - 1]["grad_norm"], "learning_rate": steps[end - 1]["lr"]}
        logs.append((end, at | values | {"loss": round(mean, 4), "step": end}))
    for row in epochs:
        own = _named(row, names)
        if own:
            own |= {"eval_runtime": 0.31, "eval_samples_per_second": 1210.4}
            at = {"epoch": row["epoch"], "step": int(row["step"])}
            logs.append((row["step"] + 0.5, at | own))
    logs.sort(key=lambda log: log[0])
    finite = [row["train_loss"] for row in steps if math.isfinite(row["train_loss"])]
    last = {"epoch": float(len(epochs)), "step": len(steps), "total_flos": 81_250_000.0,
            "train_loss": sum(finite) / len(finite), "train_runtime": 9.4}  # fmt: skip
    state = {"best_metric": None, "epoch": float(len(epochs)), "eval_steps": 500,
             "global_step": len(steps), "is_local_process_zero": True,
             "log_history": [log for _, log in logs] + [last], "logging_steps": every,
             "max_steps": len(steps), "num_train_epochs": len(epochs)}  # fmt: skip
    return _write(folder, f"{name}/trainer_state.json", _dump(state, 1))


def history(folder: Path, name: str, rows: Rows, *, names: Names) -> Path:
    """Keras's History as JSON: a list of values a name."""
    lines = [_named(row, names) for row in rows[1]]
    return _write(folder, f"{name}.json", _dump({key: [l[key] for l in lines] for key in lines[0]}))  # noqa: E741


def lines(
    folder: Path, name: str, rows: Rows, *, names: Names, steps: Names | None = None,
    most: int = 200, epoch: str = "epoch", step: str = "step", nested: bool = False,
) -> Path:  # fmt: skip
    """JSON lines of epochs, of steps, or of both."""
    out: list[tuple[float, dict[str, object]]] = []
    for row in spaced(rows[0], most) if steps else ():
        out.append((row["step"], {step: int(row["step"])} | _named(row, steps or {})))
    for row in rows[1] if names else ():
        at = {step: int(row["step"])} if steps else {epoch: int(row["epoch"])}
        own = _named(row, names)
        if nested:
            own = {part: {k.split("/")[1]: v for k, v in own.items() if k.startswith(part)}
                   for part in dict.fromkeys(k.split("/")[0] for k in own)}  # fmt: skip
        out.append((row["step"] + 0.5, at | own))
    out.sort(key=lambda pair: pair[0])
    return _write(folder, f"{name}.jsonl", "".join(_dump(line) + "\n" for _, line in out))


def wandb(
    folder: Path, name: str, rows: Rows, *, names: Names, steps: Names | None = None,
    most: int = 120, ending: str = "csv",
) -> Path:  # fmt: skip
    """The history that Weights & Biases exports: `_step`, `_runtime`, `_timestamp`, and cells."""
    out: list[tuple[float, dict[str, object]]] = []
    for row in spaced(rows[0], most) if steps else ():
        out.append((row["step"], _named(row, steps or {}) | {"epoch": int(row["epoch"])}))
    for row in rows[1]:
        out.append((row["step"] + 0.5, _named(row, names) | {"epoch": int(row["epoch"])}))
    out.sort(key=lambda pair: pair[0])
    cells = [
        {"_step": i, "_runtime": round(0.21 * step + 3.3, 3),
         "_timestamp": round(1.74e9 + 0.21 * step, 3)} | own
        for i, (step, own) in enumerate(out)
    ]  # fmt: skip
    if ending == "csv":
        return table(folder / f"{name}.csv", list(cells))
    return _write(folder, f"{name}.jsonl", "".join(_dump(line) + "\n" for line in cells))


def results(folder: Path, name: str, rows: Rows, *, names: Names) -> Path:
    """Ultralytics' results.csv."""
    cells = [{"epoch": i, "time": round(1.31 * i + 0.4, 4)} | _named(row, names)
             for i, row in enumerate(rows[1], 1)]  # fmt: skip
    path = folder / name / "results.csv"
    path.parent.mkdir()
    return table(path, cells)


def events(
    folder: Path, name: str, rows: Rows, *, names: Names, steps: Names | None = None,
    most: int = 120, by_step: bool = False,
) -> Path:  # fmt: skip
    """TensorBoard's event file."""
    from torch.utils.tensorboard import SummaryWriter

    target, scratch = folder / name, folder / f"{name}_scratch"
    writer = SummaryWriter(str(scratch))
    for key, tag in (steps or {}).items():
        for row in spaced(rows[0], most):
            writer.add_scalar(tag, row[key], int(row["step"]), walltime=1.74e9 + row["step"])
    for row in rows[1]:
        at = int(row["step" if by_step or steps else "epoch"])
        for key, tag in names.items():
            writer.add_scalar(tag, row[key], at, walltime=1.74e9 + row["step"])
    writer.close()
    target.mkdir()
    next(scratch.iterdir()).rename(target / "events.out.tfevents.1740000000.node.7.0")
    scratch.rmdir()
    return target


class _Shares(dict[str, float]):
    """The values of a row; a name that ends in `_pct` is that share in percent."""

    def __missing__(self, key: str) -> float:
        return 100 * self[key.removesuffix("_pct")]


def printed(
    folder: Path, name: str, rows: Rows, *, epoch: str = "", step: str = "", most: int = 200,
    head: Sequence[str] = (), tail: Sequence[str] = (), first: int = 1, ending: str = "log",
) -> Path:  # fmt: skip
    """Lines printed for steps and epochs by those templates."""
    steps, epochs = rows
    of = len(epochs)
    inside = max(1, len(steps) // of)
    out: list[tuple[float, str]] = []
    for row in spaced(steps, most) if step else ():
        at = {"at": int(row["step"] - 1) % inside + 1, "inside": inside, "of": of,
              "n": int(row["step"]) - 1 + first, "e": int(row["epoch"]) - 1 + first}  # fmt: skip
        out.append((row["step"], step.format_map(_Shares(row | at))))
    for row in epochs if epoch else ():
        at = {"of": of, "inside": inside, "e": int(row["epoch"]) - 1 + first,
              "n": int(row["step"]), "sec": 2 + row["epoch"] % 3 * 0.17,
              "minute": int(row["epoch"]) // 60, "second": int(row["epoch"]) % 60}  # fmt: skip
        out.append((row["step"] + 0.5, epoch.format_map(_Shares(row | at))))
    out.sort(key=lambda pair: pair[0])
    text = "\n".join([*head, *(line for _, line in out), *tail])
    return _write(folder, f"{name}.{ending}", text + "\n")
