"""The loss: the one asked for, or the one that target and output suggest."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.user_code import call_user, import_object, near_misses

Loss = Callable[[Tensor, Any], Tensor]

NAMES = ("cross-entropy", "bce", "mse")


def choose_loss(name: str | None, output: Tensor, target: Any) -> tuple[Loss, str]:
    """The loss as a function of output and target, and a sentence that says which and why.

    Args:
        name: `cross-entropy`, `bce` (with logits), `mse`, `package.module:factory`, or None to
            choose from target and output.
        output: the model's main output, (N, C), (N, C, d1, …), (N, T, C), (N, 1) or (N,).
        target: class indices (N,), (N, d1, …) or (N, T), or values of the output's shape.

    Returns:
        The function gives the mean loss as a scalar.

    Raises:
        UsageError: there is no loss of that name.
        DataError: there is no target, or no loss fits it.
    """
    if name is not None and ":" in name:
        return _users_loss(name), f"loss: {name}"
    if name is not None and name not in NAMES:
        raise UsageError(
            f"There is no loss {name}.",
            hint=near_misses(name, NAMES) or f"Choose {', '.join(NAMES)}, or give module:factory.",
        )
    if not isinstance(target, Tensor):
        what = "no target" if target is None else f"a {type(target).__name__} as target"
        raise DataError(
            f"The batch has {what}, and a loss needs a tensor.",
            hint="Give batches of (inputs, target), or a loss of your own: --loss module:factory.",
        )
    if name is not None:
        return _LOSSES[name], f"loss: {name}"
    name, reason = _suggested(output, target)
    return _LOSSES[name], f"loss: {name}, chosen because {reason}"


def _suggested(output: Tensor, target: Tensor) -> tuple[str, str]:
    shapes = f"output {tuple(output.shape)}, target {tuple(target.shape)}"
    one_each = output.numel() == target.numel()
    if not target.is_floating_point():
        if class_axis(output, target) is not None and not (one_each and output.shape[1:] == (1,)):
            return "cross-entropy", f"the target holds class indices ({shapes})"
        if one_each and _is_binary(target):
            return "bce", f"the target is 0 or 1 for each output ({shapes})"
    elif one_each:
        if output.ndim >= 2 and output.shape == target.shape and _is_distribution(target):
            return "cross-entropy", f"the target holds class probabilities ({shapes})"
        if _is_binary(target):
            return "bce", f"the target is 0 or 1 for each output ({shapes})"
        return "mse", f"the target holds a number for each output ({shapes})"
    raise DataError(
        f"No loss fits the {str(target.dtype).removeprefix('torch.')} target: {shapes}.",
        hint="Say which is meant: --loss cross-entropy|bce|mse or --loss module:factory.",
    )


def class_axis(output: Tensor, target: Tensor) -> int | None:
    """1 for (N, C, …), -1 for (N, T, C), None where the target is no index into the output."""
    if output.ndim == target.ndim + 1:
        if output.shape[:1] + output.shape[2:] == target.shape:
            return 1
        if output.shape[:-1] == target.shape:
            return -1
    return None


def _is_binary(target: Tensor) -> bool:
    return bool(((target == 0) | (target == 1)).all())


def _is_distribution(target: Tensor) -> bool:
    if target.shape[1] < 2 or bool((target < 0).any()):
        return False
    total = target.sum(1)
    return torch.allclose(total, torch.ones_like(total), atol=1e-3)


def _cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    if not target.is_floating_point():
        target = target.long()
        if class_axis(output, target) == -1:
            return F.cross_entropy(output.flatten(0, -2), target.flatten())
    return F.cross_entropy(output, target)


def _bce(output: Tensor, target: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(output, _like(target, output))


def _mse(output: Tensor, target: Tensor) -> Tensor:
    return F.mse_loss(output, _like(target, output))


def _like(target: Tensor, output: Tensor) -> Tensor:
    """The target in the output's type and shape, so that (N,) never broadcasts against (N, 1)."""
    if target.numel() != output.numel():
        raise DataError(
            f"The target {tuple(target.shape)} does not have one value for each output "
            f"{tuple(output.shape)}.",
            hint="Check the last layer's width and the loader's targets.",
        )
    return target.to(output.dtype).view_as(output)


_LOSSES: dict[str, Loss] = {"cross-entropy": _cross_entropy, "bce": _bce, "mse": _mse}


def _users_loss(spec: str) -> Loss:
    loss = import_object(spec, what="loss", error=UsageError)
    if not isinstance(loss, nn.Module) and (isinstance(loss, type) or _is_factory(loss)):
        loss = call_user(loss, spec=spec, error=UsageError)
    if not callable(loss):
        raise UsageError(
            f"The loss {spec} is a {type(loss).__name__}, which cannot be called.",
            hint="Name a function of output and target, a loss module, or a factory of one.",
        )

    def checked(output: Tensor, target: Any) -> Tensor:
        value = call_user(loss, output, target, spec=f"The loss {spec}", error=UsageError)
        if not isinstance(value, Tensor):
            raise UsageError(
                f"The loss {spec} returned a {type(value).__name__}, not a tensor.",
                hint="Return the scalar tensor that training would call backward on.",
            )
        return value.mean()

    return checked


def _is_factory(function: Any) -> bool:
    """Whether it can be called without arguments, as no function of output and target can."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError):
        return False
    return True
