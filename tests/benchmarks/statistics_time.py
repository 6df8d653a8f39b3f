"""Time of `deadneurons`: what its statistics add to the plain forward pass."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn

from netdoctor.facts.site import Site
from netdoctor.observe import Watch, observe
from netdoctor.probes import activations
from tests.benchmarks.networks import ImageBatch, batches, forward, network
from tests.benchmarks.row import Row
from tests.benchmarks.timing import Stopwatch, processor_seconds, ratio_of_interleaved

LIMIT = "plain forward"
REPEATS = 5


def rows() -> Iterator[Row]:
    """All activation calls and every output, on two networks; then the naive ways."""
    for name, batch in (("resnet18", 32), ("resnet50", 16)):
        model, given = network(name), list(batches(1, batch))
        works = ((False, "all ReLU calls", 1.12), (True, "and every conv and norm output", 1.25))
        for every_module, what, goal in works:
            ratio = 1 + added_share(model, given, every_module=every_module)
            yield Row(f"deadneurons {name}, {what}, full statistics", ratio, LIMIT, goal)
    model, given = network("resnet18"), list(batches(1, 16))
    yield Row(
        "naive: deadneurons resnet18, one pass a module",
        _against_forward(one_pass_a_module, model, given, 3),
        LIMIT,
    )
    yield Row(
        "naive: resnet18, every output, .item() a statistic",
        _against_forward(item_a_statistic, model, given, 3),
        LIMIT,
    )


def added_share(model: nn.Module, given: list[ImageBatch], *, every_module: bool) -> float:
    """What measuring adds, as a share of the plain forward: the median over some runs.

    The processor time inside the callbacks, divided by the rest of the same run; to it is added
    what observing costs outside of them, which is taken where it shows: on tiny images.
    """
    leaves = {path for path, each in model.named_modules() if not [*each.children()]}

    def wanted(site: Site) -> bool:
        return bool(site.operation) or site.path in leaves

    def measure() -> None:
        activations.measure(model, given, every_module=every_module, wanted=wanted)

    def share() -> float:
        inside = Stopwatch()
        with _timed_callbacks(inside):
            total = processor_seconds(measure)
        return inside.seconds / (total - inside.seconds)

    share()
    plain = processor_seconds(lambda: forward(model, iter(given)))
    bookkeeping = _bookkeeping_seconds(model, every_module=every_module) * len(given)
    return statistics.median(share() for _ in range(REPEATS)) + bookkeeping / plain


@contextmanager
def _timed_callbacks(inside: Stopwatch) -> Iterator[None]:
    """The probe's callbacks run under this stopwatch."""

    def observe_timed(model: nn.Module, on_call: Callable[..., None], **keywords: Any) -> Any:
        return observe(model, inside.wrap(on_call), **keywords)

    with patch.object(activations, "observe", observe_timed):
        yield


def _bookkeeping_seconds(model: nn.Module, *, every_module: bool, repeats: int = 15) -> float:
    """What observe() itself costs for one forward pass, with a callback that does nothing."""
    watch: tuple[Watch, ...] = ("activation", "module") if every_module else ("activation",)
    tiny = list(batches(1, 1, pixels=32))

    def observed() -> float:
        with observe(model, lambda call: None, watch=watch):
            return processor_seconds(lambda: forward(model, iter(tiny)))

    differences = [
        observed() - processor_seconds(lambda: forward(model, iter(tiny))) for _ in range(repeats)
    ]
    return max(0.0, statistics.median(differences))


def _against_forward(
    work: Callable[[nn.Module, list[ImageBatch]], None],
    model: nn.Module,
    given: list[ImageBatch],
    repeats: int,
) -> float:
    forward(model, iter(given))
    return ratio_of_interleaved(
        lambda: processor_seconds(lambda: work(model, given)),
        lambda: processor_seconds(lambda: forward(model, iter(given))),
        repeats,
    )


def one_pass_a_module(model: nn.Module, given: list[ImageBatch]) -> None:
    """The tutorial's way: hook one ReLU, run all data, count, go on to the next."""
    for module in [each for each in model.modules() if isinstance(each, nn.ReLU)]:
        fired: list[Tensor] = []

        def keep(module: nn.Module, args: Any, out: Tensor, fired: list[Tensor] = fired) -> None:
            fired.append((out > 0).flatten(2).any(2))

        handle = module.register_forward_hook(keep)
        forward(model, iter(given))
        handle.remove()


def item_a_statistic(model: nn.Module, given: list[ImageBatch]) -> None:
    """A hook on every leaf that reads mean, std, min, max, NaN and zeros one after another."""

    def read(module: nn.Module, args: Any, out: Tensor) -> None:
        out.mean().item(), out.std().item(), out.min().item(), out.max().item()
        out.isnan().any().item(), (out == 0).float().mean().item()

    leaves = [each for each in model.modules() if not [*each.children()]]
    handles = [leaf.register_forward_hook(read) for leaf in leaves]
    with torch.no_grad():
        forward(model, iter(given))
    for handle in handles:
        handle.remove()
