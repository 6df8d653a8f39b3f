"""Keeps the maps of selected calls for some images, and measures those calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage, finite_range
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.inputs.images import Preprocessing
from netdoctor.observe import Call, observe
from netdoctor.probes.map_capture import Capture, Choice
from netdoctor.probes.map_layout import Scene, layout_of
from netdoctor.probes.stages import Seen, stage_ends
from netdoctor.report import NotExamined

Choose = Callable[[Sequence[Site]], Sequence[Site]]
_LARGEST_INPUT = 224


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
    seen = _scouted(model, data)
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
            scene.image = _image_size(batch)
            inputs += _inputs_of(batch, take, len(inputs), data)
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


def _scouted(model: nn.Module, data: Data) -> list[Seen]:
    """What one batch makes run, in call order."""
    seen: list[Seen] = []
    scene, size = Scene(), 0

    def on_call(call: Call) -> None:
        scene.note_stem(call)
        module = call.module if not call.site.operation else None
        leaf = module is not None and next(module.children(), None) is None
        sizes = [each.ndim for each in module.parameters(recurse=False)] if module and leaf else []
        seen.append(
            Seen(
                call.site,
                call.name,
                layout_of(call.output.shape, call.trace.axis, scene),
                _grid_of_input(call, scene),
                weighted=max(sizes, default=0) >= 2,
                weights=module is not None and next(module.parameters(), None) is not None,
                active=call.kind is not None,
                plain=type(module) is nn.Sequential,
                whole=bool(call.output.ndim) and call.output.shape[0] == size,
            )
        )

    with observe(model, on_call, watch=("activation", "module")), torch.no_grad():
        model.eval()
        for batch in data:
            size, scene.image = batch.size, _image_size(batch)
            batch.call(model)
            break
    return seen


def _grid_of_input(call: Call, scene: Scene) -> tuple[int, ...]:
    given = next((each for each in call.inputs if each.is_floating_point()), None)
    if given is None:
        return ()
    axis = call.trace.axis if given.ndim == call.output.ndim else None
    layout = layout_of(given.shape, axis, scene)
    return layout.grid if layout is not None else ()


def _image_tensor(batch: Batch) -> Tensor | None:
    """The images (N, C, H, W) of a batch, or the first (C, H, W) of a list."""
    for value in (*batch.args, *batch.kwargs.values()):
        each = value[0] if isinstance(value, (list, tuple)) and value else value
        if isinstance(each, Tensor) and each.is_floating_point() and each.ndim in (3, 4):
            if each.ndim == 3 and each is value:
                continue
            return each if each.shape[-3] <= 16 and min(each.shape[-2:]) > 1 else None
    return None


def _image_size(batch: Batch) -> tuple[int, int] | None:
    found = _image_tensor(batch)
    return None if found is None else (int(found.shape[-2]), int(found.shape[-1]))


def _inputs_of(batch: Batch, take: int, first: int, data: Data) -> list[InputImage]:
    images = _image_tensor(batch)
    found = []
    for at in range(take):
        number = first + at
        name = data.samples[number] if number < len(data.samples) else f"sample {number}"
        image = None
        if images is not None and (images.ndim == 4 or at == 0):
            image = _pixels(images[at] if images.ndim == 4 else images, data.preprocessing)
        found.append(InputImage(name, image))
    return found


def _pixels(image: Tensor, done: Preprocessing | None) -> NDArray[Any] | None:
    """The image (H, W, 3) uint8 with its normalisation undone, made smaller where it is large."""
    if image.shape[0] not in (1, 3):
        return None
    step = -(-max(image.shape[-2:]) // _LARGEST_INPUT)
    pixels = nn.functional.avg_pool2d(image.detach().float().cpu(), step, ceil_mode=True)
    if done is not None:
        done = done.for_channels(len(pixels))
        std, mean = torch.tensor(done.std).view(-1, 1, 1), torch.tensor(done.mean).view(-1, 1, 1)
        pixels = pixels * std + mean
    elif pixels.min() < 0 or pixels.max() > 1:
        low, high = finite_range(pixels.numpy())
        pixels = (pixels - low) / max(high - low, 1e-12)
    levels = (pixels.nan_to_num(0.0, 1.0, 0.0).clamp(0, 1) * 255).round().to(torch.uint8)
    shown: NDArray[Any] = levels.expand(3, -1, -1).permute(1, 2, 0).contiguous().numpy()
    return shown
