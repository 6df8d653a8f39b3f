"""What a tensor of a file is to its layer, by its name, shape and neighbours. No torch."""

from __future__ import annotations

import re
from collections.abc import Container

from netdoctor.facts.weights import Role
from netdoctor.inputs.stored import StoredTensor

_NORM = re.compile(r"norm|(^|[._])(bn|ln|gn|rms|in)_?\d*($|[._])", re.I)
_EMBEDDING = re.compile(r"embed|(^|[._])(emb|wte|wpe|lut|vocab|codebook)($|[._])", re.I)
_RECURRENT = re.compile(r"weight_(ih|hh|hr)(_l\d+)?(_reverse)?$")
_COUNTERS = re.compile(r"(num_batches_tracked|(^|[._])(step|steps|iteration|epoch|n_averaged))$")
_MATRIX = re.compile(r"weight(_v)?$|kernel$|parametrizations\.weight\.original1?$|weight_orig$")


def role_of(tensor: StoredTensor, names: Container[str]) -> Role:
    """The role of a tensor among the others of its state dict, whose names are given."""
    stem, _, last = tensor.name.rpartition(".")
    before = f"{stem}." if stem else ""
    axes = len(tensor.shape)
    if last in ("running_mean", "moving_mean"):
        return "running mean"
    if last in ("running_var", "moving_variance"):
        return "running variance"
    if _COUNTERS.search(tensor.name):
        return "counter"
    if re.match("u?int|bool", tensor.dtype):
        return "other"
    if last.startswith(("bias", "in_proj_bias")) or last.endswith("_bias"):
        return _bias(before, axes, names)
    if _RECURRENT.search(last) and axes == 2:
        return "recurrent"
    if axes < 2:
        return "norm weight" if axes and _is_norm(before, last, names) else "other"
    if not _MATRIX.search(tensor.name):
        return "embedding" if axes == 2 and _EMBEDDING.search(tensor.name) else "other"
    if axes == 2:
        return "embedding" if _EMBEDDING.search(tensor.name) else "linear"
    return "convolution" if axes <= 5 else "other"


def _bias(before: str, axes: int, names: Container[str]) -> Role:
    if axes != 1:
        return "other"
    return "norm bias" if _is_norm(before, "weight", names) else "bias"


def _is_norm(before: str, last: str, names: Container[str]) -> bool:
    if last != "weight":
        return False
    return f"{before}running_var" in names or _NORM.search(before.rstrip(".")) is not None
