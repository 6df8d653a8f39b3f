"""What follows from what: silence that one activation call passes on to later ones."""

from __future__ import annotations

from netdoctor.facts.activations import ActivationFacts, CallFacts, Units


def consequences(facts: ActivationFacts) -> dict[str, str]:
    """Calls whose every input was constant over the samples, with the first call to blame."""
    units = {str(call.site): call.units for call in facts.calls}
    causes: dict[str, str] = {}
    for call in facts.calls:
        feeders = [name for name in call.upstream if units.get(name) is not None]
        if not feeders or len(feeders) < len(call.upstream):
            continue
        if all(_silent(units[name]) for name in feeders):
            causes[str(call.site)] = causes.get(feeders[0], feeders[0])
    return causes


def inherited(facts: ActivationFacts, call: CallFacts, units: Units) -> str:
    """The call whose dead units these are, passed on one by one as by a depthwise convolution."""
    for before in facts.calls:
        if call.upstream == (str(before.site),) and before.units is not None:
            same = before.units.count == units.count
            if same and before.units.dead[units.dead].mean() >= 0.95:
                return call.upstream[0]
    return ""


def bypassed(facts: ActivationFacts, name: str) -> bool:
    """Whether all that this call feeds is also fed by something else that varies."""
    constant = {str(call.site) for call in facts.calls if _silent(call.units)} | {name}
    takers = [call.upstream for call in facts.calls if name in call.upstream]
    return bool(takers) and all(set(upstream) - constant for upstream in takers)


def _silent(units: Units | None) -> bool:
    return units is not None and not units.varies
