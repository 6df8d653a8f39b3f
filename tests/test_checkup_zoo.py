"""`checkup` on a zoo of small trained networks: silent on the healthy, right about the sick.

The networks, their data and their faults are in `tests.zoo`; nothing in them was tuned to a rule.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import netdoctor
from netdoctor.report import Report, Severity
from tests.zoo import healthy, sick_data, sick_logs, sick_wiring
from tests.zoo.healthy import Subject
from tests.zoo.sick import SICK, Sick

FAULTS = (sick_wiring, sick_data, sick_logs)  # each adds its own to SICK

QUICK_HEALTHY = {
    "mlp-wine",
    "mlp-cancer-bce",
    "regression-diabetes",
    "ordinal",
    "tiny-set",
    "siamese",
}
QUICK_SICK = ("mlp-wine", "mlp-cancer", "regression-diabetes", "log:")
SLOW = pytest.mark.slow, pytest.mark.timeout(300)
NOT_YET = {
    "60 % dead, cnn": "as many units always fire, and nothing says that the weights are trained",
    "evaluates the negative, mlp-GELU": "the modes of networks without norms are not compared",
    "log: underfitting, barely better": "a log of losses alone does not tell the classes",
    "log: plateau": "a log of losses alone does not tell the classes",
}


def _marks(name: str) -> list[pytest.MarkDecorator]:
    marks = [] if any(each in name for each in QUICK_SICK) else [*SLOW]
    missed = NOT_YET.get(name)
    return marks + ([pytest.mark.xfail(reason=missed, strict=True)] if missed else [])


def checkup(subject: Subject) -> Report:
    return netdoctor.checkup(subject.model, subject.data, **subject.options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK_HEALTHY else SLOW)
        for name in [*healthy.TASKS, *healthy.FURTHER]
    ],
)
def test_nothing_is_said_of_the_healthy(name: str, tmp_path: Path) -> None:
    for subject in healthy.everything(name, tmp_path):
        report = checkup(subject)
        alarms = [
            (each.code, each.subject, each.message)
            for each in report.every_finding()
            if each.severity is not Severity.INFO
        ]
        assert alarms == [], subject.label
        assert len(report.ran) > 10


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "one",
    [pytest.param(one, marks=_marks(one.name)) for one in SICK],
    ids=[one.name for one in SICK],
)
def test_what_was_planted_is_named(one: Sick) -> None:
    report = checkup(one.make())
    assert {each.code for each in report.every_finding()} & one.codes
