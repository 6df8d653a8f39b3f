"""Keeps the maps of selected calls for some images, and measures those calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import nn

from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage
from netdoctor.facts.site import Site
from netdoctor.inputs.data import Data
from netdoctor.observe import Call, observe
from netdoctor.probes.input_images import image_size, inputs_of
from netdoctor.probes.map_capture import Capture, Choice
from netdoctor.probes.map_layout import Scene
from netdoctor.probes.scouting import scouted
from netdoctor.probes.stages import stage_ends
from netdoctor.report import NotExamined

Choose = Callable[[Sequence[Site]], Sequence[Site]]


def measure(
    model: nn.Module,
    data: Data,
    *,
    choose: Choose | None = None,
    images: int = 4,
    top: int | None = None,
    scale: Literal["each", "shared"] = "each",
    max_maps: int = 64,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> FeatureMapFacts:
    """The maps and statistics of the chosen calls, in evaluation mode and without gradients.

    A first pass over one batch finds out what runs; a second keeps what will be drawn, and no
    more: memory does not grow with the channels or the batches.

    Args:
        model: the unwrapped model; left as it was found.
        data: on the model's device.
        choose: from the calls of the first pass to those wanted; None for the last of each stage.
        images: how many samples to look at.
        top: keeps so many of the most active maps, most active first.
        scale: for the facts.
        max_maps: keeps so many maps a picture at most.
        seed: of the data; for the facts.
        progress: told the number of images done.

    Raises:
        ModelError: the model raised.
    """
    seen = scouted(model, data).calls
    sites = list(dict.fromkeys(each.site for each in seen))
    wanted = set(stage_ends(seen) if choose is None else choose(sites))
    choice = Choice(top, max_maps)
    captures: dict[Site, Capture] = {}
    inputs: list[InputImage] = []
    scene, batch, take = Scene(), None, 0

    def on_call(call: Call) -> None:
        scene.note_stem(call)
        if batch is None or call.site not in wanted:
            return
        if call.site not in captures:
            captures[call.site] = Capture(call, choice)
        captures[call.site].add(call, scene, batch.size, take, first=len(inputs) - take)

    with observe(model, on_call, watch=("activation", "module")), torch.no_grad():
        model.eval()
        for batch in data:
            take = min(batch.size, images - len(inputs))
            scene.image = image_size(batch)
            inputs += inputs_of(batch, take, len(inputs), data)
            batch.call(model)
            if progress is not None:
                progress(len(inputs))
            if len(inputs) >= images:
                break
    made = [each.read() for each in captures.values()]
    parameter = next(model.parameters(), None)
    return FeatureMapFacts(
        calls=[facts for facts, _ in made if facts is not None],
        maps=[each for _, kept in made for each in kept],
        inputs=inputs,
        scale=scale,
        stages=choose is None,
        samples=len(inputs),
        synthetic=data.synthetic,
        device=str(parameter.device) if parameter is not None else "cpu",
        seed=seed,
        not_examined=[
            NotExamined(str(site), each.problem) for site, each in captures.items() if each.problem
        ],
    )
