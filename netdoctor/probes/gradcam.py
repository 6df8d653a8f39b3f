"""Heat maps of where a network looks, for one image after the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.errors import NothingExaminedError
from netdoctor.facts.faithfulness import Faithfulness
from netdoctor.facts.gradcam import Explained, GradCamFacts, HeatMap, Layer, Method
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.observe import tensors_in
from netdoctor.probes import cam_methods
from netdoctor.probes.cam_pass import (
    Passes,
    images_of,
    plain_batch,
    tapped,
    where_cut,
    with_images,
)
from netdoctor.probes.cam_targets import Aim, Head, Wish, aimed
from netdoctor.probes.input_images import image_size, image_tensor, inputs_of
from netdoctor.probes.samples import taken
from netdoctor.probes.scouting import Scouted

_LARGEST_SHOWN = 448
_CHUNK = 16  # images or channels that scorecam and ablationcam run at a time

Score = Callable[[Tensor], Tensor]
Assess = Callable[[Score, Tensor, NDArray[Any]], Faithfulness]
"""(score of images (M, C, H, W) -> (M,), the image (C, H, W), its heat map (h, w)) -> a verdict."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What to explain, where and how.

    Attributes:
        head: of the model.
        layers: in call order.
        method: how the maps are made.
        wish: the target that was asked for.
        names: of the classes by index; empty when unknown.
    """

    head: Head
    layers: Sequence[Layer]
    method: Method
    wish: Wish
    names: Sequence[str]


def measure(
    model: nn.Module,
    data: Data,
    plan: Plan,
    *,
    images: int | None = None,
    batch_size: int = 32,
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
        seed: of the data; for the facts.
        assess: measures how far the deepest map of an image can be trusted.
        progress: told the number of images done.

    Raises:
        ModelError: the model raised, or there is no gradient from its output to a layer.
        NothingExaminedError: the data gave no image.
    """
    found: list[Explained] = []
    with tapped(model) as passes:
        for batch in _batches(data, images, batch_size):
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
        device=str(parameter.device) if parameter is not None else "cpu",
        seed=seed,
    )


def reaching(model: nn.Module, scouted: Scouted, head: Head) -> Callable[[Sequence[Site]], set[Site]]:
    """Tells of calls those whose positions, class tokens aside, have a say in the output.

    By the gradient of a random mixture of the classes; where that is zero everywhere, as behind
    a head of zeros, of what the last weighted layer is given.
    """
    layouts = {each.site: each.layout for each in scouted.calls}
    weighted = {each.site for each in scouted.calls if each.weighted}

    def of(sites: Sequence[Site]) -> set[Site]:
        assert scouted.batch is not None
        with tapped(model) as passes:
            passes.follow(weighted)
            output = passes.run(plain_batch(scouted.batch), sites, graph=True)
            values = [head.logits(output), *([] if passes.given is None else [passes.given])]
            for value in values:
                mixed = (value.float() * _random_like(value)).sum()
                reached = set()
                for site, gradient in zip(sites, passes.gradients(mixed, sites), strict=True):
                    layout = layouts[site]
                    if gradient is not None and layout is not None:
                        maps = images_of(gradient, Layer(site, "", layout))
                        if bool((maps != 0).any()):
                            reached.add(site)
                if reached:
                    return reached
        return set()

    return of


def _explained(
    passes: Passes, batch: Batch, plan: Plan, first: int, data: Data, assess: Assess | None
) -> list[Explained]:
    """The images of one batch, numbered from `first`."""
    batch = plain_batch(batch)
    sites = [each.site for each in plan.layers]
    output = passes.run(batch, sites, graph=plan.method in cam_methods.WITH_GRADIENT)
    logits = plan.head.logits(output)
    rows = [aimed(logits[at : at + 1], plan.head, plan.wish, plan.names) for at in range(batch.size)]
    aims = [aim for aim, _, _ in rows]
    maps = _maps(passes, batch, plan, logits, aims)
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


def scorer(passes: Passes, batch: Batch, at: int, aim: Aim) -> Score:
    """The score of what is explained for one image of a batch, for others in its place.

    Probabilities of a classifier, mean logits over the fixed mask of a segmentation.
    """
    return _reader(passes, batch, at, aim, aim.score)


def _reader(
    passes: Passes, batch: Batch, at: int, aim: Aim, read: Callable[[Tensor], Tensor]
) -> Score:
    def numbers(images: Tensor) -> Tensor:
        output = passes.run(with_images(batch, at, images), (), graph=False)
        return read(aim.head.logits(output)).detach()

    return numbers


def _maps(
    passes: Passes, batch: Batch, plan: Plan, logits: Tensor, aims: Sequence[Aim]
) -> list[list[HeatMap]]:
    """By image, then by layer."""
    sites = [each.site for each in plan.layers]
    gradients: list[Tensor | None] = [None] * len(sites)
    if plan.method in cam_methods.WITH_GRADIENT:
        value = sum((aim.value(logits[at : at + 1]).sum() for at, aim in enumerate(aims)), logits.new_zeros(()))
        gradients = passes.gradients(value, sites)
        for site, gradient in zip(sites, gradients, strict=True):
            if gradient is None:
                raise where_cut(passes.model, batch, site)
    taps = dict(passes.taps)
    found: list[list[HeatMap]] = [[] for _ in aims]
    for layer, gradient in zip(plan.layers, gradients, strict=True):
        activations = images_of(taps[layer.site].activation, layer)
        slopes = None if gradient is None else images_of(gradient, layer)
        if slopes is not None:
            raw = cam_methods.FORMULAS[plan.method](activations, slopes)
        else:
            raw = torch.stack(
                [
                    _without_gradient(passes, batch, plan, layer, at, aim, logits, activations[at])
                    for at, aim in enumerate(aims)
                ]
            )
        for at in range(len(aims)):
            slope = None if slopes is None else slopes[at]
            found[at].append(_heat_map(layer, raw[at], activations[at], slope))
    return found


def _without_gradient(
    passes: Passes, batch: Batch, plan: Plan, layer: Layer, at: int, aim: Aim,
    logits: Tensor, activation: Tensor,
) -> Tensor:  # fmt: skip
    """The map (h, w) of one image by a method that needs no gradient."""
    if plan.method == "eigencam":
        return cam_methods.eigencam(activation)
    given = image_tensor(batch)
    assert given is not None
    image = given[at]
    if plan.method == "scorecam":
        values = _reader(passes, batch, at, aim, aim.value)
        return cam_methods.scorecam(activation, image, values, _CHUNK)

    def ablated(channels: list[int]) -> Tensor:
        def without(site: Site, output: Tensor) -> None:
            for place, channel in enumerate(channels):
                output[place].select(layer.layout.axis - 1, channel).zero_()

        repeated = with_images(batch, at, image.repeat(len(channels), 1, 1, 1))
        output = passes.run_changed(repeated, layer.site, without)
        return aim.value(aim.head.logits(output)).detach()

    before = float(aim.value(logits[at : at + 1].detach()).sum())
    return cam_methods.ablationcam(activation, ablated, before, _CHUNK)


def _heat_map(layer: Layer, raw: Tensor, activation: Tensor, slope: Tensor | None) -> HeatMap:
    values = raw.detach().float().cpu().numpy()
    heat = np.maximum(values, 0).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    return HeatMap(layer.site, heat, _blank(layer, heat, activation, slope), low, high)


def _blank(layer: Layer, heat: NDArray[Any], activation: Tensor, slope: Tensor | None) -> str:
    """Why there is nothing to see on a heat map; empty where there is."""
    if not np.isfinite(heat).all():
        where = next(
            (name for name, each in (("output", activation), ("gradient", slope))
             if each is not None and not bool(each.isfinite().all())),
            "map",
        )  # fmt: skip
        return f"NaN or infinities in the layer's {where}: `netdoctor check-forward` says where they begin"
    if heat.max() > heat.min():
        return ""
    if not bool(activation.any()):
        return "the layer's output is 0 everywhere for this image"
    if slope is not None and not bool(slope.any()):
        return "the target's gradient at this layer is 0 everywhere"
    if heat.max() <= 0:
        return "every weighted sum is 0 or negative: what is seen here counts against this target"
    return "the map has one and the same value everywhere"


def _random_like(value: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(value.shape, generator=generator).to(value.device)


def _batches(data: Iterable[Batch], images: int | None, size: int) -> Iterator[Batch]:
    """The first images in batches: single ones of one shape are put together."""
    left = images
    for batch in _together(data, size):
        if left is not None and batch.size > left:
            batch = taken(batch, torch.arange(left))
        yield batch
        if left is not None:
            left -= batch.size
            if left <= 0:
                return


def _together(data: Iterable[Batch], size: int) -> Iterator[Batch]:
    held: list[Batch] = []
    for batch in data:
        if held and (len(held) >= size or not _alike(held[0], batch)):
            yield _merged(held)
            held = []
        held.append(batch)
        if batch.size != 1:
            yield _merged(held)
            held = []
    if held:
        yield _merged(held)


def _alike(first: Batch, other: Batch) -> bool:
    shapes = [[(each.shape, each.dtype) for each in tensors_in((one.args, one.kwargs))] for one in (first, other)]
    single = first.size == other.size == 1
    return single and shapes[0] == shapes[1] and all(map(_is_plain, (first, other)))


def _is_plain(batch: Batch) -> bool:
    values = (*batch.args, *batch.kwargs.values())
    return all(isinstance(each, Tensor) and each.ndim > 0 and len(each) == 1 for each in values)


def _merged(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    args = tuple(map(torch.cat, zip(*(each.args for each in batches), strict=True)))
    names = batches[0].kwargs
    kwargs = {name: torch.cat([each.kwargs[name] for each in batches]) for name in names}
    return Batch(args, kwargs, None, len(batches))
