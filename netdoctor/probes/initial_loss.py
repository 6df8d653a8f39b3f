"""What the loss of a model that knows nothing should be."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.losses import class_axis
from netdoctor.inputs.objective import Objective
from netdoctor.inputs.outputs import main_output


def expected_loss(objective: Objective, output: Any, batch: Batch) -> tuple[float | None, str]:
    """The loss to expect: ln C for cross-entropy, ln 2 for BCE, the targets' variance for MSE.

    None for losses of the user's or the model's own, and for targets that were made up. Beside
    the number stands what it is, `ln 10`.
    """
    name = objective.name
    if objective.random_targets or name not in ("cross-entropy", "bce", "mse"):
        return None, "unknown"
    main, target = main_output(output)[0], batch.target
    if name == "bce":
        return math.log(2), "ln 2"
    if name == "mse":
        variance = float(target.detach().float().var(correction=0))
        return (variance, "the targets' variance") if variance > 0 else (None, "unknown")
    axis = class_axis(main, target) if isinstance(target, Tensor) else None
    classes = main.shape[axis if axis is not None else 1]
    return (math.log(classes), f"ln {classes}") if classes > 1 else (None, "unknown")
