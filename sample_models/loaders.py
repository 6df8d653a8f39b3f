"""Loaders whose data are at fault in the ways that data are: each is usable as `--data`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sample_models.shapes import CLASSES, MEAN, STD, Shapes

Item = tuple[Tensor, Any]
SIZE = 512


class Altered(Dataset[Item]):
    """The test pictures at `rows`, each passed through `change` before it is handed out."""

    def __init__(
        self,
        change: Callable[[Tensor, int], Item] = lambda image, label: (image, label),
        rows: Sequence[int] = range(SIZE),
    ) -> None:
        self.shapes, self.change, self.rows = Shapes(), change, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Item:
        return self.change(*self.shapes[self.rows[index]])


def _loader(dataset: Dataset[Item], *, shuffle: bool = True) -> DataLoader[Item]:
    order = torch.Generator().manual_seed(0)
    return DataLoader(dataset, 64, shuffle=shuffle, generator=order)


def _labels() -> Tensor:
    shapes = Shapes()
    return torch.tensor([shapes.drawing(index).label for index in range(SIZE)])


def blank_frames() -> DataLoader[Item]:
    """The camera blanks what is overexposed; each frame is then divided by its contrast: 0 / 0."""

    def standardised(image: Tensor, label: int) -> Item:
        frame = torch.zeros_like(image) if image.mean() > 0.5 else image
        return (frame - frame.mean()) / frame.std(correction=0), label

    return _loader(Altered(standardised))


def raw_pixels() -> DataLoader[Item]:
    """Pixels from 0 to 255: nobody normalised them."""
    return _loader(Altered(lambda image, label: ((image * STD + MEAN) * 255, label)))


def normalised_twice() -> DataLoader[Item]:
    """Mean and standard deviation applied by the dataset and again by the script."""
    return _loader(Altered(lambda image, label: ((image - MEAN) / STD, label)))


def labels_from_one() -> DataLoader[Item]:
    """Labels 1 to 8 for eight classes."""
    return _loader(Altered(lambda image, label: (image, label + 1)))


def float_targets() -> DataLoader[Item]:
    """Class labels as floats."""
    return _loader(Altered(lambda image, label: (image, float(label))))


def channels_last() -> DataLoader[Item]:
    """Pictures as (N, H, W, C)."""
    return _loader(Altered(lambda image, label: (image.permute(1, 2, 0), label)))


def ragged() -> DataLoader[Item]:
    """Pictures cut to their own size, so that no batch can be stacked."""
    return _loader(Altered(lambda image, label: (image[:, : 40 + label], label)))


def one_class() -> DataLoader[Item]:
    """A filter gone wrong: only circles are left."""
    return _loader(Altered(rows=torch.nonzero(_labels() == 0)[:, 0].tolist()))


def imbalanced() -> DataLoader[Item]:
    """All circles, and two of each other class."""
    labels = _labels()
    rows = [torch.nonzero(labels == k)[: None if k == 0 else 2, 0] for k in range(len(CLASSES))]
    return _loader(Altered(rows=torch.cat(rows).tolist()))


def sorted_labels() -> DataLoader[Item]:
    """In the order of the folders: class after class, not shuffled."""
    return _loader(Altered(rows=_labels().argsort().tolist()), shuffle=False)


def duplicates() -> DataLoader[Item]:
    """100 pictures, each copied five times to make the set larger."""
    return _loader(Altered(rows=list(range(100)) * 5))


def one_left_over() -> DataLoader[Item]:
    """129 pictures in batches of 64: the last batch holds one."""
    return _loader(Altered(rows=range(129)))


class OneBlank(Altered):
    """The test pictures, of which one is a blank frame."""

    def __init__(self, blank: int) -> None:
        super().__init__()
        self.blank = blank

    def __getitem__(self, index: int) -> Item:
        image, label = super().__getitem__(index)
        return (torch.zeros_like(image) if index == self.blank else image), label


def one_blank_frame() -> DataLoader[Item]:
    """512 pictures in batches of 64, all sound but number 210: the lens cap was on."""
    return _loader(OneBlank(210), shuffle=False)


FAULTY: dict[str, Callable[[], DataLoader[Item]]] = {
    make.__name__: make
    for make in (
        blank_frames,
        raw_pixels,
        normalised_twice,
        labels_from_one,
        float_targets,
        channels_last,
        one_class,
        imbalanced,
        sorted_labels,
        duplicates,
        one_left_over,
    )
}
"""Those that give batches at all, by name; `ragged` cannot."""
