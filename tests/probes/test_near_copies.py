"""Pictures of one kind are no copies of each other, however alike; re-encoded ones are."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate

from netdoctor.probes.near_copies import near_copies
from netdoctor.probes.prints import small_pictures
from tests.loaders import crops, loader
from tests.probes.test_loader import facts

PLANTED = 20


def framed(value: float = 0.0) -> Tensor:
    """Small crops in the middle of one large frame."""
    images = torch.full((240, 3, 64, 64), value)
    images[:, :, 16:48, 16:48] = crops()[0]
    return images


def on_a_photograph() -> Tensor:
    images = interpolate(crops()[0][:1], size=64).repeat(240, 1, 1, 1)
    images[:, :, 16:48, 16:48] = crops()[0]
    return images


def digits() -> Tensor:
    x, _ = load_digits(return_X_y=True)
    images = torch.from_numpy(x[:600]).float().view(-1, 1, 8, 8) / 16
    return interpolate(images, size=28, mode="bicubic").clamp(0, 1)


def silhouettes() -> Tensor:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        image = Image.new("L", (64, 64), 255)
        corners = np.sort(rng.uniform(0, 2 * np.pi, 7))
        reach = rng.uniform(9, 22, 7)
        points = np.stack([32 + reach * np.cos(corners), 32 + reach * np.sin(corners)], 1)
        ImageDraw.Draw(image).polygon([tuple(each) for each in points.tolist()], fill=40)
        found.append(np.asarray(image) / 255)
    return torch.from_numpy(np.stack(found)).float()[:, None]


def screenshots() -> Tensor:
    """Texts in a few windows that are always the same."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(120):
        image = Image.new("L", (128, 128), 245)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, 128, 12 + 4 * (number % 4)), fill=60)
        for line in range(9):
            words = "".join(rng.choice(list("abcdefgh  "), rng.integers(0, 18)))
            draw.text((8, 30 + 10 * line), words, fill=20)
        found.append(np.asarray(image) / 255)
    return torch.from_numpy(np.stack(found)).float()[:, None]


def spectrograms() -> Tensor:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:64, :64]
    tones = rng.uniform(5, 50, (150, 1, 1)) + 2 * np.sin(x / 9 + rng.uniform(0, 6, (150, 1, 1)))
    values = 4 * np.exp(-((y - tones) ** 2) / 4) - 0.05 * y + rng.normal(0, 0.7, (150, 64, 64))
    return torch.from_numpy(values).float()[:, None]


SOUND: tuple[Callable[[], Tensor], ...] = (
    framed, on_a_photograph, digits, silhouettes, screenshots, spectrograms,
)  # fmt: skip


def near(images: Tensor) -> set[tuple[int, int]]:
    small = small_pictures(images, "channels-first")
    return {(one, other) for one, other, _ in near_copies(small, np.ones(len(images), bool))}


@pytest.mark.parametrize("made", SOUND, ids=lambda made: made.__name__)
def test_pictures_of_one_kind_are_no_copies(made: Callable[[], Tensor]) -> None:
    images = torch.unique(made(), dim=0)
    assert len(near(images)) < 0.01 * len(images)


def encoded(images: Tensor) -> Tensor:
    found = []
    for each in (images.clamp(0, 1) * 255).byte():
        file = io.BytesIO()
        Image.fromarray(each.movedim(0, -1).squeeze(-1).numpy()).save(file, "JPEG", quality=85)
        found.append(torch.from_numpy(np.array(Image.open(file))).float() / 255)
    back = torch.stack(found)
    return back.movedim(-1, 1) if back.ndim == 4 else back[:, None]


def brighter(images: Tensor) -> Tensor:
    return images * 1.02


@pytest.mark.parametrize("changed", [encoded, brighter], ids=["encoded", "brighter"])
@pytest.mark.parametrize(
    "made", [digits, silhouettes, screenshots, on_a_photograph], ids=lambda made: made.__name__
)
def test_the_same_picture_once_more_is_a_copy(
    made: Callable[[], Tensor], changed: Callable[[Tensor], Tensor]
) -> None:
    images = torch.unique(made(), dim=0)
    order = images.flatten(1).std(1).argsort(descending=True)  # there is something to see in them
    images = images[order]
    found = near(torch.cat([images, changed(images[:PLANTED])]))
    told = {(place, len(images) + place) for place in range(PLANTED)} & found
    assert len(told) >= 0.9 * PLANTED


def test_a_shift_of_one_pixel_in_a_large_picture() -> None:
    images = interpolate(crops()[0], size=224, mode="bicubic")
    images = images[images.flatten(1).std(1).argsort(descending=True)]
    found = near(torch.cat([images, images[:PLANTED].roll(1, 3)]))
    told = {(place, len(images) + place) for place in range(PLANTED)} & found
    assert len(told) >= 0.5 * PLANTED


def test_pictures_without_any_difference() -> None:
    assert near(torch.full((50, 1, 32, 32), 0.3)) == set()
    assert near(torch.zeros(1, 1, 32, 32)) == set()


def test_exact_copies_in_a_frame_are_still_told() -> None:
    images, labels = framed(), crops()[1].clone()
    images[5] = images[7]
    copies = facts(loader(images, labels)).copies
    assert copies.exact >= 1
    assert copies.near == 0
