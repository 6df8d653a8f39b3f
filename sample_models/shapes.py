"""A data set drawn by code: one shape on a textured ground, to be named by its outline.

Colour, position, size, rotation, shading, texture and noise vary, so that only the outline tells
the classes apart. Image `i` of a split depends on the seed, the split and `i` alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

Field = NDArray[np.floating[Any]]

SIZE = 48
MEAN, STD = 0.5, 0.25
TRAIN_SIZE, TEST_SIZE = 6000, 1000


def _circle(x: Field, y: Field) -> Field:
    return np.hypot(x, y) - 0.9


def _ring(x: Field, y: Field) -> Field:
    return np.abs(np.hypot(x, y) - 0.75) - 0.22


def _crescent(x: Field, y: Field) -> Field:
    return np.maximum(np.hypot(x, y) - 1, 0.8 - np.hypot(x - 0.6, y))


def _square(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x), np.abs(y)) - 0.78


def _bar(x: Field, y: Field) -> Field:
    return np.maximum(np.abs(x) - 1, np.abs(y) - 0.3)


def _cross(x: Field, y: Field) -> Field:
    return np.minimum(_bar(x, y), _bar(y, x))


def _triangle(x: Field, y: Field) -> Field:
    slope = np.sqrt(3) / 2
    return np.maximum(-x, np.maximum(x / 2 + slope * y, x / 2 - slope * y)) - 0.55


def _star(x: Field, y: Field) -> Field:
    radius, half = np.hypot(x, y), np.pi / 5
    angle = np.abs((np.arctan2(y, x) + half) % (2 * half) - half)
    inner_x, inner_y = 0.42 * np.cos(half), 0.42 * np.sin(half)
    edge = np.hypot(1 - inner_x, inner_y)
    return ((radius * np.cos(angle) - 1) * inner_y + radius * np.sin(angle) * (1 - inner_x)) / edge


# Each outline as a distance in units of the shape's radius: negative inside, positive outside.
OUTLINES: dict[str, Callable[[Field, Field], Field]] = {
    "circle": _circle,
    "ring": _ring,
    "crescent": _crescent,
    "square": _square,
    "bar": _bar,
    "cross": _cross,
    "triangle": _triangle,
    "star": _star,
}
CLASSES = tuple(OUTLINES)


@dataclasses.dataclass(frozen=True, slots=True)
class Drawing:
    """One picture and where its shape is.

    Attributes:
        pixels: (48, 48, 3) uint8, red, green, blue.
        label: index into `CLASSES`.
        mask: (48, 48) bool, True on the shape.
    """

    pixels: NDArray[np.uint8]
    label: int
    mask: NDArray[np.bool_]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels, right and bottom exclusive."""
        rows, columns = np.flatnonzero(self.mask.any(1)), np.flatnonzero(self.mask.any(0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def draw(label: int, rng: np.random.Generator) -> Drawing:
    """A picture of the class `label`; everything else about it comes from `rng`."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    radius = rng.uniform(9, 17)
    centre_x, centre_y = rng.uniform(radius + 1, SIZE - radius - 1, 2)
    angle = rng.uniform(0, 2 * np.pi)
    x, y = (columns - centre_x) / radius, (rows - centre_y) / radius
    turned_x = x * np.cos(angle) + y * np.sin(angle)
    turned_y = y * np.cos(angle) - x * np.sin(angle)
    distance = OUTLINES[CLASSES[label]](turned_x, turned_y) * radius
    cover = np.clip(0.5 - distance, 0, 1)[..., None]

    ground_colour, shape_colour = _contrasting_colours(rng)
    ground = ground_colour + _texture(rows, columns, rng)[..., None] * rng.uniform(0.3, 1, 3)
    shading = 0.08 * (np.cos(angle) * y + np.sin(angle) * x)[..., None]
    image = ground * (1 - cover) + (shape_colour + shading) * cover
    image += rng.normal(0, rng.uniform(0.005, 0.05), image.shape)
    pixels = (np.clip(image, 0, 1) * 255).round().astype(np.uint8)
    return Drawing(pixels, label, cover[..., 0] > 0.5)


def _contrasting_colours(rng: np.random.Generator) -> tuple[Field, Field]:
    while True:
        ground, shape = rng.uniform(0.1, 0.9, (2, 3)).astype(np.float32)
        if np.linalg.norm(ground - shape) > 0.5:
            return ground, shape


def _texture(rows: Field, columns: Field, rng: np.random.Generator) -> Field:
    """(48, 48) waves of a few lengths and directions, and a gentle slope, within about ±0.2."""
    slope_x, slope_y = rng.uniform(-0.1, 0.1, 2)
    total = slope_x * (columns / SIZE - 0.5) + slope_y * (rows / SIZE - 0.5)
    for length in rng.uniform(4, 24, 3):
        angle, phase = rng.uniform(0, 2 * np.pi, 2)
        wave = (columns * np.cos(angle) + rows * np.sin(angle)) * (2 * np.pi / length) + phase
        total = total + rng.uniform(0.02, 0.06) * np.sin(wave)
    return np.asarray(total, np.float32)


class Shapes(Dataset[tuple[Tensor, int]]):
    """The pictures of one split as normalised tensors with their labels.

    Item `i` is `(image, label)`: image (3, 48, 48) float32, about -2 to 2; label an index into
    `classes`. `drawing(i)` gives the same picture's pixels and the mask and box of its shape.
    """

    classes = CLASSES

    def __init__(self, *, train: bool = False, size: int | None = None, seed: int = 0) -> None:
        self.train = train
        self.size = size or (TRAIN_SIZE if train else TEST_SIZE)
        self.seed = seed

    def __len__(self) -> int:
        return self.size

    def drawing(self, index: int) -> Drawing:
        """The picture at `index` before normalisation, with its mask."""
        if not 0 <= index < self.size:
            raise IndexError(f"index {index} is not within 0..{self.size - 1}")
        rng = np.random.default_rng((self.seed, self.train, index))
        return draw(int(rng.integers(len(CLASSES))), rng)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        drawing = self.drawing(index)
        return normalise(drawing.pixels), drawing.label


def normalise(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels (H, W, 3) uint8 as the networks take them: (3, H, W) float32, about -2 to 2."""
    channels_first = torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
    return (channels_first.float() / 255 - MEAN) / STD


def loader(
    *, train: bool = False, batch_size: int = 64, size: int | None = None, seed: int = 0
) -> DataLoader[tuple[Tensor, int]]:
    """Batches of one split; the training split is shuffled, in an order that `seed` fixes."""
    order = torch.Generator().manual_seed(seed)
    dataset = Shapes(train=train, size=size, seed=seed)
    return DataLoader(dataset, batch_size, shuffle=train, generator=order)


def train_loader() -> DataLoader[tuple[Tensor, int]]:
    """The 6000 training pictures in shuffled batches of 64."""
    return loader(train=True)


def test_loader() -> DataLoader[tuple[Tensor, int]]:
    """The 1000 test pictures in batches of 64."""
    return loader(train=False)


def test_set() -> Shapes:
    """The 1000 test pictures, one by one."""
    return Shapes(train=False)
