"""Where a tensor comes from: its channel axis, the layer that made it, the calls behind it."""

from __future__ import annotations

import dataclasses
import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Size, Tensor, device, dtype

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
        copy_of: activation calls of which it is only a copy: reshaped, cut, changed value by value.
        whole: whether it holds all units of that layer, not cut, rescaled or activated since.
    """

    axis: int | None = None
    layer: str = ""
    calls: Names = _NONE
    fed_by: Names = _NONE
    copy_of: Names = _NONE
    whole: bool = False

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
     "deform_conv2d"}
)  # fmt: skip
_LINEARS = frozenset(
    {"linear", "bilinear", "embedding", "embedding_bag", "lstm", "gru", "rnn_tanh", "rnn_relu",
     "lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell", "multi_head_attention_forward",
     "addmm", "conv_tbc"}
)  # fmt: skip
_CHANNEL_NORMS = frozenset({"batch_norm", "instance_norm", "group_norm", "local_response_norm"})
_FEATURE_NORMS = frozenset({"layer_norm", "rms_norm"})
_NORMS = _CHANNEL_NORMS | _FEATURE_NORMS
_PRODUCTS = frozenset({"matmul", "mm", "bmm", "baddbmm", "einsum", "rmatmul"})
MULTIPLICATIONS = frozenset({"mul", "rmul", "imul", "multiply", "addcmul", "lerp", *_PRODUCTS})
_CUTS = frozenset(
    {"getitem", "chunk", "split", "tensor_split", "unbind", "select", "narrow", "index"}
)
_MOVES = frozenset({"permute", "transpose", "swapaxes", "swapdims", "movedim", "moveaxis", "t"})
_SAME_VALUES = frozenset(
    {"view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze", "expand", "expand_as",
     "contiguous", "clone", "detach", "to", "float", "half", "bfloat16", "double", "type_as",
     "view_as", "reshape_as", "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
     "feature_alpha_dropout", "repeat", "interpolate", "rearrange", "setitem", *_MOVES}
)  # fmt: skip
_JOINS = frozenset({"cat", "concat", "concatenate", "stack", "hstack", "vstack", "dstack"})
_ADDITIONS = frozenset({"add", "radd", "iadd"})
_RESCALINGS = frozenset(
    {"neg", "mul", "rmul", "imul", "div", "truediv", "itruediv", "sub", "rsub", "isub"}
)
_POINTWISE = frozenset(
    {"pow", "rpow", "square", "sqrt", "rsqrt", "reciprocal", "rdiv", "rtruediv", "exp", "expm1",
     "log", "log1p", "log2", "abs", "clamp", "clip", "clamp_min", "clamp_max", "round", "floor",
     "gt", "ge", "lt", "le", "logit", "masked_fill", "nan_to_num"}
)  # fmt: skip
_COPIES = _SAME_VALUES | _CUTS | _ADDITIONS | _RESCALINGS | _POINTWISE
_WHOLE = _SAME_VALUES | _ADDITIONS | _JOINS | frozenset(
    {"mean", "max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d",
     "avg_pool3d", "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d",
     "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "pad", "upsample"}
)  # fmt: skip
_REDUCTIONS = frozenset(
    {"mean", "sum", "amax", "amin", "max", "min", "norm", "std", "var", "logsumexp", "prod",
     "median", "any", "all", "argmax", "argmin", "vector_norm"}
)  # fmt: skip
# Of their argument they take only the shape.
_NEW = frozenset(
    {"zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "new_zeros",
     "new_ones", "new_full", "new_empty", "new_tensor"}
)  # fmt: skip
# Of their second argument they take only the shape or type.
_LIKE = frozenset({"expand_as", "view_as", "reshape_as", "type_as"})
_PLAIN = frozenset({int, float, bool, str, type(None), slice, type(...), dtype, device, Size})
_DEPTH = 8  # containers within containers that are looked into


def tensors_in(values: Any) -> list[Tensor]:
    """The tensors among arguments or outputs: also in lists, tuples, mappings, dataclasses."""
    if isinstance(values, Tensor):
        return [values]
    found: list[Tensor] = []
    _collect(values, found, _DEPTH)
    return found


def _collect(values: Any, found: list[Tensor], depth: int) -> None:
    if not isinstance(values, (tuple, list)):
        if isinstance(values, Mapping):
            values = values.values()
        elif hasattr(values, "__dataclass_fields__"):
            values = [getattr(values, name, None) for name in values.__dataclass_fields__]
        else:
            return
    for each in values:
        if isinstance(each, Tensor):
            found.append(each)
        elif type(each) not in _PLAIN and depth:
            _collect(each, found, depth - 1)


Known = Sequence[tuple[Tensor, Trace]]


def trace_operation(
    traces: Traces,
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    inputs: Sequence[Tensor],
    output: Any,
    path: str,
) -> None:
    """Gives the output tensors of one operation their trace.

    Args:
        traces: what is known so far.
        name: the operation's name.
        args: its positional arguments.
        kwargs: its other arguments.
        inputs: the tensors among them.
        output: what it returned.
        path: the module in whose forward it ran.
    """
    if name in _LIKE:
        inputs = inputs[:1]
    known = [(each, trace) for each in inputs if (trace := traces.get(each)) is not None]
    weighted = _has_weight(name, inputs, known)
    if not (known or weighted) or name in _NEW:
        return
    layer = weighted or name in _NORMS
    before = _merged(known, name in _JOINS)
    if layer:
        calls, fed_by = before.calls, before.fed_by
        if weighted:
            calls, fed_by = _NONE, calls | fed_by if calls else fed_by
        before = Trace(None, path, calls, fed_by, _NONE, True)
    elif before.copy_of and name not in _JOINS and (len(known) > 1 or name not in _COPIES):
        before = dataclasses.replace(before, copy_of=_NONE)
    source = _source(known)
    for tensor in (output,) if isinstance(output, Tensor) else tensors_in(output):
        if layer:
            axis = _layer_axis(name, args, inputs, known, tensor)
        else:
            axis = _follow(name, args, kwargs, source, tensor)
        whole = layer or (before.whole and _still_whole(name, source, axis, tensor))
        if axis != before.axis or whole != before.whole:
            before = Trace(axis, before.layer, before.calls, before.fed_by, before.copy_of, whole)
        traces.set(tensor, before)


def _source(known: Known) -> tuple[Tensor, Trace] | None:
    """The first of several tensors whose channel axis is known."""
    for each in known:
        if each[1].axis is not None:
            return each
    return None


def _merged(known: Known, joined: bool) -> Trace:
    """One trace for what comes out of several; its layer is one with no activation since."""
    if not known:
        return Trace()
    first = known[0][1]
    if len(known) == 1:
        return first
    traces = [trace for _, trace in known]
    return Trace(
        first.axis,
        next((each.layer for each in sorted(traces, key=_is_activated) if each.layer), ""),
        frozenset().union(*(trace.calls for trace in traces)),
        frozenset().union(*(trace.fed_by for trace in traces)),
        frozenset().union(*(trace.copy_of for trace in traces)) if joined else _NONE,
        any(trace.whole for trace in traces),
    )


def _is_activated(trace: Trace) -> bool:
    return bool(trace.calls)


def _has_weight(name: str, inputs: Sequence[Tensor], known: Known) -> bool:
    if name in _CONVOLUTIONS or name in _LINEARS:
        return True
    return name in _PRODUCTS and len(known) < len(inputs)


def _layer_axis(
    name: str, args: Sequence[Any], inputs: Sequence[Tensor], known: Known, out: Tensor
) -> int | None:
    """The axis of the channels or features that a weighted layer or a norm gives."""
    if name in _CONVOLUTIONS:
        spatial = inputs[1].ndim - 2 if len(inputs) > 1 else 2
        return max(out.ndim - spatial - 1, 0)
    if name in _CHANNEL_NORMS:
        return min(1, out.ndim - 1)
    if name == "einsum":
        return _einsum_axis(args, inputs, known, out)
    if name in _PRODUCTS and out.ndim > 1 and _weight_is_first(inputs, known):
        return out.ndim - 2
    return out.ndim - 1


def _weight_is_first(inputs: Sequence[Tensor], known: Known) -> bool:
    return len(inputs) == 2 and len(known) == 1 and known[0][0] is inputs[1]


def _einsum_axis(
    args: Sequence[Any], inputs: Sequence[Tensor], known: Known, out: Tensor
) -> int | None:
    """The axis whose letter only the weights have."""
    equation = args[0].replace(" ", "") if args and isinstance(args[0], str) else ""
    given, arrow, result = equation.partition("->")
    if not arrow or len(given.split(",")) != len(inputs):
        return out.ndim - 1
    signals = {id(tensor) for tensor, _ in known}
    operands = zip(given.split(","), inputs, strict=True)
    of_signals = "".join(letters for letters, each in operands if id(each) in signals)
    new = [letter for letter in result.replace("...", "") if letter not in of_signals]
    return (
        result.replace("...", "").index(new[0]) - len(result) + out.ndim
        if (new and "..." not in result)
        else out.ndim - 1
    )


def _follow(
    name: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    source: tuple[Tensor, Trace] | None,
    out: Tensor,
) -> int | None:
    """Where an operation without weights puts the channel axis of what it is given."""
    if source is None or source[1].axis is None:
        return None
    tensor, axis = source[0], source[1].axis
    if name in _MOVES:
        return _moved(name, args, kwargs, tensor.ndim, axis, out)
    if name in _REDUCTIONS and _reduced(args, kwargs, tensor.ndim, axis):
        return None
    return _kept(tensor.shape, axis, out.shape)


def _reduced(args: Sequence[Any], kwargs: Mapping[str, Any], ndim: int, axis: int) -> bool:
    """Whether a reduction runs over the axis."""
    dims = kwargs.get("dim", kwargs.get("axis", args[1] if len(args) > 1 else None))
    if isinstance(dims, Tensor):  # torch.max(a, b)
        return False
    if dims is None:
        return True
    dims = dims if isinstance(dims, (list, tuple)) else [dims]
    return any(isinstance(each, int) and each % max(ndim, 1) == axis for each in dims)


def _still_whole(
    name: str, source: tuple[Tensor, Trace] | None, axis: int | None, out: Tensor
) -> bool:
    """Whether all of a layer's units are still there, as they were."""
    if name in _WHOLE:
        return True
    if name not in _CUTS or source is None or source[1].axis is None or axis is None:
        return False
    return source[0].shape[source[1].axis] == out.shape[axis]


def _moved(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], ndim: int, axis: int, out: Tensor
) -> int | None:
    """The axis after a permutation, found by permuting the axes' own numbers."""
    order = list(range(ndim))
    rest = list(args[1:]) + [v for k, v in kwargs.items() if k != "input"]
    dims = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], (list, tuple)) else rest
    if name == "permute":
        order = [int(each) % ndim for each in dims]
    elif name == "t":
        order = order[::-1]
    elif name in ("movedim", "moveaxis"):
        sources, targets = ([each] if isinstance(each, int) else list(each) for each in rest[:2])
        sources, targets = [s % ndim for s in sources], [t % ndim for t in targets]
        order = [each for each in order if each not in sources]
        for target, source in sorted(zip(targets, sources, strict=True)):
            order.insert(target, source)
    elif dims:
        first, second = (int(each) % ndim for each in dims[:2])
        order[first], order[second] = order[second], order[first]
    return order.index(axis) if len(order) == out.ndim else None


def _kept(before: Sequence[int], axis: int, after: Sequence[int]) -> int | None:
    """The axis after an operation that keeps the order of the axes, or merges and splits them."""
    if len(after) == len(before):
        return axis
    size, leading = before[axis], math.prod(before[:axis])
    for candidate in range(len(after)):
        if after[candidate] == size and math.prod(after[:candidate]) == leading:
            return candidate
    for candidate in range(len(after)):  # flattened together with what follows
        if after[candidate] % max(size, 1) == 0 and math.prod(after[:candidate]) == leading:
            return candidate
    same = [candidate for candidate in range(len(after)) if after[candidate] == size]
    return min(same, key=lambda candidate: abs(candidate - axis)) if same else None
