"""A heat map of one image at the last stage, against the forward pass it begins with."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator

import torch
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torchvision import models

from netdoctor.facts.featuremaps import Layout
from netdoctor.facts.gradcam import Layer
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.probes.cam_maps import Plan, heat_maps
from netdoctor.probes.cam_pass import tapped
from netdoctor.probes.cam_targets import Head, Wish, aimed
from tests.benchmarks.row import Row
from tests.benchmarks.timing import processor_seconds, ratio_of_interleaved

_GOAL = 1.15
_REPEATS = 11
_CHANNELS = {"resnet18": 512, "resnet50": 2048}


def rows() -> Iterator[Row]:
    """The cost of a map, ours and those of two peers, in plain forward passes."""
    for name, channels in _CHANNELS.items():
        network = models.get_model(name, weights=None).eval()
        image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        yield from _rows_of(name, network, image, channels)


def _rows_of(name: str, network: nn.Module, image: Tensor, channels: int) -> Iterator[Row]:
    @torch.no_grad()
    def plain() -> None:
        network(image)

    limit = "one plain no_grad forward"
    what = f"gradcam, one image, last stage of {name}"
    head = Head("classes", "output", 1000, "logits")
    layer = Layer(Site("layer4"), "Sequential", Layout("maps", channels, (7, 7)))
    plan, batch = Plan(head, [layer], "gradcam", Wish(), ()), Batch((image,), {}, None, 1)
    watched = copy.deepcopy(network)  # so that the limit pays nothing for the watching
    with tapped(watched, [layer.site]) as passes:

        def own() -> None:
            logits = head.logits(passes.run(batch, [layer.site], graph=True))
            aim, _, _ = aimed(logits, head, plan.wish, ())
            heat_maps(passes, batch, plan, logits, [aim])

        def unseen() -> None:
            with torch._C.DisableTorchFunction():
                plain()

        ratio = _ratio(own, unseen)
    yield Row(what, ratio, limit, _GOAL)
    with torch.no_grad():
        target = int(network(image).argmax())
    gradcam = LayerGradCam(network, network.layer4)
    by_captum = _ratio(lambda: gradcam.attribute(image, target=target), plain)
    yield Row(f"{what}: captum", by_captum, limit)
    with warnings.catch_warnings(), GradCAM(network, [network.layer4]) as cam:
        warnings.simplefilter("ignore")
        by_grad_cam = _ratio(lambda: cam(image, None), plain)
    yield Row(f"{what}: pytorch-grad-cam", by_grad_cam, limit)


def _ratio(work: Callable[[], object], limit: Callable[[], object]) -> float:
    work()
    limit()
    return ratio_of_interleaved(
        lambda: processor_seconds(work), lambda: processor_seconds(limit), _REPEATS
    )
