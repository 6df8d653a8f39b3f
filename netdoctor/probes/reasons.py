"""Why an operation gave NaN or infinity: what its inputs show."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from netdoctor.facts.forward import LARGEST, ValueRange
from netdoctor.observe import Call

# Their values are whatever the memory held.
UNINITIALISED = frozenset(
    {"empty", "empty_like", "new_empty", "empty_strided", "resize", "resize_as", "set"}
)
_LOGS = frozenset({"log", "log2", "log10", "logit", "logdet"})
_DIVISIONS = frozenset({"div", "truediv", "itruediv", "true_divide", "divide", "floor_divide"})
_EXPONENTIALS = frozenset({"exp", "expm1", "exp2", "sinh", "cosh"})
_SOFTMAXES = frozenset({"softmax", "log_softmax", "softmin", "Softmax", "LogSoftmax", "Softmin"})
_ATTENTION = frozenset({"scaled_dot_product_attention", "multi_head_attention_forward"})
_MEANS = frozenset({"mean", "nanmean"})
_SPREADS = frozenset({"std", "var", "std_mean", "var_mean"})
_MULTIPLICATIONS = frozenset({"mul", "rmul", "imul", "multiply"})
_CASTS = frozenset({"to", "half", "type", "type_as", "bfloat16", "float"})


def reason_of(
    call: Call, output: Tensor, inputs: Sequence[ValueRange], live: Sequence[Tensor]
) -> str:
    """What about the inputs explains an output that is not finite, as part of a sentence.

    Args:
        call: the operation or module.
        output: its output.
        inputs: the ranges of its inputs.
        live: those inputs that still hold what the call was given.
    """
    if call.name in UNINITIALISED:
        return "its memory is not initialised: nothing wrote there before it was read"
    if not output.numel() or any(not each.numel() for each in live):
        return "it was given a tensor without any value"
    hidden = next((each for each in inputs if each.nan), None)
    if hidden is not None and not hidden.overwritten:
        return (
            f"it reads {hidden.nan} NaN of a tensor made where nobody could watch: a constant, or "
            "code outside of torch's functions"
        )
    if any(each != each for each in numbers_of(call)):
        return "the program writes NaN there itself"
    name = call.name.removeprefix("special_")
    for names, explain in _EXPLANATIONS:
        if name in names:
            told = explain(call, inputs, live)
            if told:
                return told
    return _overflow(output, inputs) or "none of the ranges of its inputs explains it"


Explanation = Callable[[Call, Sequence[ValueRange], Sequence[Tensor]], str]


def _of_log(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    low = inputs[0].minimum if inputs else math.nan
    if call.name == "logdet":
        return "the logarithm of a determinant that is zero or negative"
    if call.name.endswith("logit") and (low < 0 or inputs[0].maximum > 1):
        return f"logit of a number beyond [0, 1]: {low:.4g} to {inputs[0].maximum:.4g} go in"
    if low < 0:
        return f"the logarithm of a negative number: its input goes down to {low:.4g}"
    return "the logarithm of zero" if low == 0 else ""


def _of_log1p(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    low = inputs[0].minimum if inputs else math.nan
    if low < -1:
        return f"log1p of a number below -1: its input goes down to {low:.4g}"
    return "log1p of -1, the logarithm of zero" if low == -1 else ""


def _of_root(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    low = inputs[0].minimum if inputs else math.nan
    if low < 0:
        return f"the square root of a negative number: its input goes down to {low:.4g}"
    return "one divided by the root of zero" if low == 0 and "rsqrt" in call.name else ""


def _of_reciprocal(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    return "a division by zero" if live and bool((live[0] == 0).any()) else ""


def _of_division(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    operands = [*call.arguments[0], *call.arguments[1].values()]
    divisor = operands[1] if len(operands) > 1 else None
    if call.name in ("rdiv", "rtruediv"):
        divisor = operands[0]
    if isinstance(divisor, Tensor):
        zeros = divisor == 0
        if not bool(zeros.any()):
            return ""
        above = operands[0] if call.name not in ("rdiv", "rtruediv") else operands[1]
        both = bool(((torch.as_tensor(above, device=zeros.device) == 0) & zeros).any())
        what = "zero divided by zero" if both else "a division by zero"
        return f"{what}: {int(zeros.sum())} of {divisor.numel()} divisors are 0"
    return "a division by zero" if divisor == 0 else ""


def _of_ratio(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    args, kwargs = call.arguments
    divisor = args[2] if len(args) > 2 else kwargs.get("tensor2")
    zeros = divisor == 0 if isinstance(divisor, Tensor) else None
    if zeros is None or not bool(zeros.any()):
        return ""
    return f"a division by zero: {int(zeros.sum())} of {zeros.numel()} divisors are 0"


def _of_pole(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    low = inputs[0].minimum if inputs else math.nan
    return f"a pole at 0 or a negative whole number: its input goes down to {low:.4g}" * (low <= 0)


def _of_exponential(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    if not inputs:
        return ""
    largest = math.log(LARGEST.get(inputs[0].dtype, LARGEST["float32"]))
    high = max(inputs[0].maximum, -inputs[0].minimum if call.name == "cosh" else -math.inf)
    if high <= largest * (0.69 if call.name == "exp2" else 1):
        return ""
    return (
        f"its input reaches {high:.4g}, and {call.name} of more than {largest:.3g} overflows "
        f"{inputs[0].dtype}"
    )


def _of_softmax(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    if not live or not live[0].ndim:
        return ""
    given, dim = live[0], _dimension(call)
    if given.isposinf().any():
        return "a row holds plus infinity"
    empty = given.isneginf().all(dim)
    if not bool(empty.any()):
        return ""
    return (
        f"{int(empty.sum())} of {empty.numel()} rows are masked out altogether: every logit is "
        "minus infinity"
    )


def _dimension(call: Call) -> int:
    args, kwargs = call.arguments
    dim = kwargs.get("dim", args[1] if call.watch == "operation" and len(args) > 1 else None)
    dim = getattr(call.module, "dim", None) if dim is None and call.watch == "module" else dim
    return dim if isinstance(dim, int) else -1


def _of_attention(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    masks = [each for each in live if each.dtype is torch.bool or bool(each.isneginf().any())]
    for mask in masks:
        allowed = mask if mask.dtype is torch.bool else ~mask.isneginf()
        if not bool(allowed.any(-1).all()):
            return "a query may look at no key at all: its row of the mask is closed"
    return ""


def _of_mean(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    return "the mean of no value at all" if live and not live[0].numel() else ""


def _of_spread(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    if not bool(call.output.isnan().any()):
        return ""
    return (
        f"{call.name} of a single value: it divides by n - 1 = 0; correction=0 (unbiased=False) "
        "does not"
    )


def _of_power(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    low = inputs[0].minimum if inputs else math.nan
    power = _second(call)
    if isinstance(power, (int, float)) and power != int(power) and low < 0:
        return f"a negative number ({low:.4g}) to the broken power {power:g}"
    if isinstance(power, (int, float)) and power < 0 and live and bool((live[0] == 0).any()):
        return f"zero to the negative power {power:g}"
    return ""


def _of_arc(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    ends = (inputs[0].minimum, inputs[0].maximum) if inputs else (0.0, 0.0)
    worst = max(ends, key=abs)
    return f"{call.name} of a number beyond 1: {worst:.7g}" if abs(worst) > 1 else ""


def _of_product(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    factor = _second(call)
    infinite = any(each.inf for each in inputs)
    if infinite or (isinstance(factor, float) and math.isinf(factor)):
        return "zero times infinity"
    return ""


def _of_difference(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    infinite = any(each.inf for each in inputs)
    return "infinity minus infinity" if infinite else ""


def _of_cast(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    if not inputs:
        return ""
    kept = str(call.output.dtype).removeprefix("torch.")
    reach = max(abs(inputs[0].minimum), abs(inputs[0].maximum))
    if reach <= LARGEST.get(kept, math.inf):
        return ""
    return f"{reach:.4g} is more than {kept} can hold ({LARGEST[kept]:.5g})"


def _of_size(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    """For norms that take the variance of what they are given."""
    reach = max(abs(inputs[0].minimum), abs(inputs[0].maximum)) if inputs else 0.0
    if not reach**2 * 4 > LARGEST["float32"]:
        return ""
    return f"the squares of its inputs, which reach {reach:.4g}, overflow float32"


def _of_norm(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    variance = getattr(call.module, "running_var", None) if call.watch == "module" else None
    if variance is None and call.name == "batch_norm" and len(call.arguments[0]) > 2:
        variance = call.arguments[0][2]
    if isinstance(variance, Tensor) and bool((variance < 0).any()):
        return f"the running variance is negative: it goes down to {float(variance.min()):.4g}"
    if isinstance(variance, Tensor) and bool((variance == 0).any()):
        return f"the running variance of {int((variance == 0).sum())} channels is zero"
    return ""


def _overflow(output: Tensor, inputs: Sequence[ValueRange]) -> str:
    """What to say where only the sheer size of finite inputs can be the reason."""
    kind = _part_of(output)
    if not bool(output.isinf().any()) and kind != "float16":
        return ""
    reaches = [(max(abs(each.minimum), abs(each.maximum)), each.name) for each in inputs]
    largest, name = max((each for each in reaches if not math.isnan(each[0])), default=(0, ""))
    if kind not in LARGEST or not largest:
        return ""
    what = "its inputs reach" if name == "input" else f"its {name} reaches"
    return f"it overflows {kind}, which ends at {LARGEST[kind]:.5g}: {what} {largest:.4g}"


def numbers_of(call: Call) -> Iterable[float]:
    """The numbers that a program spells out in a call."""
    return (each for each in _scalars(call.arguments) if isinstance(each, float))


def _scalars(values: Any) -> Iterable[Any]:
    if isinstance(values, Mapping):
        values = values.values()
    for each in values:
        if isinstance(each, (tuple, list, Mapping)):
            yield from _scalars(each)
        else:
            yield each


def _part_of(tensor: Tensor) -> str:
    """The type of its values; of complex ones that of their parts."""
    kind = str(tensor.dtype).removeprefix("torch.")
    return {"complex32": "float16", "complex64": "float32"}.get(kind, kind)


def _second(call: Call) -> Any:
    args, kwargs = call.arguments
    named: Mapping[str, Any] = kwargs
    return args[1] if len(args) > 1 else named.get("exponent", named.get("other"))


def _of_normalize(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    args, kwargs = call.arguments
    given = {**dict(zip(("input", "p", "dim", "eps"), args, strict=False)), **kwargs}
    eps, dim = float(given.get("eps", 1e-12)), given.get("dim", 1)
    if not live or float(torch.tensor(eps, dtype=live[0].dtype)):
        return ""
    zero = int((live[0] == 0).all(dim).sum())
    kind = str(live[0].dtype).removeprefix("torch.")
    return f"the norm of {zero} vectors is zero, and eps {eps:g} is zero in {kind}" if zero else ""


def _of_targets(call: Call, inputs: Sequence[ValueRange], live: Sequence[Tensor]) -> str:
    ignored = call.arguments[1].get("ignore_index", getattr(call.module, "ignore_index", -100))
    targets = [each for each in live if not each.is_floating_point()]
    if targets and bool((targets[0] == ignored).all()):
        return f"every target is ignored ({ignored}): the mean over nothing is 0/0"
    return ""


_EXPLANATIONS: tuple[tuple[frozenset[str], Explanation], ...] = (
    (_LOGS, _of_log),
    (frozenset({"log1p"}), _of_log1p),
    (frozenset({"sqrt", "rsqrt"}), _of_root),
    (frozenset({"reciprocal"}), _of_reciprocal),
    (_DIVISIONS | {"rdiv", "rtruediv", "fmod", "remainder", "mod"}, _of_division),
    (frozenset({"addcdiv"}), _of_ratio),
    (frozenset({"lgamma", "digamma", "gammaln", "mvlgamma"}), _of_pole),
    (_EXPONENTIALS, _of_exponential),
    (_SOFTMAXES, _of_softmax),
    (_ATTENTION, _of_attention),
    (_MEANS, _of_mean),
    (_SPREADS, _of_spread),
    (frozenset({"pow", "rpow", "float_power"}), _of_power),
    (frozenset({"acos", "arccos", "asin", "arcsin", "atanh", "arctanh", "erfinv"}), _of_arc),
    (_MULTIPLICATIONS, _of_product),
    (frozenset({"sub", "isub", "rsub", "add", "iadd", "radd", "sum", "cumsum"}), _of_difference),
    (_CASTS, _of_cast),
    (frozenset({"normalize"}), _of_normalize),
    (frozenset({"cross_entropy", "nll_loss", "CrossEntropyLoss", "NLLLoss"}), _of_targets),
    (frozenset({"batch_norm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d"}), _of_norm),
    (
        frozenset(
            {
                "layer_norm",
                "group_norm",
                "instance_norm",
                "rms_norm",
                "LayerNorm",
                "GroupNorm",
                "RMSNorm",
                "InstanceNorm1d",
                "InstanceNorm2d",
                "InstanceNorm3d",
            }
        ),
        _of_size,
    ),
)
