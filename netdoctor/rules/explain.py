"""CAM: heat maps that say nothing."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.gradcam import Blank, Explained, GradCamFacts, HeatMap, TargetKind
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
    its favour; then the message says that all that is seen counts against it. A map without output
    or gradient is not judged for weights that are untrained, nor where all classes have one and
    the same score, as behind a head of zeros.

    Remedy: for a target without evidence explain the predicted class, or look at another layer;
    for a gradient or output of 0 run gradflow and deadneurons; for NaN run check-forward.

    Source: house heuristic; the ReLU of Selvaraju et al. 2017, eq. 2.
    """
    for image in facts.images:
        for heat in image.maps:
            if heat.spread > threshold:
                continue
            subject = f"{image.input.name}: {heat.site}"
            unlearnt = _unlearnt(facts, image)
            if unlearnt and heat.blank not in ("no evidence", "not finite"):
                yield Skip(unlearnt, subject)
                continue
            yield _hit(facts, image, heat, subject, threshold)


def _unlearnt(facts: GradCamFacts, image: Explained) -> str:
    """Why nothing can be expected of the network yet; empty where it may have learnt."""
    if facts.fresh:
        return "the weights are untrained"
    scores = {guess.score for guess in image.top}
    if len(image.top) > 1 and len(scores) == 1:
        return "all classes have the same score: the head has not learnt anything"
    return ""


def _hit(
    facts: GradCamFacts, image: Explained, heat: HeatMap, subject: str, threshold: float
) -> Hit:
    target = image.target
    return Hit(
        subject=subject,
        message=f"blank heat map for {target.name!r}: {heat.reason or 'it does not vary'}",
        evidence={
            "spread": heat.spread,
            "threshold": threshold,
            "reason": heat.blank,
            "lowest_sum": heat.lowest,
            "highest_sum": heat.highest,
            "target": target.index,
            "target_score": target.score,
            "method": facts.method,
        },
        remedy=_remedy(heat.blank, target.kind),
    )


def _remedy(blank: Blank, kind: TargetKind) -> str:
    if blank == "not finite":
        return "run `netdoctor check-forward`: it names the first call that makes NaN"
    if blank == "no gradient":
        return "run `netdoctor gradflow`: a head of zeros or a saturated output stops the gradient"
    if blank == "no output":
        return "run `netdoctor deadneurons`, or choose another --layer"
    if kind == "chosen":
        return "explain the predicted class (--target predicted), or choose another --layer"
    return "choose an earlier --layer, or --method layercam, which weights each position"
