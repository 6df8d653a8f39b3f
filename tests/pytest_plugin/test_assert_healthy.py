"""`netdoctor.assert_healthy`, called as a function."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

import netdoctor
from netdoctor.errors import NetDoctorError, UsageError
from netdoctor.report import Finding, Report, Severity, Skipped
from tests.pytest_plugin.nets import healthy, loader, sick


def state(network: torch.nn.Module) -> tuple[dict[str, torch.Tensor], list[bool], list[Any]]:
    return (
        copy.deepcopy(network.state_dict()),
        [each.training for each in network.modules()],
        [each.grad for each in network.parameters()],
    )


def assert_unchanged(network: torch.nn.Module, before: Any) -> None:
    tensors, modes, gradients = state(network)
    assert all(torch.equal(tensors[name], value) for name, value in before[0].items())
    assert (modes, gradients) == before[1:]


def test_a_healthy_network_passes_and_is_left_as_it_was() -> None:
    network = healthy()
    before = state(network)
    report = netdoctor.assert_healthy(network, loader())
    assert report.ran
    assert report.count(Severity.ERROR) == 0
    assert_unchanged(network, before)


def test_a_sick_network_fails_with_the_findings_and_is_left_as_it_was() -> None:
    network = sick()
    before = state(network)
    with pytest.raises(AssertionError) as caught:
        netdoctor.assert_healthy(network, loader(), select=["ACT"])
    text = str(caught.value)
    assert text.startswith("sick: 1 error")
    assert "error ACT001 dead-layer: 2#1" in text
    assert "32 of 32 units never fire" in text
    assert "evidence: dead_fraction 1, threshold 1" in text
    assert "what to do: " in text
    assert_unchanged(network, before)


def test_rules_and_thresholds_are_passed_on() -> None:
    assert netdoctor.assert_healthy(sick(), loader(), select=["ACT003"]).ran == ["saturated-units"]


def finding(severity: Severity, **more: Any) -> Finding:
    return Finding(
        "ACT002", "dead-units", severity, "relu#1", "some", {"share": 0.25}, "do", **more
    )


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Any:
    def patch(*findings: Finding, **more: Any) -> None:
        report = Report("checkup", "m", findings=findings, **{"ran": ["dead-units"], **more})
        monkeypatch.setattr(netdoctor, "checkup", lambda *_, **__: report, raising=False)

    return patch


@pytest.mark.parametrize(
    ("severity", "fail_on", "fails"),
    [
        (Severity.ERROR, "error", True),
        (Severity.WARNING, "error", False),
        (Severity.WARNING, "warning", True),
        (Severity.INFO, Severity.WARNING, False),
        (Severity.INFO, "info", True),
    ],
)
def test_fail_on(found: Any, severity: Severity, fail_on: str, fails: bool) -> None:
    found(finding(severity))
    if not fails:
        assert netdoctor.assert_healthy(None, fail_on=fail_on).findings  # type: ignore[arg-type]
        return
    with pytest.raises(AssertionError, match=r"ACT002 dead-units: relu#1\n  some\n.*share 0\.25"):
        netdoctor.assert_healthy(None, fail_on=fail_on)  # type: ignore[arg-type]


def test_what_a_finding_explains_is_told(found: Any) -> None:
    found(finding(Severity.ERROR, consequences=[finding(Severity.WARNING)]))
    with pytest.raises(AssertionError, match="explains ACT002 dead-units: relu#1"):
        netdoctor.assert_healthy(None)  # type: ignore[arg-type]


def test_what_was_not_examined_is_not_healthy(found: Any) -> None:
    found(ran=[], skipped=[Skipped("dead-units", "too few samples")])
    with pytest.raises(AssertionError, match="dead-units: too few samples"):
        netdoctor.assert_healthy(None)  # type: ignore[arg-type]


def test_no_such_severity() -> None:
    with pytest.raises(UsageError, match="'fatal'"):
        netdoctor.assert_healthy(healthy(), fail_on="fatal")


def test_an_unusable_model_is_no_assertion() -> None:
    broken = torch.nn.Linear(3, 3)
    with pytest.raises(NetDoctorError):
        netdoctor.assert_healthy(broken, loader())
