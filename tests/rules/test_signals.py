"""What the rules on signals make of masks, layer scales and numbers near the end of a type."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from netdoctor.facts.forward import ForwardCall, ForwardFacts, NormFault
from netdoctor.facts.site import Site
from netdoctor.rules import catalogue
from netdoctor.rules.core import judge
from tests.rules.cases import forward, moments, signals


def reaching(low: float, high: float, dtype: str = "float16", judged_as: str = "") -> ForwardFacts:
    values = dataclasses.replace(moments(), minimum=low, maximum=high)
    call = ForwardCall(Site("fc"), "Linear", (16, 8), dtype, values, "ok")
    return forward(calls=(call,), judged_as=judged_as)


def found(facts: ForwardFacts, code: str) -> list[float]:
    """The largest value of each finding, or the share that is left."""
    evidence = [each.evidence for each in judge(facts, [catalogue()[code]]).findings]
    return [each.get("largest", each.get("share")) for each in evidence]


LOWEST = torch.finfo(torch.float16).min


@pytest.mark.parametrize(
    ("facts", "largest"),
    [
        (reaching(LOWEST, 3), None),
        (reaching(LOWEST, LOWEST), None),
        (reaching(LOWEST + 64, 0), None),
        (reaching(LOWEST, 40000), 40000),
        (reaching(-60000, 3), 60000),
        (reaching(-3, -LOWEST), -LOWEST),
        (reaching(-65504, 3, "float32", "float16"), 65504),
        (reaching(torch.finfo(torch.float32).min, 3, "float32", "float16"), None),
        (reaching(torch.finfo(torch.bfloat16).min, 50000, "bfloat16", "float16"), 50000),
    ],
)
def test_what_stands_in_for_minus_infinity_is_no_overflow(
    facts: ForwardFacts, largest: float | None
) -> None:
    assert found(facts, "NUM005") == ([] if largest is None else [largest])


def test_a_layer_scale_explains_a_signal_as_small_as_itself() -> None:
    layers = signals(1, 1, 1, 1e-6)
    assert found(layers, "NUM004") == [1e-6]
    scaled = dataclasses.replace(layers, gate=1e-5)
    judgement = judge(scaled, [catalogue()["NUM004"]])
    assert (judgement.findings, judgement.ran) == ((), ())
    assert "1e-05" in judgement.skipped[0].reason
    assert found(dataclasses.replace(signals(1, 1, 1, 1e-11), gate=1e-5), "NUM004") == [1e-11]


@pytest.mark.parametrize(
    ("off", "negative", "judged"), [(1, 0, True), (47, 0, True), (48, 0, False), (0, 1, False)]
)
def test_a_few_odd_channels_of_a_norm_do_not_keep_the_signal_from_being_judged(
    off: int, negative: int, judged: bool
) -> None:
    """Pretrained networks have some channels that nothing reaches."""
    norm = NormFault("bn", "BatchNorm2d", negative, off, 480, 0.0, 88.0, 1.2)
    for code, facts in (("NUM003", signals(1, 1, 1, 1e5)), ("NUM004", signals(1, 1, 1, 1e-6))):
        judgement = judge(dataclasses.replace(facts, norms=(norm,)), [catalogue()[code]])
        assert bool(judgement.findings) == judged
        assert bool(judgement.skipped) != judged
