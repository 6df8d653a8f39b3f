"""Heat maps of where a network looks, for one image after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.errors import NothingExaminedError
from netdoctor.facts.faithfulness import Faithfulness
from netdoctor.facts.gradcam import Explained, GradCamFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.probes.cam_maps import Plan, Score, heat_maps, scorer
from netdoctor.probes.cam_methods import WITH_GRADIENT
from netdoctor.probes.cam_pass import Passes, plain_batch, tapped
from netdoctor.probes.cam_targets import aimed
from netdoctor.probes.image_batches import image_batches
from netdoctor.probes.input_images import image_size, image_tensor, inputs_of

_LARGEST_SHOWN = 448

Assess = Callable[[Score, Tensor, NDArray[Any]], Faithfulness]
"""(score of images (M, C, H, W) -> (M,), the image (C, H, W), its heat map (h, w)) -> a verdict."""


def measure(
    model: nn.Module,
    data: Data,
    plan: Plan,
    *,
    images: int | None = None,
    batch_size: int = 32,
    fresh: bool | None = None,
    seed: int = 0,
    assess: Assess | None = None,
    progress: Callable[[int], None] | None = None,
) -> GradCamFacts:
    """The heat maps of the first `images` images (all when None), in evaluation mode.

    Of each batch only the maps are kept, and the images as they will be shown.

    Args:
        model: the unwrapped model; left as it was found.
        data: on the model's device.
        plan: what to explain.
        images: how many to look at.
        batch_size: single images are put together to so many.
        fresh: whether the weights are known to be untrained; for the facts.
        seed: of the data; for the facts.
        assess: measures how far the deepest map of an image can be trusted.
        progress: told the number of images done.

    Raises:
        ModelError: the model raised, or there is no gradient from its output to a layer.
        NothingExaminedError: the data gave no image.
    """
    found: list[Explained] = []
    with tapped(model, [each.site for each in plan.layers]) as passes:
        for batch in image_batches(data, images, batch_size):
            found += _explained(passes, batch, plan, len(found), data, assess)
            if progress is not None:
                progress(len(found))
    if not found:
        raise NothingExaminedError("the data gave no image", hint="Check --data.")
    parameter = next(model.parameters(), None)
    return GradCamFacts(
        images=found,
        layers=plan.layers,
        method=plan.method,
        head=plan.head.kind,
        classes=plan.head.classes,
        synthetic=data.synthetic,
        fresh=fresh,
        device=str(parameter.device) if parameter is not None else "cpu",
        seed=seed,
    )


def _explained(
    passes: Passes, batch: Batch, plan: Plan, first: int, data: Data, assess: Assess | None
) -> list[Explained]:
    """The images of one batch, numbered from `first`."""
    batch = plain_batch(batch)
    sites = [each.site for each in plan.layers]
    output = passes.run(batch, sites, graph=plan.method in WITH_GRADIENT)
    logits = plan.head.logits(output)
    rows = [
        aimed(logits[at : at + 1], plan.head, plan.wish, plan.names) for at in range(batch.size)
    ]
    aims = [aim for aim, _, _ in rows]
    maps = heat_maps(passes, batch, plan, logits, aims)
    shown = inputs_of(batch, batch.size, first, data, largest=_LARGEST_SHOWN)
    size = image_size(batch) or (0, 0)
    found = []
    for at, (aim, target, top) in enumerate(rows):
        judged = None
        if assess is not None:
            image = image_tensor(batch)
            assert image is not None
            judged = assess(scorer(passes, batch, at, aim), image[at], maps[at][-1].values)
        found.append(Explained(shown[at], size, top, target, tuple(maps[at]), judged))
    return found
