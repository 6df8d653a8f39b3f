"""Data sets that worker processes can import: image files, foreign data sets, arrays."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data import default_collate as _default_collate

from netdoctor.errors import DataError
from netdoctor.inputs.images import Preprocessing, read_image, to_tensor


class ImageFiles(Dataset[Any]):
    """Image files as tensors (C, H, W), with their labels if there are any."""

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | None,
        preprocessing: Preprocessing,
        channels: int,
    ) -> None:
        self.paths = paths
        self.labels = labels
        self.preprocessing = preprocessing
        self.channels = channels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        image = to_tensor(read_image(self.paths[index]), self.preprocessing, self.channels)
        return image if self.labels is None else (image, self.labels[index])


class Prepared(Dataset[Any]):
    """A data set whose samples begin with a PIL image, as tensors; other samples as they are."""

    def __init__(self, samples: Any, preprocessing: Preprocessing, channels: int) -> None:
        self.samples = samples
        self.preprocessing = preprocessing
        self.channels = channels

    def __len__(self) -> int:
        return len(cast(Sized, self.samples))

    def __getitem__(self, index: int) -> Any:
        sample = self.samples[index]
        if isinstance(sample, tuple):
            return (self._prepared(sample[0]), *sample[1:])
        return self._prepared(sample)

    def _prepared(self, image: Any) -> Any:
        if isinstance(image, Image.Image):
            return to_tensor(image.convert("RGB"), self.preprocessing, self.channels)
        return image


class Arrays(Dataset[Any]):
    """The rows of one array, or of several of equal length, as tensors.

    Unsigned integers are images: scaled to [0, 1], the channels put first, normalised when
    `preprocessing` is given. Other numbers stay as they are, in float32 or int64.
    """

    def __init__(
        self, inputs: Any, targets: Any | None, preprocessing: Preprocessing | None
    ) -> None:
        self.inputs = inputs
        self.targets = targets
        self.preprocessing = preprocessing

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        row = self.inputs[index]
        tensor = _pixels(row, self.preprocessing) if is_pixels(self.inputs) else _number(row)
        return tensor if self.targets is None else (tensor, _number(self.targets[index]))


def is_pixels(array: Any) -> bool:
    """Whether an array holds images as integers: (N, H, W), (N, H, W, C) or (N, C, H, W)."""
    return array.dtype in (np.uint8, np.uint16) and array.ndim in (3, 4)


def collate_images(samples: list[Any]) -> Any:
    """A batch for a model that takes a list of images, each of its own size."""
    if isinstance(samples[0], tuple):
        return tuple(list(parts) for parts in zip(*samples, strict=True))
    return samples


def collate(samples: list[Any]) -> Any:
    """PyTorch's default collation; targets that cannot be stacked stay a list."""
    if isinstance(samples[0], tuple) and len(samples[0]) == 2:
        inputs, targets = zip(*samples, strict=True)
        if not isinstance(targets[0], (int, float, Tensor, np.ndarray, np.generic)):
            return _default_collate(list(inputs)), list(targets)
    return _default_collate(samples)


def _number(value: Any) -> Tensor:
    array = np.asarray(value)
    if array.dtype.kind in "ui":
        return torch.from_numpy(array.astype(np.int64))
    if array.dtype.kind in "fb":
        return torch.from_numpy(array.astype(np.float32))
    raise DataError(
        f"An array of type {array.dtype} holds no numbers that a model can take.",
        hint="Save the arrays as float32, int64 or uint8.",
    )


def _pixels(row: Any, preprocessing: Preprocessing | None) -> Tensor:
    scale = np.iinfo(row.dtype).max
    image = torch.from_numpy(np.asarray(row).astype(np.float32)).div_(float(scale))
    if image.ndim == 2:
        image = image.unsqueeze(0)
    elif image.shape[-1] in (1, 3) and image.shape[0] not in (1, 3):
        image = image.permute(2, 0, 1)
    if preprocessing is None:
        return image.contiguous()
    fitted = preprocessing.for_channels(image.shape[0])
    mean = torch.tensor(fitted.mean).view(-1, 1, 1)
    std = torch.tensor(fitted.std).view(-1, 1, 1)
    return ((image - mean) / std).contiguous()
