"""Reports to render: one with everything that can stand in a report, and its golden files.

`python -m tests.render.sample` writes the golden files again; read the difference before you
keep it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from netdoctor.render.text import Terminal, render
from netdoctor.report import (
    Column,
    Finding,
    NotExamined,
    Report,
    Severity,
    Skipped,
    Table,
)

GOLDEN = Path(__file__).parent.parent / "golden"
WIDTHS = (60, 80, 160)

COLUMNS = (
    Column("layer", "layer", "name"),
    Column("kind", "kind", priority=2),
    Column("shape", "shape", "shape", priority=4),
    Column("units", "units", "integer", priority=1),
    Column("dead", "dead", "percent"),
    Column("mean", "mean", "number", priority=3),
    Column("std", "std", "number", priority=3),
    Column("dead_indices", "dead units", hidden=True),
)


def row(layer: str, dead: float, mean: float, units: int = 64) -> dict[str, object]:
    return {
        "layer": layer,
        "kind": "relu",
        "shape": (32, units, 56, 56),
        "units": units,
        "dead": dead,
        "mean": mean,
        "std": 1.25,
        "dead_indices": np.arange(3),
    }


ROWS = (
    row("layer1.0.relu#2", 1.0, 0.0),
    row("layer2.0.relu#1", 0.62, 1.234e-5, 128),
    row("[red]x/../y#1", 0.0, math.nan),
    row("backbone.stage3.blocks.11.mlp.act#1", 0.0003, 12.5),
    row("layer4.1.relu#2", 0.0, 0.87, 512),
)

SICK = Report(
    command="deadneurons",
    subject="my_module:factory",
    device="cpu",
    findings=(
        Finding(
            "ACT001",
            "dead-layer",
            Severity.ERROR,
            "layer1.0.relu#2",
            "All 64 units of relu after layer1.0.conv2 stay at 0 in all 512 samples; the network "
            "behind it sees a constant.",
            {"dead_fraction": 1.0, "threshold": 1.0, "samples": 512, "units": list(range(64))},
            "Look at the bias and the weights of layer1.0.conv2, lower the learning rate or warm "
            "it up, and start again from a checkpoint before the collapse.",
        ),
        Finding(
            "ACT002",
            "dead-units",
            Severity.WARNING,
            "layer2.0.relu#1",
            "79 of 128 units never fire.",
            {"dead_fraction": 0.6171875, "threshold": 0.5, "samples": 512},
            "Lower the learning rate.",
        ),
        Finding(
            "NUM003",
            "activation-explosion",
            Severity.INFO,
            "[red]x/../y#1",
            "Values grow\x1b[31m from layer to layer.",
            {"ratio": math.inf},
            "Put a norm layer in front.",
        ),
    ),
    ran=("dead-layer", "dead-units"),
    skipped=(
        Skipped("saturated-units", "no bounded activation was called"),
        Skipped("dead-units", "fewer than 100 samples", "head.relu#1"),
        Skipped("dead-units", "fewer than 100 samples", "head.relu#2"),
    ),
    not_examined=(
        NotExamined("encoder.self_attn.out_proj", "never called: fused path"),
        *(NotExamined(f"aux{number}", "never called in evaluation mode") for number in range(8)),
    ),
    tables=(Table("layers", "Activation calls, worst first", COLUMNS, ROWS, shown=4),),
    artifacts=("netdoctor-out/deadneurons.png",),
    settings={"seed": 0, "batches": 16, "rate": np.float32(0.5), "limit": math.inf},
    notes=(
        "weights: best.ckpt, loaded 318/320 tensors (99.8 % of parameters); stripped 'module.'",
        "data: 512 images of val/, 3×224×224, ImageNet mean and std (assumed: the model names "
        "none)",
    ),
    extra={"best_epoch": np.int64(3)},
)

HEALTHY = Report(
    command="deadneurons",
    subject="googlenet",
    device="cpu",
    ran=("dead-layer",),
    verdict="healthy: 57 activation calls examined, nothing at or above warning",
)


def golden_file(width: int) -> Path:
    return GOLDEN / f"report_{width}.txt"


if __name__ == "__main__":
    for width in WIDTHS:
        golden_file(width).write_text(render(SICK, Terminal(width)), encoding="utf-8")
