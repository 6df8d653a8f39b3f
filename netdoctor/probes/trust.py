"""How far heat maps can be trusted: faithfulness image by image, and the randomisation test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.facts.faithfulness import Faithfulness, Sanity, not_measured
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.probes.cam_maps import Plan, Score, heat_maps
from netdoctor.probes.cam_methods import WITH_GRADIENT
from netdoctor.probes.cam_pass import Passes, plain_batch, tapped
from netdoctor.probes.cam_targets import Aim, aimed
from netdoctor.probes.faithfulness import faithfulness
from netdoctor.probes.image_batches import image_batches
from netdoctor.probes.sanity import sanity

NOT_ASKED_FOR = "not among the images that --scores asks for"
_COMPARED = 8  # images whose maps the randomisation test compares
_BATCH = 16

_Aimed = tuple[Batch, Sequence[Aim]]


def assessor(
    images: int | None, *, seed: int, batch_size: int, doing: Callable[[str], None]
) -> Callable[[Score, Tensor, NDArray[Any]], Faithfulness]:
    """A function that measures the faithfulness of the first `images` maps it is given.

    Args:
        images: how many; None for all.
        seed: of the random orders.
        batch_size: images in one forward pass, at most 16.
        doing: told which image is scored as that begins, and an empty text at the end.
    """
    done = 0

    def assess(score: Score, image: Tensor, heat: NDArray[Any]) -> Faithfulness:
        nonlocal done
        done += 1
        if images is not None and done > images:
            return not_measured(NOT_ASKED_FOR)
        doing(f"scoring image {done}")
        found = faithfulness(
            score, image, torch.from_numpy(heat), seed=seed, batch_size=min(batch_size, _BATCH)
        )
        doing("")
        return found

    return assess


def sanity_of(
    model: nn.Module,
    data: Data,
    plan: Plan,
    *,
    images: int | None = None,
    batch_size: int = 32,
    seed: int = 0,
) -> Sanity:
    """The randomisation test of the deepest layer's maps, over the first images of one size.

    The targets stay those that the trained model was explained for.

    Args:
        model: the unwrapped model; left as it was found.
        data: on the model's device.
        plan: what to explain.
        images: how many to compare at most, of eight; None for eight.
        batch_size: single images are put together to so many.
        seed: of the random weights.
    """
    plan = Plan(plan.head, plan.layers[-1:], plan.method, plan.wish, plan.names)
    count = min(images or _COMPARED, _COMPARED)
    batches = [plain_batch(each) for each in image_batches(data, count, batch_size)]
    with tapped(model, []) as passes:
        given = [(batch, _aims(passes, batch, plan)) for batch in batches]
    return sanity(model, lambda: _maps(model, given, plan), seed=seed)


def _aims(passes: Passes, batch: Batch, plan: Plan) -> Sequence[Aim]:
    logits = plan.head.logits(passes.run(batch, (), graph=False))
    rows = [logits[at : at + 1] for at in range(batch.size)]
    return [aimed(row, plan.head, plan.wish, plan.names)[0] for row in rows]


def _maps(model: nn.Module, given: Sequence[_Aimed], plan: Plan) -> Tensor:
    """(N, h, w) the maps as the model is now; those of another size than the first are left out."""
    found, site = [], plan.layers[-1].site
    with tapped(model, [site]) as passes:
        for batch, aims in given:
            output = passes.run(batch, [site], graph=plan.method in WITH_GRADIENT)
            maps = heat_maps(passes, batch, plan, plan.head.logits(output), aims)
            found += [of_image[-1].values for of_image in maps]
    return torch.from_numpy(np.stack([each for each in found if each.shape == found[0].shape]))
