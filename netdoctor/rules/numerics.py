"""NUM: values that are not numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule


@rule("NUM001", "nan-activation", Severity.ERROR)
def nan_activation(facts: ActivationFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """NaN among a layer's outputs.

    Measures: the number of NaN in the output of each call, over all samples; `threshold` of them
    is a finding at the first call, and the later ones are counted as what follows from it.

    Why: every value computed from a NaN is NaN; the loss is NaN and one update ruins all weights.

    False alarm: none is known; a NaN that is masked out later still poisons the gradients.

    Remedy: `netdoctor check-forward` names the operation, the sample and the source line. Usual
    causes: a NaN weight, log or sqrt of a negative number, 0/0, an overflow in half precision.

    Source: house heuristic.
    """
    yield from _first(facts, threshold, "nan", "NaN", lambda moments: moments.nan)


@rule("NUM002", "inf-activation", Severity.ERROR)
def inf_activation(facts: ActivationFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Infinite values among a layer's outputs.

    Measures: the number of infinities in the output of each call, over all samples; `threshold`
    of them is a finding at the first call.

    Why: the next subtraction or division turns infinity into NaN.

    False alarm: minus infinity that only masks logits before a softmax is meant: a call whose
    infinities are all negative, with no NaN anywhere in the pass, is left alone.

    Remedy: look for an overflowing exp, a division by a vanishing norm, or float16 activations
    beyond 65504; `netdoctor check-forward` names the operation.

    Source: house heuristic.
    """
    masks = not any(call.moments and call.moments.nan for call in facts.calls)

    def infinities(moments: Moments) -> int:
        return moments.inf - (moments.negative_inf if masks else 0)

    yield from _first(facts, threshold, "inf", "infinite values", infinities)


def _first(
    facts: ActivationFacts, threshold: int, key: str, what: str, count: Callable[[Moments], int]
) -> Iterator[Hit]:
    def number(call: CallFacts) -> int:
        return count(call.moments) if call.moments is not None else 0

    sick = [call for call in facts.calls if number(call) >= threshold]
    if not sick:
        return
    call, *later = sick
    total = call.moments.count if call.moments else 0
    yield Hit(
        str(call.site),
        f"{number(call)} of {total} outputs of {call.kind} are {what}"
        + (f"; {len(later)} later call(s) follow from it" if later else ""),
        {
            key: number(call),
            "threshold": threshold,
            "values": total,
            "consequences": [str(each.site) for each in later],
        },
        "Run `netdoctor check-forward` for the operation and source line; check the weights of "
        f"{call.after or 'the layers in front'} and the input for NaN and infinities.",
    )
