"""NUM003 to NUM005: signals that explode or vanish with depth, or leave half precision's range."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.forward import LARGEST, ForwardCall, ForwardFacts
from netdoctor.report import Severity, counted
from netdoctor.rules.core import Hit, Skip, rule

_MASK = 1e30  # numbers beyond it are a program's stand-ins for minus infinity
_LOWEST = 0.99  # of the lowest number of its type: where a mask is, also with logits added to it
_BROKEN = 0.1  # share of channels from which a norm layer's statistics do not fit


@rule("NUM003", "activation-explosion", Severity.WARNING)
def activation_explosion(
    facts: ForwardFacts, *, threshold: float = 1e4, min_layers: int = 4
) -> Iterator[Hit | Skip]:
    """The signal grows from layer to layer until it is out of scale.

    Measures: how far the outputs of different samples lie apart, at each weighted layer
    (convolution, linear, embedding), and by what factor the largest of these exceeds the first
    layer's; at least `min_layers` such layers. From `threshold` a warning.

    Why: gradients grow by the same factors, so that no learning rate suits all layers, and half
    precision overflows.

    False alarm: residual streams grow with depth too, by a factor of a hundred or so in healthy
    networks, which is why the threshold is far above. A batch norm with the statistics that it was
    made with does not normalise yet: such a network is not judged. Fewer than two samples show no
    spread.

    Remedy: initialise for the activation at hand (kaiming_normal_ for ReLU, xavier_ for tanh), put
    norm layers between, or scale residual branches down.

    Source: He et al. 2015, section 2.2; threshold: measured on healthy networks, house heuristic.
    """
    layers = _layers(facts, min_layers)
    if isinstance(layers, Skip):
        yield layers
        return
    first, rest = layers[0], layers[1:]
    largest = max(rest, key=lambda call: call.spread or 0.0)
    growth = (largest.spread or 0.0) / (first.spread or 1.0)
    if growth >= threshold:
        steps = layers.index(largest)
        yield Hit(
            str(largest.site),
            f"the signal is {growth:.3g} times as large at {largest.site} as at {first.site}, "
            f"{steps} weighted layers before: a factor of {growth ** (1 / steps):.3g} a layer",
            {"growth": growth, "threshold": threshold, "first": first.spread,
             "largest": largest.spread, "layers": steps, "from": str(first.site)},
            "Initialise for the activation at hand (kaiming_normal_ for ReLU, xavier_ for tanh), "
            "or put norm layers between; if the weights were trained, lower the learning rate.",
        )  # fmt: skip


@rule("NUM004", "activation-collapse", Severity.WARNING)
def activation_collapse(
    facts: ForwardFacts, *, threshold: float = 1e-5, min_layers: int = 4
) -> Iterator[Hit | Skip]:
    """The signal shrinks from layer to layer until next to nothing of the input is left.

    Measures: how far the outputs of different samples lie apart at the last weighted layer whose
    weights are not zero, as a factor of the first layer's; at least `min_layers` such layers. At
    `threshold` and below a warning.

    Why: what does not reach the output cannot be learnt from, and gradients shrink likewise.

    False alarm: a layer whose weights are exactly zero (a gate or head that starts at zero) ends
    no signal for good and is left out, as are the branches beside the last layer. A batch norm
    with the statistics that it was made with does not normalise yet: such a network is not judged.
    Fewer than two samples show no spread.

    Remedy: initialise for the activation at hand (kaiming_normal_ for ReLU, xavier_ for tanh), use
    ReLU in the place of sigmoid, put norm layers or residual connections between.

    Source: Glorot and Bengio 2010; threshold: measured on healthy networks, house heuristic.
    """
    layers = _layers(facts, min_layers)
    if isinstance(layers, Skip):
        yield layers
        return
    first, last = layers[0], layers[-1]
    left = [call for call in layers if call.spread]
    if not last.spread and (left[-1].spread or 0.0) > threshold**0.5 * (first.spread or 1.0):
        yield Skip(f"the signal ends at once behind {left[-1].site}: see input-insensitive")
        return
    share = (last.spread or 0.0) / (first.spread or 1.0)
    if threshold >= share > threshold * facts.gate:
        yield Skip(f"the branches are scaled by parameters of {facts.gate:.3g} at most")
    elif share <= threshold:
        steps = len(layers) - 1
        yield Hit(
            str(last.site),
            f"of the signal at {first.site} a factor of {share:.3g} is left at {last.site}, "
            f"{steps} weighted layers behind it",
            {"share": share, "threshold": threshold, "first": first.spread, "last": last.spread,
             "layers": steps, "from": str(first.site)},
            "Initialise for the activation at hand (kaiming_normal_ for ReLU, xavier_ for tanh), "
            "use ReLU in the place of sigmoid, or put norm layers or residual connections between.",
        )  # fmt: skip


def _layers(facts: ForwardFacts, least: int) -> list[ForwardCall] | Skip:
    """The weighted layers that show a signal, or why they cannot be judged."""
    if facts.fresh_norms:
        return Skip("norm layers still have the statistics that they were made with")
    broken = [each.path for each in facts.norms if each.negative or each.share >= _BROKEN]
    if broken:
        return Skip(f"the running statistics of {broken[0]} do not fit what it is given")
    if facts.samples < 2:
        return Skip("one sample shows no spread: give more with --batch-size or --data")
    weighted = [call for call in facts.calls if call.weighted and not call.zeroed]
    if any(call.moments.nan or call.moments.inf for call in weighted):
        return Skip("some layers' outputs are not finite")
    layers = [call for call in weighted if call.spread is not None]
    first = next((place for place, call in enumerate(layers) if call.spread), len(layers))
    layers = layers[first:]
    if len(layers) < least:
        return Skip(f"{len(layers)} weighted layers, {least} are needed to speak of depth")
    return layers


@rule("NUM005", "half-precision-overflow", Severity.WARNING)
def half_precision_overflow(facts: ForwardFacts, *, threshold: float = 0.5) -> Iterator[Hit | Skip]:
    """Activations come close to the end of half precision's range, or would pass it.

    Measures: the largest absolute value of each call's output as a share of the largest number of
    its type, for calls in float16 or, with `--as float16` or `--as bfloat16`, for all. From
    `threshold` a warning, from 1 an error: that call overflows in that type.

    Why: beyond 65504 float16 has only infinity, from which the next operations make NaN.

    False alarm: numbers beyond 1e30, and in float16 those within 1 % of its lowest number, are
    stand-ins for minus infinity (attention is masked with `torch.finfo(x.dtype).min`), and are left
    out. bfloat16 has the range of float32. A batch norm with the
    statistics that it was made with does not normalise yet: such a network is not judged with
    `--as`.

    Remedy: run in bfloat16, keep the named call in float32, or scale its input down.

    Source: IEEE 754 binary16; threshold: house heuristic.
    """
    named = f"--as {facts.judged_as}" if facts.judged_as else "its own type"
    if facts.judged_as and facts.fresh_norms:
        yield Skip("norm layers still have the statistics that they were made with")
        return
    judged = [call for call in facts.calls if facts.judged_as or call.dtype == "float16"]
    if not judged:
        yield Skip("nothing runs in float16; --as float16 judges the values for it")
        return
    ends = {call.site: LARGEST[facts.judged_as or call.dtype] for call in judged}
    shares = {call.site: _largest(call) / ends[call.site] for call in judged}
    near = [call for call in judged if shares[call.site] >= threshold]
    if not near:
        return
    first, worst = near[0], max(near, key=lambda call: shares[call.site])
    share, kind = shares[worst.site], facts.judged_as or worst.dtype
    over = [call for call in near if shares[call.site] >= 1]
    told = f"{counted(len(over), 'call')} would overflow {kind}" if over else "none overflows yet"
    yield Hit(
        str(worst.site),
        f"{worst.operation} reaches {_largest(worst):.4g}, {share:.3g} of the largest number of "
        f"{kind} ({LARGEST[kind]:.5g}), judged for {named}; {told}"
        + (f", the first is {(over or near)[0].site}" if first is not worst else ""),
        {"share": share, "threshold": threshold, "largest": _largest(worst),
         "calls": [str(call.site) for call in near], "overflowing": len(over)},
        f"Run in bfloat16, or keep {(over or near)[0].site} in float32 (autocast off for that "
        "block), or scale what goes in down.",
        Severity.ERROR if over else None,
    )  # fmt: skip


def _largest(call: ForwardCall) -> float:
    """The largest absolute value of a call's output, stand-ins for minus infinity left out."""
    lowest = _LOWEST * LARGEST["float16"] if call.dtype == "float16" else _MASK
    ends = (call.moments.minimum, call.moments.maximum)
    return max((abs(each) for each in ends if -lowest < each < _MASK), default=0.0)
