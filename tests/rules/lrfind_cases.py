"""Range tests for the rules, made up number by number."""

from __future__ import annotations

import dataclasses

import numpy as np

from netdoctor.facts.lr_curve import Reading
from netdoctor.facts.lrfind import LrFindFacts, Stop, Sweep

RATES = np.geomspace(1e-7, 10, 100)


def range_test(
    *,
    descent: float = 40.0,
    start: float = 2.5,
    points: int = 100,
    stop: Stop = "reached the end",
    **changes: object,
) -> LrFindFacts:
    """A range test of ten classes; by default one in which the network learnt."""
    learnt = descent > 5
    reading = Reading(
        rates=RATES, smoothed=np.full((1, 100), start), mean=np.full(100, start), start=start,
        lowest=start / 2, noise=0.1, descent=descent, methods=(),
        suggestion=0.01 if learnt else None, band=(0.005, 0.02) if learnt else None,
        reason="" if learnt else "nothing was learnt beyond the noise",
    )  # fmt: skip
    sweep = Sweep(np.full(points, start), stop, float(RATES[min(points, 99)]))
    facts = LrFindFacts(
        rates=RATES, sweeps=(sweep,), reading=reading, optimizer="sgd", loss="cross-entropy",
        chance=2.3, trainable=1000, moving=True, random_targets=False, synthetic=False,
        device="cpu", seed=0,
    )  # fmt: skip
    return dataclasses.replace(facts, **changes)
