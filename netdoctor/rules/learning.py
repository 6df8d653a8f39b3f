"""MOD005: a network that cannot learn even one small batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from netdoctor.facts.overfit import FITS, LEARNT, PATIENCE, GradientStates, OverfitFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_SUBJECT = "network"
_NAMED = 6
_GRADFLOW = "`netdoctor gradflow` tells which parameter's gradient is lost, and where."


@rule("MOD005", "cannot-overfit-batch", Severity.ERROR)
def cannot_overfit_batch(
    facts: OverfitFacts, *, threshold: float = LEARNT, slow_at: float = 0.5
) -> Iterator[Hit | Skip]:
    """Training on one small batch does not bring the loss near its floor.

    Measures: a copy is trained on at most eight samples, dropout off, at up to three rates around
    the one that a range test suggests. What counts is the share that is left of the loss between
    that of an output which ignores its input (the entropy or the variance of the targets; the
    first loss, where that is not known) and the floor (0, or what label smoothing, soft targets
    and equal inputs with different targets leave): a finding from `threshold` on, when the loss
    has not fallen by 1 % of what is left in 200 steps, has blown up, or is not finite. One sample
    of eight that cannot be learnt leaves an eighth. Still falling at the limit of steps, with
    `slow_at` of the loss or more left, is a warning.

    Why: a network that cannot memorise eight samples cannot learn six million; what stops it here
    is a bug in the network, the loss or the targets, not a want of data or regularisation.

    False alarm: random targets, a loss whose floor is not known, and more target values than
    trainable numbers excuse a loss that stays up (skipped), unless no gradient arrives or the
    output is the same for every sample. Equal inputs with different targets raise the floor. A
    limit of time that comes while the loss still falls proves nothing (skipped). A network that
    is frozen on purpose cannot learn either: examine it with `netdoctor deadneurons`.

    Remedy: `netdoctor gradflow` for missing, zero and non-finite gradients; no softmax or sigmoid
    before a loss that has one inside, no ReLU on logits; inputs and targets that belong together.

    Source: Karpathy 2019, A Recipe for Training Neural Networks, "overfit one batch"; the
    threshold is a house heuristic, chosen below an eighth.
    """
    verdict = facts.verdict(threshold)
    if not facts.parameters:
        yield Skip("the model has no parameters")
    elif verdict == "label noise":
        yield Skip("equal inputs have different targets: nothing is left that inputs could explain")
    elif verdict == "learnt in part":
        yield Skip(f"the loss stopped with {_left(facts)} left, but {facts.excuse}")
    elif verdict == "learnt too slowly":
        yield from _slow(facts, slow_at)
    elif verdict != "learnt" and (facts.remaining is None or facts.remaining >= threshold):
        message, remedy = _explained(facts)
        yield Hit(_SUBJECT, message, _evidence(facts, threshold), remedy)


def _slow(facts: OverfitFacts, slow_at: float) -> Iterator[Hit | Skip]:
    outcome = facts.outcome
    assert outcome is not None
    if outcome.end == "time":
        yield Skip(
            f"the time limit of {facts.time_limit:g} s came after {outcome.steps} steps, with "
            f"{_left(facts)} left: give it more with --time-limit, or fewer --samples"
        )
    elif outcome.steps < PATIENCE:
        yield Skip(f"{outcome.steps} steps prove nothing: give it more --steps")
    elif facts.excuse or facts.remaining is None or facts.remaining < slow_at:
        yield Skip(
            f"the loss still falls after {outcome.steps} steps, with {_left(facts)} left: "
            "give it more --steps"
        )
    else:
        yield Hit(
            _SUBJECT,
            f"after {outcome.steps} steps on {_samples(facts)} the loss has come from "
            f"{facts.start:.4g} to {facts.best:.4g} only: {_left(facts)} is left",
            _evidence(facts, slow_at),
            "It learns, but far too slowly: check the scale of inputs and initial weights, and "
            f"that norm layers are where they belong. {_GRADFLOW}",
            Severity.WARNING,
        )


def _explained(facts: OverfitFacts) -> tuple[str, str]:
    """What stopped it, and what to do."""
    outcome = facts.outcome
    if outcome is None:
        return (
            f"all its {facts.parameters:,} parameters are frozen: there is nothing to train",
            "Call requires_grad_(True) on what is to learn; a frozen network can only predict.",
        )
    if outcome.end == "non-finite":
        return _not_finite(facts)
    if outcome.end == "diverged":
        return (
            f"the loss blows up at every rate tried ({_rates(facts)}), from {facts.start:.4g}",
            "Check the scale of the initial weights, of the inputs and of the targets; "
            "`netdoctor activations` shows where the values grow.",
        )
    if not facts.learning:
        kinds = sorted({each.end for each in facts.gradients})
        return (
            f"no trainable parameter gets a gradient: {_count(facts.gradients)} are "
            f"{' or '.join(kinds)}, so that the loss stays at {facts.start:.4g}",
            f"Look for detach, no_grad, argmax, item, or weights that are all zero. {_GRADFLOW}",
        )
    return _stalled(facts)


def _not_finite(facts: OverfitFacts) -> tuple[str, str]:
    bad = [each for each in facts.gradients if each.start == "non-finite"]
    if facts.start != facts.start or facts.start in (float("inf"), float("-inf")):
        return (
            f"the loss is {facts.start} before the first step",
            "`netdoctor activations` finds the first call with NaN or infinite values; if there "
            "is none, look at the loss and its targets.",
        )
    if bad:
        return (
            f"the loss is finite, but the gradients of {_names(bad)} are not",
            f"Look for sqrt, norm, log or division at 0, and for masked infinities. {_GRADFLOW}",
        )
    return (
        f"the loss becomes NaN or infinite at every rate tried ({_rates(facts)})",
        "Check the scale of the initial weights, inputs and targets, and exp, log and division "
        "in the network and the loss.",
    )


def _stalled(facts: OverfitFacts) -> tuple[str, str]:
    floor = "0" if not facts.floor else f"{facts.floor:.4g}"
    possible = f"{floor} is possible" if facts.floor is not None else "it has to fall"
    message = f"the loss stalls at {facts.best:.4g} where {possible}, at {_rates(facts)}"
    idle = [each for each in facts.gradients if not each.learns]
    lost = f"; {_names(idle)} never get a gradient" if idle else ""
    if facts.output_varies is False:
        return (
            f"the output is the same for every sample: {message}{lost}",
            "What the input says is lost on the way: look for a dead layer "
            f"(`netdoctor deadneurons`), a constant in its place, or all-zero weights. {_GRADFLOW}",
        )
    if facts.fit is not None and facts.fit >= FITS and facts.floor is not None:
        return (
            f"{message}, although {facts.fit:.0%} of the predictions are right{lost}",
            "Something bounds the output: look for a softmax or sigmoid before a loss that has "
            "one inside, a tanh, or a normalised or clamped output.",
        )
    return (
        f"{message}, {_left(facts)} left{lost}",
        "Look for a softmax, ReLU or other bound on the output, targets that do not belong to "
        f"their inputs, dead or saturated layers. {_GRADFLOW}",
    )


def _evidence(facts: OverfitFacts, threshold: float) -> dict[str, Any]:
    outcome = facts.outcome
    if outcome is None:
        return {
            "trainable": facts.trainable,
            "parameters": facts.parameters,
            "threshold": threshold,
        }
    states = [each.end for each in facts.gradients]
    return {
        "remaining": facts.remaining,
        "threshold": threshold,
        "loss_at_start": facts.start,
        "lowest_loss": facts.best,
        "floor": facts.floor,
        "ignoring_the_input": facts.ignorant,
        "samples": facts.samples,
        "steps": sum(each.steps for each in facts.attempts),
        "end": outcome.end,
        "parameters_without_gradient": states.count("missing"),
        "parameters_with_zero_gradient": states.count("zero"),
        "parameters_with_non_finite_gradient": states.count("non-finite"),
    }


def _left(facts: OverfitFacts) -> str:
    return "an unknown share" if facts.remaining is None else f"{facts.remaining:.0%} of the loss"


def _rates(facts: OverfitFacts) -> str:
    rates = ", ".join(f"{each.rate:.2g}" for each in facts.attempts)
    return f"a learning rate of {rates}" if len(facts.attempts) == 1 else f"learning rates {rates}"


def _samples(facts: OverfitFacts) -> str:
    return f"{facts.samples} sample{'s' * (facts.samples != 1)}"


def _count(gradients: tuple[GradientStates, ...]) -> str:
    return (
        f"the gradients of all {len(gradients)}" if len(gradients) > 1 else "that of the only one"
    )


def _names(gradients: list[GradientStates]) -> str:
    names = [each.name for each in gradients]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
