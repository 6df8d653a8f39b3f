"""A first forward pass over one batch: what runs, and what comes out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from netdoctor.inputs.batches import Batch
from netdoctor.observe import Call, observe
from netdoctor.probes.input_images import image_size
from netdoctor.probes.map_layout import Scene, layout_of
from netdoctor.probes.stages import Seen


@dataclasses.dataclass(frozen=True, slots=True)
class Scouted:
    """What one batch made run.

    Attributes:
        calls: in call order.
        batch: None where the data gave none.
        output: what the model returned for it.
        last_activation: the activation function whose values are the output; empty for none.
        scene: what is known of the input.
    """

    calls: list[Seen]
    batch: Batch | None
    output: Any
    last_activation: str
    scene: Scene


def scouted(model: nn.Module, data: Iterable[Batch]) -> Scouted:
    """What the first batch makes run, in evaluation mode and without gradients.

    Raises:
        ModelError: the model raised.
    """
    seen: list[Seen] = []
    scene, size = Scene(), 0
    batch, output = None, None

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

    watched = observe(model, on_call, watch=("activation", "module"))
    with watched as observation, torch.no_grad():
        model.eval()
        for batch in data:
            size, scene.image = batch.size, image_size(batch)
            output = batch.call(model)
            break
        roles = observation.roles
    last = [each for each in seen if each.active and roles.get(str(each.site)) == "output"]
    return Scouted(seen, batch, output, last[-1].kind if last else "", scene)


def _grid_of_input(call: Call, scene: Scene) -> tuple[int, ...]:
    given = next((each for each in call.inputs if each.is_floating_point()), None)
    if given is None:
        return ()
    axis = call.trace.axis if given.ndim == call.output.ndim else None
    layout = layout_of(given.shape, axis, scene)
    return layout.grid if layout is not None else ()
