"""Heat maps of the trained sample networks point at the shape that the networks name."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

import netdoctor
from sample_models import networks, shapes

COUNT = 100
REACH = 8  # pixels from the shape: one cell of the coarsest map that is judged


@functools.cache
def drawings() -> list[shapes.Drawing]:
    test = shapes.test_set()
    return [test.drawing(place) for place in range(COUNT)]


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
def test_the_peak_is_at_the_shape(network: str, method: str) -> None:
    images = torch.stack([shapes.normalise(each.pixels) for each in drawings()])
    labels = torch.tensor([each.label for each in drawings()])
    model = getattr(networks, network)()
    report = netdoctor.gradcam(model, [(images, labels)], method=method, images=COUNT)
    rng = np.random.default_rng(0)
    hits, by_chance = [], []
    for image, drawing in zip(report.facts.images, drawings(), strict=True):
        heat = image.maps[-1].values
        side = shapes.SIZE / len(heat)
        for found, cell in ((hits, heat.argmax()), (by_chance, rng.integers(heat.size))):
            row, column = divmod(int(cell), heat.shape[1])
            found.append(reached(drawing, (row + 0.5) * side - 0.5, (column + 0.5) * side - 0.5))
    assert np.mean(hits) >= 0.95
    assert np.mean(by_chance) < 0.75
