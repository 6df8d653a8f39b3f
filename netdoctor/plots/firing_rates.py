"""How units are told apart in pictures: the lane of their firing rate, the look of their state."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from netdoctor.facts.activations import ActivationFacts, CallFacts, Units
from netdoctor.plots import style

RARE = 0.01
SATURATED_FROM = 0.75  # share of a unit's values
ALARMING_FROM = 0.5  # share of a call's units that are dead
ENOUGH_SAMPLES = 64  # to call a part of the units dead


@dataclass(frozen=True, slots=True)
class Look:
    """How a state of a unit is drawn: differs in lightness and hatching, not in hue alone."""

    label: str
    colour: str
    hatch: str = ""


DEAD = Look("dead in every sample", "#b11218", "////")
CONSTANT = Look("constant", "#3a3f47", "....")
SATURATED = Look("saturated in three quarters of its values", "#8e5ab0", "xxxx")
RARELY = Look("rarely: in less than 1 % of samples", "#f2a25c", "\\\\")
ALWAYS = Look("in every sample", "#1f5f99")
ORDINARY = Look("ordinary", "#b9cfe2")
LOOKS = (DEAD, CONSTANT, SATURATED, RARELY, ALWAYS, ORDINARY)

NEVER_LANE, RARE_LANE, ALWAYS_LANE, LANES = 0, 1, 12, 13


def looks(units: Units) -> NDArray[np.int64]:
    """(U,) the index into LOOKS of each unit; the first state that applies."""
    rate = units.firing_rate
    saturated = np.zeros(units.count) if units.saturated is None else units.saturated
    states = [units.dead, units.constant, saturated >= SATURATED_FROM, rate < RARE, rate >= 1]
    return np.select(states, range(len(states)), len(states)).astype(np.int64)


def lanes(units: Units) -> NDArray[np.int64]:
    """(U,) the lane of each unit: never, below 1 %, ten steps up to below 100 %, always."""
    rate = units.firing_rate
    tenths = 2 + np.minimum((rate * 10).astype(np.int64), 9)
    chosen = np.select(
        [rate <= 0, rate < RARE, rate >= 1], [NEVER_LANE, RARE_LANE, ALWAYS_LANE], tenths
    )
    return chosen.astype(np.int64)


def counts(units: Units) -> NDArray[np.int64]:
    """(LOOKS, LANES) how many units have that look in that lane."""
    table = np.zeros((len(LOOKS), LANES), dtype=np.int64)
    np.add.at(table, (looks(units), lanes(units)), 1)
    return table


def saturated_share(units: Units) -> float | None:
    """Share of all values that lie at a flat end; None where the function is unbounded."""
    if units.saturated is None or not units.count:
        return None
    return float(np.mean(units.saturated))


def label_lanes(axes: Axes, *, spelled: bool) -> None:
    """Writes what the lanes mean, in %, below an axis whose lane i is centred at i."""
    never, always = ("never", "always") if spelled else ("0", "100")
    places = [NEVER_LANE, RARE_LANE, 3.5, 6.5, 9.5, ALWAYS_LANE]
    texts = [never, "<1", "20", "50", "80", always]
    style.x_labels(axes, places, texts)


def of_role(call: CallFacts) -> str:
    """The kind of the call, and its role where that excuses what it does."""
    return call.kind if call.role == "hidden" else f"{call.kind} · {call.role}"


def dead_text(call: CallFacts, units: Units) -> str:
    """`3/64`, with a word of alarm where that many are a defect."""
    dead = int(units.dead.sum())
    alarm = (" ALL DEAD" if dead == units.count else " DEAD") if is_alarming(call) else ""
    return f"{dead}/{units.count}{alarm}"


def is_alarming(call: CallFacts) -> bool:
    """Whether half of the units or more are dead, of a gate none and of the output all.

    A part of the units counts only when there are samples enough to say so.
    """
    least = {"hidden": ALARMING_FROM, "output": 1.0}.get(call.role)
    if call.units is None or not call.units.count or least is None:
        return False
    enough = call.units.samples >= ENOUGH_SAMPLES or call.units.dead.all()
    return bool(enough) and call.units.dead_fraction >= least


def headings(facts: ActivationFacts, calls: Sequence[CallFacts], page: str) -> tuple[str, str]:
    """Title and subtitle: how many calls and samples, and what so many samples allow to say."""
    seen = sorted({call.units.samples for call in calls if call.units})
    samples = f"{seen[0]:,}" if len(seen) == 1 else f"{seen[0]:,} to {seen[-1]:,}"
    bounds = [style.percent(min(1, 3 / max(n, 1))) for n in (seen[-1], seen[0])]
    bound = bounds[0] if bounds[0] == bounds[1] else " to ".join(bounds)
    data = "random input" if facts.synthetic else "the data"
    count = f"{len(calls)} activation call{'s' * (len(calls) != 1)}"
    title = f"How often units fire · {count} · {samples} samples of {data}{page}"
    subtitle = (
        "Along x: in how many % of the samples a unit fires (at any position). One that was never "
        f"seen to fire may still fire in up to {bound} of samples (3/n, 95 % bound)."
    )
    return title, subtitle


def draw_legend(figure: Figure, left: float, top: float, shown: Iterable[Look]) -> float:
    """One line of patches and labels, left and top in inches; returns where it ends."""
    for look in shown:
        swatch = style.add_axes(figure, left, top, 0.24, 0.14)
        swatch.set_xlim(0, 1)
        swatch.set_ylim(0, 1)
        swatch.add_patch(Rectangle((0, 0), 1, 1, **patch(look)))
        style.write(figure, left + 0.31, top + 0.07, look.label, size=7.5)
        left += 0.55 + 0.064 * len(look.label)
    return left


def patch(look: Look) -> dict[str, Any]:
    """Keyword arguments that give a bar or rectangle this look."""
    edge = "white" if look.hatch else look.colour
    return {"facecolor": look.colour, "edgecolor": edge, "hatch": look.hatch, "linewidth": 0}
