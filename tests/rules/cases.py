"""For each rule, facts on which it fires, facts that leave it quiet, and facts on its boundary."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments, Units
from netdoctor.facts.site import Site


@dataclasses.dataclass(frozen=True, slots=True)
class Cases:
    """Facts for one rule; on `boundary` it fires, and no longer with a threshold a hair beyond."""

    fires: Any
    quiet: Any
    boundary: Any


def units(*, dead: int = 0, saturated: int | None = None, of: int = 16) -> Units:
    """Units of which the first so many are dead, or saturated, in 512 samples."""
    silent = np.arange(of) < dead
    flat = None if saturated is None else np.where(np.arange(of) < saturated, 1.0, 0.0)
    return Units(
        samples=512,
        fired=np.where(silent, 0, 256),
        dead=silent,
        constant=np.zeros(of, bool),
        saturated=flat,
        varies=dead < of,
        positions=1,
        dead_positions=None,
    )


def moments(*, nan: int = 0, inf: int = 0) -> Moments:
    """Of 1000 values, so many not finite."""
    return Moments(
        count=1000, mean=0.0, std=1.0, minimum=-3.0, maximum=3.0, zeros=0, small=8, nan=nan, inf=inf
    )


def facts(units: Units | None = None, moments: Moments | None = None) -> ActivationFacts:
    """One activation call of a trained network on real data."""
    call = CallFacts(
        Site("fc.act"), "relu", (32, 16), "float32", after="fc", moments=moments, units=units
    )
    return ActivationFacts((call,), 512, synthetic=False, fresh=False, device="cpu", seed=0)


CASES = {
    "ACT001": Cases(
        fires=facts(units(dead=16)), quiet=facts(units(dead=15)), boundary=facts(units(dead=16))
    ),
    "ACT002": Cases(
        fires=facts(units(dead=12)), quiet=facts(units(dead=7)), boundary=facts(units(dead=8))
    ),
    "ACT003": Cases(
        fires=facts(units(saturated=12)),
        quiet=facts(units(saturated=7)),
        boundary=facts(units(saturated=8)),
    ),
    "NUM001": Cases(
        fires=facts(moments=moments(nan=3)),
        quiet=facts(moments=moments()),
        boundary=facts(moments=moments(nan=1)),
    ),
    "NUM002": Cases(
        fires=facts(moments=moments(inf=3)),
        quiet=facts(moments=moments()),
        boundary=facts(moments=moments(inf=1)),
    ),
}
