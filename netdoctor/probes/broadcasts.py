"""Finds where a loss blows up the shapes of output and target against each other."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from netdoctor.facts.head import Broadcast
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.observe.kinds import operation_name
from netdoctor.observe.tracing import tensors_in


def broadcasts_in(
    objective: Objective, output: Any, batch: Batch
) -> tuple[Tensor, tuple[Broadcast, ...]]:
    """The loss, and the operations in it that turned output (N, 1) and target (N,) into (N, N).

    That is: one tensor that comes from the output and one that comes from the target alone have
    the same number of values on different numbers of axes, and what comes out of them has more.

    Raises:
        NetDoctorError: as the objective does.
    """
    watcher = _Watcher(tensors_in(output), tensors_in(batch.target))
    with warnings.catch_warnings(), watcher:
        warnings.filterwarnings("ignore", message="Using a target size")
        loss = objective(output, batch)
    return loss, tuple(watcher.found)


class _Watcher(TorchFunctionMode):
    """Follows what comes from the output and what from the target; keeps all alive meanwhile."""

    def __init__(self, outputs: list[Tensor], targets: list[Tensor]) -> None:
        super().__init__()
        self.kept = [*outputs, *targets]
        self.of_output = {id(each) for each in outputs}
        self.of_target = {id(each) for each in targets}
        self.found: list[Broadcast] = []

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():
            self._note(operation_name(func), [*tensors_in(args), *tensors_in(kwargs)], result)
        return result

    def _note(self, name: str, given: list[Tensor], result: Any) -> None:
        from_output = [each for each in given if id(each) in self.of_output]
        from_target = [
            each for each in given if id(each) in self.of_target and id(each) not in self.of_output
        ]
        for made in tensors_in(result):
            self.kept.append(made)
            if from_output:
                self.of_output.add(id(made))
            if any(id(each) in self.of_target for each in given):
                self.of_target.add(id(made))
        if len(from_output) == len(from_target) == 1 and len(given) <= 3:
            self._compare(name, from_output[0], from_target[0])

    def _compare(self, name: str, output: Tensor, target: Tensor) -> None:
        if output.numel() != target.numel() or output.ndim == target.ndim:
            return
        shape = _together(tuple(output.shape), tuple(target.shape))
        if math.prod(shape) > output.numel() and name in _ELEMENTWISE:
            self.found.append(Broadcast(name, tuple(output.shape), tuple(target.shape), shape))


def _together(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """The shape to which both are broadcast; () where they do not fit."""
    pairs = list(zip_longest(reversed(one), reversed(other), fillvalue=1))
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        return ()
    return tuple(max(pair) for pair in reversed(pairs))


_ELEMENTWISE = frozenset(
    {"mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "gaussian_nll_loss",
     "poisson_nll_loss", "kl_div", "binary_cross_entropy", "binary_cross_entropy_with_logits",
     "sub", "rsub", "isub", "subtract", "add", "radd", "mul", "rmul", "multiply", "div", "rdiv",
     "truediv", "rtruediv", "maximum", "minimum", "pow", "where", "addcmul", "xlogy"}
)  # fmt: skip
