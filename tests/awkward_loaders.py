"""Sound data in forms that are easily taken for sick, by name, for the tests of check-loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from tests.loaders import crops


def _images(count: int) -> Tensor:
    return crops()[0][:count]


def detection_as_in_torchvision() -> DataLoader[Any]:
    """Targets of a whole batch may be without boxes; labels are counted from 1."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        count = number % 4 if number < 36 else 0
        corner = torch.from_numpy(rng.uniform(0, 20, (count, 2))).float()
        target = {
            "boxes": torch.cat([corner, corner + 9], 1),
            "labels": torch.from_numpy(rng.integers(1, 4, count)),
            "image_id": torch.tensor([number]),
        }
        rows.append((torch.from_numpy(rng.random((3, 40 + number % 7, 50))).float(), target))
    return DataLoader(rows, batch_size=4, collate_fn=_zipped)


def _zipped(samples: list[Any]) -> tuple[Any, ...]:
    return tuple(zip(*samples, strict=True))


def boxes_of_all_images_in_one_tensor() -> DataLoader[Any]:
    rng = np.random.default_rng(0)
    rows = [
        (torch.from_numpy(rng.random((3, 32, 32))).float(), torch.from_numpy(rng.random((3, 5))))
        for _ in range(40)
    ]
    return DataLoader(rows, batch_size=8, shuffle=True, collate_fn=_numbered_boxes)


def _numbered_boxes(samples: list[Any]) -> tuple[Tensor, Tensor]:
    boxes = [
        torch.cat([torch.full((len(each), 1), float(number)), each], 1)
        for number, (_, each) in enumerate(samples)
    ]
    return torch.stack([image for image, _ in samples]), torch.cat(boxes)


AWKWARD: dict[str, Callable[[], Any]] = {
    each.__name__: each for each in (detection_as_in_torchvision, boxes_of_all_images_in_one_tensor)
}
