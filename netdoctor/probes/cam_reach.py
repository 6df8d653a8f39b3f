"""Which calls of a transformer still have a say in its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from netdoctor.facts.gradcam import Layer
from netdoctor.facts.site import Site
from netdoctor.observe import observe
from netdoctor.probes.cam_pass import Passes, images_of, plain_batch
from netdoctor.probes.cam_targets import Head
from netdoctor.probes.scouting import Scouted


def reaching(
    model: nn.Module, scouted: Scouted, head: Head
) -> Callable[[Sequence[Site]], set[Site]]:
    """Tells of calls those whose positions, class tokens aside, have a say in the output.

    By the gradient of a random mixture of the classes; where that is zero everywhere, as behind
    a head of zeros, of what the last weighted layer is given.
    """
    layouts = {each.site: each.layout for each in scouted.calls}
    weighted = {each.site for each in scouted.calls if each.weighted}

    def of(sites: Sequence[Site]) -> set[Site]:
        assert scouted.batch is not None
        passes = Passes(model)
        passes.follow(weighted)
        with observe(model, passes.on_call, watch=("activation", "module")):
            passes.prepare()
            output = passes.run(plain_batch(scouted.batch), sites, graph=True)
            values = [head.logits(output), *([] if passes.given is None else [passes.given])]
            for value in values:
                mixed = (value.float() * _random_like(value)).sum()
                reached = set()
                gradients = passes.gradients(mixed, sites, again=True)
                for site, gradient in zip(sites, gradients, strict=True):
                    layout = layouts[site]
                    if gradient is not None and layout is not None:
                        maps = images_of(gradient, Layer(site, "", layout))
                        if bool((maps != 0).any()):
                            reached.add(site)
                if reached:
                    return reached
        return set()

    return of


def _random_like(value: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(value.shape, generator=generator).to(value.device)
