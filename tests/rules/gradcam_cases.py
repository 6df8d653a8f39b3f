"""Heat maps for the rules, made up number by number."""

from __future__ import annotations

import dataclasses

import numpy as np

from netdoctor.facts.featuremaps import InputImage, Layout
from netdoctor.facts.gradcam import Explained, GradCamFacts, Guess, HeatMap, Layer, Target
from netdoctor.facts.site import Site


def heat_maps(*largest: float, **changes: object) -> GradCamFacts:
    """One image for each largest value of a map whose other values are 0."""
    site = Site("layer4")
    images = []
    for number, value in enumerate(largest):
        values = np.zeros((2, 3), np.float32)
        values[1, 1] = value
        blank = "" if value > 0 else "no evidence"
        heat = HeatMap(site, values, blank, "all counts against it" * bool(blank), -1.0, value)
        images.append(
            Explained(
                input=InputImage(f"photo {number}.jpg"),
                size=(64, 96),
                top=(Guess(3, "cat", 0.7), Guess(1, "dog", 0.2)),
                target=Target(3, "cat", "predicted", 0.7, 4.0),
                maps=(heat,),
            )
        )
    facts = GradCamFacts(
        images=images, layers=[Layer(site, "Sequential", Layout("maps", 8, (2, 3)))],
        method="gradcam", head="classes", classes=4, synthetic=False, fresh=False, device="cpu",
        seed=0,
    )  # fmt: skip
    return dataclasses.replace(facts, **changes)
