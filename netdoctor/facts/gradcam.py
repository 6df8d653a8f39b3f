"""Heat maps: what was predicted for each image, what was explained, where the network looked."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.faithfulness import Faithfulness, Sanity
from netdoctor.facts.featuremaps import InputImage, Layout
from netdoctor.facts.site import Site

Array = NDArray[Any]
Method = Literal[
    "gradcam", "gradcam++", "hirescam", "layercam", "eigencam", "scorecam", "ablationcam"
]
TargetKind = Literal["predicted", "chosen", "positive", "negative"]
HeadKind = Literal["classes", "one logit", "segmentation"]
Blank = Literal["", "not finite", "no output", "no gradient", "no evidence", "uniform"]


@dataclasses.dataclass(frozen=True, slots=True)
class Guess:
    """A class with its score in [0, 1]."""

    index: int
    name: str
    score: float


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """What of the output was explained.

    Attributes:
        index: the class; 0 for the negative and 1 for the positive side of a single logit.
        name: of the class.
        kind: the `predicted` class, a `chosen` one, or a `positive` or `negative` side.
        score: of the class for this image, in [0, 1].
        value: the number that was explained: the logit, or its mean over the mask.
        pixels: of the mask whose mean it is; 0 without one.
    """

    index: int
    name: str
    kind: TargetKind
    score: float
    value: float
    pixels: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Layer:
    """The call whose output the maps belong to, how that is laid out, and why it was taken."""

    site: Site
    kind: str
    layout: Layout
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class HeatMap:
    """One layer's heat map for one image.

    Attributes:
        site: the call.
        values: (H, W) float32 at the layer's size: not normalised, negative sums set to 0.
        blank: why there is nothing to see; empty where there is.
        reason: the same in words.
        lowest, highest: of the weighted sums before negative ones were set to 0.
    """

    site: Site
    values: Array
    blank: Blank
    reason: str
    lowest: float
    highest: float

    @property
    def spread(self) -> float:
        """The largest value minus the smallest; NaN where a value is."""
        return float(self.values.max()) - float(self.values.min())


@dataclasses.dataclass(frozen=True, slots=True)
class Explained:
    """One image.

    Attributes:
        input: its name, and the image as the network was given it.
        size: height and width of the network's input.
        top: the likeliest classes, the predicted one first.
        target: what was explained.
        maps: one a layer, in call order.
        faithfulness, sanity: of the last map, where they were asked for.
    """

    input: InputImage
    size: tuple[int, int]
    top: tuple[Guess, ...]
    target: Target
    maps: tuple[HeatMap, ...]
    faithfulness: Faithfulness | None = None
    sanity: Sanity | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class GradCamFacts:
    """All heat maps of a run.

    Attributes:
        images: in the order of the data.
        layers: in call order.
        method: how the maps were made.
        head: what the output is.
        classes: how many there are.
        synthetic: whether the input was random.
        fresh: whether the weights are untrained; None when that is not known.
        device, seed: of the run.
    """

    images: Sequence[Explained]
    layers: Sequence[Layer]
    method: Method
    head: HeadKind
    classes: int
    synthetic: bool
    fresh: bool | None
    device: str
    seed: int

    def arrays(self) -> dict[str, Array]:
        """`heatmap` (N, H, W) of the deepest layer, `heatmap.<layer>` of others, `target` (N,)."""
        found = {}
        for place, layer in enumerate(self.layers):
            key = "heatmap" if place == len(self.layers) - 1 else f"heatmap.{layer.site}"
            found[key] = _stacked([each.maps[place].values for each in self.images])
        found["target"] = np.array([each.target.index for each in self.images], np.int64)
        return found


def _stacked(maps: Sequence[Array]) -> Array:
    """(N, H, W); maps of images of several sizes stand at the top left among NaN."""
    height, width = (max(each.shape[axis] for each in maps) for axis in (0, 1))
    if all(each.shape == (height, width) for each in maps):
        return np.stack(maps)
    whole = np.full((len(maps), height, width), np.nan, np.float32)
    for into, each in zip(whole, maps, strict=True):
        into[: each.shape[0], : each.shape[1]] = each
    return whole


def upsampled(heat: Array, size: tuple[int, int]) -> Array:
    """A map (h, w) at a size (H, W), bilinearly between the centres of its cells."""
    rows, columns = (_weights(*pair) for pair in zip(heat.shape, size, strict=True))
    enlarged: Array = (rows @ heat.astype(np.float64) @ columns.T).astype(np.float32)
    return enlarged


def normalised(heat: Array) -> Array:
    """A map with its smallest value at 0 and its largest at 1; all 0 where it does not vary."""
    low, high = float(heat.min()), float(heat.max())
    if not (math.isfinite(low) and high > low):
        return np.zeros_like(heat)
    scaled: Array = ((heat.astype(np.float64) - low) / (high - low)).astype(np.float32)
    return scaled


def _weights(given: int, wanted: int) -> Array:
    """(wanted, given) weights of linear interpolation."""
    places = np.clip((np.arange(wanted) + 0.5) * given / wanted - 0.5, 0, given - 1)
    left = np.floor(places).astype(int)
    share = places - left
    weights = np.zeros((wanted, given))
    weights[np.arange(wanted), left] = 1 - share
    weights[np.arange(wanted), np.minimum(left + 1, given - 1)] += share
    return weights
