"""Image files: read upright and in one colour space, then resized, cropped and normalised."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from netdoctor.errors import DataError
from netdoctor.inputs.user_code import near_paths

# What torchvision's ImageFolder takes.
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

_INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclasses.dataclass(frozen=True, slots=True)
class Preprocessing:
    """How an image becomes a model's input.

    Attributes:
        mean: one value a channel, for images in [0, 1].
        std: likewise.
        resize: the short side in pixels, before the crop; None leaves the size.
        crop: height and width of the centre crop; None crops nothing.
        source: where these values come from, for the report.
        interpolation: `bilinear`, `bicubic`, `nearest`, `lanczos`, `box` or `hamming`.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    resize: int | None
    crop: tuple[int, int] | None
    source: str
    interpolation: str = "bilinear"

    def for_channels(self, channels: int) -> Preprocessing:
        """The same for images of so many channels: one value for all, or their average."""
        return dataclasses.replace(
            self, mean=_per_channel(self.mean, channels), std=_per_channel(self.std, channels)
        )

    def __str__(self) -> str:
        steps = [f"short side resized to {self.resize}"] if self.resize else []
        if self.crop:
            steps.append(f"centre crop {self.crop[0]}×{self.crop[1]}")
        mean = ", ".join(f"{value:.4g}" for value in self.mean)
        std = ", ".join(f"{value:.4g}" for value in self.std)
        return ", ".join([*steps, f"mean {mean}, std {std}"])


IMAGENET = Preprocessing(
    mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), resize=256, crop=(224, 224),
    source="ImageNet's usual values",
)  # fmt: skip


_MOST_PIXELS = 2**28


def read_image(path: str | Path) -> Image.Image:
    """The image in that file, turned upright as its EXIF data says.

    Transparent images are laid on white. Greyscale, palette and CMYK images become RGB. Images
    of 16 bits a sample keep their precision: mode `F` with values scaled to [0, 255].

    Returns:
        An image of mode `RGB`, or of mode `F` for greyscale images of more than 8 bits.

    Raises:
        DataError: the file is missing, is not an image, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no image {path}.", hint=near_paths(path))
    try:
        with Image.open(path) as file:
            file.load()
            return _in_one_colour_space(ImageOps.exif_transpose(file))
    except MemoryError:
        raise
    except Exception as exception:  # Pillow's readers raise errors of many kinds
        raise DataError(
            f"{path} cannot be read as an image: {_reason(path, exception)}.",
            hint="Replace or remove the file; other data: .npz, .npy, or a loader as module:name.",
        ) from exception


def to_tensor(image: Image.Image, preprocessing: Preprocessing, channels: int = 3) -> Tensor:
    """The image as a model's input.

    The same as torchvision's resize, centre crop, conversion and normalisation of a PIL image.

    Args:
        image: of mode `RGB`, `L`, or `F` with values in [0, 255].
        preprocessing: the steps to take.
        channels: 3, or 1 for greyscale.

    Returns:
        float32 (C, H, W).

    Raises:
        DataError: images cannot have so many channels.
    """
    if channels not in (1, 3):
        raise DataError(
            f"The model takes {channels} channels, and image files give 1 or 3.",
            hint="Give the data as .npz or as a loader: --data my_module:loader.",
        )
    preprocessing = preprocessing.for_channels(channels)
    if image.mode != "F":
        image = image.convert("L" if channels == 1 else "RGB")
    if preprocessing.resize is not None:
        image = _resized(image, preprocessing.resize, preprocessing.interpolation)
    if preprocessing.crop is not None:
        image = _centre_crop(image, preprocessing.crop)
    pixels = torch.from_numpy(np.array(image, dtype=np.float32)).div_(255)
    planes = pixels.permute(2, 0, 1) if pixels.ndim == 3 else pixels.expand(channels, -1, -1)
    mean = torch.tensor(preprocessing.mean).view(-1, 1, 1)
    std = torch.tensor(preprocessing.std).view(-1, 1, 1)
    return ((planes - mean) / std).contiguous()


def _in_one_colour_space(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # I;16, I;16B, and I, which older readers give for 16 bits
        values = np.asarray(image, dtype=np.float32)
        if values.size and (values.min() < 0 or values.max() > 65535):
            raise ValueError(
                f"its values reach from {values.min():g} to {values.max():g}, not 0 to 65535"
            )
        return Image.fromarray(values * np.float32(255 / 65535))
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float32)
        if values.size and not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(
                f"its floating-point values reach from {values.min():g} to {values.max():g}, "
                "not 0 to 1"
            )
        return Image.fromarray(values * np.float32(255))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _reason(path: Path, exception: Exception) -> str:
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return "the file is empty"
    if start.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer, not the image itself (git lfs pull fetches it)"
    if isinstance(exception, UnidentifiedImageError):
        return "it is not an image of a known format"
    return str(exception).rstrip(".") or type(exception).__name__


def _resized(image: Image.Image, short_side: int, interpolation: str) -> Image.Image:
    width, height = image.size
    if width <= height:
        size = (short_side, int(short_side * height / width))
    else:
        size = (int(short_side * width / height), short_side)
    if size[0] * size[1] > _MOST_PIXELS:
        raise DataError(
            f"An image of {width}×{height} would be resized to {size[0]}×{size[1]}.",
            hint="Give a smaller --resize, or cut the image first.",
        )
    return image if size == image.size else image.resize(size, _INTERPOLATIONS[interpolation])


def _centre_crop(image: Image.Image, crop: tuple[int, int]) -> Image.Image:
    top, left = _offset(image.height, crop[0]), _offset(image.width, crop[1])
    return image.crop((left, top, left + crop[1], top + crop[0]))


def _offset(size: int, cropped: int) -> int:
    return -((cropped - size) // 2) if cropped > size else round((size - cropped) / 2)


def _per_channel(values: tuple[float, ...], channels: int) -> tuple[float, ...]:
    if len(values) == channels:
        return values
    if len(values) == 1:
        return values * channels
    if channels == 1:
        return (sum(values) / len(values),)
    raise DataError(
        f"{len(values)} values of mean or std do not fit images of {channels} channels.",
        hint=f"Give one value, or {channels} with commas between them.",
    )
