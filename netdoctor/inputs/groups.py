"""Which tensors of a file are weights, and which an average or an optimiser's memory. No torch."""

from __future__ import annotations

import re

from netdoctor.inputs.containers import AUXILIARY

_AVERAGE = re.compile(r"(^|_)(ema|swa|shadow|averaged?)(_|$)|^avg_model$", re.I)
_OPTIMIZER = re.compile(r"^(optim|optimizers?|optimizer_states?|optimizer_state_dict)$", re.I)


def group_of(name: str) -> str:
    """The group of a tensor in a flat file, by the first part of its name."""
    first = name.partition(".")[0]
    if "." in name and _AVERAGE.search(first):
        return "ema"
    return "optimizer" if "." in name and _OPTIMIZER.match(first) else ""


def group_of_key(key: str) -> str:
    """The group of what stands under a key of a nested file: empty for weights."""
    parts = key.split(".")
    if any(re.search("optim", part, re.I) for part in parts):
        return "optimizer"
    for part in parts:
        if AUXILIARY.search(part):
            return part
    return "ema" if any(_AVERAGE.search(part) for part in parts) else ""
