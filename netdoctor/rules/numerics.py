"""NUM: values that are not numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule


@rule("NUM001", "nan-activation", Severity.ERROR)
def nan_activation(facts: ActivationFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """NaN among a layer's outputs.

    Measures: the number of NaN in the output of each call, over all samples; `threshold` of them
    is a finding at the first call, and the later ones are counted as what follows from it. NaN
    that first appear in a later call than infinite values are what follows from those (see
    inf-activation) and are not told apart.

    Why: every value computed from a NaN is NaN; the loss is NaN and one update ruins all weights.

    False alarm: none is known; a NaN that is masked out later still poisons the gradients.

    Remedy: `netdoctor check-forward` names the operation, the sample and the source line. Usual
    causes: a NaN weight, log or sqrt of a negative number, 0/0, an overflow in half precision.

    Source: house heuristic.
    """
    nan = [moments.nan for _, moments in _measured(facts)]
    infinite = [moments.inf - moments.negative_inf for _, moments in _measured(facts)]
    cause, first = _first_place(infinite), _first_place(nan)
    if cause < first < len(nan):
        sites = [str(call.site) for call, _ in _measured(facts)]
        yield Skip(f"follows from the infinite values of {sites[cause]}", sites[first])
    else:
        yield from _at_the_first(facts, nan, threshold, "nan", "NaN")


@rule("NUM002", "inf-activation", Severity.ERROR)
def inf_activation(facts: ActivationFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Infinite values among a layer's outputs.

    Measures: the number of infinities in the output of each call, over all samples; `threshold`
    of them is a finding at the first call.

    Why: the next subtraction or division turns infinity into NaN.

    False alarm: minus infinity that only masks logits before a softmax is meant: a call whose
    infinities are all negative is left alone, unless a later call gives NaN.

    Remedy: look for an overflowing exp, a division by a vanishing norm, or float16 activations
    beyond 65504; `netdoctor check-forward` names the operation.

    Source: house heuristic.
    """
    last = _first_place([moments.nan for _, moments in _measured(facts)])
    calls = _measured(facts)
    infinite = [
        moments.inf - (0 if place <= last < len(calls) else moments.negative_inf)
        for place, (_, moments) in enumerate(calls)
    ]
    yield from _at_the_first(facts, infinite, threshold, "inf", "infinite")


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
        + (f"; {len(later)} later call(s) follow from it" if later else ""),
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
