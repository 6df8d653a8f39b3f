"""What is told below what: only what hangs together, and never a graver finding."""

from __future__ import annotations

import dataclasses
from typing import Any

from netdoctor.facts.checkup import CheckFacts, CheckupFacts
from netdoctor.facts.forward import ForwardCall
from netdoctor.facts.site import Site
from netdoctor.report import Finding, Severity
from netdoctor.rules.causes import folded
from tests.rules.cases import facts as activations
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


def test_values_of_the_input_are_not_put_down_to_the_network() -> None:
    assert told(
        finding("DAT001", "input"),
        finding("WGT007", "conv2"),
        finding("NUM001", "input"),
    ) == {"DAT001 input": ["NUM001 input"], "WGT007 conv2": []}


def test_unnormalised_input_explains_the_norm_layer_in_front_alone() -> None:
    relu = [
        dataclasses.replace(call, site=Site(name))
        for call in activations().calls
        for name in ("relu1", "relu2")
    ]
    checks = [
        *facts().checks,
        CheckFacts("activations", "done", facts=dataclasses.replace(activations(), calls=relu)),
    ]
    known = CheckupFacts(checks)
    raw = finding("DAT003", "input", Severity.WARNING)
    first, late = (finding("MOD004", name, Severity.WARNING) for name in ("conv1", "conv2"))
    assert [each.code for each in folded([raw, first], known)] == ["DAT003"]
    assert [each.code for each in folded([raw, late], known)] == ["DAT003", "MOD004"]


def test_a_constant_output_explains_that_no_signal_is_left() -> None:
    constant = finding("ACT004", "conv2#1")
    behind, before = (
        finding("NUM004", name, Severity.WARNING) for name in ("fc#1", "relu1#1")
    )  # fmt: skip
    assert told(constant, behind, before) == {
        "ACT004 conv2#1": ["NUM004 fc#1"],
        "NUM004 relu1#1": [],
    }


def test_overfitting_explains_the_gap_of_the_same_curves() -> None:
    over = finding("CRV001", "training", Severity.WARNING)
    same, other = (
        finding("CRV004", name, Severity.WARNING) for name in ("training", "fine-tuning")
    )  # fmt: skip
    assert told(over, same, other) == {
        "CRV001 training": ["CRV004 training"],
        "CRV004 fine-tuning": [],
    }
