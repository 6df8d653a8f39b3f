"""A picture of 512 kernels against one subplot a kernel, and the copies among 2048 filters."""

from __future__ import annotations

import io
import statistics
from collections.abc import Iterator

import numpy as np
import torch

from netdoctor.facts.kernels import Kernels
from netdoctor.plots.kernels import picture
from netdoctor.probes.filters import measure_filters
from tests.benchmarks.feature_maps import _seconds, _subplots
from tests.benchmarks.row import Row


def rows() -> Iterator[Row]:
    """Milliseconds of processor time a picture, its share of the subplots', and seconds a layer."""
    generator = np.random.default_rng(0)
    values = generator.normal(size=(512, 3, 3)).astype(np.float32)
    kernels = Kernels(
        "layer.weight", "Conv2d", (512, 64, 3, 3), "channel", values, np.arange(512), -4.0, 4.0
    )
    _draw(kernels)  # fonts and the palette are made once
    own = statistics.median(_seconds(lambda: _draw(kernels)) for _ in range(15))
    yield Row("PNG of 512 kernels: milliseconds", own * 1000, "the tiled array", 10)
    naive = _seconds(lambda: _subplots(values))
    yield Row(
        "PNG of 512 kernels: of the subplots' time", own / naive, "one subplot a kernel", 1 / 500
    )
    for shape in ((512, 4608), (2048, 512)):
        filters = torch.randn(shape)
        measure_filters(filters)
        spent = statistics.median(_seconds(lambda f=filters: measure_filters(f)) for _ in range(3))
        what = f"norms, copies and rank of {shape[0]} filters of {shape[1]} values: seconds"
        yield Row(what, spent, "the Gram matrix", 0.3)


def _draw(kernels: Kernels) -> None:
    picture(kernels).write(io.BytesIO())
