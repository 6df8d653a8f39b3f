"""All that a model is made of, as something that can be compared."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy


def fingerprint(model: nn.Module, *, identity: bool = True) -> dict[str, Any]:
    """Bytes of every tensor, flags, hooks, containers, random states, and which objects they are.

    Args:
        model: the model.
        identity: whether an equal object in the place of another is a difference.
    """
    return {
        "modules": [
            (path, who(module, identity), module.training, described(vars(module), identity))
            for path, module in model.named_modules()
        ],
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": repr(np.random.get_state()[1:]) + str(np.random.get_state()[1].tobytes()),
        "python": random.getstate(),
    }


def who(value: object, identity: bool) -> int:
    return id(value) if identity else 0


def described(value: Any, identity: bool, depth: int = 6) -> Any:
    if isinstance(value, Tensor):
        place = value.data_ptr() if identity and not is_lazy(value) else 0
        return (
            who(value, identity),
            place,
            *of_tensor(value),
            described(gradient(value), identity),
        )
    if isinstance(value, nn.Module) or not depth:
        return who(value, identity)
    if isinstance(value, dict):
        items = [(str(key), described(each, identity, depth - 1)) for key, each in value.items()]
        return who(value, identity) if depth < 6 else 0, sorted(items, key=lambda item: item[0])
    if isinstance(value, (list, tuple, deque)):
        return who(value, identity), [described(each, identity, depth - 1) for each in value]
    if isinstance(value, set):
        return who(value, identity), sorted(map(repr, value))
    return value if isinstance(value, (int, float, str)) else who(value, identity)


def gradient(tensor: Tensor) -> Tensor | None:
    return tensor.grad if tensor.is_leaf else None


def of_tensor(tensor: Tensor) -> tuple[Any, ...]:
    if is_lazy(tensor):
        return ("lazy",)
    flags = (tensor.dtype, str(tensor.device), tensor.requires_grad, tuple(tensor.shape))
    if tensor.is_meta:
        return flags
    data = tensor.detach()
    data = data.int_repr() if data.is_quantized else data
    bits = data.contiguous().view(-1).view(torch.uint8).numpy().tobytes() if data.numel() else b""
    return (*flags, tensor.stride(), bits)
