"""The heat maps of one batch, at every layer and by every method."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.gradcam import Blank, HeatMap, Layer, Method
from netdoctor.inputs.batches import Batch
from netdoctor.probes.cam_methods import FORMULAS, WITH_GRADIENT, ablationcam, eigencam, scorecam
from netdoctor.probes.cam_pass import Passes, images_of, where_cut, with_images
from netdoctor.probes.cam_targets import Aim, Head, Wish
from netdoctor.probes.input_images import image_tensor

_IMAGES, _CHANNELS = 16, 32  # that scorecam and ablationcam run at a time

Score = Callable[[Tensor], Tensor]
"""Images (M, C, H, W) to the score (M,) of what is explained."""


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


def scorer(passes: Passes, batch: Batch, at: int, aim: Aim) -> Score:
    """The score of what is explained for one image of a batch, for others in its place.

    Probabilities of a classifier, mean logits over the fixed mask of a segmentation.
    """
    return lambda images: _read(passes, batch, at, aim, images, aim.score)


def _read(
    passes: Passes, batch: Batch, at: int, aim: Aim, images: Tensor,
    read: Callable[[Tensor], Tensor],
) -> Tensor:  # fmt: skip
    output = passes.run(with_images(batch, at, images), (), graph=False)
    return read(aim.head.logits(output)).detach()


def heat_maps(
    passes: Passes, batch: Batch, plan: Plan, logits: Tensor, aims: Sequence[Aim]
) -> list[list[HeatMap]]:
    """The heat maps of a batch, by image and then by layer, right after its pass.

    Args:
        passes: what the pass has tapped.
        batch: what went in.
        plan: which layers and method.
        logits: what came out.
        aims: what is explained for each image.

    Raises:
        ModelError: there is no gradient from the output to a layer.
    """
    sites = [each.site for each in plan.layers]
    taps = dict(passes.taps)
    gradients: list[Tensor | None] = [None] * len(sites)
    if plan.method in WITH_GRADIENT:
        values = [aim.value(logits[at : at + 1]).sum() for at, aim in enumerate(aims)]
        gradients = passes.gradients(torch.stack(values).sum(), sites)
        for site, gradient in zip(sites, gradients, strict=True):
            if gradient is None:
                raise where_cut(passes.model, batch, site)
    found: list[list[HeatMap]] = [[] for _ in aims]
    for layer, gradient in zip(plan.layers, gradients, strict=True):
        output = taps[layer.site].activation
        activations = images_of(output, layer)
        slopes = None if gradient is None else images_of(gradient, layer)
        for at, aim in enumerate(aims):
            slope = None if slopes is None else slopes[at]
            if slope is not None:
                raw = FORMULAS[plan.method](activations[at], slope)
            else:
                subject = _Subject(passes, batch, at, aim, logits[at : at + 1].detach())
                raw = _without_gradient(subject, plan.method, layer, activations[at], output[at])
            found[at].append(_heat_map(layer, raw, activations[at], slope))
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class _Subject:
    """One image of a batch, and what is explained of its logits (1, ...)."""

    passes: Passes
    batch: Batch
    at: int
    aim: Aim
    logits: Tensor

    @property
    def image(self) -> Tensor:
        given = image_tensor(self.batch)
        assert given is not None
        return given[self.at]

    def values(self, images: Tensor) -> Tensor:
        """(M,) what is explained, for other images in its place."""
        return _read(self.passes, self.batch, self.at, self.aim, images, self.aim.value)

    def ablated(self, channels: Sequence[int], layer: Layer, output: Tensor) -> Tensor:
        """(M,) what is explained without each of these channels of a layer's output."""

        def change(live: Tensor) -> None:
            live.copy_(output.expand_as(live))
            for place, channel in enumerate(channels):
                live[place].select(layer.layout.axis - 1, channel).zero_()

        repeated = with_images(self.batch, self.at, self.image.repeat(len(channels), 1, 1, 1))
        found = self.passes.run_changed(repeated, layer.site, change)
        return self.aim.value(self.aim.head.logits(found)).detach()


def _without_gradient(
    subject: _Subject, method: Method, layer: Layer, activation: Tensor, output: Tensor
) -> Tensor:
    """The map (h, w) of one image by a method that needs no gradient."""
    if method == "eigencam":
        return eigencam(activation)
    if method == "scorecam":
        return scorecam(activation, subject.image, subject.values, _IMAGES)
    before = float(subject.aim.value(subject.logits).sum())
    return ablationcam(
        activation, lambda channels: subject.ablated(channels, layer, output), before, _CHANNELS
    )


def _heat_map(layer: Layer, raw: Tensor, activation: Tensor, slope: Tensor | None) -> HeatMap:
    values = raw.detach().float().cpu().numpy()
    heat = np.maximum(values, 0).astype(np.float32)
    blank, reason = _blank(heat, activation, slope)
    return HeatMap(
        layer.site, heat, blank, reason, lowest=float(values.min()), highest=float(values.max())
    )


def _blank(heat: NDArray[Any], activation: Tensor, slope: Tensor | None) -> tuple[Blank, str]:
    """Why there is nothing to see on a heat map, also in words; empty where there is."""
    if not np.isfinite(heat).all():
        bad = "map"
        if slope is not None and not bool(slope.isfinite().all()):
            bad = "gradient"
        if not bool(activation.isfinite().all()):
            bad = "output"
        return "not finite", f"there are NaN or infinities in the layer's {bad}"
    if heat.max() > heat.min():
        return "", ""
    if not bool(activation.any()):
        return "no output", "the layer's output is 0 everywhere for this image"
    if slope is not None and not bool(slope.any()):
        return "no gradient", "the target's gradient at this layer is 0 everywhere"
    if heat.max() <= 0:
        return "no evidence", (
            "every weighted sum is 0 or negative: all that is seen here counts against this target"
        )
    return "uniform", "the map has one and the same value everywhere"
