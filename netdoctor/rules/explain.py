"""CAM: heat maps that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.gradcam import GradCamFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule


@rule("CAM001", "blank-heatmap", Severity.WARNING)
def blank_heatmap(facts: GradCamFacts, *, threshold: float = 0.0) -> Iterator[Hit | Skip]:
    """The heat map of an image is empty before it is normalised.

    Measures: for each image and layer, the largest value of the heat map minus its smallest, at
    the layer's size and after negative sums were set to 0; a map is blank up to `threshold`, or
    when it holds NaN. The message says why it is blank.

    Why: a picture of it would be an artefact of the normalisation: it shows nothing, or rounding
    errors blown up to full colour.

    False alarm: a class that the network does not see in the image may rightly have no evidence in
    its favour; then the message says that all that is seen counts against it.

    Remedy: for a target without evidence explain the predicted class, or look at another layer;
    for a gradient or output of 0 run gradflow and deadneurons; for NaN run check-forward.

    Source: house heuristic; the ReLU of Selvaraju et al. 2017, eq. 2.
    """
    for image in facts.images:
        for heat in image.maps:
            if heat.spread > threshold:
                continue
            target = image.target
            yield Hit(
                subject=f"{image.input.name}: {heat.site}",
                message=f"blank heat map for {target.name!r} at {heat.site}: "
                f"{heat.blank or 'it does not vary'}",
                evidence={
                    "spread": heat.spread,
                    "threshold": threshold,
                    "lowest_sum": heat.lowest,
                    "highest_sum": heat.highest,
                    "target": target.index,
                    "target_score": target.score,
                    "method": facts.method,
                },
                remedy=_remedy(heat.blank, target.kind),
            )


def _remedy(blank: str, kind: str) -> str:
    if "NaN" in blank:
        return "run `netdoctor check-forward`: it names the first call that makes NaN"
    if "gradient" in blank:
        return "run `netdoctor gradflow`: a head of zeros or a saturated output stops the gradient"
    if "output is 0" in blank:
        return "run `netdoctor deadneurons`, or choose another --layer"
    if kind == "chosen":
        return "explain the predicted class (--target predicted), or choose another --layer"
    return "choose an earlier --layer, or --method layercam, which weights each position"
