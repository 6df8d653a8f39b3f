"""Forward passes in which the graph begins at the chosen layers: their activations and gradients.

No parameter requires a gradient, so that nothing is recorded before the first chosen layer. To
each layer's output zeros are added in place, and the gradient is taken for these zeros. So the
live tensor stays the one that the network goes on with, whatever it does to it in place.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from netdoctor.errors import ModelError
from netdoctor.facts.gradcam import Layer
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.user_code import describe
from netdoctor.observe import Call, Watch, observe, tap
from netdoctor.probes.input_images import image_tensor
from netdoctor.probes.map_layout import channels_first

_GRADIENT_FREE = "--method eigencam needs no gradient; or choose a --layer behind that operation."


@dataclasses.dataclass(slots=True)
class Tap:
    """What a pass has shown of one layer: its output, and for what its gradient is taken.

    That is the zeros that were added to it; where the graph had begun before, its place there.
    """

    activation: Tensor
    begin: Tensor | GradientEdge | None = None


class Passes:
    """Runs the model and taps calls of it, inside of `tapped`."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.wanted: frozenset[Site] = frozenset()
        self.with_graph = False
        self.taps: dict[Site, Tap] = {}
        self.change: Callable[[Tensor], None] | None = None
        self.followed: frozenset[Site] = frozenset()
        self.given: Tensor | None = None

    def prepare(self) -> None:
        """Evaluation mode, and no parameter that requires a gradient."""
        self.model.eval()
        for each in (*self.model.parameters(), *self.model.buffers()):
            if each.is_leaf and each.requires_grad:
                each.requires_grad_(False)

    def follow(self, sites: Iterable[Site]) -> None:
        """Keeps in `given` what went into the last of these calls."""
        self.followed = frozenset(sites)

    def on_call(self, call: Call) -> None:
        """As `on_output`; also keeps what went into the followed calls."""
        if call.site in self.followed and call.inputs:
            self.given = call.inputs[0]
        self.on_output(call.site, call.output)

    def on_output(self, site: Site, output: Tensor) -> None:
        """Keeps a copy of a wanted call's output, and begins the graph there."""
        if site not in self.wanted:
            return
        if self.change is not None:
            self.change(output)
            return
        tap = self.taps.get(site)  # there already when a checkpointed part runs again
        if tap is None:
            tap = self.taps[site] = Tap(output.detach().clone())
            if self.with_graph and output.requires_grad:  # behind another layer
                tap.begin = get_gradient_edge(output)
            elif self.with_graph:
                tap.begin = torch.zeros_like(tap.activation, requires_grad=True)
        if isinstance(tap.begin, Tensor):
            with torch.enable_grad():
                output.add_(tap.begin)

    def run(self, batch: Batch, wanted: Iterable[Site], *, graph: bool) -> Any:
        """What the model returns; `taps` then holds what was seen of the wanted calls."""
        self.wanted, self.with_graph, self.change = frozenset(wanted), graph, None
        self.taps = {}
        with torch.set_grad_enabled(graph):
            return batch.call(self.model)

    def run_changed(self, batch: Batch, site: Site, change: Callable[[Tensor], None]) -> Any:
        """What the model returns when one call's output is changed in place."""
        self.wanted, self.with_graph, self.change = frozenset([site]), False, change
        with torch.no_grad():
            return batch.call(self.model)

    def gradients(
        self, value: Tensor, sites: Sequence[Site], *, again: bool = False
    ) -> list[Tensor | None]:
        """Of a scalar for each site's output; None where it does not depend on it.

        `again` keeps the graph, for the gradients of another scalar.
        """
        begins: list[Any] = [
            tap.begin for site in sites if (tap := self.taps.get(site)) and tap.begin is not None
        ]
        if not value.requires_grad or len(begins) < len(sites):
            return [None] * len(sites)
        try:
            return list(torch.autograd.grad(value, begins, allow_unused=True, retain_graph=again))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise ModelError(
                f"The gradient cannot be computed: {describe(error)}", hint=_GRADIENT_FREE
            ) from error


@contextmanager
def tapped(model: nn.Module, sites: Collection[Site]) -> Iterator[Passes]:
    """A block in which these calls can be tapped, in evaluation mode; the model stays as found."""
    passes = Passes(model)
    graphs = torch.inference_mode(False), torch.enable_grad()  # whatever the caller has set
    with tap(model, sites, passes.on_output), graphs[0], graphs[1]:
        passes.prepare()
        yield passes


def where_cut(model: nn.Module, batch: Batch, site: Site) -> ModelError:
    """The error that names the operation behind which nothing depends on the layer any more."""
    passes = Passes(model)
    found: list[str] = []

    def on_call(call: Call) -> None:
        begun = site in passes.taps
        passes.on_call(call)
        if begun and not found and _cuts(call):
            source = call.source()
            found.append(f"{call.site}" + (f" ({source})" if source else ""))

    watch: tuple[Watch, ...] = ("activation", "module", "operation")
    with observe(model, on_call, watch=watch):
        passes.prepare()
        passes.run(batch, [site], graph=True)
    what = f"the graph is cut at {found[0]}" if found else "the output does not depend on it"
    return ModelError(
        f"There is no gradient from the output back to {site}: {what}. A detach, no_grad or "
        "inference_mode inside the forward does that.",
        hint=_GRADIENT_FREE,
    )


def images_of(tensor: Tensor, layer: Layer) -> Tensor:
    """A layer's output or gradient for N samples as float32 (N, C, H, W), class tokens left out."""
    layout = layer.layout
    if layout.kind == "maps":  # of any size
        return tensor.movedim(layout.axis, 1).float()
    if tensor[0].numel() != layout.channels * (layout.prefix + math.prod(layout.grid)):
        raise ModelError(
            f"The number of tokens at {layer.site} differs between images.",
            hint="Give images of one size: --crop 224.",
        )
    return torch.stack([channels_first(each, layout)[0] for each in tensor]).float()


def plain_batch(batch: Batch) -> Batch:
    """The batch with images that no operation of the network may take for a leaf to write to."""
    return dataclasses.replace(
        batch,
        args=tuple(_detached(each) for each in batch.args),
        kwargs={name: _detached(each) for name, each in batch.kwargs.items()},
    )


def with_images(batch: Batch, at: int, images: Tensor) -> Batch:
    """A batch of M images in the place of the one at a place; other inputs are repeated."""
    given = image_tensor(batch)

    def replaced(value: Any) -> Any:
        if value is given:
            return images
        if isinstance(value, Tensor) and value.ndim and len(value) == batch.size:
            return value[at : at + 1].expand(len(images), *value.shape[1:])
        return value

    args = tuple(map(replaced, batch.args))
    kwargs = {name: replaced(value) for name, value in batch.kwargs.items()}
    return Batch(args, kwargs, None, len(images))


def _cuts(call: Call) -> bool:
    """Whether a tensor with a graph went in and only tensors without came out."""
    inputs = any(each.requires_grad for each in call.inputs)
    return inputs and not any(each.requires_grad for each in call.outputs or (call.output,))


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value
