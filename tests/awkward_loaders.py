"""Sound data in forms that are easily taken for sick, by name, for the tests of check-loader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

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


class Graphs:
    """A batch of graphs as graph libraries make it."""

    def __init__(self, samples: list[Any]) -> None:
        sizes = torch.tensor([len(nodes) for nodes, _, _ in samples])
        self.x = torch.cat([nodes for nodes, _, _ in samples])
        self.edge_index = torch.cat([edges for _, edges, _ in samples], 1)
        self.batch = torch.arange(len(samples)).repeat_interleave(sizes)
        self.y = torch.tensor([label for *_, label in samples])

    def to(self, device: Any) -> Graphs:
        return self


def graphs() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    rows = [
        (
            torch.randn(5 + number % 4, 8, generator=random),
            torch.randint(0, 5, (2, 12), generator=random),
            number % 3,
        )
        for number in range(60)
    ]
    return DataLoader(rows, batch_size=8, shuffle=True, collate_fn=Graphs)


def two_views_in_one_batch() -> DataLoader[Any]:
    """For contrastive learning: twice as many rows as samples."""
    return DataLoader(_images(160), batch_size=16, shuffle=True, collate_fn=_views)


def _views(samples: list[Tensor]) -> Tensor:
    images = torch.stack(samples)
    return torch.cat([images, images + 0.005 * torch.randn_like(images)])


def captions() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    images = _images(40)
    rows = [
        (images[number % 40], torch.randint(3, 999, (12,), generator=random))
        for number in range(200)
    ]
    return DataLoader(rows, batch_size=16, shuffle=True)


def questions_about_images() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    images = _images(40)
    rows = [
        {
            "pixel_values": images[number % 40],
            "input_ids": torch.randint(3, 999, (12,), generator=random),
            "labels": number % 7,
        }
        for number in range(160)
    ]
    return DataLoader(rows, batch_size=16, shuffle=True)


def target_lengths() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    rows = [
        (torch.randn(1, 32, 64, generator=random), torch.randint(1, 27, (9,), generator=random), 9)
        for _ in range(80)
    ]
    return DataLoader(rows, batch_size=8, shuffle=True)


class Augmented(Dataset[Any]):
    """Crops, some of a dark sky, of which augmentation makes black ones now and then."""

    def __init__(self) -> None:
        self.images, self.labels = (each.clone() for each in crops())
        self.images[::12] *= 0.04

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.images[index]
        if torch.rand(()) < 0.6:
            image = (image * 16).floor() / 16
        return image, int(self.labels[index])


def heavily_augmented() -> DataLoader[Any]:
    return DataLoader(Augmented(), batch_size=32, shuffle=True)


AWKWARD: dict[str, Callable[[], Any]] = {
    each.__name__: each for each in (detection_as_in_torchvision, boxes_of_all_images_in_one_tensor)
}
