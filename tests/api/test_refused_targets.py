"""A batch that the loss refuses is a finding of every command that computes a loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import netdoctor
from netdoctor.errors import DataError
from netdoctor.report import Report
from netdoctor.rules import rules_of

COMMANDS = ["check_forward", "gradflow", "lrfind", "overfit"]
TARGETS = [
    (torch.arange(8) % 4 + 1, "DAT004", "counted from 1"),
    (torch.tensor([0, 1, 2, 9] * 2), "DAT004", "from 0 to 9"),
    (torch.rand(8), "DAT010", "no loss fits"),
]


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))


def run(command: str, target: Tensor, **options: object) -> Report:
    function: Callable[..., Report] = getattr(netdoctor, command)
    return function(model(), [(torch.randn(8, 6), target)] * 3, **options)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("target", "code", "told"), TARGETS)
def test_it_is_told_with_its_range(command: str, target: Tensor, code: str, told: str) -> None:
    report = run(command, target)
    found = [finding for finding in report.findings if finding.code.startswith("DAT")]
    assert [each.code for each in found] == [code]
    assert told in found[0].message
    assert report.exit_code() == 1
    rules = {each.slug for each in rules_of(command.replace("_", "-"))}
    assert {*report.ran, *(each.rule for each in report.skipped)} == rules


@pytest.mark.parametrize("command", ["gradflow", "lrfind", "overfit"])
def test_without_the_rules_it_could_not_be_examined(command: str) -> None:
    with pytest.raises(DataError, match="refuses the target"):
        run(command, TARGETS[0][0], ignore=["DAT"])


def test_lrfind_declines_with_the_reason() -> None:
    extra = run("lrfind", TARGETS[0][0]).extra
    assert extra["suggestion"] is None
    assert "refuses the target" in extra["suggestion_reason"]


def from_one() -> list[tuple[Tensor, Tensor]]:
    return [(torch.randn(8, 6), TARGETS[0][0])] * 3
