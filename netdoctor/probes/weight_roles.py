"""What a tensor is to its layer, told by its name and shape alone. No torch."""

from __future__ import annotations

import re
from collections.abc import Collection

from netdoctor.facts.weights import Role

_STATISTICS: dict[str, Role] = {
    "running_mean": "running mean",
    "running_var": "running variance",
    "num_batches_tracked": "counter",
}
_EMBEDDING = re.compile(r"emb|(^|[._])(wte|wpe|lookup|vocab)([._]|$)", re.I)
_NORM = re.compile(r"norm|(^|[._])(bn|ln|gn|layer_?norm|batch_?norm)[_\d]*([._]|$)", re.I)
_RECURRENT = re.compile(r"weight_(ih|hh|hr)(_l\d+)?(_reverse)?$")
_PROJECTION = re.compile(r"(in|q|k|v|out)_proj_weight$")
_BIAS = re.compile(r"bias(_(ih|hh|hr)(_l\d+)?(_reverse)?|_k|_v)?$")


def role_by_name(name: str, shape: tuple[int, ...], names: Collection[str] = ()) -> Role:
    """The role of a tensor of that name.

    Args:
        name: with the module's path, joined by dots.
        shape: of the tensor.
        names: of all tensors; a layer with running statistics is a norm layer.
    """
    path, _, last = name.rpartition(".")
    if last in _STATISTICS:
        return _STATISTICS[last]
    norm = bool(_NORM.search(path)) or f"{path}.running_var" in names
    if _BIAS.search(last) and len(shape) == 1:
        return "norm bias" if norm and last == "bias" else "bias"
    if _RECURRENT.match(last) and len(shape) == 2:
        return "recurrent"
    if _PROJECTION.search(last) and len(shape) == 2:
        return "linear"
    if last != "weight":
        return "other"
    if len(shape) == 1:
        return "norm weight" if norm or f"{path}.bias" in names else "other"
    if len(shape) == 2:
        return "embedding" if _EMBEDDING.search(path) else "linear"
    return "convolution" if 3 <= len(shape) <= 5 else "other"
