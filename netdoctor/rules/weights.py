"""WGT002, WGT003, WGT006 and WGT008: weights that are zero, constant, out of scale or untrained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from netdoctor.facts.weights import TensorFacts, WeightFacts
from netdoctor.report import Severity, counted
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.weight_evidence import (
    WEIGHTS,
    before_batch_norm,
    bias_of,
    depthwise,
    gain,
    judged,
    kin,
    pruned,
    stands_out,
    starts_at_zero,
    surely_drawn,
    trained,
    usual_deviation,
)

_SCALED = ("bias", "norm weight", "norm bias")
_BEFORE_NORM = 100.0  # times the scale that other weights may have
_LISTED = 8
_NAMED = 3  # wiped weights that have a finding each
_FEWEST_NORMAL = 4  # times the values from which a uniform weight counts as drawn at random
_HALF = {"float16": (65504.0, 6.1035e-5)}  # largest value, smallest normal one


@rule("WGT002", "zero-weight", Severity.ERROR)
def zero_weight(facts: WeightFacts, *, threshold: float = 0.0) -> Iterator[Hit | Skip]:
    """The whole weight of a layer of a trained network is zero.

    Measures: the largest absolute value in the weight of a convolution, linear, embedding or
    recurrent layer; up to `threshold` a finding.

    Why: the layer gives nothing but its bias, and passes no gradient on to the layers before it.

    False alarm: fresh networks, whose last layers, gates and residual branches may start at zero,
    are not judged. Nor are pruned ones. Weights that start at zero by design (LoRA's B, zero
    convolutions) or that are zero in all layers of a kind have only never been trained: an info. A
    gate that is zero while its like have moved is an error.

    Remedy: load a checkpoint in which it is not zero; find out what wiped it, or why its gradient
    was zero throughout training.

    Source: house heuristic.
    """
    weights = judged(facts)
    zero = [each for each in weights if max(-each.minimum, each.maximum) <= threshold]
    if not zero:
        return
    is_trained, why = trained(facts)
    reason = pruned(facts)
    if is_trained is not True or reason:
        said = f"the network was pruned: {reason}" if reason else f"not known to be trained: {why}"
        yield Skip(f"zero weights are not judged, {said}")
        return
    own = [each for each in zero if not each.tied]
    gates = [each for each in own if _never_opened(each, weights, zero, facts)]
    wiped = [each for each in own if each not in gates]
    shown = wiped if len(wiped) <= _NAMED else wiped[:1]
    for each in shown:
        yield _wiped(each, facts, threshold, why, [one.name for one in wiped[len(shown) :]])
    if gates:
        yield _closed(gates, threshold)


def _never_opened(
    tensor: TensorFacts, weights: list[TensorFacts], zero: list[TensorFacts], facts: WeightFacts
) -> bool:
    """Whether it may just not have left the zeros that it started as."""
    bias = bias_of(tensor, facts)
    if bias is not None and not bias.all_zero:
        return False  # a bias moves with its weight
    like = kin(tensor, weights)
    if not like and not starts_at_zero(tensor):
        return facts.fresh is None and tensor is weights[-1]
    return all(any(each is one for one in zero) for each in like)


def _wiped(
    tensor: TensorFacts, facts: WeightFacts, threshold: float, why: str, others: Sequence[str]
) -> Hit:
    more = f"; so are {counted(len(others), 'more weight')}" if others else ""
    return Hit(
        tensor.name,
        f"all {tensor.values} values are zero, in a trained network ({why}){more}",
        {"largest": max(-tensor.minimum, tensor.maximum), "threshold": threshold,
         "values": tensor.values, "role": tensor.role, "source": facts.source,
         **({"others": list(others)} if others else {})},
        "Load a checkpoint in which it is not zero; find what wiped it, or why its gradient was "
        "zero throughout training.",
    )  # fmt: skip


def _closed(gates: list[TensorFacts], threshold: float) -> Hit:
    names = [each.name for each in gates]
    return Hit(
        names[0],
        f"{counted(len(names), 'weight')} still all zero, as gates, adapters and heads may start: "
        "not trained yet",
        {"largest": 0.0, "threshold": threshold, "weights": len(names), "others": names[1:]},
        "Nothing to do before they are trained; afterwards look whether the optimiser had them.",
        Severity.INFO,
    )


@rule("WGT003", "constant-weight", Severity.ERROR)
def constant_weight(facts: WeightFacts, *, threshold: float = 0.0) -> Iterator[Hit | Skip]:
    """All values of a layer's weight are one and the same.

    Measures: the largest less the smallest value of a convolution's, linear, embedding or recurrent
    weight, over the largest absolute one; up to `threshold` a finding. A weight of zeros is
    zero-weight.

    Why: all units of the layer compute the same, get the same gradient and stay the same.

    False alarm: weights with a single filter or a single value a filter, depthwise ones (averaging,
    blurring) and those that alone of all are frozen, are not judged.

    Remedy: initialise it at random (`torch.nn.init.kaiming_normal_`).

    Source: Goodfellow et al. 2016, section 8.4; the exceptions are house heuristics.
    """
    weights = judged(facts)
    all_frozen = all(each.frozen for each in weights)
    for each in weights:
        largest = max(-each.minimum, each.maximum)
        if largest == 0 or each.nan or each.inf or each.tied or each.dtype in _COARSE:
            continue
        spread = (each.maximum - each.minimum) / largest
        if spread > threshold:
            continue
        if each.shape[0] < 2 or each.values == each.shape[0]:
            yield Skip("a single filter, or a single value a filter", each.name)
        elif depthwise(each):
            yield Skip("a depthwise kernel may be an average", each.name)
        elif each.frozen and not all_frozen:
            yield Skip("frozen while others are trained: a fixed filter", each.name)
        else:
            yield Hit(
                each.name,
                f"all {each.values} values are {each.maximum:.6g}: its units stay copies of one "
                "another",
                {"spread": spread, "threshold": threshold, "value": each.maximum,
                 "values": each.values},
                "Initialise it at random, as with torch.nn.init.kaiming_normal_.",
            )  # fmt: skip


_COARSE = frozenset({"float8_e4m3fn", "float8_e5m2", "float4_e2m1fn_x2", "uint8", "int8", "bool"})


@rule("WGT006", "weight-scale", Severity.WARNING)
def weight_scale(
    facts: WeightFacts,
    *,
    threshold: float = 100.0,
    smallest: float = 1e-6,
    largest: float = 1e6,
    drawn: float = 5.0,
    half: float = 0.5,
    above: float = 25.0,
    below: float = 0.005,
) -> Iterator[Hit | Skip]:
    """A weight is far larger or smaller than its layer can work with.

    Measures: the root mean square of a convolution's, linear or recurrent weight times the root of
    its fan-in, about 1 to 2 where a layer keeps the scale of its input; from `threshold` or, in a
    trained network, below `smallest` a finding; from `drawn` where a model's weight looks as drawn
    at random, and with no common deviation. So is one of at least 20 that is `above` times the
    median of the network's others and, in a trained network, one of at most 0.01 that is `below`
    times it while its bias is of the usual size. So is a single value beyond `largest` in a weight,
    bias or norm layer, a float16 value beyond the share `half` of the type's largest, and a float16
    weight all of whose values are too small for the type's full precision.

    Why: the signal explodes or vanishes; a single huge value mostly is a flipped bit or the last
    step before NaN.

    False alarm: the scale of a filter ahead of a batch norm is undone, so that small ones are not
    judged and large ones only from a hundred times `threshold`. The last layer may be small, as its
    targets are, and a layer that started at zero, whose bias is small with it. Embeddings, gains,
    temperatures, layer scales and running variances may have any scale.

    Remedy: load an earlier checkpoint; lower the learning rate, clip gradients, check the
    initialisation.

    Source: He et al. 2015 for the scale; thresholds: house heuristic.
    """
    is_trained, _ = trained(facts)
    weights = {id(each) for each in judged(facts) if each.role != "embedding"}
    for each in facts.tensors:
        if each.group or each.tied or not math.isfinite(each.maximum):
            continue
        top = max(-each.minimum, each.maximum)
        limit, what, value = 0.0, "", top
        if (id(each) in weights or each.role in _SCALED) and top > largest:
            limit, what = largest, f"it reaches {top:.4g}"
        elif _near_overflow(each, top, half):
            limit, what = half, f"it reaches {top:.4g}; float16 ends at 65504"
            value = top / _HALF[each.dtype][0]
        elif id(each) in weights:
            limit, what, value = _off_scale(each, facts, threshold, smallest, is_trained)
            if not what:
                limit, what, value = stands_out(each, facts, above, below if is_trained else 0.0)
            if not what and _drawn_too_large(each, facts, drawn):
                limit, value = drawn, gain(each)
                what = (
                    f"drawn at random ({each.initialisation}), it multiplies the scale of its "
                    f"input by about {value:.3g}"
                )
        if what:
            yield Hit(
                each.name,
                f"{what} ({each.role}, values from {each.minimum:.4g} to {each.maximum:.4g})",
                {"measured": value, "threshold": limit, "largest": top, "dtype": each.dtype},
                "Load an earlier checkpoint; lower the learning rate, clip gradients, check the "
                "initialisation.",
            )


def _drawn_too_large(tensor: TensorFacts, facts: WeightFacts, drawn: float) -> bool:
    if not tensor.initialisation or not tensor.kind or tensor.frozen or "lora" in tensor.name:
        return False
    known = tensor.kind.startswith(("Conv", "Linear"))
    large = known and gain(tensor) >= drawn and not before_batch_norm(tensor, facts)
    return large and not usual_deviation(tensor)


def _near_overflow(tensor: TensorFacts, top: float, half: float) -> bool:
    scaled = tensor.role in (*_SCALED, *WEIGHTS)
    return tensor.dtype in _HALF and scaled and top > half * _HALF[tensor.dtype][0]


def _off_scale(
    tensor: TensorFacts,
    facts: WeightFacts,
    threshold: float,
    smallest: float,
    is_trained: bool | None,
) -> tuple[float, str, float]:
    """The limit that a weight's scale is beyond, what to say, and the scale; 0 and "" if none."""
    if tensor.all_zero or not math.isfinite(tensor.norm):
        return 0.0, "", 0.0
    times, normed = gain(tensor), before_batch_norm(tensor, facts)
    limit = threshold * (_BEFORE_NORM if normed else 1.0)
    if times >= limit:
        return limit, f"it multiplies the scale of its input by about {times:.3g}", times
    top = max(-tensor.minimum, tensor.maximum)
    if tensor.dtype in _HALF and top < _HALF[tensor.dtype][1] and not normed:
        return _HALF[tensor.dtype][1], "all values are below float16's full precision", top
    if times < smallest and is_trained and not normed:
        return smallest, f"it multiplies the scale of its input by about {times:.3g}", times
    return 0.0, "", 0.0


@rule("WGT008", "untrained-weights", Severity.INFO)
def untrained_weights(facts: WeightFacts, *, threshold: int = 1000) -> Iterator[Hit | Skip]:
    """A weight of a trained network still looks as it was drawn at random.

    Measures: whether the values of a weight follow a uniform, normal or truncated normal
    distribution as closely as random numbers do (Kolmogorov and Smirnov), with the deviation that a
    common initialisation gives, and whether its filters, inputs and places in a kernel differ by no
    more than chance; only weights of `threshold` values or more, normal ones of four times as many
    or with the deviation of 0.02 or 0.01 that heads of transformers start with.

    Why: a layer that was not in the checkpoint, or that the optimiser never had, gives noise.

    False alarm: a frozen random projection is meant to be random; a weight that training has hardly
    moved cannot be told from a fresh one.

    Remedy: look whether the checkpoint has the layer under another name, and whether the optimiser
    was given it. A new head on a trained network is as it should be before it is trained.

    Source: Kolmogorov 1933; Stephens 1974; Johnstone 2001; house heuristic.
    """
    tested = [
        each
        for each in judged(facts)
        if each.initialisation is not None and each.values >= threshold and not each.tied
    ]
    if not tested:
        yield Skip(f"no weight of {threshold} values or more was compared with random numbers")
        return
    is_trained, why = trained(facts)
    random = [each for each in tested if surely_drawn(each, _FEWEST_NORMAL * threshold)]
    if not random:
        return
    if is_trained is None:
        yield Skip(f"some weights look as drawn at random, but {why}")
        return
    names = [each.name for each in random]
    first = f"{random[0].initialisation}" + ("" if is_trained else f", as {names[0]}")
    message = f"{_of(names, tested)} as drawn at random ({first})" + (
        ": never trained, or not loaded" if is_trained else ": the network looks untrained"
    )
    yield Hit(
        names[0] if is_trained else facts.source,
        message,
        {"values": random[0].values, "threshold": threshold, "weights": names[:_LISTED],
         "untrained": len(names), "tested": len(tested)},
        "Look whether the checkpoint has it under another name, and whether the optimiser was "
        "given it; nothing to do for a network or head that is still to be trained.",
    )  # fmt: skip


def _of(some: Sequence[object], all_of_them: Sequence[object]) -> str:
    if len(all_of_them) == 1:
        return "the one weight large enough to tell looks"
    return f"{len(some)} of {len(all_of_them)} weights look"
