"""CAM001 where nobody can expect evidence yet."""

from __future__ import annotations

import dataclasses

import pytest

from netdoctor.facts.gradcam import GradCamFacts, Guess
from netdoctor.rules.core import Hit, Skip, judge
from netdoctor.rules.explain import blank_heatmap
from netdoctor.rules.selection import find_rule
from tests.rules.gradcam_cases import heat_maps

RULE = find_rule("CAM001")


def blank(score: float, reason: str = "no evidence", fresh: bool | None = None) -> GradCamFacts:
    """One blank map of a network with four classes, whose likeliest has this score."""
    facts = heat_maps(0.0, fresh=fresh)
    (image,) = facts.images
    maps = tuple(dataclasses.replace(each, blank=reason) for each in image.maps)
    top = (Guess(3, "cat", score), Guess(1, "dog", 0.2))
    return dataclasses.replace(facts, images=[dataclasses.replace(image, maps=maps, top=top)])


@pytest.mark.parametrize("reason", ["no evidence", "no output", "no gradient", "uniform"])
def test_fresh_networks_are_not_judged(reason: str) -> None:
    judged = judge(blank(0.9, reason, fresh=True), [RULE])
    assert judged.findings == ()
    assert judged.skipped[0].reason == "the weights are untrained"


@pytest.mark.parametrize(("score", "findings"), [(0.37, 0), (0.38, 1)])
def test_unknown_weights_are_judged_where_a_class_is_preferred(score: float, findings: int) -> None:
    assert len(judge(blank(score), [RULE]).findings) == findings


@pytest.mark.parametrize(
    ("reason", "fresh"),
    [("no evidence", False), ("no output", None), ("not finite", None), ("not finite", True)],
)
def test_what_training_does_not_explain_is_judged(reason: str, fresh: bool | None) -> None:
    assert len(judge(blank(0.26, reason, fresh), [RULE]).findings) == 1


@pytest.mark.parametrize(
    ("synthetic", "fresh", "kind"),
    [(False, False, Hit), (False, None, Hit), (True, False, Skip), (False, True, Skip)],
)
def test_a_map_without_evidence_is_judged_of_trained_weights_and_real_images(
    synthetic: bool, fresh: bool | None, kind: type[Hit | Skip]
) -> None:
    (said,) = blank_heatmap(heat_maps(0.0, synthetic=synthetic, fresh=fresh))
    assert isinstance(said, kind)
