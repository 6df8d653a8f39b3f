"""What the tests of training logs share: the curves of the worked example, and a short look."""

from __future__ import annotations

from pathlib import Path

from netdoctor.facts.curves import Curve, CurveRole, TrainingRun
from netdoctor.inputs.training_logs import read

WRITTEN = Path(__file__).parent.parent / "training_logs"
TRAIN = [2.0, 1.5, 1.2, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2]
VAL = [2.1, 1.6, 1.3, 1.0, 0.85, 0.8, 0.82, 0.85, 0.9, 0.95]
TRAIN_ACC = [0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
VAL_ACC = [0.28, 0.38, 0.48, 0.58, 0.65, 0.7, 0.68, 0.66, 0.64, 0.62]
ROWS = list(zip(range(10), TRAIN, VAL, TRAIN_ACC, VAL_ACC, strict=True))


def only_run(path: Path, **wanted: str) -> TrainingRun:
    """The one run that a log holds."""
    (run,) = read(path, **wanted).runs
    return run


def first(run: TrainingRun, role: CurveRole) -> Curve:
    """The chosen curve of a role."""
    return run.of(role)[0]


def csv(header: str = "epoch,train_loss,val_loss,train_acc,val_acc", sep: str = ",") -> str:
    """The worked example as a table."""
    lines = [sep.join(header.split(","))]
    lines += [sep.join(str(value) for value in row) for row in ROWS]
    return "\n".join(lines) + "\n"
