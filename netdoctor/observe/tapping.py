"""Hooks on a few modules, which cost less than watching everything."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from torch import Tensor, nn

from netdoctor.facts.site import Site
from netdoctor.observe.observer import in_backward
from netdoctor.observe.outputs import main_tensor

OnOutput = Callable[[Site, Tensor], None]


def add_taps(model: nn.Module, paths: Collection[str], on_output: OnOutput) -> None:
    """Adds hooks by which the output of these modules is told, at each call right after it.

    Args:
        model: the unwrapped model, without scripted modules.
        paths: dotted paths of the modules.
        on_output: gets the call's site, as `observe` numbers it, and its live main tensor; again
            when checkpointing runs the module again in the backward pass.
    """
    numbers: dict[str, int] = {}
    again: dict[str, int] = {}

    def begin(module: nn.Module, args: Any) -> None:
        if not in_backward():
            numbers.clear()
            again.clear()

    def hook(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, args: Any, output: Any) -> None:
            main = main_tensor(output)
            if main is None:
                return
            if in_backward():  # the same calls again, in the same order
                again[path] = again.get(path, 0) % numbers[path] + 1
                on_output(Site(path, number=again[path]), main)
                return
            numbers[path] = numbers.get(path, 0) + 1
            on_output(Site(path, number=numbers[path]), main)

        return after

    model.register_forward_pre_hook(begin)
    modules = dict(model.named_modules())
    for path in paths:
        modules[path].register_forward_hook(hook(path))
