"""Runs a network under observe() and says what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from netdoctor.observe import Call, Observation, Watch, observe


class Net(nn.Module):
    """Layers by name, and a forward given as a function of the network and its inputs."""

    def __init__(self, forward: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self.run = forward
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.run(self, *inputs, **named)


def calls(
    model: nn.Module,
    *inputs: Any,
    watch: Sequence[Watch] = ("activation",),
    passes: int = 1,
    **named: Any,
) -> tuple[dict[str, Call], Observation]:
    """Each call by its site's text, which must be unique in a pass, and the observation."""
    found: dict[str, Call] = {}
    with observe(model, lambda call: keep(found, call), watch=watch) as seen, torch.no_grad():
        for _ in range(passes):
            found.clear()
            model(*inputs, **named)
    return found, seen


def keep(found: dict[str, Call], call: Call) -> None:
    text = str(call.site)
    assert text not in found or found[text].watch != call.watch, f"{text} came twice"
    found[text] = call


def kinds(model: nn.Module, *inputs: Any) -> dict[str, str]:
    """The kind of each activation call by its site's text."""
    return {name: call.name for name, call in calls(model.eval(), *inputs)[0].items()}


def functional(function: Callable[[Tensor], Any]) -> Net:
    """A network that applies a function to a convolution's output."""
    return Net(lambda net, x: function(net.conv(x)), conv=nn.Conv2d(3, 5, 3))
