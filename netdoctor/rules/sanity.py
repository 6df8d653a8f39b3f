"""CAM002: heat maps that would look the same whatever the network had learnt."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.faithfulness import SanityFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_THE_SAME = 0.95  # a correlation that neither chance nor a common pull to the centre explains


@rule("CAM002", "weight-insensitive-heatmap", Severity.WARNING)
def weight_insensitive_heatmap(
    facts: SanityFacts, *, threshold: float = 0.7, min_cells: int = 16, min_images: int = 3
) -> Iterator[Hit | Skip]:
    """Heat maps hardly change when all weights of the network are made random.

    Measures: the absolute Spearman rank correlation of the maps, at the layer's own size, with
    those of the same network with random weights, mean over images and several draws; more than
    `threshold` by two standard errors is a finding. Maps of fewer than `min_cells` cells are not
    judged, and fewer than `min_images` images only where the maps are all but the same.

    Why: a map that does not depend on what the network learnt shows the image (its edges, its
    centre), and says nothing of the decision.

    False alarm: in an untrained network everything looks alike, so it is not judged. Where the
    objects stand in the middle, any two maps that favour the middle are alike: maps whose
    correlation with the distance from the centre is as high are not judged, unless they are all
    but the same.

    Remedy: use a method that follows the gradient (gradcam, hirescam), at a late layer, and do not
    read these maps as an explanation.

    Source: Adebayo et al. 2018, Sanity checks for saliency maps; threshold: house heuristic.
    """
    test = facts.sanity
    if facts.fresh:
        yield Skip("the weights are fresh, so random ones are no change")
        return
    if test.reason:
        yield Skip(test.reason)
        return
    if test.cells < min_cells:
        yield Skip(f"ranks of {test.cells} cells say too little")
        return
    surely = test.final - 2 * test.error
    if surely < threshold:
        return
    if test.images < min_images and surely < _THE_SAME:
        yield Skip(f"{test.images} image(s) say too little: give {min_images} or more")
        return
    if test.centre >= surely and surely < _THE_SAME:
        yield Skip("the maps follow the distance from the centre as closely as one another")
        return
    yield Hit(
        facts.layer,
        f"with all weights random, the {facts.method} maps still have a rank correlation of "
        f"{test.final:.2f} ± {test.error:.2f} with the original ones ({test.images} image(s), "
        f"{test.draws} draws)",
        {"correlation": test.final, "error": test.error, "threshold": threshold,
         "centre": test.centre, "images": test.images, "draws": test.draws, "cells": test.cells},
        "Use a method that follows the gradient (gradcam, hirescam), at a late layer; do not read "
        "these maps as an explanation.",
    )  # fmt: skip
