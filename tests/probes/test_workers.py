"""Worker processes are compared by what they draw."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from netdoctor.probes.workers import measure
from netdoctor.report import Severity
from netdoctor.rules import catalogue
from netdoctor.rules.core import judge
from tests.probes import randomness as data


def findings(source: Any) -> list[tuple[Severity, str]]:
    outcome = judge(measure(source), [catalogue()["DAT013"]])
    return [(each.severity, each.message) for each in outcome.findings]


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (data.HeldGenerator(), "a NumPy Generator that the data set holds (dataset.rng)"),
        (data.HeldBesideTorch(), "(dataset.rng)"),
        (data.HeldRare(), "a random.Random that the data set holds (dataset.dice)"),
        (data.HeldTorch(), "a torch.Generator that the data set holds (dataset.augment"),
        (data.Whole(), "gives each worker the whole"),
        (DataLoader(data.Whole(), 4, num_workers=2), "gives each worker the whole"),
        (
            DataLoader(data.GlobalNumpy(), 4, num_workers=2, worker_init_fn=data.seed_constant),
            "NumPy's global generator",
        ),
        (DataLoader(data.Fifty(), 4, num_workers=2, collate_fn=data.NoisyCollate()), "generator"),
    ],
    ids=["held", "beside-torch", "rare", "torch", "iterable", "stream", "constant-seed", "collate"],
)
def test_workers_that_draw_the_same_are_an_error(source: Any, named: str) -> None:
    found = findings(source)
    assert [severity for severity, _ in found] == [Severity.ERROR]
    assert named in found[0][1]


@pytest.mark.parametrize(
    "source",
    [
        data.Fifty(),
        data.GlobalTorch(),
        data.GlobalNumpy(),
        data.GlobalPython(),
        data.SeededByIndex(),
        data.FromEntropy(),
        data.MadeInWorker(),
        data.Divided(),
        DataLoader(data.Divided(), 4, num_workers=2),
        DataLoader(data.GlobalNumpy(), 4, num_workers=2, worker_init_fn=data.seed_from_torch),
        DataLoader(data.HeldGenerator(), 4, num_workers=2, worker_init_fn=data.give_generator),
        DataLoader(
            data.GlobalNumpy(), 4, num_workers=2, worker_init_fn=data.seed_number,
            persistent_workers=True,
        ),
    ],
    ids=lambda source: type(getattr(source, "dataset", source)).__name__,
)  # fmt: skip
def test_sound_randomness_is_silent(source: Any) -> None:
    facts = measure(source)
    assert facts.compared == 2
    assert not facts.reason
    assert findings(source) == []


def test_a_seed_that_is_the_workers_number_repeats_each_epoch() -> None:
    loader = DataLoader(data.GlobalNumpy(), 4, num_workers=2, worker_init_fn=data.seed_number)
    ((severity, message),) = findings(loader)
    assert severity is Severity.WARNING
    assert message.endswith("the same draws in every epoch")


def test_a_loader_without_workers_is_told_for_information() -> None:
    ((severity, message),) = findings(DataLoader(data.HeldGenerator(), 4))
    assert severity is Severity.INFO
    assert "no workers yet" in message


def test_the_data_set_and_the_random_states_are_left_as_found() -> None:
    source = data.HeldGenerator()
    loader = DataLoader(source, 4, num_workers=2, generator=torch.Generator().manual_seed(1))
    before = (
        source.rng.bit_generator.state, torch.get_rng_state(), loader.generator.get_state(),
        random.getstate(), np.random.get_state()[1].tolist(),
    )  # fmt: skip
    measure(loader)
    assert source.rng.bit_generator.state == before[0]
    assert torch.equal(torch.get_rng_state(), before[1])
    assert torch.equal(loader.generator.get_state(), before[2])
    assert random.getstate() == before[3]
    assert np.random.get_state()[1].tolist() == before[4]


def test_a_data_set_that_raises_is_not_judged() -> None:
    outcome = judge(measure(data.Broken()), [catalogue()["DAT013"]])
    assert not outcome.findings
    assert "no [red]picture[/red]" in outcome.skipped[0].reason


@pytest.mark.parametrize(
    ("attribute", "value", "name", "kind"),
    [
        ("transform", lambda value: value, "dataset.transform", "lambda"),
        ("steps", [str, lambda value: value], "dataset.steps[1]", "lambda"),
        ("files", {"log": open(__file__)}, "dataset.files['log']", "TextIOWrapper"),  # noqa: SIM115
    ],
)
def test_what_a_spawned_process_cannot_be_given_is_named(
    attribute: str, value: Any, name: str, kind: str
) -> None:
    source = data.Fifty()
    setattr(source, attribute, value)
    facts = measure(source)
    if attribute == "files":
        value["log"].close()
    assert [(each.name, each.kind) for each in facts.unpicklable] == [(name, kind)]
    (finding,) = judge(facts, [catalogue()["DAT018"]]).findings
    assert finding.severity is Severity.INFO
    assert finding.subject == name


def test_large_arrays_can_be_given() -> None:
    source = data.Fifty()
    vars(source)["images"] = [np.zeros((2, 300, 300)), torch.zeros(2, 300, 300)]
    assert measure(source).unpicklable == ()


@pytest.mark.slow
def test_spawned_workers_are_compared_too() -> None:
    loader = DataLoader(data.HeldGenerator(), 4, num_workers=2, multiprocessing_context="spawn")
    assert [severity for severity, _ in findings(loader)] == [Severity.ERROR]
