"""The autograd graph of one batch: which call made each node, and which node failed first."""

from __future__ import annotations

import dataclasses
import inspect
import linecache
import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.graph import Node

from netdoctor.facts.backward import Range
from netdoctor.facts.site import Site
from netdoctor.observe import Call

_TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_PACKAGE = f"{Path(__file__).parents[1]}{os.sep}"
_BETWEEN = (_TORCH, f"{_PACKAGE}observe{os.sep}", f"{_PACKAGE}probes{os.sep}")
_FRAME = re.compile(r'\s*File "(.+)", line (\d+)')
_LEAF = "torch::autograd::AccumulateGrad"
_MOVES = ("T", "Transpose", "Permute", "View", "UnsafeView", "ReshapeAlias", "Expand", "ToCopy")

Gradients = Sequence[Tensor | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Made:
    """What is known of the forward call that made a node; see `GradientOrigin`."""

    in_model: bool
    site: Site | None
    path: str
    operation: str
    inputs: tuple[Range | None, ...]
    source: str
    line: str
    backward_source: str


@dataclasses.dataclass(frozen=True, slots=True)
class _Numbered:
    """A call, and the number at which its nodes begin."""

    site: Site
    name: str
    inputs: tuple[Range | None, ...]
    begin: int


class Calls:
    """The calls of one forward pass, in the order in which they made their nodes.

    Nodes are numbered as they are made: those of a call come after the nodes of what it was
    given, and before its own end. Between two calls there may be nodes of what is not reported
    as a call: complex results, a custom autograd.Function.
    """

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._calls: list[_Numbered] = []
        self._model_end = 0

    def note(self, call: Call) -> None:
        """Must be told of each call right after it ran."""
        given = [each for each in call.inputs if each is not call.output]
        made = _number(call.output.grad_fn)
        earlier = [number for each in given if (number := _number(each.grad_fn)) < made]
        inputs = tuple(None if each is call.output else range_of(each) for each in call.inputs)
        self._ends.append(_nodes_made())
        self._calls.append(_Numbered(call.site, call.name, inputs, max(earlier, default=-1) + 1))

    def end_of_model(self) -> None:
        """Must be told when the model has returned: later nodes are the loss's."""
        self._model_end = _nodes_made()

    def that_made(self, node: Node) -> Made:
        """The call that made a node.

        A custom autograd.Function is no call that torch reports: its class names it.
        """
        custom = getattr(node, "_forward_cls", None)
        name = custom.__name__ if custom is not None else _operation(node.name())
        lines = (*_users_line(node), _start_of(getattr(custom, "backward", None)))
        number = _number(node)
        place = bisect_right(self._ends, number)
        if number >= self._model_end or place == len(self._ends):
            return Made(number < self._model_end, None, "", name, (), *lines)
        call = self._calls[place]
        if custom is not None or number < call.begin:
            return Made(True, None, call.site.path, name, (), *lines)
        if not call.site.operation:  # seen only as part of a module: scripted, or inside vmap
            return Made(True, call.site, call.site.path, name, call.inputs, *lines)
        return Made(True, call.site, call.site.path, call.name, call.inputs, *lines)


@dataclasses.dataclass(frozen=True, slots=True)
class FirstBad:
    """The first node that a non-finite gradient left, or reached without having left another.

    Attributes:
        node: its name, `SqrtBackward0`.
        made: the call that made it.
        given: whether it was given what is not finite: the sum of what others made.
        incoming, outgoing: the gradients before and after it; `outgoing` is empty when given.
        samples: rows of the batch that are not finite after it; None where it is not by rows.
    """

    node: str
    made: Made
    given: bool
    incoming: tuple[Range | None, ...]
    outgoing: tuple[Range | None, ...]
    samples: tuple[int, ...] | None


class Watched:
    """A block around one backward pass, in which every node of the loss's graph is watched.

    Attributes:
        first: the first node to fail; None while all is finite.
    """

    def __init__(self, loss: Tensor, calls: Calls, batch_size: int) -> None:
        self.first: FirstBad | None = None
        self._nodes = list(_graph(loss.grad_fn))
        self._calls = calls
        self._batch_size = batch_size
        self._handles: list[Any] = []

    def __enter__(self) -> Watched:
        self._handles = [node.register_hook(self._hook(node)) for node in self._nodes]
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._nodes.clear()

    def _hook(self, node: Node) -> Callable[[Gradients, Gradients], None]:
        def after(outgoing: Gradients, incoming: Gradients) -> None:
            if self.first is not None:
                return
            given = not all_finite(incoming)
            if given or not all_finite(outgoing):
                self.first = FirstBad(
                    node.name().rpartition("::")[2],
                    self._calls.that_made(node),
                    given,
                    _ranges(incoming),
                    () if given else _ranges(outgoing),
                    self._rows(incoming) if given else self._rows(outgoing, node),
                )

        return after

    def _rows(self, gradients: Gradients, node: Node | None = None) -> tuple[int, ...] | None:
        """The rows of the batch in the first gradient that is not finite and goes by rows."""
        for place, gradient in enumerate(gradients):
            if gradient is None or all_finite([gradient]):
                continue
            if node is not None and _is_weight(node.next_functions[place][0]):
                continue
            if gradient.ndim and len(gradient) == self._batch_size and not gradient.is_sparse:
                sick = ~torch.isfinite(
                    gradient.flatten(1) if gradient.ndim > 1 else gradient[:, None]
                )
                return tuple(sick.any(1).nonzero().flatten().tolist())
        return None


def all_finite(tensors: Iterable[Tensor | None]) -> bool:
    """Whether no value is NaN or infinite; the values are read once, as a sum."""
    with torch._C.DisableTorchFunction(), torch.no_grad():
        values = [_plain(each) for each in tensors if each is not None]
        sums = [each.sum() for each in values]
        if not sums:
            return True
        at = sums[0].device
        finite = torch.isfinite(torch.stack([each.to(at, torch.float32) for each in sums])).tolist()
        return all(
            good or bool(torch.isfinite(each).all())
            for good, each in zip(finite, values, strict=True)
        )


def range_of(tensor: Tensor) -> Range | None:
    """The range of a tensor's values; None where it has none that can be read."""
    if tensor.is_meta or tensor.is_nested or tensor.is_quantized or tensor.is_mkldnn:
        return None
    with torch._C.DisableTorchFunction(), torch.no_grad():
        values = _plain(tensor)
        if values.dtype not in (torch.float32, torch.float64):
            values = values.float()
        finite = values[torch.isfinite(values)]
        low, high = torch.aminmax(finite) if len(finite) else (torch.tensor(torch.nan),) * 2
        nan = int(torch.isnan(values).sum())
        return Range(
            shape=tuple(tensor.shape),
            dtype=str(tensor.dtype).removeprefix("torch."),
            minimum=float(low),
            maximum=float(high),
            zeros=int((finite == 0).sum()),
            nan=nan,
            inf=values.numel() - len(finite) - nan,
            count=values.numel(),
        )


def _ranges(gradients: Gradients) -> tuple[Range | None, ...]:
    return tuple(None if each is None else range_of(each) for each in gradients)


def _plain(tensor: Tensor) -> Tensor:
    """The values as an ordinary real tensor: of a sparse one those that it stores."""
    tensor = tensor.detach()
    if tensor.layout == torch.sparse_coo:
        tensor = tensor.coalesce().values()
    elif tensor.layout != torch.strided:
        tensor = tensor.values()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def _graph(root: Node | None) -> Iterator[Node]:
    """Every node that is reached from one, itself included, leaves left out."""
    seen: set[Node] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if node is None or node in seen or node.name() == _LEAF:
            continue
        seen.add(node)
        yield node
        waiting.extend(following for following, _ in node.next_functions)


def _is_weight(node: Node | None) -> bool:
    """Whether a gradient goes to a leaf, at most turned or reshaped on its way."""
    while node is not None and node.name() != _LEAF:
        if node.name().rstrip("0123456789").removesuffix("Backward") not in _MOVES:
            return False
        node = node.next_functions[0][0]
    return node is not None


def _operation(node: str) -> str:
    """`log_softmax` for LogSoftmaxBackward0."""
    name = re.sub(r"Backward\d*$", "", node.rpartition("::")[2])
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _number(node: Node | None) -> int:
    """When a node was made; -1 for None and for leaves, which have no number."""
    if node is None or node.name() == _LEAF:
        return -1
    number: int = cast(Any, node)._sequence_nr()
    return number


def _nodes_made() -> int:
    """The number that the next node will get."""
    return torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]


def _users_line(node: Node) -> tuple[str, str]:
    """`file.py:12` of the user's line that made a node, and its text; empty where there is none.

    Anomaly detection must have been on then: it keeps the stack with the node.
    """
    stack: Sequence[str] = cast(Any, node).metadata.get("traceback_", ())
    for entry in reversed(stack):
        match = _FRAME.match(entry)
        if match is None or match[1].startswith(_BETWEEN):
            continue
        if match[1].startswith(_PACKAGE):
            break
        file, line = match[1], int(match[2])
        return f"{file}:{line}", linecache.getline(file, line).strip()
    return "", ""


def _start_of(function: Any) -> str:
    """`file.py:30` where a function of the user's begins; empty for torch's and for None."""
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    if code is None or code.co_filename.startswith(_TORCH):
        return ""
    return f"{code.co_filename}:{code.co_firstlineno}"
