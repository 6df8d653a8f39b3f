"""Heat maps of the trained sample networks point at the shape that the networks name.

`healthy_dilated` was shown where the shapes are when it was trained, and its map is fine enough to
tell: a peak beside the shape would be an error of the map. The maps of the others are coarse; their
peaks are at the shape within a cell.
"""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from torch import nn

import netdoctor
from netdoctor.facts.gradcam import upsampled
from netdoctor.report import Report
from sample_models import networks, shapes

COUNT = 200
REACH = 8  # pixels from the shape: one cell of the coarsest map that is judged


@functools.cache
def drawings() -> list[shapes.Drawing]:
    test = shapes.test_set()
    return [test.drawing(place) for place in range(COUNT)]


def explained(model: nn.Module, method: str, count: int) -> Report:
    seen = drawings()[:count]
    images = torch.stack([shapes.normalise(each.pixels) for each in seen])
    labels = torch.tensor([each.label for each in seen])
    return netdoctor.gradcam(model, [(images, labels)], method=method, images=count)


def on_the_shape(report: Report) -> np.ndarray:
    """(N,) whether the hottest pixel of the map, at the size of the image, is on the shape."""
    size = (shapes.SIZE, shapes.SIZE)
    peaks = [upsampled(image.maps[-1].values, size).argmax() for image in report.facts.images]
    return np.array(
        [drawing.mask.flat[peak] for drawing, peak in zip(drawings(), peaks, strict=False)]
    )


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam", "layercam"])
def test_the_peak_is_on_the_shape(method: str) -> None:
    report = explained(networks.healthy_dilated(), method, COUNT)
    assert (report.findings, len(report.facts.images)) == ((), COUNT)
    hits = on_the_shape(report)
    assert hits.mean() >= 0.95
    labels = np.array([each.label for each in drawings()])
    assert min(hits[labels == label].mean() for label in range(len(shapes.CLASSES))) >= 0.9


def test_that_is_neither_chance_nor_what_an_untrained_network_does() -> None:
    assert np.mean([each.mask.mean() for each in drawings()]) < 0.2
    torch.manual_seed(0)
    untrained = explained(networks.healthy_dilated(trained=False), "gradcam", COUNT)
    assert on_the_shape(untrained).mean() < 0.5


def reached(drawing: shapes.Drawing, row: float, column: float) -> bool:
    """Whether a point is within reach of the shape."""
    rows, columns = np.nonzero(drawing.mask)
    return bool(np.hypot(rows - row, columns - column).min() <= REACH)


@pytest.mark.parametrize(
    ("network", "method"),
    [
        ("healthy", "gradcam"),
        ("healthy", "layercam"),
        ("healthy_convnext", "hirescam"),
        ("healthy_convnext", "layercam"),
        ("healthy_tanh", "hirescam"),
        ("healthy_tanh", "layercam"),
    ],
)
def test_the_peak_of_a_coarse_map_is_within_a_cell(network: str, method: str) -> None:
    report = explained(getattr(networks, network)(), method, count=100)
    rng = np.random.default_rng(0)
    hits, by_chance = [], []
    for image, drawing in zip(report.facts.images, drawings(), strict=False):
        heat = image.maps[-1].values
        side = shapes.SIZE / len(heat)
        for found, cell in ((hits, heat.argmax()), (by_chance, rng.integers(heat.size))):
            row, column = divmod(int(cell), heat.shape[1])
            found.append(reached(drawing, (row + 0.5) * side - 0.5, (column + 0.5) * side - 0.5))
    assert np.mean(hits) >= 0.95
    assert np.mean(by_chance) < 0.75
