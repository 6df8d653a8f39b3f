from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from netdoctor.facts.featuremaps import InputImage
from netdoctor.facts.gradcam import normalised, upsampled
from netdoctor.plots.gradcam import pictures
from tests.rules.gradcam_cases import heat_maps

cv2 = pytest.importorskip("cv2")


def drawn(largest: float, name: str = "photo.jpg") -> tuple[str, np.ndarray]:
    facts = heat_maps(largest)
    pixels = np.full((64, 96, 3), 128, np.uint8)
    image = dataclasses.replace(facts.images[0], input=InputImage(name, pixels))
    ((stem, picture),) = pictures(dataclasses.replace(facts, images=[image]))
    file = io.BytesIO()
    picture.write(file)
    return stem, np.asarray(Image.open(file))


def is_bright(shown: np.ndarray) -> np.ndarray:
    """Where the brightest colour of the scale is, as far as the picture has it."""
    return (np.abs(shown.astype(int) - (253, 231, 37)).max(-1) < 12).nonzero()


def test_the_map_is_drawn_where_it_is_largest() -> None:
    stem, shown = drawn(2.0)
    assert stem == "gradcam-photo"
    rows, columns = is_bright(shown)
    assert rows.size
    left = shown.shape[1] // 3  # the second of three panels
    assert ((columns > left) & (columns < 2 * left)).any()


def test_a_blank_map_is_not_drawn() -> None:
    _, shown = drawn(0.0)
    assert not is_bright(shown)[0].size
    assert (shown == 236).all(-1).sum() > 5000


@pytest.mark.parametrize("name", ["x" * 5000, "../../etc/passwd", "a\nb\x1b[31m", "猫", ""])
def test_hostile_names(name: str) -> None:
    _, shown = drawn(1.0, name)
    assert shown.shape[1] < 2000


@pytest.mark.parametrize("size", [(224, 224), (60, 35), (7, 5)])
def test_maps_are_enlarged_as_opencv_does(size: tuple[int, int]) -> None:
    heat = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    expected = cv2.resize(heat, size[::-1])
    np.testing.assert_allclose(upsampled(heat, size), expected, atol=1e-6)
    shown = normalised(heat)
    assert (shown.min(), shown.max()) == (0, 1)
    assert not normalised(np.ones((2, 2), np.float32)).any()
