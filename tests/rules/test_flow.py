"""Which of several sick calls is named, and which are put down to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments, Role, Units
from netdoctor.facts.site import Site
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from tests.rules.cases import units


def call(
    name: str,
    measured: Units | None = None,
    *,
    upstream: Sequence[str] = ("",),
    after: str = "",
    number: int = 1,
    kind: str = "relu",
    role: Role = "hidden",
    moments: Moments | None = None,
) -> CallFacts:
    return CallFacts(
        Site(name, number=number), kind, (4, 16), "float32", after, role,
        upstream=tuple(upstream), units=measured, moments=moments,
    )  # fmt: skip


def verdict(*calls: CallFacts, fresh: bool | None = None, synthetic: bool = False) -> Judgement:
    facts = ActivationFacts(calls, 512, synthetic, fresh, device="cpu", seed=0)
    return judge(facts, rules_of("activations"))


def named(judgement: Judgement) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in judgement.findings]


def test_a_layer_that_the_input_reaches_on_another_path_is_judged_for_itself() -> None:
    dead, later = call("a", units(dead=16)), call("b", units(dead=16), upstream=("", "a#1"))
    assert named(verdict(dead, later)) == [("ACT001", "a#1"), ("ACT001", "b#1")]
    only = dataclasses.replace(later, upstream=("a#1",))
    assert named(verdict(dead, only)) == [("ACT001", "a#1")]


def test_a_few_silent_units_in_a_side_branch_are_no_finding_for_weights_unknown() -> None:
    stem, branch = call("stem", units()), call("branch", units(dead=3, of=3), upstream=("stem#1",))
    joined = call("next", units(), upstream=("stem#1", "branch#1"))
    judgement = verdict(stem, branch, joined)
    assert named(judgement) == []
    assert ("branch#1", "3 units may be silent by chance") in [
        (each.subject, each.reason) for each in judgement.skipped
    ]
    assert named(verdict(stem, branch, joined, fresh=False)) == [("ACT001", "branch#1")]
    chain = dataclasses.replace(joined, upstream=("branch#1",))
    assert named(verdict(stem, branch, chain)) == [("ACT001", "branch#1")]


def test_an_output_of_few_units_may_be_silent_for_weights_unknown() -> None:
    head = call("head", units(dead=1, of=1), role="output")
    assert named(verdict(head)) == []
    assert named(verdict(head, fresh=False)) == [("ACT001", "head#1")]
    wide = call("head", units(dead=16), role="output")
    assert named(verdict(wide)) == [("ACT001", "head#1")]


@pytest.mark.parametrize("shared", [16, 15])
def test_units_that_a_depthwise_convolution_passes_on_are_named_once(shared: int) -> None:
    first = call("a", units(dead=16, of=24), after="conv1")
    second = call("b", units(dead=shared, of=24), upstream=("a#1",), after="depthwise")
    assert named(verdict(first, second, fresh=False)) == [("ACT002", "a#1")]


def test_other_units_that_are_dead_further_on_are_a_finding_of_their_own() -> None:
    first = call("a", units(dead=16, of=24))
    others = units(dead=16, of=24)
    others = dataclasses.replace(others, dead=others.dead[::-1], fired=others.fired[::-1])
    second = call("b", others, upstream=("a#1",))
    assert named(verdict(first, second, fresh=False)) == [("ACT002", "a#1"), ("ACT002", "b#1")]


def test_the_calls_of_a_loop_behind_one_layer_are_one_finding() -> None:
    steps = [
        call("cell", units(saturated=12), number=n, after="cell.x", kind="tanh") for n in (1, 2, 3)
    ]
    (finding,) = verdict(*steps).findings
    assert (finding.code, finding.subject) == ("ACT003", "cell#1")
    assert finding.evidence["again"] == ["cell#2", "cell#3"]
    apart = [dataclasses.replace(each, after=f"fc{n}") for n, each in enumerate(steps)]
    assert len(verdict(*apart).findings) == 3


@pytest.mark.parametrize("kind", ["tanh", "sigmoid", "relu6", "hardtanh", "hardsigmoid"])
def test_what_is_linear_up_to_its_bounds_may_be_there_more_often(kind: str) -> None:
    hard = kind.startswith("hard")
    for share, expected in [(0.74, False), (0.94, not hard), (0.96, True)]:
        often = dataclasses.replace(units(saturated=0), saturated=np.full(16, share))
        assert bool(named(verdict(call("a", often, kind=kind)))) == expected, share


def test_who_is_first_behind_the_input_is_told_to_look_at_it() -> None:
    first, later = call("a", units(saturated=12)), call("b", units(saturated=12), upstream=("a#1",))
    findings = verdict(first, later).findings
    assert ["normalised" in each.remedy for each in findings] == [True, False]


def numbers(nan: int = 0, inf: int = 0, negative: int = 0) -> Moments:
    return Moments(100, 0.0, 1.0, -1.0, 1.0, 0, 0, nan, inf, negative)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (numbers(), numbers(nan=3), [("NUM001", "b#1")]),
        (numbers(inf=2), numbers(nan=3), [("NUM002", "a#1")]),
        (numbers(nan=1, inf=2), numbers(nan=3), [("NUM001", "a#1"), ("NUM002", "a#1")]),
        (numbers(inf=2, negative=2), numbers(), []),
        (numbers(nan=3), numbers(inf=2, negative=2), [("NUM001", "a#1")]),
        (numbers(nan=3), numbers(inf=2), [("NUM001", "a#1"), ("NUM002", "b#1")]),
        (
            numbers(inf=2, negative=2), numbers(nan=3),
            [("NUM001", "b#1"), ("NUM002", "a#1")],
        ),
    ],
)  # fmt: skip
def test_nan_and_infinities_are_named_where_they_begin(
    first: Moments, second: Moments, expected: list[tuple[str, str]]
) -> None:
    assert named(verdict(call("a", moments=first), call("b", moments=second))) == expected
