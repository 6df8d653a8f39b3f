"""Which modules and functions are activations, and where each function is flat."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor, nn


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """An activation function and the output values at which its slope vanishes.

    Attributes:
        name: `relu`, `gelu`, `clamp`, …
        fires_above: a unit fires where its output is greater than this.
        dead_below: a unit whose output never exceeds this is dead, given `dead_above`; None for
            functions whose slope vanishes nowhere below.
        dead_above: and its output never falls below this (GELU and SiLU dip before they rise),
            nor is it zero for an input that is not negative (they are steep there).
        flat: outputs below the first or above the second value count as saturated; None for
            functions without an upper bound.
        gate: whether the function is used as a gate when it multiplies another signal.
    """

    name: str
    fires_above: float = 0.0
    dead_below: float | None = 0.0
    dead_above: float = float("-inf")
    flat: tuple[float, float] | None = None
    gate: bool = False


# Saturated: the slope is below 1 % of its steepest: 1 - y^2 < 0.01, y (1 - y) < 0.0025.
_TANH_FLAT = 0.99498744
_SIGMOID_FLAT = 0.00250628
_NEVER = float("-inf")

RELU = Kind("relu")
SIGMOID = Kind("sigmoid", 0.5, None, flat=(_SIGMOID_FLAT, 1 - _SIGMOID_FLAT), gate=True)
TANH = Kind("tanh", 0.0, None, flat=(-_TANH_FLAT, _TANH_FLAT), gate=True)
HARDSIGMOID = Kind("hardsigmoid", 0.5, None, flat=(1e-7, 1 - 1e-7), gate=True)
# Leaky functions pass gradient everywhere: dead only if exactly zero throughout (slope 0).
LEAKY_RELU = Kind("leaky_relu", dead_above=0.0)
PRELU = Kind("prelu", dead_above=0.0)
RRELU = Kind("rrelu", dead_above=0.0)
HARDSWISH = Kind("hardswish", dead_above=0.0)
# Dead where |slope| < 1e-3 below the dip: x < -3.9 for GELU, x < -9.1 for SiLU and Mish.
GELU = Kind("gelu", dead_above=-2e-4)
SILU = Kind("silu", dead_above=-1e-3)
MISH = Kind("mish", dead_above=-1e-3)
SELU = Kind("selu", dead_below=-1.7571)


def elu(name: str, alpha: float) -> Kind:
    """ELU and CELU approach -alpha: dead when never above 99.9 % of that."""
    return Kind(name, dead_below=-abs(alpha) * 0.999)


def softplus(beta: float) -> Kind:
    """Softplus: dead when never above its value at beta x = -8, where the slope is 3e-4."""
    return Kind("softplus", fires_above=0.6931 / beta, dead_below=3.35e-4 / beta)


def bounded(name: str, low: float, high: float) -> Kind:
    """Clipped linear functions: at the lower bound a unit of [0, high] is off, not saturated."""
    if math.isinf(high):
        return Kind(name, fires_above=low, dead_below=low)
    margin = 1e-6 * max(abs(low), abs(high), 1e-3)
    if low == 0:
        return Kind(name, flat=(_NEVER, high - margin), gate=True)
    return Kind(name, (low + high) / 2, None, flat=(low + margin, high - margin), gate=True)


RELU6 = bounded("relu6", 0.0, 6.0)


def _argument(
    args: Sequence[Any], kwargs: Mapping[str, Any], at: int, name: str, default: Any
) -> Any:
    return args[at] if len(args) > at else kwargs.get(name, default)


Resolver = Callable[[Sequence[Any], Mapping[str, Any]], "Kind | None"]


def _clamp(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind | None:
    low = _argument(args, kwargs, 1, "min", None)
    high = _argument(args, kwargs, 2, "max", None)
    if _is_zero(low) and high is None:
        return dataclasses.replace(RELU, name="clamp")
    if _is_zero(low) and isinstance(high, (int, float)) and high > 0:
        return bounded("clamp", 0.0, float(high))
    return None


def _clamp_min(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind | None:
    low = _argument(args, kwargs, 1, "min", None)
    return dataclasses.replace(RELU, name="clamp_min") if _is_zero(low) else None


def _larger_of_two(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind | None:
    return dataclasses.replace(RELU, name="maximum") if _is_zero(args[0]) else None


def _is_zero(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_meta and not bool(value.any())
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0


def _hardtanh(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind:
    low = _argument(args, kwargs, 1, "min_val", -1.0)
    return bounded("hardtanh", float(low), float(_argument(args, kwargs, 2, "max_val", 1.0)))


def _threshold(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind | None:
    level = _argument(args, kwargs, 1, "threshold", None)
    value = _argument(args, kwargs, 2, "value", None)
    return dataclasses.replace(RELU, name="threshold") if level == 0 and value == 0 else None


_BY_NAME: dict[str, Kind] = {
    "relu": RELU, "relu6": RELU6, "leaky_relu": LEAKY_RELU, "prelu": PRELU, "rrelu": RRELU,
    "selu": SELU, "gelu": GELU, "silu": SILU, "mish": MISH, "hardswish": HARDSWISH,
    "hardsigmoid": HARDSIGMOID, "sigmoid": SIGMOID, "expit": SIGMOID, "special_expit": SIGMOID,
    "tanh": TANH,
}  # fmt: skip

_RESOLVERS: dict[str, Resolver] = {
    "elu": lambda a, k: elu("elu", float(_argument(a, k, 1, "alpha", 1.0))),
    "celu": lambda a, k: elu("celu", float(_argument(a, k, 1, "alpha", 1.0))),
    "softplus": lambda a, k: softplus(float(_argument(a, k, 1, "beta", 1.0))),
    "hardtanh": _hardtanh,
    "clamp": _clamp, "clip": _clamp, "clamp_min": _clamp_min, "threshold": _threshold,
    "maximum": _larger_of_two, "max": _larger_of_two, "fmax": _larger_of_two,
}  # fmt: skip

# Called with the one operand that is no signal of the network: a ReLU if that is zero.
LARGER_OF_TWO = frozenset({"maximum", "max", "fmax"})
# These are used for much besides activations: they count only behind a layer.
NEEDS_LAYER = frozenset({"clamp", "clip", "clamp_min", *LARGER_OF_TWO})
ACTIVATIONS = frozenset({*_BY_NAME, *_RESOLVERS})


@lru_cache(maxsize=4096)
def operation_name(func: Callable[..., Any]) -> str:
    """The function's name without the marks of its in-place and operator forms: `relu`, `add`."""
    name: str = getattr(func, "__name__", type(func).__name__)
    return name.strip("_")


def kind_of_function(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Kind | None:
    """The activation that a call of this operation computes; None if it is not an activation.

    For the operations of `LARGER_OF_TWO`, `args` is the constant operand alone.
    """
    kind = _BY_NAME.get(name)
    if kind is None and name in _RESOLVERS:
        return _RESOLVERS[name](args, kwargs)
    return kind


_CLASS_NAME = re.compile(
    r"relu_?6|leaky_?relu|p_?relu|gelu|silu|hard_?swish|hard_?mish|swish|mish|relu|"
    r"hard_?sigmoid|sigmoid|tanh|softplus",
    re.IGNORECASE,
)
_OTHER_CLASS_NAME = re.compile(r"log|shrink|sqrt|glu|gated|loss", re.IGNORECASE)
_CLASS_KIND = {
    "leakyrelu": LEAKY_RELU, "prelu": PRELU, "swish": SILU, "softplus": softplus(1.0),
    "hardmish": dataclasses.replace(HARDSWISH, name="hardmish"),
}  # fmt: skip


def kind_of_module(module: nn.Module) -> Kind | None:
    """The activation that a module is; custom modules are known by their class name.

    A custom module counts when it has neither children nor parameters and its class is named
    after the function (`MemoryEfficientSwish`, `NewGELUActivation`).
    """
    if isinstance(module, nn.ReLU6):
        return RELU6
    if isinstance(module, nn.Hardtanh):
        return bounded("hardtanh", float(module.min_val), float(module.max_val))
    if isinstance(module, (nn.ELU, nn.CELU)):
        return elu(type(module).__name__.lower(), float(module.alpha))
    if isinstance(module, nn.Softplus):
        return softplus(float(module.beta))
    if isinstance(module, nn.Threshold):
        return _threshold((None, module.threshold, module.value), {})
    for known, kind in _MODULES.items():
        if isinstance(module, known):
            return kind
    if next(module.children(), None) is not None or next(module.parameters(), None) is not None:
        return None
    if type(module).__module__.startswith("torch.nn."):  # Tanhshrink, LogSigmoid, Softmax, ...
        return None
    name = type(module).__name__
    match = _CLASS_NAME.search(name)
    if match is None or _OTHER_CLASS_NAME.search(name):
        return None
    word = match.group().lower().replace("_", "")
    return _CLASS_KIND.get(word) or _BY_NAME.get(word)


_MODULES: dict[type[nn.Module], Kind] = {
    nn.ReLU: RELU, nn.LeakyReLU: LEAKY_RELU, nn.PReLU: PRELU, nn.RReLU: RRELU, nn.SELU: SELU,
    nn.GELU: GELU, nn.SiLU: SILU, nn.Mish: MISH, nn.Hardswish: HARDSWISH,
    nn.Hardsigmoid: HARDSIGMOID, nn.Sigmoid: SIGMOID, nn.Tanh: TANH,
}  # fmt: skip
