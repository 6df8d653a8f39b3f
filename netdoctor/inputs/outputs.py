"""Which tensor of a model's output is meant."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from netdoctor.errors import ModelError


def main_output(output: Any) -> tuple[Tensor, str]:
    """The tensor that the output is about, and what the output calls it.

    That is the tensor itself, else `logits`, else `out`, else the only float tensor of a tuple,
    mapping or output object, a `loss` not counted.

    Returns:
        The tensor, and `output`, `logits`, `out`, or its place: `[0]`, `last_hidden_state`.

    Raises:
        ModelError: there is no such tensor, or there are several.
    """
    if isinstance(output, Tensor):
        return output, "output"
    parts = _parts(output)
    for name in ("logits", "out"):
        if isinstance(parts.get(name), Tensor):
            return parts[name], name
    floats = {
        name: value
        for name, value in parts.items()
        if isinstance(value, Tensor)
        and (value.is_floating_point() or value.is_complex())
        and name != "loss"
    }
    if len(floats) == 1:
        name, tensor = floats.popitem()
        return tensor, name
    count = "no float tensor" if not floats else f"{len(floats)} float tensors"
    listed = ", ".join(f"{name}: {_brief(value)}" for name, value in list(parts.items())[:8])
    raise ModelError(
        f"The model returns a {type(output).__name__} with {count} where one is needed"
        f"{f' ({listed})' if listed else ''}.",
        hint="Wrap the model in a module whose forward returns the one tensor to look at, "
        "or a mapping that calls it logits.",
    )


def own_loss(output: Any) -> Tensor | None:
    """The scalar `loss` that the model computed itself, or None."""
    if isinstance(output, Tensor):
        return None
    loss = _parts(output).get("loss")
    return loss if isinstance(loss, Tensor) and loss.numel() == 1 else None


def _parts(output: Any) -> dict[str, Any]:
    if isinstance(output, Mapping):
        return {str(name): value for name, value in output.items()}
    if hasattr(output, "_fields"):
        return {name: getattr(output, name) for name in output._fields}
    if dataclasses.is_dataclass(output):
        return {field.name: getattr(output, field.name) for field in dataclasses.fields(output)}
    if isinstance(output, (list, tuple)):
        return {f"[{index}]": value for index, value in enumerate(output)}
    return {
        name: value for name, value in getattr(output, "__dict__", {}).items() if name[0] != "_"
    }


def _brief(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return type(value).__name__
