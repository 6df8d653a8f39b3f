"""Fingerprints of samples: one of all bytes, and one of how an image looks."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from hashlib import sha1

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from netdoctor.facts.loader_fields import Layout

SIDE = 16  # of the small picture by which near copies are compared


@dataclasses.dataclass(frozen=True, slots=True)
class Prints:
    """Fingerprints of N samples.

    Attributes:
        content: (N,) uint64 of all bytes of the inputs.
        blank: (N,) whether the sample has one value only, or NaN.
        beside: (N,) uint64 of the inputs beside the first one.
        small: (N, SIDE²) float16 brightness at low resolution; empty where there are no images.
    """

    content: NDArray[np.uint64]
    blank: NDArray[np.bool_]
    small: NDArray[np.float16]
    beside: NDArray[np.uint64]


class PrintScan:
    """Fingerprints, batch by batch: 8 bytes a sample, and half a kilobyte for images."""

    def __init__(self, *, most_small: int = 200_000) -> None:
        self._content: list[NDArray[np.uint64]] = []
        self._blank: list[NDArray[np.bool_]] = []
        self._beside: list[NDArray[np.uint64]] = []
        self._small: list[NDArray[np.float16]] | None = []
        self._left = most_small

    def add(self, inputs: Sequence[Tensor | list[Tensor]], layout: Layout) -> None:
        """Adds a batch.

        Args:
            inputs: the input tensors (N, …), or lists of N tensors, the first one an image if
                `layout` says so.
            layout: of the first; empty for what is no image.
        """
        content, blank = _contents(inputs, layout)
        self._content.append(content)
        self._blank.append(blank)
        others = _contents(inputs[1:])[0] if len(inputs) > 1 else np.zeros(len(content), np.uint64)
        self._beside.append(others)
        first = inputs[0]
        if self._small is None or not layout or not isinstance(first, Tensor) or self._left <= 0:
            self._small = None
            return
        self._small.append(small_pictures(first, layout))
        self._left -= len(first)

    def read(self) -> Prints:
        """The fingerprints so far."""
        small = np.zeros((0, SIDE * SIDE), np.float16)
        if self._small:
            small = np.concatenate(self._small)
        content = np.concatenate(self._content) if self._content else np.zeros(0, np.uint64)
        blank = np.concatenate(self._blank) if self._blank else np.zeros(0, bool)
        beside = np.concatenate(self._beside) if self._beside else np.zeros(0, np.uint64)
        return Prints(content, blank, small, beside)


def _contents(
    inputs: Sequence[Tensor | list[Tensor]], layout: Layout = ""
) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    count = len(inputs[0])
    hashes = [sha1(usedforsecurity=False) for _ in range(count)]
    blank = np.ones(count, bool)
    for number, values in enumerate(inputs):
        for row, each in enumerate(_rows(values)):
            if each.size:
                hashes[row].update(repr(each.shape).encode() if isinstance(values, list) else b"")
                hashes[row].update(each.data)
                blank[row] &= bool(blank[row]) and _is_blank(each, "" if number else layout)
    found = [int.from_bytes(each.digest()[:8], "little") for each in hashes]
    return np.array(found, np.uint64), blank


def _is_blank(values: NDArray[np.generic], layout: Layout) -> bool:
    """Whether there is one colour only, or NaN from the start: copies of that are no copies."""
    pixels = values.reshape(-1, values.shape[-1] if layout == "channels-last" else 1)
    if layout == "channels-first":
        pixels = values.reshape(len(values), -1).T
    first = pixels[0]
    if first[0] != first[0]:
        return True
    return bool((first == pixels[-1]).all()) and bool((pixels == first).all())


def _rows(values: Tensor | list[Tensor]) -> list[NDArray[np.generic]]:
    if isinstance(values, list):
        return [_array(each) for each in values]
    return list(_array(values)) if values.ndim else []


def _array(values: Tensor) -> NDArray[np.generic]:
    found: NDArray[np.generic] = (
        (values.float() if values.dtype is torch.bfloat16 else values).contiguous().numpy()
    )
    return found


def small_pictures(images: Tensor, layout: Layout) -> NDArray[np.float16]:
    """(N, SIDE²) brightness of images (N, C, H, W), averaged down, about each one's own mean."""
    images = images.movedim(-1, 1) if layout == "channels-last" else images
    grey = images[:, :3].float().mean(1, keepdim=True)
    small = adaptive_avg_pool2d(grey, SIDE).flatten(1).nan_to_num(0.0, 0.0, 0.0)
    found: NDArray[np.float16] = small.clamp(-6e4, 6e4).to(torch.float16).numpy()
    return found


def exact_copies(content: NDArray[np.uint64], usable: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Groups of two or more places with the same content, in order of their first place."""
    places = np.flatnonzero(usable)
    order = places[np.argsort(content[places], kind="stable")]
    if len(order) < 2:
        return []
    cuts = np.flatnonzero(content[order][1:] != content[order][:-1]) + 1
    groups = [each for each in np.split(order, cuts) if len(each) > 1]
    return sorted(groups, key=lambda group: int(group[0]))
