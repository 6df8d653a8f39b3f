"""The functions that make tensors, as a checkpoint file may call them, with every bound checked."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from netdoctor.inputs import inert_objects
from netdoctor.inputs.inert_objects import sizes

_torch: Any = torch._utils  # the functions that torch.save writes the names of, without types


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> Tensor:
    """A tensor over its storage, inside its bounds; `requires_grad` and hooks are left out."""
    _check_bounds(storage, offset, size, stride)
    tensor: Tensor = _torch._rebuild_tensor_v2(storage, offset, size, stride, False, OrderedDict())
    return tensor


def _tensor_of_type(
    storage: Any, offset: Any, size: Any, stride: Any, _grad: Any, _hooks: Any, dtype: Any, *_: Any
) -> Tensor:
    _check_bounds(storage, offset, size, stride, dtype)
    return torch.empty(0, dtype=dtype).set_(storage.untyped(), offset, size, stride)


def _quantised(
    storage: Any, offset: Any, size: Any, stride: Any, scheme: Any, *_rest: Any
) -> Tensor:
    _check_bounds(storage, offset, size, stride)
    tensor: Tensor = _torch._rebuild_qtensor(
        storage, offset, size, stride, scheme, False, OrderedDict()
    )
    return tensor


def _check_bounds(
    storage: Any, offset: Any, size: Any, stride: Any, dtype: torch.dtype | None = None
) -> None:
    is_storage = isinstance(storage, torch.storage.TypedStorage)
    if not is_storage or type(offset) is not int:
        raise ValueError("a tensor without a storage")
    available = storage.nbytes() // (dtype or storage.dtype).itemsize
    shape, strides = sizes(size), sizes(stride)
    if len(shape) != len(strides) or offset < 0:
        raise ValueError("a tensor whose shape and strides disagree")
    last = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if math.prod(shape) and last >= available:
        raise ValueError("a tensor that reaches beyond its storage")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **inert_objects.FUNCTIONS,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor_of_type,
    "torch._utils._rebuild_qtensor": _quantised,
}
