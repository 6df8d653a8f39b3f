"""Watches one backward pass: where gradients become zero, and where they cease to be finite."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import Tensor

from netdoctor.facts.gradflow import Cause
from netdoctor.probes.graph_tracer import Node, Operation, Tracer

_MULTIPLIES = (
    "linear", "conv", "matmul", "mm", "mul", "norm", "einsum", "prelu", "lstm", "gru", "rnn",
)  # fmt: skip
_SOFTMAXES = ("softmax", "scaled_dot_product_attention", "multi_head_attention_forward")
_VIEWS = 4  # reshapings between a parameter and the operation that takes it


@dataclasses.dataclass(slots=True)
class _Passage:
    """What a node was given in backward, and what it gave: whether not zero, whether finite."""

    came: bool
    finite: bool
    gave_finite: bool
    shape: tuple[int, ...]


class Backward:
    """What the nodes of a traced graph do in its backward pass."""

    def __init__(self, tracer: Tracer) -> None:
        self.tracer = tracer
        self.passages: dict[int, _Passage] = {}
        self.order: list[int] = []
        self.consumers: dict[int, list[Node]] = {}
        self.leaves: dict[int, Node] = {}
        for node in tracer.nodes.values():
            if hasattr(node, "variable"):
                self.leaves[id(node.variable)] = node
                continue
            node.register_hook(self._hook(id(node)))
            for below, _ in node.next_functions:
                if below is not None:
                    self.consumers.setdefault(id(below), []).append(node)

    def _hook(self, key: int) -> Any:
        def note(gave: tuple[Tensor | None, ...], came: tuple[Tensor | None, ...]) -> None:
            with torch.no_grad(), torch._C.DisableTorchFunction():
                given = [each for each in came if each is not None]
                passage = _Passage(
                    came=any(_any(each) for each in given),
                    finite=all(_finite(each) for each in given),
                    gave_finite=all(_finite(each) for each in gave if each is not None),
                    shape=tuple(given[0].shape) if given else (),
                )
                self.passages[key] = passage
                self.order.append(key)

        return note

    def of_non_finite(self) -> Cause:
        """The first operation whose gradient is not finite though what came to it was."""
        for key in self.order:
            passage = self.passages[key]
            if passage.finite and not passage.gave_finite:
                return _cause("backward", self.tracer.operations[key])
        return Cause("backward")

    def of_zero(self, leaf: int) -> Cause:
        """Why the gradient of a parameter is zero."""
        node = self.leaves.get(leaf)
        stops = self._stops(node) if node is not None else []
        causes = [self._of_stop(stop, direct) for stop, direct in stops]
        for kind in ("zero-gate", "empty-input", "single", "zero-loss"):
            for cause in causes:
                if cause.kind == kind:
                    return cause
        return causes[0] if causes else Cause("stopped")

    def _stops(self, leaf: Node) -> list[tuple[Node, bool]]:
        """The nodes on the ways from the loss to a leaf that last got a gradient.

        With each, whether it takes the leaf itself, or a reshaped form of it.
        """
        waiting, seen, found = [(leaf, True)], {id(leaf)}, []
        while waiting:
            node, itself = waiting.pop()
            for above in self.consumers.get(id(node), ()):
                passage = self.passages.get(id(above))
                if passage is None or id(above) in seen:
                    continue
                seen.add(id(above))
                if passage.came or 0 in passage.shape:
                    found.append((above, itself))
                else:
                    waiting.append((above, itself and _takes_one(above)))
        return found

    def _of_stop(self, node: Node, direct: bool) -> Cause:
        operation, passage = self.tracer.operations[id(node)], self.passages[id(node)]
        if self._gate(node, everywhere=direct):
            return _cause("zero-gate", operation)
        if operation.in_loss:
            return _cause("zero-loss", operation)
        if 0 in passage.shape:
            return _cause("empty-input", operation)
        if any(name in operation.name for name in _SOFTMAXES) and 1 in passage.shape[-2:]:
            return _cause("single", operation)
        return _cause("zero-input" if direct else "stopped", operation)

    def _gate(self, node: Node, *, everywhere: bool) -> bool:
        """Whether it multiplies by a parameter that is zero and that the next step will move.

        Args:
            node: where a gradient became zero.
            everywhere: looks at all that the node depends on, for what makes its input zero.
        """
        waiting, seen = [(node, node, 0)], {id(node)}
        while waiting:
            at, taker, steps = waiting.pop()
            if hasattr(at, "variable"):
                if self._opens(at.variable, self.tracer.operations[id(taker)].name):
                    return True
                continue
            for below, _ in at.next_functions:
                if below is None or id(below) in seen:
                    continue
                view = _takes_one(below) and steps < _VIEWS
                if everywhere or view:
                    seen.add(id(below))
                    waiting.append((below, taker if view else below, steps + 1 if view else 0))
        return False

    def _opens(self, parameter: Tensor, operation: str) -> bool:
        if not any(name in operation for name in _MULTIPLIES) or _any(parameter):
            return False
        layer = "linear" in operation or "conv" in operation
        gradient = parameter.grad
        return not (layer and parameter.ndim == 1) and gradient is not None and _any(gradient)


def _takes_one(node: Node) -> bool:
    return len([each for each, _ in node.next_functions if each is not None]) <= 1


def _cause(kind: str, operation: Operation) -> Cause:
    return Cause(kind, operation.name, operation.where, operation.source)


def _values(tensor: Tensor) -> Tensor:
    return tensor.coalesce().values() if tensor.layout == torch.sparse_coo else tensor


def _any(tensor: Tensor) -> bool:
    return bool(_values(tensor.detach()).any())


def _finite(tensor: Tensor) -> bool:
    return bool(_values(tensor.detach()).isfinite().all())
