"""Whether a network's score depends on what a heat map marks: insertion, deletion, ROAD."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from netdoctor.facts.faithfulness import Faithfulness, not_measured
from netdoctor.probes.imputation import linear_imputation

Score = Callable[[Tensor], Tensor]
PERCENTILES = (10, 30, 50, 70, 90)
_BLURRED_SIDES = 8  # the blur's standard deviation is the shorter side over this
_LEFT = 0.9  # share of the score that a blurred image may keep


def faithfulness(
    score: Score,
    image: Tensor,
    heat: Tensor,
    *,
    orders: int = 10,
    steps: int = 5,
    percentiles: Sequence[int] = PERCENTILES,
    noise: float = 0.01,
    least: float = 0.2,
    seed: int = 0,
    batch_size: int = 16,
) -> Faithfulness:
    """Insertion, deletion and ROAD of one map, beside random orders of the same cells.

    Cells come and go whole, in steps of equally many, and equal heat is ordered at random, so that
    the map and the random orders differ in the order alone. What is taken away is blurred, in
    deletion too: a grey patch is nothing that the network has ever seen, and a score that falls
    because of it says nothing of the map. The blur is wider than the paper's, which leaves large
    shapes legible. Costs 2 · (steps - 1) · (orders + 1) + 2 · percentiles + 2 forward passes.

    Args:
        score: (M, C, H, W) to (M,), the explained target's score, say its probability.
        image: (C, H, W) as the network gets it.
        heat: (h, w) the raw map at the layer's size.
        orders: number of random orders.
        steps: steps from nothing to the whole image.
        percentiles: of the pixels that ROAD removes.
        noise: standard deviation of the noise on imputed pixels, in the image's units.
        least: score below which nothing is measured.
        seed: of the random orders, of the order of ties and of the noise.
        batch_size: images in one forward pass.

    Source: Petsiuk et al. 2018 (RISE), insertion and deletion; Rong et al. 2022, ROAD.
    """
    reason = _unusable(heat)
    if reason:
        return not_measured(reason)
    blurred = blur(image)
    whole, nothing = _scores(score, iter([image, blurred]), batch_size)
    reason = _unsuited(whole, nothing, least)
    if reason:
        return not_measured(reason)
    rng = np.random.default_rng(seed)
    cells = heat.detach().float().cpu().numpy()
    ranks = [_ranks(cells, rng), *(rng.permutation(cells.size) for _ in range(orders))]
    kept = _counts(cells.size, steps)
    masks = (
        _on_pixels(rank.reshape(cells.shape), image) < count for rank in ranks for count in kept
    )
    pairs = (part for mask in masks for part in _exchanged(image, blurred, mask))
    between = _scores(score, pairs, batch_size).reshape(len(ranks), len(kept), 2)
    insertion = _area(kept, cells.size, nothing, between[..., 0], whole)
    deletion = _area(kept, cells.size, whole, between[..., 1], nothing)
    gaps = (insertion - deletion)[1:]
    return Faithfulness(
        insertion=float(insertion[0]),
        deletion=float(deletion[0]),
        random_gap=float(gaps.mean()) if orders else float("nan"),
        random_error=float(gaps.std(ddof=1)) if orders > 1 else float("nan"),
        road=road(
            score, image, heat, percentiles=percentiles, noise=noise, seed=seed,
            batch_size=batch_size,
        ),
        orders=orders,
    )  # fmt: skip


def road(
    score: Score,
    image: Tensor,
    heat: Tensor,
    *,
    percentiles: Sequence[int] = PERCENTILES,
    noise: float = 0.01,
    seed: int = 0,
    batch_size: int = 16,
) -> float:
    """Half the mean score without the coldest pixels, less half that without the hottest.

    The removed pixels are imputed from those around them (see `linear_imputation`), with noise.
    The map is interpolated to the image's size; pixels of equal heat go in an order that is
    random but varies as smoothly as the map. Arguments as for `faithfulness`.

    Source: Rong et al. 2022; combined score as in pytorch-grad-cam.
    """
    rng = np.random.default_rng(seed)
    ties = torch.from_numpy(rng.random(heat.shape)).float()
    size = (image.shape[1], image.shape[2])
    hot, tied = (
        F.interpolate(each.detach().float().cpu()[None, None], size, mode="bilinear")
        .flatten()
        .numpy()
        for each in (heat, ties)
    )
    rank = np.empty(hot.size, np.int64)
    rank[np.lexsort((tied, hot))] = np.arange(hot.size)
    removed = [round(hot.size * each / 100) for each in percentiles]
    coldest = [rank < count for count in removed]
    hottest = [rank >= hot.size - count for count in removed]
    gone = torch.from_numpy(np.stack(coldest + hottest).reshape(-1, *size)).to(image.device)
    with torch.no_grad():
        filled = linear_imputation(image.expand(len(gone), -1, -1, -1), ~gone)
        generator = torch.Generator().manual_seed(seed)
        grain = torch.randn(filled.shape, generator=generator).to(image.device) * noise
        filled = (filled + grain * gone[:, None]).to(image.dtype)
    scores = _scores(score, iter(filled), batch_size)
    return float(scores[: len(removed)].mean() - scores[len(removed) :].mean()) / 2


def blur(image: Tensor) -> Tensor:
    """(C, H, W): the image under a Gaussian an eighth of its shorter side wide."""
    result = image.detach().float()[None]
    sigma = min(image.shape[1:]) / _BLURRED_SIDES
    for axis in (2, 3):
        reach = min(int(3 * sigma), image.shape[axis - 1] - 1)
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float32, device=image.device)
        kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
        shape = (1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1)
        weight = (kernel / kernel.sum()).view(shape).repeat(image.shape[0], 1, 1, 1)
        padding = (0, 0, reach, reach) if axis == 2 else (reach, reach, 0, 0)
        result = F.conv2d(F.pad(result, padding, mode="reflect"), weight, groups=image.shape[0])
    return result[0].to(image.dtype)


def _unusable(heat: Tensor) -> str:
    """Why a map gives no order; empty where it does."""
    if heat.numel() < 2:
        return "a map of one cell has no order"
    if not bool(heat.isfinite().all()):
        return "the map is not finite"
    return "the map is blank" if float(heat.max()) == float(heat.min()) else ""


def _unsuited(whole: float, nothing: float, least: float) -> str:
    """Why the scores of an image and of its blur leave nothing to measure; empty if they do not."""
    if not np.isfinite([whole, nothing]).all():
        return "the score is not finite"
    if whole < least:
        return f"the score is {whole:.2g}, below {least:g}"
    if nothing > _LEFT * whole:
        return f"a blurred image scores {nothing:.2g}, the image itself {whole:.2g}"
    return ""


def _ranks(cells: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int64]:
    """(h · w,) the place of each cell from the hottest on; equal ones in random order."""
    heat = cells.ravel()
    rank = np.empty(heat.size, np.int64)
    rank[np.lexsort((rng.random(heat.size), -heat))] = np.arange(heat.size)
    return rank


def _counts(cells: int, steps: int) -> list[int]:
    """The numbers of cells between none and all, in equal steps."""
    counts = {round(cells * step / steps) for step in range(1, steps)}
    return sorted(counts - {0, cells})


def _on_pixels(of_cells: NDArray[np.int64], image: Tensor) -> Tensor:
    """(H, W) of (h, w): each pixel gets its cell's value."""
    rows, columns = (
        np.arange(size) * cells // size
        for size, cells in zip(image.shape[1:], of_cells.shape, strict=True)
    )
    return torch.from_numpy(of_cells[np.ix_(rows, columns)]).to(image.device)


def _exchanged(image: Tensor, blurred: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The image on the mask over its blur, and the blur on the mask over the image."""
    return torch.where(mask, image, blurred), torch.where(mask, blurred, image)


def _scores(score: Score, images: Iterator[Tensor], batch_size: int) -> NDArray[np.float64]:
    """(M,) the scores of the images, in batches."""
    scores: list[Tensor] = []
    batch: list[Tensor] = []
    with torch.no_grad():
        for image in images:
            batch.append(image)
            if len(batch) == batch_size:
                scores.append(score(torch.stack(batch)).float().cpu())
                batch = []
        if batch:
            scores.append(score(torch.stack(batch)).float().cpu())
    return torch.cat(scores).numpy().astype(np.float64)


def _area(
    counts: list[int], cells: int, start: float, between: NDArray[np.float64], end: float
) -> NDArray[np.float64]:
    """(orders,) the area under each curve over the share of cells, by trapezoids."""
    shares = np.array([0, *counts, cells]) / cells
    ends = [np.full((len(between), 1), value) for value in (start, end)]
    curves = np.concatenate([ends[0], between, ends[1]], 1)
    heights = (curves[:, 1:] + curves[:, :-1]) / 2
    return np.asarray(heights @ np.diff(shares), np.float64)
