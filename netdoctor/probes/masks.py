"""Random masks switched off, in whatever form a network draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from netdoctor.observe.kinds import operation_name

_DROPOUTS = frozenset(
    {"dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_dropout",
     "feature_alpha_dropout"}
)  # fmt: skip


class WithoutMasks(TorchFunctionMode):
    """Dropout passes its input on, and random masks are their own mean."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = operation_name(func)
        if name in _DROPOUTS:
            return args[0] if args else kwargs["input"]
        if name == "bernoulli":
            return _mean_of_mask(func, *args, **kwargs)
        if name == "scaled_dot_product_attention":
            args = (*args[:4], 0.0, *args[5:]) if len(args) > 4 else args
            kwargs.update({"dropout_p": 0.0} if "dropout_p" in kwargs else {})
        return func(*args, **kwargs)


def _mean_of_mask(func: Callable[..., Any], tensor: Tensor, p: Any = None, **kwargs: Any) -> Tensor:
    """The probability in place of each draw: filled in, or as it was given."""
    if func is Tensor.bernoulli_:
        probability = 0.5 if p is None else p
        if isinstance(probability, Tensor):
            return tensor.copy_(probability)
        return tensor.fill_(probability)
    return tensor.clone() if p is None else torch.full_like(tensor, p)
