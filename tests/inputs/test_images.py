from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photos
from torchvision import transforms
from torchvision.transforms import InterpolationMode

from netdoctor.errors import DataError
from netdoctor.inputs.images import IMAGENET, Preprocessing, read_image, to_tensor

PLAIN = Preprocessing((0.0,), (1.0,), None, None, "test")


@pytest.mark.parametrize("resize", [None, 64, 256])
@pytest.mark.parametrize("crop", [(224, 224), (100, 31), (512, 480)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_photo_becomes_what_torchvision_makes_of_it(
    tmp_path: Path, resize: int | None, crop: tuple[int, int], interpolation: str
) -> None:
    Image.fromarray(photos.chelsea()).save(tmp_path / "cat.png")
    steps = [] if resize is None else [transforms.Resize(resize, InterpolationMode(interpolation))]
    theirs = transforms.Compose(
        [
            *steps,
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET.mean, IMAGENET.std),
        ]
    )
    ours = dataclasses.replace(IMAGENET, resize=resize, crop=crop, interpolation=interpolation)
    image = read_image(tmp_path / "cat.png")
    torch.testing.assert_close(to_tensor(image, ours), theirs(image), atol=1e-6, rtol=0)


def test_the_exif_orientation_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    Image.fromarray(pixels).save(tmp_path / "turned.png", exif=exif)
    tensor = to_tensor(read_image(tmp_path / "turned.png"), PLAIN)
    assert tensor.shape == (3, 4, 2)
    assert tensor[:, 0, 1].tolist() == [1, 1, 1]
    assert tensor.sum() == 3


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_scaled_and_not_clipped(tmp_path: Path, suffix: str, channels: int) -> None:
    values = np.array([[0, 1000], [40000, 65535]], np.uint16)
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(values).save(path)
    tensor = to_tensor(read_image(path), PLAIN, channels)
    expected = torch.tensor(values.astype(np.float32) / 65535).expand(channels, 2, 2)
    torch.testing.assert_close(tensor, expected, atol=1e-6, rtol=0)


def test_transparent_pixels_lie_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, 1] = (255, 0, 0, 255)
    pixels[0, 2] = (0, 0, 0, 51)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    tensor = to_tensor(read_image(tmp_path / "clear.png"), PLAIN)[:, 0]
    torch.testing.assert_close(tensor[:, 0], torch.ones(3))
    torch.testing.assert_close(tensor[:, 1], torch.tensor([1.0, 0, 0]))
    torch.testing.assert_close(tensor[:, 2], torch.full((3,), 0.8))


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "CMYK"])
def test_every_mode_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    photo = Image.fromarray(photos.chelsea()[:40, :60])
    path = tmp_path / ("photo.tif" if mode == "CMYK" else "photo.png")
    photo.convert(mode).save(path)
    tensor = to_tensor(read_image(path), PLAIN)
    assert tensor.shape == (3, 40, 60)
    expected = to_tensor(photo.convert(mode).convert("RGB"), PLAIN)
    torch.testing.assert_close(tensor, expected, atol=2 / 255, rtol=0)


def test_greyscale_of_a_greyscale_file_is_exact(tmp_path: Path) -> None:
    values = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "grey.png")
    tensor = to_tensor(read_image(tmp_path / "grey.png"), IMAGENET.for_channels(1), 1)
    mean, std = IMAGENET.for_channels(1).mean[0], IMAGENET.for_channels(1).std[0]
    assert mean == pytest.approx(0.449)
    assert std == pytest.approx(0.226)
    cropped = dataclasses.replace(IMAGENET, resize=None, crop=None)
    exact = to_tensor(read_image(tmp_path / "grey.png"), cropped, 1)
    torch.testing.assert_close(exact[0], (torch.tensor(values) / 255 - mean) / std)
    assert tensor.shape == (1, 224, 224)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"hello", "not an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer"),
    ],
)
def test_a_file_that_is_no_image_is_named_with_its_reason(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason) as caught:
        read_image(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_a_truncated_image_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    Image.fromarray(photos.chelsea()).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="truncated"):
        read_image(path)


def test_a_missing_image_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "chelsea.png").touch()
    with pytest.raises(DataError) as caught:
        read_image(tmp_path / "chelsae.png")
    assert "chelsea.png" in caught.value.hint


def test_four_channels_are_refused() -> None:
    with pytest.raises(DataError, match="4 channels"):
        to_tensor(Image.new("RGB", (4, 4)), PLAIN, 4)


@pytest.mark.parametrize(("size", "short_side"), [((40, 48), 100_000), ((3, 60_000), 256)])
def test_an_image_that_resizing_would_make_enormous_is_refused(
    size: tuple[int, int], short_side: int
) -> None:
    steps = dataclasses.replace(IMAGENET, resize=short_side, crop=None)
    with pytest.raises(DataError, match="would be resized to"):
        to_tensor(Image.new("RGB", size), steps)
