"""`netdoctor.checkup`: all checks on one loading, each for itself, causes before consequences."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import netdoctor
from netdoctor.api.checkup_jobs import Clock
from netdoctor.errors import LogError, ModelError, NothingExaminedError, UsageError
from netdoctor.report import Report, Severity
from netdoctor.rules.checks import CHECKS
from netdoctor.rules.selection import select_rules
from tests.api import checkup_subjects as subjects

OVERFITTED = {
    "loss": [2.0, 1.5, 1.2, 0.9, 0.7, 0.5, 0.4, 0.3, 0.25, 0.2],
    "val_loss": [2.1, 1.6, 1.3, 1.0, 0.85, 0.8, 0.82, 0.85, 0.9, 0.95],
}


def codes(report: Report, least: Severity = Severity.WARNING) -> list[str]:
    return [each.code for each in report.findings if each.severity.rank >= least.rank]


def states(report: Report) -> dict[str, str]:
    return {row["check"]: row["state"] for row in report.table("checks").rows}


def test_a_healthy_network_is_examined_by_every_check_and_nothing_is_found() -> None:
    report = netdoctor.checkup(subjects.Net(), subjects.loader(shuffle=True))
    assert codes(report) == []
    assert states(report) == {
        "check-loader": "done", "check-weights": "done", "check-forward": "done",
        "activations": "done", "gradflow": "done", "diagnose-curves": "skipped",
        "lrfind": "skipped", "overfit": "skipped", "gradcam": "skipped",
    }  # fmt: skip
    assert report.conclusion().startswith("healthy")


def test_every_selected_rule_was_applied_or_skipped_with_a_reason() -> None:
    report = netdoctor.checkup(subjects.Net(), subjects.loader(shuffle=True), skip=["weights"])
    told = {*report.ran, *(each.rule for each in report.skipped)}
    demanded = {"LRF001", "LRF002", "CAM001", "CAM002", "MOD005"}
    selected = {each.slug for each in select_rules("checkup") if each.code not in demanded}
    assert told == selected
    assert all(each.reason for each in report.skipped)


def test_the_tables_of_the_checks_have_names_of_their_own() -> None:
    report = netdoctor.checkup(
        subjects.Net(), subjects.loader(shuffle=True), log=OVERFITTED, also=["lrfind"]
    )
    names = [table.name for table in report.tables]
    assert len(names) == len(set(names))
    assert {"checks", "checklist", "fields", "weights", "calls", "layers", "parameters"} <= {*names}
    assert report.table("layers").rows


def test_the_network_is_left_as_it_was() -> None:
    net = subjects.Net().train()
    net.head.eval()
    before = copy.deepcopy(net.state_dict())
    netdoctor.checkup(net, subjects.loader(shuffle=True), also=["lrfind", "overfit"])
    after = net.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert net.training
    assert not net.head.training
    assert all(each.grad is None for each in net.parameters())


def test_the_samples_are_read_for_the_scan_and_once_for_the_network() -> None:
    subjects.Counted.reads = 0
    netdoctor.checkup(subjects.Net(), subjects.loader(subjects.Counted, shuffle=True))
    assert subjects.Counted.reads <= 2 * 200 + 20


def test_a_one_shot_iterator_reaches_every_check() -> None:
    report = netdoctor.checkup(subjects.Net(), iter(subjects.loader()), batches=5)
    assert {name for name, state in states(report).items() if state == "done"} == {
        "check-loader", "check-weights", "check-forward", "activations", "gradflow"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("net", "data", "cause", "follows"),
    [
        (subjects.dead(), subjects.loader(), "ACT001", {"GRD005"}),
        (subjects.poisoned(), subjects.loader(), "WGT001", {"NUM001", "GRD003"}),
        (subjects.Logarithm(), subjects.ends_badly(), "NUM001", {"GRD003"}),
        (subjects.Detached(), subjects.loader(), "GRD004", set()),
    ],
)
def test_one_fault_is_one_finding_with_what_follows(
    net: nn.Module, data: object, cause: str, follows: set[str]
) -> None:
    report = netdoctor.checkup(net, data)
    assert codes(report) == [cause]
    assert {each.code for each in report.findings[0].consequences} == follows
    assert report.exit_code() == 1


def test_values_that_are_not_finite_in_a_late_batch_are_traced_to_their_line() -> None:
    report = netdoctor.checkup(subjects.Logarithm(), subjects.ends_badly())
    assert "checkup_subjects.py" in report.findings[0].message
    assert "log" in report.findings[0].message


def test_labels_out_of_range_are_told_once() -> None:
    data = torch.utils.data.TensorDataset(*subjects.samples(shift=1))
    report = netdoctor.checkup(subjects.Net(), data)
    assert [each for each in codes(report) if each.startswith("DAT")] == ["DAT004"]


def test_a_check_that_fails_does_not_hide_the_others() -> None:
    report = netdoctor.checkup(subjects.NoTraining(), subjects.loader())
    assert states(report)["gradflow"] == "failed"
    assert states(report)["activations"] == "done"
    assert "the training pass is broken" in str(report.table("checks").rows)
    assert report.conclusion().startswith("undecided: gradflow could not be made")
    assert {"vanishing-gradient", "nan-gradient"} <= {each.rule for each in report.skipped}


def test_a_network_that_raises_cannot_be_examined() -> None:
    with pytest.raises(ModelError, match="kernel"):
        netdoctor.checkup(subjects.Raising(), subjects.loader())


def test_data_that_explain_why_it_raises_are_the_finding() -> None:
    pictures = torch.rand(64, 32, 32, 3)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    net(torch.rand(2, 3, 32, 32))
    report = netdoctor.checkup(net, (pictures, torch.arange(64) % 3))
    assert "DAT012" in codes(report, Severity.ERROR)
    assert states(report)["check-forward"] == "failed"


def test_the_log_is_diagnosed_too() -> None:
    report = netdoctor.checkup(subjects.Net(), log=OVERFITTED)
    assert "CRV001" in codes(report)
    assert report.extra["best_epoch"] == 5
    rows = {row["complaint"]: row["state"] for row in report.table("checklist").rows}
    assert rows["overfitting"] == "yes"
    assert rows["the loss does not fall"] == "no"


def test_a_log_that_cannot_be_read_ends_the_checkup() -> None:
    with pytest.raises(LogError, match=r"nowhere\.csv"):
        netdoctor.checkup(subjects.Net(), log="nowhere.csv")


def test_without_data_they_are_not_shown_as_healthy() -> None:
    report = netdoctor.checkup(subjects.Net())
    assert states(report)["check-loader"] == "skipped"
    assert "nan-input" in {each.rule for each in report.skipped}


@pytest.mark.parametrize("name", ["lrfind", "overfit"])
def test_what_trains_runs_on_demand(name: str) -> None:
    report = netdoctor.checkup(subjects.Net(), subjects.loader(), only=[name])
    done = [check for check, state in states(report).items() if state == "done"]
    assert done == [name]


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"only": ["dta"]}, "no check 'dta'"),
        ({"skip": list(CHECKS)}, "leave no check"),
        ({"also": ["lrfnd"]}, "no check 'lrfnd'"),
        ({"select": ["LRF"]}, "leaves no rule"),
        ({"time_limit": 0.0}, "time_limit is 0"),
        ({"time_limit": float("nan")}, "time_limit is nan"),
    ],
)
def test_wishes_that_cannot_be_meant(wishes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        netdoctor.checkup(subjects.Net(), **wishes)


def test_only_the_checks_of_the_selected_rules_are_made() -> None:
    report = netdoctor.checkup(subjects.dead(), subjects.loader(), select=["ACT001"])
    done = [check for check, state in states(report).items() if state == "done"]
    assert done == ["activations"]
    assert codes(report) == ["ACT001"]


def test_no_time_is_told() -> None:
    with pytest.raises(NothingExaminedError, match="time limit"):
        netdoctor.checkup(subjects.Net(), subjects.loader(), time_limit=1e-9)


def test_what_the_time_does_not_reach_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([False] * 2)
    monkeypatch.setattr(Clock, "is_late", lambda clock: next(answers, True))
    report = netdoctor.checkup(subjects.Net(), subjects.loader(), time_limit=5.0)
    assert list(states(report).values())[:4] == [
        "done",
        "done",
        "skipped",
        "skipped",
    ]
    assert "the time limit of 5 s" in str(report.table("checks").rows)
    assert report.conclusion().startswith("undecided: there was no time for check-forward, ")
    told = [each.rule for each in report.skipped if each.subject is None]
    assert len(told) == len(set(told))


def test_labels_that_the_models_own_loss_refuses_are_told() -> None:
    inputs, target = subjects.samples(40)
    own = [{"x": inputs[at : at + 8], "labels": target[at : at + 8] + 1} for at in range(0, 40, 8)]
    report = netdoctor.checkup(subjects.OwnLoss(), own)
    assert codes(report) == ["DAT004"]
    assert report.exit_code() == 1


def test_gradients_are_measured_where_the_caller_switched_them_off() -> None:
    with torch.no_grad():
        report = netdoctor.checkup(
            subjects.Net(), subjects.loader(shuffle=True), also=["lrfind", "overfit"]
        )
    assert codes(report) == []
    assert states(report)["gradflow"] == "done"


def test_other_default_numbers_do_not_matter() -> None:
    net, data = subjects.Net(), subjects.loader(shuffle=True)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        report = netdoctor.checkup(net, data)
    finally:
        torch.set_default_dtype(before)
    assert codes(report) == []


def test_a_pass_ends_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(3600.0)
    assert not clock.reason()
    assert not clock.was_noticed()
    monkeypatch.setattr("time.monotonic", lambda: 1e12)
    assert clock.is_late()
    assert clock.was_noticed()
    assert not clock.was_noticed()


def test_samples_of_the_other_split_are_found() -> None:
    data = torch.utils.data.TensorDataset(*subjects.samples())
    report = netdoctor.checkup(subjects.Net(), data, against=data, batches=20)
    assert "DAT014" in codes(report, Severity.ERROR)
