"""NUM001 and NUM002: values that are not numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments
from netdoctor.facts.backward import GradientOrigin, Range
from netdoctor.facts.forward import ForwardFacts, Origin, ValueRange
from netdoctor.report import Severity, counted
from netdoctor.rules.core import Hit, Skip, rule


@rule("NUM001", "nan-activation", Severity.ERROR)
def nan_activation(
    facts: ActivationFacts | ForwardFacts, *, threshold: int = 1
) -> Iterator[Hit | Skip]:
    """NaN among a layer's outputs.

    Measures: the number of NaN in the output of each call, over all samples; `threshold` of them
    is a finding at the first call, and the later ones are counted as what follows from it. NaN
    that first appear in a later call than infinite values are what follows from those (see
    inf-activation) and are not told apart. `check-forward` names the operation whose inputs were
    finite and whose output is not, its line of source and the samples; it also looks at the input
    batch and at the loss.

    Why: every value computed from a NaN is NaN; the loss is NaN and one update ruins all weights.

    False alarm: none is known; a NaN that is masked out later still poisons the gradients. What
    `check-forward` sees the program put right itself, with nan_to_num or by filling missing values
    of its input, is not counted where the output is finite.

    Remedy: `netdoctor check-forward` names the operation, the sample and the source line. Usual
    causes: a NaN weight, log or sqrt of a negative number, 0/0, an overflow in half precision.

    Source: house heuristic.
    """
    if isinstance(facts, ForwardFacts):
        yield from _origins(facts, threshold, nan=True)
        return
    nan = [moments.nan for _, moments in _measured(facts)]
    infinite = [moments.inf - moments.negative_inf for _, moments in _measured(facts)]
    cause, first = _first_place(infinite), _first_place(nan)
    if cause < first < len(nan):
        sites = [str(call.site) for call, _ in _measured(facts)]
        yield Skip(f"follows from the infinite values of {sites[cause]}", sites[first])
    else:
        yield from _at_the_first(facts, nan, threshold, "nan", "NaN")


@rule("NUM002", "inf-activation", Severity.ERROR)
def inf_activation(
    facts: ActivationFacts | ForwardFacts, *, threshold: int = 1
) -> Iterator[Hit | Skip]:
    """Infinite values among a layer's outputs.

    Measures: the number of infinities in the output of each call, over all samples; `threshold`
    of them is a finding at the first call. `check-forward` tells what a program writes to mask
    something (`masked_fill`, `torch.where`, a buffer) from what an operation computed.

    Why: the next subtraction or division turns infinity into NaN.

    False alarm: minus infinity that only masks logits before a softmax is meant: a call whose
    infinities are all negative is left alone, unless a later call gives NaN.

    Remedy: look for an overflowing exp, a division by a vanishing norm, or float16 activations
    beyond 65504; `netdoctor check-forward` names the operation.

    Source: house heuristic.
    """
    if isinstance(facts, ForwardFacts):
        yield from _origins(facts, threshold, nan=False)
        return
    last = _first_place([moments.nan for _, moments in _measured(facts)])
    calls = _measured(facts)
    infinite = [
        moments.inf - (0 if place <= last < len(calls) else moments.negative_inf)
        for place, (_, moments) in enumerate(calls)
    ]
    yield from _at_the_first(facts, infinite, threshold, "inf", "infinite")


def _origins(facts: ForwardFacts, threshold: int, *, nan: bool) -> Iterator[Hit | Skip]:
    """A hit for each place where NaN, or else infinities, began."""
    gradient = facts.backward.origin if facts.backward is not None else None
    places = [each for each in facts.origins if bool(each.nan) == nan]
    for origin in places:
        count = origin.nan if nan else origin.inf
        if count >= threshold:
            yield _told(facts, origin, count, threshold, "NaN" if nan else "infinite")
    if gradient is not None and gradient.nan == nan:
        yield _gradient(gradient, threshold)
    sick = [each.name for each in facts.state if each.consequences]
    if not places and sick:
        yield Skip(f"what is not finite follows from the values of {', '.join(sick[:3])}")


def _told(facts: ForwardFacts, origin: Origin, count: int, threshold: int, what: str) -> Hit:
    later = [
        str(call.site)
        for call in facts.calls
        if call.status in ("NaN", "Inf") and str(call.site) != origin.subject
    ]
    message = f"{count} of {origin.values} values {_of_what(origin)} {what}: {origin.reason}"
    if origin.source:
        message += f"; {origin.source}" + (f": {origin.code}" if origin.code else "")
    message += f"; {_samples(origin)}"
    if origin.batches > 1:
        message += f"; so it is in {origin.batches} of {facts.batches} batches"
    if later and origin.stage != "loss":
        message += f"; not finite either: {counted(len(later), 'later call')}"
    evidence = {
        what.lower() if what == "NaN" else "inf": count, "threshold": threshold,
        "values": origin.values, "operation": origin.operation, "source": origin.source,
        "batch": origin.batch, "samples": list(origin.samples),
        **({"names": list(origin.names)} if origin.names else {}),
        "inputs": [_range(each) for each in origin.inputs], "stage": origin.stage,
        "consequences": later,
    }  # fmt: skip
    return Hit(origin.subject, message, evidence, _remedy(origin))


def _gradient(gradient: GradientOrigin, threshold: int) -> Hit:
    """The backward operation that made the first gradient that is not finite."""
    made = [each for each in gradient.outgoing or gradient.incoming if each is not None]
    nan, inf = sum(each.nan for each in made), sum(each.inf for each in made)
    count, what = (nan, "NaN") if nan else (inf, "infinite")
    message = f"{gradient.node or 'the backward pass'} gives {count} {what} gradients"
    if gradient.kind == "sum":
        message = f"finite gradients of several branches add up to {count} {what} ones"
    message += f" in the backward pass of {gradient.operation or gradient.call}"
    if gradient.source:
        message += f"; {gradient.source}" + (f": {gradient.line}" if gradient.line else "")
    message += f"; first in batch {gradient.batch}"
    if gradient.samples:
        message += f", samples {', '.join(map(str, gradient.samples[:8]))}"
    message += (
        f" (counted from 0); the loss is finite ({gradient.loss:.4g}), but "
        f"{len(gradient.parameters)} of {gradient.examined} gradients of parameters "
        f"are {'NaN' if gradient.nan else 'infinite'} because of it"
    )
    evidence = {
        "nan": nan, "inf": inf, "threshold": threshold, "stage": "backward",
        "operation": gradient.operation, "node": gradient.node, "source": gradient.source,
        "batch": gradient.batch, "samples": list(gradient.samples or ()),
        "inputs": [_given(each) for each in gradient.inputs],
        "gradient_in": [_given(each) for each in gradient.incoming],
        "gradient_out": [_given(each) for each in gradient.outgoing],
        "parameters": list(gradient.parameters),
    }  # fmt: skip
    return Hit(
        gradient.call, message, evidence,
        "The slope has no limit there: keep the input away from that point before the operation "
        "(x.clamp_min(eps), sqrt(x + eps)); a torch.where after it comes too late, for 0 times "
        "infinity is NaN.",
    )  # fmt: skip


def _given(values: Range | None) -> str:
    if values is None:
        return "none"
    shape = "×".join(map(str, values.shape)) or "scalar"
    text = f"{values.dtype} {shape} from {values.minimum:.6g} to {values.maximum:.6g}"
    text += f", {values.zeros} zeros" if values.zeros else ""
    text += f", {values.nan} NaN" if values.nan else ""
    return text + (f", {values.inf} infinite" if values.inf else "")


def _of_what(origin: Origin) -> str:
    what = {"input": "of the input are", "target": "of the target are"}
    return what.get(origin.stage, f"that {origin.operation} gives are")


def _samples(origin: Origin) -> str:
    """Batch and samples as a sentence's part."""
    where = f"batch {origin.batch}"
    if origin.names:
        where += f", {', '.join(origin.names[:4])}"
    if not origin.samples:
        return f"first in {where} (counted from 0)"
    shown = ", ".join(map(str, origin.samples[:8]))
    more = " and more" if len(origin.samples) > 8 else ""
    noun = "sample" if len(origin.samples) == 1 else "samples"
    return f"first in {where}, {noun} {shown}{more} (counted from 0)"


def _range(given: ValueRange) -> str:
    shape = "×".join(map(str, given.shape)) or "scalar"
    text = f"{given.name} {given.dtype} {shape} from {given.minimum:.6g} to {given.maximum:.6g}"
    text += f", {given.nan} NaN" if given.nan else ""
    text += f", {given.inf} infinite" if given.inf else ""
    return text + (" (before it was overwritten)" if given.overwritten else "")


def _remedy(origin: Origin) -> str:
    if origin.stage in ("input", "target"):
        return (
            "Find these samples in the data set and clean or drop them; assert "
            "torch.isfinite(x).all() where they are made."
        )
    reason = origin.reason
    for sign, advice in _ADVICE:
        if sign in reason:
            return advice
    return f"Look at the inputs of {origin.operation} there, and keep them in its domain."


_ADVICE = (
    ("logarithm of", "Clamp its input from below (x.clamp_min(1e-8)), add a small eps, or use a "
     "stable form: log_softmax for log(softmax(x)), logsigmoid for log(sigmoid(x)), log1p."),
    ("root", "Clamp its input at 0 plus a small eps (x.clamp_min(0) + 1e-12): rounding makes "
     "differences of squares negative."),
    ("divi", "Add a small eps to the divisor, or clamp it from below; skip empty groups."),
    ("masked out", "Let every row keep at least one finite logit (torch.finfo(x.dtype).min in the "
     "place of -inf), or set the rows without any to zero after the softmax."),
    ("closed", "Let every query attend to at least one key, or zero the rows that may not."),
    ("it overflows", "Keep this part in float32 or bfloat16, or scale its inputs and weights "
     "down."),
    ("overflow", "Subtract the maximum first (logsumexp, softmax), scale the input down, or "
     "compute this part in float32 or bfloat16."),
    ("can hold", "Keep this part in float32 or bfloat16, or scale the values down before it."),
    ("ignored", "Skip batches in which every target is ignored, or divide by max(count, 1)."),
    ("running variance", "Estimate the running statistics again with forward passes in training "
     "mode over real data, or load an earlier checkpoint."),
)  # fmt: skip


def _measured(facts: ActivationFacts) -> list[tuple[CallFacts, Moments]]:
    return [(call, call.moments) for call in facts.calls if call.moments is not None]


def _first_place(counts: Sequence[int]) -> int:
    """The place of the first that is not 0; their number when there is none."""
    return next((place for place, count in enumerate(counts) if count), len(counts))


def _at_the_first(
    facts: ActivationFacts, counts: Sequence[int], threshold: int, key: str, what: str
) -> Iterator[Hit]:
    """A hit for the first call with so many; `counts` has one number a measured call."""
    calls = _measured(facts)
    sick = [place for place, count in enumerate(counts) if count >= threshold]
    if not sick:
        return
    call, moments = calls[sick[0]]
    later = [str(calls[place][0].site) for place in sick[1:]]
    yield Hit(
        str(call.site),
        f"{counts[sick[0]]} of {moments.count} outputs of {call.kind} are {what}"
        + (f"; what follows: {counted(len(later), 'later call')}" if later else ""),
        {
            key: counts[sick[0]],
            "threshold": threshold,
            "values": moments.count,
            "consequences": later,
        },
        "Check the weights of "
        f"{call.after or 'this layer and the one in front'} and the input for NaN and infinities; "
        "if both are clean, look in its code for log, sqrt, exp and division.",
    )
