"""Curves drawn from formulas, sick and healthy, over a wide range of shapes.

Nothing here is taken from a log: an exponential, a power law or a logistic fall, noise that is a
share of the level or of the fall, 5 to 200 epochs or hundreds of steps, any unit of the loss, and
one planted fault that a person sees at a glance. `python -m tests.curves.synthetic` prints how many
are found, rightly named and falsely alarmed, kind by kind; `--each N` draws so many of each.
"""

from __future__ import annotations

import argparse
import collections

import numpy as np

from netdoctor.facts.curves import Curve, CurveRole, TrainingRun
from netdoctor.probes.curves import measure
from netdoctor.report import Severity
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from tests.curves.drawn_healthy import HEALTHY
from tests.curves.drawn_plain import PLAIN
from tests.curves.drawn_sick import SICK as FIRST
from tests.curves.formulas import Columns

SICK = FIRST | PLAIN
_ROLES: dict[str, tuple[CurveRole, str, int]] = {
    "loss": ("train loss", "loss", -1),
    "val_loss": ("validation loss", "loss", -1),
    "accuracy": ("train metric", "accuracy", 1),
    "val_accuracy": ("validation metric", "accuracy", 1),
    "lr": ("learning rate", "lr", 0),
}


def run_of(made: Columns) -> TrainingRun:
    """Those columns as a run: of steps where there is a training loss alone."""
    curves = []
    longest = max(len(y) for y in made.values())
    for name, y in made.items():
        role, what, better = _ROLES[name]
        x = np.arange(len(y)) * max(1, round(longest / len(y)))
        curves.append(Curve(name, role, what, x.astype(float), y, better))
    alone = set(made) == {"loss"}
    return TrainingRun("", "step" if alone else "epoch", tuple(curves))


def codes(made: Columns) -> set[str]:
    """Warnings and errors of the log with those columns."""
    found = judge(measure(run_of(made)), rules_of("diagnose-curves")).findings
    return {each.code for each in found if each.severity is not Severity.INFO}


def drawn(kind: str, number: int) -> Columns:
    """The log of that kind and number; the same each time."""
    maker = SICK[kind][0] if kind in SICK else HEALTHY[kind]
    return maker(np.random.default_rng([number, *kind.encode()]))


def rates(kind: str, each: int) -> tuple[float, float, float]:
    """Shares of the sick that are found, rightly named, and named something else as well."""
    _, must, may = SICK[kind]
    said = [codes(drawn(kind, number)) for number in range(each)]
    named = [bool(one & set(must)) for one in said]
    extra = [bool(one - set(must) - set(may)) for one in said]
    return float(np.mean([bool(one) for one in said])), float(np.mean(named)), float(np.mean(extra))


def alarms(kind: str, each: int) -> dict[int, set[str]]:
    """Codes by number, of the healthy that are alarmed."""
    said = {number: codes(drawn(kind, number)) for number in range(each)}
    return {number: one for number, one in said.items() if one}


def main() -> None:
    """Prints the rates."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=100)
    each = parser.parse_args().each
    for kind in SICK:
        found, named, extra = rates(kind, each)
        print(f"{kind:<26} found {found:6.1%}  named {named:6.1%}  others too {extra:6.1%}")
    for kind in HEALTHY:
        raised = alarms(kind, each)
        by_code = collections.Counter(code for one in raised.values() for code in one)
        print(f"{kind:<26} alarms {len(raised)}/{each} {dict(by_code) or ''}")


if __name__ == "__main__":
    main()
