"""The rules of training curves on simulated runs, and what must not change a verdict."""

from __future__ import annotations

import numpy as np
import pytest

from netdoctor.facts.curves import TrainingRun
from netdoctor.probes.curves import measure
from netdoctor.report import Finding, Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from tests.rules.curve_simulator import HEALTHY, SICK

SEEDS = range(8)
NOISES = (0.01, 0.03, 0.06)


def findings(given: TrainingRun) -> tuple[Finding, ...]:
    return judge(measure(given), rules_of("diagnose-curves")).findings


def alarms(given: TrainingRun) -> set[str]:
    return {each.code for each in findings(given) if each.severity is not Severity.INFO}


@pytest.mark.parametrize("kind", HEALTHY)
def test_a_healthy_run_raises_no_alarm(kind: str) -> None:
    raised = {
        (seed, noise): codes
        for seed in SEEDS
        for noise in NOISES
        if (codes := alarms(HEALTHY[kind](np.random.default_rng(seed), noise)))
    }
    assert raised == {}


@pytest.mark.parametrize("code", SICK)
def test_a_sick_run_is_found_and_named(code: str) -> None:
    found = [
        code in alarms(SICK[code](np.random.default_rng(seed), noise))
        for seed in SEEDS
        for noise in NOISES
    ]
    assert np.mean(found) >= 0.97, [number for number, hit in enumerate(found) if not hit]
