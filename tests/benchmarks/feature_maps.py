"""A picture of many maps as one tiled palette PNG, against one subplot a channel."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np

from netdoctor.facts.activations import Moments
from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage, Layout, MapFacts, Maps
from netdoctor.facts.site import Site
from netdoctor.plots.featuremaps import pictures
from tests.benchmarks.row import Row

CASES = ((512, 7, 10, 500), (64, 112, 40, 20))


def rows() -> Iterator[Row]:
    """Milliseconds of processor time a picture, and its share of the subplots' time."""
    for count, side, most, times in CASES:
        facts = made_up(count, side)
        _draw(facts)  # fonts and the palette are made once
        own = statistics.median(_seconds(lambda facts=facts: _draw(facts)) for _ in range(15))
        what = f"grid PNG of {count} maps {side}×{side}"
        yield Row(f"{what}: milliseconds", own * 1000, "the tiled array", most)
        naive = _seconds(lambda facts=facts: _subplots(facts.maps[0].values))
        yield Row(f"{what}: of the subplots' time", own / naive, "one subplot a channel", 1 / times)


def made_up(count: int, side: int) -> FeatureMapFacts:
    """One call with made-up maps of its activations, and the input beside them."""
    generator = np.random.default_rng(0)
    shape = (1, count, side, side)
    values = generator.normal(size=shape[1:]).astype(np.float32).clip(0)
    site, layout = Site("layer"), Layout("maps", count, (side, side))
    moments = Moments(values.size, 0.0, 1.0, -1.0, 1.0, 0, 0, 0, 0)
    call = MapFacts(site, "relu", shape, "float32", layout, moments, 0, 0, 0)
    prefix = np.zeros((count, 0), np.float32)
    maps = Maps(site, 0, layout, values, np.arange(count), prefix, 0.0, float(values.max()))
    given = InputImage("photo", generator.integers(0, 256, (224, 224, 3), dtype=np.uint8))
    return FeatureMapFacts([call], [maps], [given], "each", False, 1, False, "cpu", 0)


def _draw(facts: FeatureMapFacts) -> None:
    for _, picture in pictures(facts):
        picture.write(io.BytesIO())


def _subplots(maps: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    across = int(np.ceil(np.sqrt(len(maps))))
    figure = Figure(figsize=(12, 12))
    FigureCanvasAgg(figure)
    for at, each in enumerate(maps, 1):
        axes = figure.add_subplot(across, across, at)
        axes.imshow(each, cmap="viridis")
        axes.set_title(str(at - 1), fontsize=6)
        axes.axis("off")
    figure.savefig(io.BytesIO(), format="png")


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start
