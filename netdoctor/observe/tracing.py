"""Where a tensor comes from: its channel axis, the layer that made it, the activations behind it."""

from __future__ import annotations

import dataclasses
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

Names = frozenset[str]
_NONE: Names = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class Trace:
    """What is known of a tensor that the network made.

    Attributes:
        axis: the axis of its channels or features; None when unknown.
        layer: path of the layer (convolution, linear, norm) that last shaped it.
        calls: activation calls that reach it without a weighted layer between.
        fed_by: activation calls that fed the weighted layers behind it.
        copy_of: activation calls of which it is only a rescaled, reshaped or cut copy.
    """

    axis: int | None = None
    layer: str = ""
    calls: Names = _NONE
    fed_by: Names = _NONE
    copy_of: Names = _NONE

    @property
    def upstream(self) -> Names:
        """Every activation call that it depends on, up to the next activation."""
        return self.calls | self.fed_by


class Traces:
    """The traces of living tensors, by identity; forgets a tensor when it is freed."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[weakref.ref[Tensor], Trace]] = {}

    def get(self, tensor: Any) -> Trace | None:
        """The tensor's trace; None for inputs, constants and parameters."""
        entry = self._known.get(id(tensor))
        return entry[1] if entry is not None and entry[0]() is tensor else None

    def set(self, tensor: Tensor, trace: Trace) -> None:
        """Remembers the trace for as long as the tensor lives."""
        self._known[id(tensor)] = (weakref.ref(tensor), trace)

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()


_CONVOLUTIONS = frozenset(
    {"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
     "conv_tbc", "deform_conv2d"}
)  # fmt: skip
_LINEARS = frozenset(
    {"linear", "bilinear", "embedding", "embedding_bag", "lstm", "gru", "rnn_tanh", "rnn_relu",
     "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "multi_head_attention_forward",
     "addmm"}
)  # fmt: skip
_CHANNEL_NORMS = frozenset({"batch_norm", "instance_norm", "group_norm", "local_response_norm"})
_FEATURE_NORMS = frozenset({"layer_norm", "rms_norm"})
_PRODUCTS = frozenset({"matmul", "mm", "bmm", "baddbmm", "einsum", "rmatmul"})
MULTIPLICATIONS = frozenset({"mul", "rmul", "imul", "multiply", *_PRODUCTS})
_COPIES = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as",
     "permute", "transpose", "t", "movedim", "swapaxes", "contiguous", "clone", "detach", "to",
     "float", "half", "bfloat16", "double", "type_as", "view_as", "reshape_as", "getitem", "chunk",
     "split", "unbind", "select", "narrow", "dropout", "dropout1d", "dropout2d", "dropout3d",
     "alpha_dropout", "feature_alpha_dropout", "neg", "mul", "rmul", "imul", "div", "truediv",
     "itruediv", "add", "radd", "iadd", "sub", "rsub", "isub", "repeat", "interpolate", "index"}
)  # fmt: skip
_MOVES = frozenset({"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t"})


def tensors_in(values: Any) -> Iterator[Tensor]:
    """The tensors among arguments or outputs: themselves, and those in lists, tuples, mappings."""
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, Mapping):
        for value in values.values():
            yield from tensors_in(value)
    elif isinstance(values, (list, tuple)):
        for value in values:
            yield from tensors_in(value)
    elif hasattr(values, "__dataclass_fields__"):
        for name in values.__dataclass_fields__:
            yield from tensors_in(getattr(values, name, None))


def trace_operation(
    traces: Traces,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    output: Any,
    path: str,
) -> None:
    """Gives the output tensors of one operation their trace."""
    outputs = list(tensors_in(output))
    if not outputs:
        return
    inputs = list(tensors_in(args)) + (list(tensors_in(kwargs)) if kwargs else [])
    known = [(tensor, trace) for tensor in inputs if (trace := traces.get(tensor)) is not None]
    axis_of = _axis_rule(name, args, kwargs, inputs, known)
    if axis_of is None and not known:
        return
    calls, fed_by = _merge(known, "calls"), _merge(known, "fed_by")
    layer = known[0][1].layer if known else ""
    copy_of = known[0][1].copy_of if len(known) == 1 and name in _COPIES else _NONE
    if _has_weight(name, args, known):
        calls, fed_by = _NONE, calls | fed_by
        layer = path
    elif name in _CHANNEL_NORMS or name in _FEATURE_NORMS:
        layer = path
    for tensor in outputs:
        axis = axis_of(tensor) if axis_of else None
        traces.set(tensor, Trace(axis, layer, calls, fed_by, copy_of))


def _merge(known: Sequence[tuple[Tensor, Trace]], field: str) -> Names:
    if len(known) == 1:
        names: Names = getattr(known[0][1], field)
        return names
    return frozenset().union(*(getattr(trace, field) for _, trace in known))


def _has_weight(name: str, args: Sequence[Any], known: Sequence[tuple[Tensor, Trace]]) -> bool:
    if name in _CONVOLUTIONS or name in _LINEARS:
        return True
    return name in _PRODUCTS and len(known) < sum(1 for _ in tensors_in(args))


def _axis_rule(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Sequence[Tensor],
    known: Sequence[tuple[Tensor, Trace]],
) -> Callable[[Tensor], int | None] | None:
    """How to find the channel axis of an output of this operation; None when nothing is known."""
    if name in _CONVOLUTIONS:
        spatial = inputs[1].ndim - 2 if len(inputs) > 1 else 2
        return lambda out: max(out.ndim - spatial - 1, 0)
    if name in _CHANNEL_NORMS:
        return lambda out: min(1, out.ndim - 1)
    if name in _LINEARS or name in _FEATURE_NORMS or _has_weight(name, args, known):
        return lambda out: out.ndim - 1
    source = next(((t, tr.axis) for t, tr in known if tr.axis is not None), None)
    if source is None:
        return None
    tensor, axis = source
    if name in _MOVES:
        return lambda out: _moved(name, args, kwargs, tensor.ndim, axis, out)
    return lambda out: _kept(tensor.shape, axis, out.shape)


def _moved(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], ndim: int, axis: int, out: Tensor
) -> int | None:
    """The axis after a permutation, found by permuting the axes' own numbers."""
    numbers = [list(range(ndim))]
    order = numbers[0]
    rest = list(args[1:]) + [v for k, v in kwargs.items() if k != "input"]
    dims = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], (list, tuple)) else rest
    if name == "permute":
        order = [int(each) % ndim for each in dims]
    elif name == "t":
        order = order[::-1]
    elif name in ("movedim", "moveaxis"):
        sources, targets = (
            [each] if isinstance(each, int) else list(each) for each in rest[:2]
        )
        sources, targets = [s % ndim for s in sources], [t % ndim for t in targets]
        order = [each for each in order if each not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
    else:
        first, second = (int(each) % ndim for each in dims[:2])
        order[first], order[second] = order[second], order[first]
    return order.index(axis) if len(order) == out.ndim else None


def _kept(before: Sequence[int], axis: int, after: Sequence[int]) -> int | None:
    """The axis after an operation that keeps the order of the axes, or merges and splits them."""
    if len(after) == len(before):
        return axis
    size, leading = before[axis], _product(before[:axis])
    for candidate in range(len(after)):
        if after[candidate] == size and _product(after[:candidate]) == leading:
            return candidate
    for candidate in range(len(after)):  # flattened together with what follows
        if after[candidate] % max(size, 1) == 0 and _product(after[:candidate]) == leading:
            return candidate
    same = [candidate for candidate in range(len(after)) if after[candidate] == size]
    return min(same, key=lambda candidate: abs(candidate - axis)) if same else None


def _product(sizes: Sequence[int]) -> int:
    result = 1
    for size in sizes:
        result *= size
    return result
