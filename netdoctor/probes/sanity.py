"""Whether heat maps depend on the weights: layers are made random from the output down."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from netdoctor.facts.faithfulness import Sanity
from netdoctor.observe import Call, observe, trained_for_a_while

Maps = Callable[[], Tensor]
_STATISTICS = ("running_mean", "running_var")


def sanity(
    model: nn.Module, heat_of: Maps, *, groups: int = 5, draws: int = 3, seed: int = 0
) -> Sanity:
    """How the maps change while the model's layers are made random, from the output down.

    The cascade ends with every layer random, those below the maps' layer too: a method that reads
    the activations alone (eigencam) does not see the layers above, so only its last steps count.
    The end is drawn several times, since one random network may resemble the trained one by
    chance. A map that turns blank or NaN has correlation 0 with the original.

    Args:
        model: the unwrapped model, as it was explained; it is left bit for bit as found.
        heat_of: the raw maps (N, h, w) of the same images for the same targets, anew.
        groups: steps of the cascade.
        draws: how often all layers are made random.
        seed: of the random weights.

    Source: Adebayo et al. 2018, Sanity checks for saliency maps, section 3.1.
    """
    calls: list[Call] = []
    with observe(model, calls.append, watch=("module",)):
        original = _array(heat_of())
    ranked = [place for place, each in enumerate(original) if _has_ranks(each)]
    if not ranked:
        return Sanity((), (), "the maps are blank")
    layers = layers_by_call(model, [call.site.path for call in calls])
    if not layers:
        return Sanity((), (), "the model has no parameters")
    steps, correlations, ends = [], [], []
    for draw in range(draws):
        with randomised(model, layers, groups=groups if draw == 0 else 1, seed=seed + draw) as rest:
            for lowest in rest:
                after = _array(heat_of())
                alike = [rank_correlation(original[each], after[each]) for each in ranked]
                if draw == 0:
                    steps.append(lowest)
                    correlations.append(float(np.mean(alike)))
        ends.append(alike)
    last = np.array(ends)
    correlations[-1] = float(last.mean())
    return Sanity(
        tuple(steps),
        tuple(correlations),
        error=max(_standard_error(last.mean(0)), _standard_error(last.mean(1))),
        centre=float(np.mean([_centred(original[each]) for each in ranked])),
        cells=original[0].size,
        images=len(ranked),
        draws=draws,
    )


@contextmanager
def randomised(
    model: nn.Module, layers: Sequence[str] | None = None, *, groups: int = 5, seed: int = 0
) -> Iterator[Iterator[str]]:
    """A block with an iterator that makes the model random, layer after layer from the last one.

    Weights are drawn as He et al. 2015 do, which keeps the signal's size in nets deep or shallow;
    biases become 0, norm layers the identity on what they normalise, and everything else is drawn
    from a normal distribution of its own mean and deviation. Norm layers with running statistics
    take those of their next input. On leaving, also by an exception, the model is bit for bit as
    before.

    Args:
        model: the unwrapped model.
        layers: paths of the modules with parameters, first to last; else as they are registered.
        groups: the iterator stops after so many steps of about equally many layers, and gives the
            path of the lowest layer that is random by then.
        seed: of the draws.
    """
    if layers is None:
        layers = layers_by_call(model, [])
    with trained_for_a_while(model):
        yield _cascade(model, layers, groups, torch.Generator().manual_seed(seed))


def layers_by_call(model: nn.Module, called: Sequence[str]) -> list[str]:
    """Paths of the modules with parameters of their own, in the order of their last calls.

    Args:
        model: the model.
        called: the modules' paths, call by call; a module that is not among them takes the place
            of the one that it is part of.
    """
    last = {path: place for place, path in enumerate(called)}

    def place(path: str) -> int:
        while path not in last and path:
            path = path.rpartition(".")[0]
        return last.get(path, -1 if called else 0)

    paths = [path for path, module in model.named_modules() if _holds_weights(module)]
    return sorted(paths, key=place)


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Absolute Spearman correlation of two maps; equal values share their mean rank.

    0 where one of them is constant or not finite.
    """
    if not (_has_ranks(first) and _has_ranks(second)):
        return 0.0
    a, b = (_mean_ranks(each.ravel()) for each in (first, second))
    a, b = a - a.mean(), b - b.mean()
    return float(min(abs(a @ b) / np.sqrt((a @ a) * (b @ b)), 1.0))


def _cascade(
    model: nn.Module, layers: Sequence[str], groups: int, generator: torch.Generator
) -> Iterator[str]:
    modules = dict(model.named_modules())
    downwards = list(reversed(layers))
    seen: set[int] = set()
    for part in np.array_split(np.arange(len(downwards)), min(groups, len(downwards))):
        for place in part:
            _randomise(modules[downwards[place]], seen, generator)
        yield downwards[part[-1]]


def _randomise(module: nn.Module, seen: set[int], generator: torch.Generator) -> None:
    """Draws a module's own parameters anew; one that is shared is drawn once."""
    norm = _is_norm(module)
    with torch.no_grad():
        for name, tensor in (*module._parameters.items(), *_affine_buffers(module)):
            if tensor is None or id(tensor) in seen or not _is_drawn(tensor):
                continue
            seen.add(id(tensor))
            if norm and tensor.ndim == 1:
                tensor.fill_(0.0 if "bias" in name else 1.0)
            else:
                tensor.copy_(_drawn(name, tensor, generator))
    if all(isinstance(getattr(module, name, None), Tensor) for name in _STATISTICS):
        module.register_forward_pre_hook(_take_statistics)


def _drawn(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    values = torch.randn(tensor.shape, generator=generator)
    if tensor.ndim > 1 and tensor[0].numel() > 1 and "weight" in name:
        return values * math.sqrt(2 / tensor[0].numel())
    if "bias" in name:
        return torch.zeros(tensor.shape)
    wide = tensor.float()
    return values * float(wide.std(correction=0)) + float(wide.mean())


def _take_statistics(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    """Sets running statistics to those of the input, in new tensors: a backward may need the old.

    A channel that does not vary keeps a variance of 1.
    """
    x = inputs[0].detach().float()
    rows = x.transpose(0, 1).flatten(1) if x.ndim > 1 else x[None]
    mean, variance = rows.mean(1), rows.var(1, correction=0)
    variance = torch.where(variance > 0, variance, torch.ones_like(variance))
    for name, value in zip(_STATISTICS, (mean, variance), strict=True):
        old: Tensor = getattr(module, name)
        if value.shape == old.shape:
            setattr(module, name, value.to(old.dtype))


def _is_norm(module: nn.Module) -> bool:
    return "norm" in type(module).__name__.lower() or hasattr(module, _STATISTICS[0])


def _affine_buffers(module: nn.Module) -> list[tuple[str, Tensor | None]]:
    """A frozen norm layer's weight and bias, which are buffers."""
    return [(name, module._buffers.get(name)) for name in ("weight", "bias")]


def _holds_weights(module: nn.Module) -> bool:
    own = (*module._parameters.values(), *(each for _, each in _affine_buffers(module)))
    return any(each is not None and _is_drawn(each) for each in own) or hasattr(
        module, _STATISTICS[0]
    )


def _is_drawn(tensor: Tensor) -> bool:
    """Whether a tensor holds floating-point values."""
    usable = not (is_lazy(tensor) or tensor.is_meta or tensor.layout != torch.strided)
    return usable and tensor.is_floating_point() and tensor.numel() > 0


def _array(maps: Tensor) -> NDArray[np.float64]:
    """(N, h, w)"""
    return maps.detach().float().cpu().numpy().astype(np.float64)


def _has_ranks(cells: NDArray[np.float64]) -> bool:
    return bool(np.isfinite(cells).all()) and bool(cells.max() > cells.min())


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[inverse.ravel()]
    return ranks


def _centred(cells: NDArray[np.float64]) -> float:
    """How closely a map follows the distance from its centre, as `rank_correlation` says."""
    rows, columns = ((np.arange(size) + 0.5) / size - 0.5 for size in cells.shape)
    return rank_correlation(cells, rows[:, None] ** 2 + columns[None] ** 2)


def _standard_error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0
