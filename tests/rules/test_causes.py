"""What is told below what: only what hangs together, and never a graver finding."""

from __future__ import annotations

from typing import Any

from netdoctor.facts.checkup import CheckFacts, CheckupFacts
from netdoctor.facts.forward import ForwardCall
from netdoctor.facts.site import Site
from netdoctor.report import Finding, Severity
from netdoctor.rules.causes import folded
from tests.rules.cases import forward, moments

ORDER = ("conv1", "relu1", "conv2", "relu2", "fc")


def facts() -> CheckupFacts:
    calls = tuple(
        ForwardCall(Site(name), "Linear", (16, 8), "float32", moments(), "ok", True, False, 1.0)
        for name in ORDER
    )
    return CheckupFacts([CheckFacts("check-forward", "done", facts=forward(calls=calls))])


def finding(
    code: str, subject: str, severity: Severity = Severity.ERROR, **evidence: Any
) -> Finding:
    return Finding(code, code.lower(), severity, subject, "it is so", evidence, "change it")


def told(*findings: Finding) -> dict[str, list[str]]:
    return {
        f"{each.code} {each.subject}": [f"{one.code} {one.subject}" for one in each.consequences]
        for each in folded(findings, facts())
    }


def test_a_nan_weight_explains_what_comes_after_it() -> None:
    assert told(
        finding("WGT001", "conv2.weight"),
        finding("NUM001", "conv2#1"),
        finding("GRD003", "conv1", cause="loss"),
    ) == {"WGT001 conv2.weight": ["NUM001 conv2#1", "GRD003 conv1"]}


def test_it_does_not_explain_what_comes_before_it() -> None:
    assert told(finding("WGT001", "fc.weight"), finding("NUM001", "conv1#1")) == {
        "WGT001 fc.weight": [],
        "NUM001 conv1#1": [],
    }


def test_a_gradient_that_is_spoilt_in_the_backward_pass_stands_alone() -> None:
    assert told(finding("NUM001", "fc#1"), finding("GRD003", "conv1", cause="operation")) == {
        "NUM001 fc#1": [],
        "GRD003 conv1": [],
    }


def test_a_chain_of_consequences_is_told_below_its_beginning() -> None:
    assert told(
        finding("GRD003", "conv1", cause="loss"),
        finding("NUM001", "relu2#1"),
        finding("DAT001", "input"),
    ) == {"DAT001 input": ["GRD003 conv1", "NUM001 relu2#1"]}


def test_a_dead_layer_explains_gradients_that_end_at_it_or_behind_it() -> None:
    dead = finding("ACT001", "relu1#1", consequences=["relu2#1"])
    at, behind, other = (
        finding("GRD005", "conv1", where="relu1"),
        finding("GRD005", "conv2", where="relu2"),
        finding("GRD005", "fc", where="dropout"),
    )
    assert told(dead, at, behind, other) == {
        "ACT001 relu1#1": ["GRD005 conv1", "GRD005 conv2"],
        "GRD005 fc": [],
    }


def test_a_warning_does_not_take_an_error_below_it() -> None:
    scale = finding("WGT006", "conv1.weight", Severity.WARNING)
    assert len(told(scale, finding("NUM003", "conv2#1", Severity.ERROR))) == 2
    assert len(told(scale, finding("NUM003", "conv2#1", Severity.WARNING))) == 1


def test_nothing_is_lost_and_nothing_doubled() -> None:
    given = [
        finding("WGT001", "conv1.weight"), finding("NUM001", "conv1#1"),
        finding("NUM002", "conv2#1"), finding("GRD003", "conv1", cause="loss"),
        finding("MOD005", "net"), finding("CRV005", "loss"),
    ]  # fmt: skip
    found = folded(given, facts())
    flat = [one.code for each in found for one in (each, *each.consequences)]
    assert sorted(flat) == sorted(each.code for each in given)
    assert [each.code for each in found] == ["WGT001", "CRV005"]


def test_without_a_forward_pass_places_are_unknown_and_nothing_fails() -> None:
    given = [finding("WGT002", "conv1.weight"), finding("ACT001", "relu1#1")]
    assert len(folded(given, CheckupFacts([]))) == 2


def test_the_same_in_many_layers_is_one_finding() -> None:
    scales = [
        finding("WGT006", f"{name}.weight", Severity.WARNING) for name in ("fc", "conv1", "conv2")
    ]
    assert told(*scales, finding("GRD006", "loss", Severity.WARNING)) == {
        "WGT006 conv1.weight": ["WGT006 fc.weight", "WGT006 conv2.weight", "GRD006 loss"]
    }
