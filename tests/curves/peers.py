"""What runmedic and trainspotter say of a log, where they are installed."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

from netdoctor.facts.curves import CurveRole, TrainingRun

_RUNMEDIC = {
    "non_finite": "CRV005",
    "divergence": "CRV006",
    "loss_spikes": "CRV009",
    "no_learning": "CRV010",
    "overfitting": "CRV001",
    "val_below_train": "CRV011",
    "constant_lr_plateau": "CRV007",
}
_TRAINSPOTTER = {
    "divergence": "CRV006",
    "eval_noise": "CRV008",
    "overfitting": "CRV001",
    "plateau": "CRV007",
    "loss_floor": "CRV007",
    "spikes": "CRV009",
}
Named = list[tuple[str, bool]]
"""Codes, and whether each is a warning or an error."""


def plain(run: TrainingRun, folder: Path) -> Path:
    """The losses and the rate of a run as `step,train_loss,val_loss,lr`, which both read."""
    names: dict[CurveRole, str] = {
        "train loss": "train_loss", "validation loss": "val_loss", "learning rate": "lr"
    }  # fmt: skip
    rows: dict[float, dict[str, float]] = {}
    for role, name in names.items():
        for curve in run.of(role)[:1]:
            for x, y in zip(curve.x, curve.y, strict=True):
                rows.setdefault(float(x), {})[name] = float(y)
    path = folder / "log.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["step", *names.values()], restval="")
        writer.writeheader()
        writer.writerows({"step": round(x), **rows[x]} for x in sorted(rows))
    return path


def _said(command: list[str]) -> str | None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode == 0 else None


def runmedic(program: Path, log: Path) -> Named | None:
    """Its findings; None where it cannot read the log."""
    text = _said([str(program), "diagnose", str(log), "--json"])
    if text is None:
        return None
    reports = json.loads(text)
    runs = reports if isinstance(reports, list) else reports.get("runs", [reports])
    return [
        (_RUNMEDIC.get(each.get("id") or each.get("check"), "?"), each["severity"] != "info")
        for run in runs
        for each in run["findings"]
    ]


def trainspotter(program: Path, log: Path) -> Named | None:
    """Its findings; None where it cannot read the log."""
    text = _said([str(program), "analyze", str(log), "--output", "json"])
    if text is None:
        return None
    named: Named = []
    for each in json.loads(text)["findings"]:
        code = _TRAINSPOTTER.get(each["detector"], "?")
        words = f"{each.get('title', '')} {each.get('message', '')}".lower()
        if code == "CRV006" and ("nan" in words.split() or "non-finite" in words):
            code = "CRV005"
        named.append((code, each["severity"] != "info"))
    return named
