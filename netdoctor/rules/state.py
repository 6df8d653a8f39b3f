"""WGT001 and WGT007: parameters and buffers that the network cannot run with."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.forward import ForwardFacts
from netdoctor.facts.weights import WeightFacts
from netdoctor.report import Severity, counted
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.weight_state import impossible_variances, not_finite, sick_tensors

_NAMED = 3  # sick tensors that have a finding each


@rule("WGT001", "nan-weight", Severity.ERROR)
def nan_weight(facts: ForwardFacts | WeightFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """A parameter or buffer holds NaN or infinities.

    Measures: the number of NaN and infinities in each parameter and buffer; `threshold` of them is
    a finding. Where there were forward passes, only what they read is judged. Of a file, the
    optimizer's state and averaged weights are judged too.

    Why: all that is computed from them is NaN, or as constant as if the layer were not there.

    False alarm: a buffer whose only infinities are minus infinity is a mask, and not counted.

    Remedy: load the last checkpoint before the loss was NaN; then look for what made it so (a
    learning rate too high, a NaN in a batch, an overflow in half precision).

    Source: house heuristic.
    """
    if isinstance(facts, WeightFacts):
        yield from sick_tensors(facts, threshold)
        return
    for fault in facts.state:
        if not fault.used:
            yield Skip("not read in these forward passes", fault.name)
    sick = [each for each in facts.state if each.used and each.nan + each.inf >= threshold]
    sick.sort(key=lambda fault: -fault.consequences)  # the first one read has the most
    shown = sick if len(sick) <= _NAMED else sick[:1]
    for fault in shown:
        message = f"{not_finite(fault.nan, fault.inf)} among {fault.values} values of the "
        message += fault.kind
        if fault.call:
            message += f"; first read by {fault.call}"
            message += f" ({fault.source})" if fault.source else ""
        if fault.consequences:
            message += f"; NaN or infinities in {counted(fault.consequences, 'call')} because of it"
        others = [each.name for each in sick if each is not fault]
        if len(sick) > _NAMED:
            message += f"; {len(others)} more parameters and buffers are not finite"
        yield Hit(
            fault.name,
            message,
            {"nan": fault.nan, "inf": fault.inf, "threshold": threshold, "values": fault.values,
             "call": fault.call, "source": fault.source, "consequences": fault.consequences,
             **({"others": others} if len(sick) > _NAMED else {})},
            "Load the last checkpoint before the loss was NaN; then find what made it so: a "
            "learning rate too high, a NaN in a batch, an overflow in half precision.",
        )  # fmt: skip


@rule("WGT007", "broken-norm-statistics", Severity.ERROR)
def broken_norm_statistics(
    facts: ForwardFacts | WeightFacts, *, threshold: float = 0.1, vanished: float = 0.9
) -> Iterator[Hit | Skip]:
    """A norm layer's running statistics do not fit what the layer is given.

    Measures: the share of a batch norm's channels whose values, normalised with the running mean
    and variance, have more than a hundred times the size that they should have, or less than a
    thousandth of it (a fiftieth, where the median channel has); from `threshold` a finding. A
    negative running variance always is one, and so are statistics as the layer was made with
    (mean 0, variance 1) although its counter says that they were updated. Where there was no
    forward pass: the share of running variances below 1e-10 behind a weight that is
    not small itself; from `vanished` a finding.

    Why: in evaluation mode the layer blows its input up or wipes it out; training mode, which uses
    the batch's own statistics, hides it.

    False alarm: the layers of a fresh network have not estimated anything yet, and random input is
    not what a trained layer expects: neither is judged, but for a negative variance. Statistics
    with NaN or infinities are nan-weight. Variances of nearly nothing are right for channels that
    weight decay has emptied: weights that vanish with them are not told here.

    Remedy: estimate the statistics again with forward passes in training mode over real data
    (without an optimiser step), or load a checkpoint before they broke.

    Source: Ioffe and Szegedy 2015; thresholds: house heuristic.
    """
    if isinstance(facts, WeightFacts):
        yield from impossible_variances(facts, vanished)
        return
    if facts.synthetic and not any(fault.negative or fault.updates for fault in facts.norms):
        yield Skip("the input is random, which is not what a trained norm layer expects")
        return
    for fault in facts.norms:
        share = fault.share
        certain = fault.negative or fault.updates
        if not certain and (share < threshold or facts.synthetic):
            continue
        what = (
            f"{fault.negative} of {fault.channels} running variances are negative, down to "
            f"{fault.smallest:.4g}"
            if fault.negative
            else f"the running statistics are those that it was made with (mean 0, variance 1), "
            f"although they were updated {fault.updates} times: they were not loaded, or reset"
            if fault.updates
            else f"the running statistics of {fault.off} of {fault.channels} channels are off: "
            f"normalised values have {fault.gain:.3g} times the size that they should have "
            f"(running variances from {fault.smallest:.3g} to {fault.largest:.3g})"
        )
        yield Hit(
            fault.path,
            f"{what}, in {fault.kind}",
            {"share": share, "threshold": threshold, "negative": fault.negative, "off": fault.off,
             "channels": fault.channels, "gain": fault.gain, "smallest": fault.smallest,
             **({"updates": fault.updates} if fault.updates else {})},
            "Estimate the running statistics again: forward passes in training mode over real "
            "data, without an optimiser step; or load a checkpoint before they broke.",
        )  # fmt: skip
