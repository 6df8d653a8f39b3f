"""ACT: units that never fire, or that sit at the flat ends of their function."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np

from netdoctor.facts.activations import (
    CLIPPED,
    CLIPPED_FROM,
    SATURATED_FROM,
    ActivationFacts,
    CallFacts,
    Units,
)
from netdoctor.report import Severity, counted
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.flow import bypassed, consequences, inherited

_LISTED = 20  # dead units whose indices go into the evidence of a partly dead layer


@rule("ACT001", "dead-layer", Severity.ERROR)
def dead_layer(
    facts: ActivationFacts, *, threshold: float = 1.0, min_samples: int = 32, min_units: int = 8
) -> Iterator[Hit | Skip]:
    """A whole layer never fires: the network behind it sees a constant.

    Measures: the share of an activation call's units (channels, features) that stayed at the
    zero-gradient end of their function at every position of every sample: at or below 0 for ReLU
    and its relatives, below x = -4 for GELU, x = -8 for SiLU, Mish and Softplus, at the lower
    asymptote for ELU. `threshold` is that share; 1.0 means all of them.

    Why: no signal and no gradient passes. What lies before the layer learns nothing from this
    path, what lies behind it can only learn its biases.

    False alarm: a layer of fewer than `min_units` units may be born dead by chance, so it is not
    judged on random input or fresh weights, nor, where it is unknown whether the weights are
    trained, if it is an output or if another path leads round it. What only feeds a gate
    (squeeze-and-excitation, attention, LSTM) is left out. Fewer than `min_samples` samples prove
    nothing. A layer that is silent only because everything before it is constant is put down to
    the first one that is.

    Remedy: look at the layer in front (its bias, its weights, the learning rate that made them).
    Lower the learning rate or warm it up, start again from a checkpoint before the collapse, use
    He initialisation and a bias of zero, or a leaky activation.

    Source: Lu et al. 2019, "Dying ReLU and initialization"; thresholds: house heuristic.
    """
    yield from _by_layer(facts, _dead_layers(facts, threshold, min_samples, min_units))


def _dead_layers(
    facts: ActivationFacts, threshold: float, min_samples: int, min_units: int
) -> Iterator[Hit | Skip]:
    behind = consequences(facts)
    for call, units in _judged(facts):
        subject = str(call.site)
        if subject in behind:
            yield Skip(f"its input is constant because of {behind[subject]}", subject)
        if units.dead_fraction < threshold or subject in behind:
            continue
        if units.samples < min_samples:
            yield _too_few(units, min_samples, subject)
        elif units.count < min_units and _by_chance(facts, call):
            yield Skip(f"{units.count} units may be silent by chance", subject)
        else:
            follows = [name for name, cause in behind.items() if cause == subject]
            yield Hit(
                subject,
                f"{_dead(units)} in {call.kind}{_where(call)}; "
                f"{units.samples} samples, so with 95 % confidence it is silent on all but "
                f"{_percent(units.rate_bound)} of the inputs{_following(follows)}",
                {**_evidence(units, threshold, listed=0), "consequences": follows},
                f"Look at the bias and weights of {call.after or 'the layer in front'}; train "
                "again from before the collapse with a lower or warmed-up learning rate, or use "
                "a leaky activation.",
            )


@rule("ACT002", "dead-units", Severity.WARNING)
def dead_units(
    facts: ActivationFacts, *, threshold: float = 0.5, error_at: float = 0.9, min_samples: int = 64
) -> Iterator[Hit | Skip]:
    """A large part of a layer's units never fires.

    Measures: the share of dead units of an activation call (see dead-layer for what dead means),
    less the units that more samples would probably have woken (Chao's lower bound on what was not
    yet seen, from the units that fired in one and in two samples). From `threshold` a warning,
    from `error_at` an error.

    Why: dead units cost memory and time and no longer learn; the layer is narrower than designed.

    False alarm: healthy trained networks have up to 36 % of a layer silent, fresh ones up to half.
    Where it is unknown whether the weights are trained, dead units must also outnumber the units
    that always fire by more than chance: a random layer makes as many of the one as of the other.
    Random input does not show what a trained unit answers to,
    and fewer than `min_samples` samples miss the units for rare inputs: neither is judged. What
    only feeds a gate, the output, and layers that follow a dead one are left out.

    Remedy: lower the learning rate, check for a large negative bias, use He initialisation or a
    leaky activation; if it was pruned on purpose, ignore the rule for this model.

    Source: Maas et al. 2013; Chao 1984 for the correction; thresholds: measured on healthy
    networks, house heuristic.
    """
    if facts.fresh:
        yield Skip("the weights are fresh: some units of an untrained network are silent by chance")
        return
    if facts.synthetic:
        yield Skip("the input is random: it does not show what a trained unit answers to")
        return
    yield from _by_layer(facts, _partly_dead(facts, threshold, error_at, min_samples))


def _partly_dead(
    facts: ActivationFacts, threshold: float, error_at: float, min_samples: int
) -> Iterator[Hit | Skip]:
    behind = consequences(facts)
    for call, units in _judged(facts):
        subject = str(call.site)
        share = _surely_dead(units) / units.count
        if call.role == "output" or subject in behind or not threshold <= share:
            continue
        if units.dead_fraction >= 1:
            continue  # dead-layer
        if cause := inherited(facts, call, units):
            yield Skip(f"its silent units are those of {cause}, channel by channel", subject)
            continue
        if units.samples < min_samples:
            yield _too_few(units, min_samples, subject)
        elif facts.fresh is None and _chance(units) > 1e-3:
            yield Skip("a fresh layer may have as many silent units by chance", subject)
        else:
            yield Hit(
                subject,
                f"{_dead(units)} in {call.kind}{_where(call)}; {units.samples} samples bound the "
                f"rate at which such a unit may fire at {_percent(units.rate_bound)}",
                {**_evidence(units, threshold), "surely_dead_fraction": share},
                "Lower the learning rate, look for a large negative bias in "
                f"{call.after or 'the layer in front'}, or use a leaky activation.",
                Severity.ERROR if share >= error_at else None,
            )


@rule("ACT003", "saturated-units", Severity.WARNING)
def saturated_units(
    facts: ActivationFacts,
    *,
    threshold: float = 0.5,
    unit_share: float = SATURATED_FROM,
    clipped_share: float = CLIPPED_FROM,
    min_samples: int = 32,
) -> Iterator[Hit | Skip]:
    """Most units of a bounded activation sit at its flat ends.

    Measures: for sigmoid, tanh, hard sigmoid, ReLU6 and other clipped functions, the share of
    units of which at least `unit_share` of the values lie where the slope is below 1 % of its
    steepest (|x| > 6 for sigmoid, |x| > 3 for tanh), or at the upper bound of ReLU6 (of the values
    with which they fire: its lower end is silent, not saturated). For hard tanh and hard sigmoid
    it is `clipped_share`: healthy networks keep these at a bound for most values. From `threshold`
    a warning.

    Why: almost no gradient passes a saturated unit, so what lies before it hardly learns.

    False alarm: gates (squeeze-and-excitation, attention, LSTM) and the output saturate by
    design and are left out. Fewer than `min_samples` samples are not judged.

    Remedy: scale the input, use Xavier initialisation and smaller weights, put a norm layer in
    front, or use an unbounded activation.

    Source: Glorot and Bengio 2010, section 3; thresholds: house heuristic.
    """
    yield from _by_layer(
        facts, _saturated(facts, threshold, (unit_share, clipped_share), min_samples)
    )


def _saturated(
    facts: ActivationFacts, threshold: float, shares: tuple[float, float], min_samples: int
) -> Iterator[Hit | Skip]:
    behind = consequences(facts)
    for call, units in _judged(facts):
        if units.saturated is None or call.role != "hidden" or str(call.site) in behind:
            continue
        unit_share = shares[call.kind in CLIPPED]
        share = float((units.saturated >= unit_share).mean())
        if share < threshold:
            continue
        if units.samples < min_samples:
            yield _too_few(units, min_samples, str(call.site))
            continue
        yield Hit(
            str(call.site),
            f"{_percent(share)} of {units.count} units are saturated in {call.kind}{_where(call)}: "
            f"at least {_percent(unit_share)} of {_where_flat(call)}",
            {
                "saturated_fraction": share,
                "threshold": threshold,
                "saturated_values": float(units.saturated.mean()),
                "units": units.count,
                "samples": units.samples,
            },
            f"{_input_first(call)}Scale the weights of {call.after or 'the layer in front'} down, "
            "or put a norm layer between; Xavier initialisation keeps such units in their steep "
            "part.",
        )


def _judged(facts: ActivationFacts) -> Iterator[tuple[CallFacts, Units]]:
    """The calls whose units can be judged: nothing before a gate, nothing not measured."""
    for call in facts.calls:
        if call.units is not None and call.units.count and call.role != "gate-input":
            yield call, call.units


def _by_layer(facts: ActivationFacts, outcomes: Iterable[Hit | Skip]) -> Iterator[Hit | Skip]:
    """The outcomes, but one hit for all calls behind the same layer, as a loop over time makes."""
    layers = {str(call.site): (call.site.name, call.after) for call in facts.calls if call.after}
    groups: dict[object, list[Hit]] = {}
    for outcome in outcomes:
        if isinstance(outcome, Skip):
            yield outcome
        else:
            groups.setdefault(layers.get(outcome.subject, outcome.subject), []).append(outcome)
    for first, *later in groups.values():
        if not later:
            yield first
            continue
        yield dataclasses.replace(
            first,
            message=f"{first.message}; the same in {counted(len(later), 'later call')} "
            "behind that layer",
            evidence={**first.evidence, "again": [hit.subject for hit in later]},
            severity=next((hit.severity for hit in (first, *later) if hit.severity), None),
        )


def _by_chance(facts: ActivationFacts, call: CallFacts) -> bool:
    """Whether a few units that are all silent may be no fault."""
    if facts.synthetic or facts.fresh is not None:
        return facts.synthetic or bool(facts.fresh)
    return call.role == "output" or bypassed(facts, str(call.site))


def _surely_dead(units: Units) -> float:
    """Dead units less those that more samples would probably have woken.

    Source: Chao 1984: f1 (f1 - 1) / (2 (f2 + 1)) unseen, from f1 seen once and f2 seen twice.
    """
    once, twice = (int(np.count_nonzero(units.fired == times)) for times in (1, 2))
    unseen = once * (once - 1) / (2 * (twice + 1))
    return max(0.0, int(units.dead.sum()) - unseen)


def _chance(units: Units) -> float:
    """Probability that random weights make this many dead units among the dead and always firing.

    Turning a random weight vector round turns a unit that always fires into one that never does,
    so of both together at most half are dead but for chance (a sign test; pooling positions makes
    dead units rarer still).
    """
    dead = int(units.dead.sum())
    both = dead + int(((units.fired == units.samples) & ~units.dead).sum())
    return float(sum(math.comb(both, k) for k in range(dead, both + 1)) / 2**both)


def _too_few(units: Units, needed: int, subject: str) -> Skip:
    return Skip(
        f"{units.samples} samples, {needed} are needed: give more with --batches or --data", subject
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _dead(units: Units) -> str:
    return f"{int(units.dead.sum())} of {units.count} units never fire"


def _where(call: CallFacts) -> str:
    return f" after {call.after}" if call.after else ""


def _where_flat(call: CallFacts) -> str:
    if call.kind in ("relu6", "clamp"):
        return "the values with which they fire lie at its upper bound"
    return "their values lie at its flat ends"


def _input_first(call: CallFacts) -> str:
    """What to look at first where no activation lies between the model's input and the call."""
    return "Check that the input is normalised as in training. " if call.upstream == ("",) else ""


def _following(names: list[str]) -> str:
    if not names:
        return ""
    later = "1 later call is" if len(names) == 1 else f"{len(names)} later calls are"
    return f"; {later} constant because of it"


def _evidence(units: Units, threshold: float, listed: int = _LISTED) -> dict[str, object]:
    indices = np.flatnonzero(units.dead)[:listed].tolist()
    return {
        "dead_fraction": units.dead_fraction,
        "threshold": threshold,
        "dead_units": int(units.dead.sum()),
        "units": units.count,
        **({"indices": indices} if listed else {}),
        "samples": units.samples,
        "rate_bound": units.rate_bound,
    }
