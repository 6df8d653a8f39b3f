"""What the feature-map probe kept: statistics of each call, and the maps that will be drawn."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.activations import Moments
from netdoctor.facts.site import Site
from netdoctor.report import Column, NotExamined, Table

LayoutKind = Literal["maps", "tokens", "series", "volume", "vector"]
Array = NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """How one sample of an output is laid out.

    Attributes:
        kind: `maps` (H, W), `tokens` of an image on their patch grid, `series` (T), `volume`
            (D, H, W), or `vector`.
        channels: the number of channels or features.
        grid: the extent of one channel; empty for a vector.
        prefix: tokens that stand before the patch tokens: class and register tokens.
        axis: the channel axis in the whole output.
    """

    kind: LayoutKind
    channels: int
    grid: tuple[int, ...] = ()
    prefix: int = 0
    axis: int = 1

    def __str__(self) -> str:
        sizes = "×".join(map(str, self.grid))
        if self.kind == "tokens":
            return f"{sizes} patches" + (f" + {self.prefix}" if self.prefix else "")
        return self.kind if self.kind == "vector" else f"{self.kind} {sizes}"


@dataclasses.dataclass(frozen=True, slots=True)
class MapFacts:
    """Statistics of one call over all images that were looked at.

    Attributes:
        site: the call.
        kind: the activation function or the module's class.
        shape: of the output, batch included.
        dtype: `float32`.
        layout: how a sample is laid out.
        moments: elementwise, finite values only.
        dead: channels that are 0 everywhere.
        constant: channels with one and the same non-zero value everywhere.
        identical: channels that repeat another but for rounding; dead, constant, not finite ones
            aside.
    """

    site: Site
    kind: str
    shape: tuple[int, ...]
    dtype: str
    layout: Layout
    moments: Moments
    dead: int
    constant: int
    identical: int

    def __post_init__(self) -> None:
        if self.dead + self.constant + self.identical > self.layout.channels:
            raise ValueError(f"more channels counted than there are: {self}")

    @property
    def sparsity(self) -> float:
        """The share of finite values with |x| < 0.01."""
        return self.moments.small / max(self.moments.finite, 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Maps:
    """The maps of one call for one image that will be drawn.

    Attributes:
        site: the call.
        sample: which image, counted from 0.
        layout: how they are laid out.
        values: (K, *grid) float32, raw; (K,) for a vector.
        channels: (K,) int, the channel of each.
        prefix: (K, P) float32, the same channels of the tokens before the patch tokens.
        low, high: the range of the finite values of all channels, prefix tokens left out.
        top: whether the channels were chosen and ordered by how active they are.
        parts: how many such outputs there are a sample (windows); the first is kept.
    """

    site: Site
    sample: int
    layout: Layout
    values: Array
    channels: Array
    prefix: Array
    low: float
    high: float
    top: bool = False
    parts: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class InputImage:
    """An image as the network was given it, normalisation undone: (H, W, 3) uint8, and its name."""

    name: str
    pixels: Array | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureMapFacts:
    """All that was kept of a run.

    Attributes:
        calls: in call order.
        maps: by call, then by image.
        inputs: one an image.
        scale: `each` map from its own minimum to its maximum, or one `shared` range a picture.
        stages: whether the calls are the last of each stage, because none were asked for.
        samples: images looked at.
        synthetic: whether the input was random.
        device, seed: of the run.
        not_examined: what was asked for and could not be shown.
    """

    calls: Sequence[MapFacts]
    maps: Sequence[Maps]
    inputs: Sequence[InputImage]
    scale: Literal["each", "shared"]
    stages: bool
    samples: int
    synthetic: bool
    device: str
    seed: int
    not_examined: Sequence[NotExamined] = ()

    def arrays(self) -> dict[str, Array]:
        """The raw maps behind the pictures, with their channels and prefix tokens."""
        found: dict[str, Array] = {}
        for each in self.maps:
            name = f"{each.site}.{each.sample}"
            found[f"{name}.maps"] = each.values
            found[f"{name}.channels"] = each.channels
            if each.prefix.size:
                found[f"{name}.prefix"] = each.prefix
        return found


_LEGEND = (
    "sparse: share of values with |x| < 0.01; dead: channels that are 0 everywhere; constant: one "
    "other value everywhere; identical: copies of another channel, but for rounding",
)


def table(facts: FeatureMapFacts) -> Table:
    """One row a call, in call order."""
    columns = [
        Column("layer", "layer", "name"),
        Column("kind", "operation", priority=7),
        Column("shape", "output", "shape", priority=3),
        Column("layout", "layout", priority=6),
        Column("mean", "mean", "number"),
        Column("std", "std", "number"),
        Column("sparsity", "sparse", "percent"),
        Column("channels", "channels", "integer", priority=5),
        Column("dead", "dead", "integer", priority=1),
        Column("constant", "constant", "integer", priority=2),
        Column("identical", "identical", "integer", priority=2),
        Column("nan", "NaN", "integer", priority=4),
        Column("inf", "Inf", "integer", priority=4),
        Column("dtype", "dtype", priority=8),
    ]
    return Table("layers", "", columns, [_row(call) for call in facts.calls], legend=_LEGEND)


def _row(call: MapFacts) -> dict[str, Any]:
    moments = call.moments
    return {
        "layer": str(call.site),
        "kind": call.kind,
        "shape": list(call.shape),
        "layout": str(call.layout),
        "grid": list(call.layout.grid),
        "prefix_tokens": call.layout.prefix,
        "dtype": call.dtype,
        "mean": moments.mean,
        "std": moments.std,
        "min": moments.minimum,
        "max": moments.maximum,
        "sparsity": call.sparsity,
        "channels": call.layout.channels,
        "dead": call.dead,
        "constant": call.constant,
        "identical": call.identical,
        "nan": moments.nan,
        "inf": moments.inf,
    }


def finite_range(values: Array) -> tuple[float, float]:
    """The smallest and largest finite value; NaN twice when there is none."""
    if not values.size:
        return float("nan"), float("nan")
    low, high = float(values.min()), float(values.max())
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = values[np.isfinite(values)]
    return (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)
