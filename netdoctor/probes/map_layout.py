"""How an output is laid out: where its channels are, and which grid its positions make."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor, nn

from netdoctor.facts.featuremaps import Layout
from netdoctor.observe import Call

_MOST_PREFIX_TOKENS = 16


@dataclasses.dataclass(slots=True)
class Scene:
    """What is known of the input when an output is laid out.

    Attributes:
        image: height and width of the input images; None where the input is no image.
        patch: the stride of the stem convolution, once it ran.
    """

    image: tuple[int, int] | None = None
    patch: tuple[int, int] | None = None

    def note_stem(self, call: Call) -> None:
        """Remembers the first 2-D convolution's stride: a transformer's patch size."""
        if self.patch is None and isinstance(call.module, nn.Conv2d) and not call.site.operation:
            self.patch = (int(call.module.stride[0]), int(call.module.stride[1]))


def layout_of(shape: Sequence[int], axis: int | None, scene: Scene) -> Layout | None:
    """The layout of an output of that shape; None for what has no picture.

    Args:
        shape: with the batch axis first.
        axis: of the channels; None when unknown: then the usual one.
        scene: what is known of the input.
    """
    if not 2 <= len(shape) <= 5 or 0 in shape:
        return None
    if axis is None or not 0 < axis < len(shape):
        axis = 2 if len(shape) == 3 and scene.image is not None else 1
    channels = shape[axis]
    grid = tuple(size for at, size in enumerate(shape) if at not in (0, axis))
    if math.prod(grid) == 1:
        return Layout("vector", channels, axis=axis)
    if len(grid) == 1 and scene.image is not None:
        found = patch_grid(grid[0], scene.image, scene.patch)
        if found is not None:
            rows, columns, prefix = found
            return Layout("tokens", channels, (rows, columns), prefix, axis)
    if len(grid) == 1:
        return Layout("series", channels, grid, axis=axis)
    return Layout("maps" if len(grid) == 2 else "volume", channels, grid, axis=axis)


def patch_grid(
    tokens: int, image: tuple[int, int], patch: tuple[int, int] | None
) -> tuple[int, int, int] | None:
    """Rows, columns and prefix tokens of so many tokens of an image; None if no grid fits.

    The grid that the stem's stride makes of the image is believed first; else the smallest
    number of prefix tokens that leaves a grid of the image's aspect ratio.
    """
    height, width = image
    if patch is not None:
        for rows in {height // patch[0], math.ceil(height / patch[0])}:
            for columns in {width // patch[1], math.ceil(width / patch[1])}:
                prefix = tokens - rows * columns
                if rows * columns > 1 and 0 <= prefix <= _MOST_PREFIX_TOKENS:
                    return rows, columns, prefix
    for prefix in range(min(_MOST_PREFIX_TOKENS, tokens // 4) + 1):
        patches = tokens - prefix
        rows = max(round(math.sqrt(patches * height / width)), 1)
        columns = patches // rows
        if rows * columns != patches or patches < 4:
            continue
        if abs(rows * width / (columns * height) - 1) <= 0.5 / min(rows, columns):
            return rows, columns, prefix
    return None


def channels_first(sample: Tensor, layout: Layout) -> tuple[Tensor, Tensor]:
    """One sample as its maps (C, *grid), and its prefix tokens (C, P).

    Args:
        sample: the output of one sample, without the batch axis.
        layout: of the whole output.
    """
    channels = sample.movedim(layout.axis - 1, 0).reshape(layout.channels, -1)
    maps = channels[:, layout.prefix :]
    return maps.reshape(layout.channels, *layout.grid), channels[:, : layout.prefix]
