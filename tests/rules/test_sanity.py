"""CAM002 where the correlation alone would mislead."""

from __future__ import annotations

import dataclasses

import pytest

from netdoctor.facts.faithfulness import Sanity, SanityFacts
from netdoctor.rules.core import judge
from netdoctor.rules.selection import find_rule
from tests.rules.cases import randomisation_test

RULE = find_rule("CAM002")


def test_a_correlation_within_its_noise_is_no_finding() -> None:
    assert judge(randomisation_test(0.8, error=0.04), [RULE]).findings
    assert not judge(randomisation_test(0.8, error=0.06), [RULE]).findings


@pytest.mark.parametrize(("final", "findings"), [(0.8, 0), (0.99, 1)])
def test_maps_that_favour_the_centre_are_alike_for_that(final: float, findings: int) -> None:
    judged = judge(randomisation_test(final, centre=0.9), [RULE])
    assert len(judged.findings) == findings
    assert len(judged.skipped) == 1 - findings


@pytest.mark.parametrize(("final", "findings"), [(0.8, 0), (0.99, 1)])
def test_one_image_is_judged_only_where_the_maps_are_the_same(final: float, findings: int) -> None:
    judged = judge(randomisation_test(final, images=1), [RULE])
    assert len(judged.findings) == findings
    assert len(judged.skipped) == 1 - findings


def test_nothing_is_judged_without_a_measurement() -> None:
    few = randomisation_test(0.99, cells=9)
    fresh = dataclasses.replace(randomisation_test(0.99), fresh=True)
    blank = SanityFacts("gradcam", "layer4", Sanity((), (), "the maps are blank"))
    for facts, reason in ((few, "9 cells"), (fresh, "fresh"), (blank, "blank")):
        judged = judge(facts, [RULE])
        assert judged.findings == ()
        assert reason in judged.skipped[0].reason
