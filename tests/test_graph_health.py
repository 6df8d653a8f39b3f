"""Findings find their calls."""

from __future__ import annotations

import dataclasses

import pytest

from netdoctor.facts.graph_health import health, unplaced, worst
from netdoctor.report import Finding, NotExamined, Severity
from tests.made_up_graph import Sketch, residual_stack


def finding(subject: str, severity: Severity = Severity.ERROR, code: str = "ACT001") -> Finding:
    return Finding(code, "dead-layer", severity, subject, "message", {}, "remedy")


@pytest.mark.parametrize(
    ("subject", "places"),
    [
        ("layer.0.a#1", ["layer.0.a#1"]),
        ("layer.1/add#1", ["layer.1/add#1"]),
        ("layer.1", ["layer.1#1"]),
        ("layer.0.b.weight", ["layer.0.b#1"]),
        ("layer.0.b.parametrizations.weight.original0", ["layer.0.b#1"]),
        ("layer.1.scale", ["layer.1#1"]),
        ("layer.1.never.called", ["layer.1#1"]),
        ("head#1", ["head#1"]),
        ("(model)#1", ["(model)#1"]),
    ],
)
def test_a_subject_is_a_call_a_module_or_a_weight(subject: str, places: list[str]) -> None:
    found = health([finding(subject)], residual_stack(2).facts())
    assert [name for name, each in found.items() if each.findings] == places
    assert {each.state for each in found.values()} == {"healthy", "error"}


def test_a_weight_counts_for_every_call_of_its_module() -> None:
    sketch = Sketch()
    a, b = sketch.layer("shared", sketch.input()), sketch.layer("shared", sketch.input("input b"))
    sketch.output(sketch.call("add", a, b))
    found = health([finding("shared.weight")], sketch.facts())
    assert found["shared#1"].state == found["shared#2"].state == "error"
    only = health([finding("shared#2")], sketch.facts())
    assert (only["shared#1"].state, only["shared#2"].state) == ("healthy", "error")


def test_the_worst_wins_and_consequences_count() -> None:
    cause = dataclasses.replace(
        finding("head.weight", Severity.WARNING), consequences=[finding("stem#1", Severity.INFO)]
    )
    found = health([finding("head#1", Severity.INFO), cause], residual_stack(1).facts())
    assert found["head#1"].state == "warning"
    assert [each.severity.value for each in found["head#1"].findings] == ["warning", "info"]
    assert found["stem#1"].state == "info"


def test_not_examined_is_neither_healthy_nor_sick() -> None:
    facts = residual_stack(1).facts()
    left = [NotExamined("layer.0.a", "why not")]
    assert health([], facts, left)["layer.0.a#1"].state == "unknown"
    assert health([], facts, left)["layer.0.a#1"].reason == "why not"
    assert health([finding("layer.0.a#1")], facts, left)["layer.0.a#1"].state == "error"
    # What never ran inside of a layer does not make the layer unseen.
    assert health([], facts, [NotExamined("head.out_proj", "never")])["head#1"].state == "healthy"


def test_whole_numbers_are_not_called_healthy() -> None:
    sketch = residual_stack(1)
    sketch.nodes[1] = dataclasses.replace(sketch.nodes[1], dtype="int64")
    assert "stem#1" not in health([], sketch.facts())
    assert health([finding("stem#1")], sketch.facts())["stem#1"].state == "error"


def test_opaque_calls_are_not_examined() -> None:
    sketch = residual_stack(1)
    sketch.nodes[1] = dataclasses.replace(sketch.nodes[1], opaque=True)
    assert health([], sketch.facts())["stem#1"].state == "unknown"


def test_behind_what_is_not_finite_nothing_is_healthy() -> None:
    found = health([finding("layer.1.a#1", code="NUM001")], residual_stack(3).facts())
    assert found["layer.1.a#1"].state == "error"
    assert found["layer.1.b#1"].state == found["head#1"].state == "unknown"
    assert "layer.1.a#1" in found["head#1"].reason
    assert found["layer.0/add#1"].state == "healthy"


def test_what_is_about_no_call_is_told_apart() -> None:
    findings = [finding("labels"), finding("stem#1"), finding("pos_embedding")]
    assert [each.subject for each in unplaced(findings, residual_stack(1).facts())] == [
        "labels",
        "pos_embedding",
    ]


def test_order_of_states() -> None:
    assert worst(["healthy", "unknown", "info"]) == "info"
    assert worst(["warning", "error", "healthy"]) == "error"
    assert worst(["healthy", "unknown"]) == "unknown"
