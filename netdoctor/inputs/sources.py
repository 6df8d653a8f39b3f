"""Data on disk: image files and folders, arrays, torchvision's data sets."""

from __future__ import annotations

import dataclasses
import inspect
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import numpy as np
import yaml
from PIL import Image
from torch import nn

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.datasets import Arrays, ImageFiles, Prepared, is_pixels
from netdoctor.inputs.images import IMAGE_SUFFIXES, IMAGENET, Preprocessing, read_image
from netdoctor.inputs.synthetic import parse_input_shape
from netdoctor.inputs.user_code import describe, near_misses

if TYPE_CHECKING:
    from netdoctor.inputs.model import LoadedModel

_SPLITS = {"train", "val", "valid", "validation", "test"}
_PAIRS = (("x", "y"), ("X", "y"), ("images", "labels"), ("inputs", "targets"))


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A data set that was found on disk, and what was assumed about it."""

    dataset: Any
    description: str
    notes: tuple[str, ...] = ()
    preprocessing: Preprocessing | None = None
    samples: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class _Wishes:
    """The user's options about images, and the model that they are for."""

    loaded: LoadedModel
    input_shape: str | None
    mean: Sequence[float] | None
    std: Sequence[float] | None
    resize: int | None
    crop: int | tuple[int, int] | None


def open_source(
    spec: str,
    loaded: LoadedModel,
    input_shape: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: int | None = None,
    crop: int | tuple[int, int] | None = None,
) -> Source | None:
    """What is on disk at `spec`; None where there is nothing.

    Raises:
        DataError: it is there, but cannot be read.
    """
    wishes = _Wishes(loaded, input_shape, mean, std, resize, crop)
    if spec.startswith("torchvision:"):
        return _torchvision(spec, wishes)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _folder(path, spec, wishes)
    if not path.is_file() or path.suffix == ".py":
        return None
    if path.suffix.lower() in (".npz", ".npy"):
        return _arrays(path, spec, wishes)
    image = read_image(path)
    return _files([path], None, image.size, spec, wishes, ())


def _folder(path: Path, spec: str, wishes: _Wishes) -> Source:
    here = [entry for entry in sorted(path.iterdir()) if entry.is_file() and _is_image(entry.name)]
    classes = sorted(
        entry.name for entry in path.iterdir() if entry.is_dir() and entry.name[0] != "."
    )
    found = {name: [Path(each) for each in _images_in(path / name)] for name in classes}
    files = [(each, label) for label, name in enumerate(classes) for each in found[name]]
    if not files and not here:
        raise DataError(
            f"There is no image in the folder {spec}.",
            hint=f"Images are files that end in {', '.join(IMAGE_SUFFIXES)}.",
        )
    if not files or (here and sum(map(bool, found.values())) < 2):
        return _files(here, None, None, spec, wishes, ())
    if set(map(str.lower, classes)) <= _SPLITS and any(
        entry.is_dir() for name in classes for entry in (path / name).iterdir()
    ):
        raise DataError(
            f"The folders in {spec} are splits ({', '.join(classes)}), not classes.",
            hint=f"Name one of them: --data {path / classes[-1]}.",
        )
    notes = [f"labels: the {len(classes)} folders of {spec} in alphabetical order"]
    empty = [name for name in classes if not found[name]]
    if empty:
        notes.append(f"labels: no image in the folder of class {', '.join(empty)}")
    if here:
        notes.append(f"data: {len(here)} images beside the class folders are left out")
    paths, labels = [each for each, _ in files], [label for _, label in files]
    return _files(paths, labels, None, spec, wishes, notes)


def _images_in(folder: Path) -> Iterator[str]:
    """Image files at any depth, in torchvision's order."""
    for root, _, names in sorted(os.walk(folder, followlinks=True)):
        yield from (os.path.join(root, name) for name in sorted(names) if _is_image(name))


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."


def _files(
    paths: list[Path],
    labels: list[int] | None,
    size: tuple[int, int] | None,
    spec: str,
    wishes: _Wishes,
    notes: Sequence[str],
) -> Source:
    if size is None:
        size = read_image(paths[0]).size
    preprocessing, channels, made = _for_images(wishes, size)
    dataset = ImageFiles(paths, labels, preprocessing, channels)
    count = f"{len(paths)} images" if len(paths) > 1 else "1 image"
    names = tuple(str(path) for path in paths)
    return Source(dataset, f"{spec} ({count})", (*notes, *made), preprocessing, names)


def _for_images(wishes: _Wishes, size: tuple[int, int]) -> tuple[Preprocessing, int, list[str]]:
    """The preprocessing, the number of channels, and a note for each assumption.

    Args:
        wishes: the user's options and the model.
        size: width and height of the first image.
    """
    loaded = wishes.loaded
    channels, target = _model_size(wishes)
    base = loaded.preprocessing or dataclasses.replace(IMAGENET, resize=None, crop=None)
    if loaded.input_style == "images":
        if loaded.preprocessing is None:
            base = Preprocessing((0.0,), (1.0,), None, None, "the model normalises itself")
        resize, crop = wishes.resize, _pair(wishes.crop)
    else:
        resize, crop = _sizes(base, wishes, size, target)
    given = [n for n in ("mean", "std", "resize", "crop") if getattr(wishes, n) is not None]
    source = f"{base.source}{', ' if given else ''}{', '.join(f'--{n}' for n in given)}"
    mean, std = wishes.mean or base.mean, wishes.std or base.std
    result = Preprocessing(
        tuple(mean), tuple(std), resize, crop, source, base.interpolation
    ).for_channels(channels)
    if not all(0 < each < math.inf for each in result.std):
        raise UsageError("A std of images is not above 0.", hint="Give positive numbers to --std.")
    notes = [f"images: {result} ({source})"]
    if channels == 1:
        notes.append("images: turned into greyscale, because the model takes one channel")
    if target is None and base.crop is None and wishes.crop is None and resize is not None:
        notes.append("images: the model's input size is not known; --resize and --crop set it")
    return result, channels, notes


def _sizes(
    base: Preprocessing, wishes: _Wishes, size: tuple[int, int], target: tuple[int, int] | None
) -> tuple[int | None, tuple[int, int]]:
    """Short side and centre crop: as asked, as the weights say, else as the model's input size."""
    whole = (base.resize, base.resize) if base.resize else None
    crop = _pair(wishes.crop) or base.crop or whole or target
    if crop is None and wishes.resize is not None:
        crop = (wishes.resize, wishes.resize)
    if crop is None:
        crop = (size[1], size[0]) if min(size) < 224 else (224, 224)
    if wishes.resize is not None:
        return wishes.resize, crop
    if base.resize is not None and wishes.crop is None:
        return base.resize, crop
    fits = (size[1], size[0]) == crop  # small images at the model's own size stay as they are
    return (min(crop) if fits else round(max(crop) * 256 / 224)), crop


def _pair(crop: int | tuple[int, int] | None) -> tuple[int, int] | None:
    return (crop, crop) if isinstance(crop, int) else crop


def _model_size(wishes: _Wishes) -> tuple[int, tuple[int, int] | None]:
    """Channels and, where known, height and width of the images that the model takes."""
    shapes: Sequence[tuple[int, ...]] = wishes.loaded.input_shapes
    if wishes.input_shape is not None:
        samples = parse_input_shape(wishes.input_shape, wishes.loaded.module)
        shapes = [sample.shape for sample in samples]
    if len(shapes) > 1 or (shapes and len(shapes[0]) != 3):
        listed = " and ".join("×".join(map(str, shape)) for shape in shapes)
        raise DataError(
            f"{wishes.loaded.name} takes {listed}, not single images.",
            hint="Give the data as .npz or as a loader: --data my_module:loader.",
        )
    if shapes:
        return shapes[0][0], (shapes[0][1], shapes[0][2])
    modules = wishes.loaded.module.modules()
    first = next((each for each in modules if isinstance(each, nn.Conv2d)), None)
    return (first.in_channels if first else 3), None


def _arrays(path: Path, spec: str, wishes: _Wishes) -> Source:
    try:
        if path.suffix.lower() == ".npy":
            named = {"": np.load(path, mmap_mode="r", allow_pickle=False)}
        else:
            with np.load(path, allow_pickle=False) as file:
                named = {name: file[name] for name in _pair_in(file.files)}
    except Exception as exception:  # numpy raises errors of many kinds for a damaged file
        raise DataError(
            f"{spec} cannot be read as arrays: {exception}",
            hint="Save it with numpy.savez(file, x=inputs, y=targets), without Python objects.",
        ) from exception
    arrays = list(named.values())
    if not arrays or any(array.ndim == 0 for array in arrays):
        raise DataError(f"{spec} holds no array of samples.", hint="The first axis is the sample.")
    inputs, targets = arrays[0], arrays[1] if len(arrays) > 1 else None
    if targets is not None and len(inputs) != len(targets):
        raise DataError(
            f"{spec} holds {len(inputs)} inputs but {len(targets)} targets "
            f"({' and '.join(named)}).",
            hint="Save one target for each input.",
        )
    preprocessing, notes = _for_pixels(inputs, wishes)
    if "" not in named:
        roles = [f"{name} {tuple(array.shape)}" for name, array in named.items()]
        words = f"{roles[0]} as inputs" + (f", {roles[1]} as targets" if roles[1:] else "")
        notes.insert(0, f"arrays: {words}")
    return Source(Arrays(inputs, targets, preprocessing), spec, tuple(notes), preprocessing)


def _pair_in(names: list[str]) -> Sequence[str]:
    """Which arrays of a file are inputs and targets."""
    for pair in _PAIRS:
        if set(pair) <= set(names):
            return pair
    return names[:2]


def _for_pixels(inputs: Any, wishes: _Wishes) -> tuple[Preprocessing | None, list[str]]:
    if not is_pixels(inputs):
        return None, []
    base = wishes.loaded.preprocessing or IMAGENET
    mean, std = tuple(wishes.mean or base.mean), tuple(wishes.std or base.std)
    result = Preprocessing(mean, std, None, None, base.source, base.interpolation)
    return result, [f"arrays: {inputs.dtype} images scaled to [0, 1], {result} ({base.source})"]


def _torchvision(spec: str, wishes: _Wishes) -> Source:
    from torchvision import datasets

    name, _, query = spec.removeprefix("torchvision:").partition("?")
    if name not in datasets.__all__ or not isinstance(getattr(datasets, name), type):
        raise DataError(
            f"torchvision has no data set {name}.",
            hint=near_misses(name, datasets.__all__) or "For example torchvision:CIFAR10?root=DIR.",
        )
    kind = getattr(datasets, name)
    given = dict(parse_qsl(query.replace("+", "%2B"), keep_blank_values=True))
    options = {
        key: value if key == "root" else yaml.safe_load(value) for key, value in given.items()
    }
    known = set(inspect.signature(kind).parameters) - {"download", "loader"}
    known = {each for each in known if not each.endswith("transform") and each != "transforms"}
    if unknown := set(options) - known:
        listed = ", ".join(sorted(unknown))
        raise DataError(
            f"{listed} is not an option of torchvision:{name} here; netdoctor never downloads.",
            hint=near_misses(listed, known) or f"It takes {', '.join(sorted(known))}.",
        )
    if "root" in known and "root" not in options:
        raise DataError(
            f"{spec} does not say where the data set is.",
            hint=f"Write torchvision:{name}?root=DIR.",
        )
    try:
        samples = kind(**options)
        first = samples[0][0] if len(samples) else None
    except (Exception, SystemExit) as exception:
        text = describe(exception).replace(" You can use download=True to download it", "")
        raise DataError(
            f"{spec} cannot be opened: {text}",
            hint=f"netdoctor never downloads: torchvision.datasets.{name}(root, download=True) "
            "does; check root and the other options.",
        ) from exception
    size = first.size if isinstance(first, Image.Image) else None
    if size is None:
        return Source(samples, spec)
    preprocessing, channels, notes = _for_images(wishes, size)
    dataset = Prepared(samples, preprocessing, channels)
    return Source(dataset, spec, tuple(notes), preprocessing)
