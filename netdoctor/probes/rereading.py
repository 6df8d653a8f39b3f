"""Reads samples once more: what random augmentation made blank or alike is no fault of the data."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

from torch import Tensor

from netdoctor.inputs.scan import LoaderSource
from netdoctor.probes.batch_fields import fields_of
from netdoctor.probes.image_layout import layout_of

T = TypeVar("T")
_READINGS = 3
_MOST = 48  # samples that are read again
_SECONDS = 2.0

Again = Callable[[int], "list[Tensor] | None"]
"""The place of a sample in the scan -> an input of it, read under each of a few seeds."""


def again(
    source: LoaderSource, indices: Sequence[Hashable] | None, field: str = ""
) -> Again | None:
    """How to read a sample again, the same seeds for every sample; None where that cannot be.

    Two samples that hold the same are then equal in every reading, however random the transform
    is; two that chance made equal are not.

    Args:
        source: the loader.
        indices: of the samples in the scan.
        field: the input's name; empty for the first.
    """
    if indices is None:
        return None

    def readings(place: int) -> list[Tensor] | None:
        found = []
        for number in range(1, _READINGS + 1):
            raw = source.sample(indices[place], source.seed + number)
            read = None if raw is None else _input(raw, field)
            if read is None:
                return None
            found.append(read)
        return found

    return readings


def _input(raw: object, name: str) -> Tensor | None:
    for field in fields_of(raw, None).tensors:
        if field.role == "input" and name in ("", field.name):
            return field.values if isinstance(field.values, Tensor) else None
    return None


def lasting(places: Sequence[T], lasts: Callable[[T], bool]) -> list[T]:
    """The places that hold in every reading; those that there is no time for go by the others."""
    kept: list[T] = []
    began = time.perf_counter()
    for number, place in enumerate(places):
        if number >= _MOST or time.perf_counter() - began > _SECONDS:
            return [*kept, *places[number:]] if len(kept) == number else kept
        if lasts(place):
            kept.append(place)
    return kept


def stays_blank(readings: Again, spread: float) -> Callable[[int], bool]:
    """Whether a sample is blank in each reading; `spread` is that of all samples' values."""

    def lasts(place: int) -> bool:
        found = readings(place)
        return found is None or all(_is_blank(each, 1e-4 * spread) for each in found)

    return lasts


def _is_blank(values: Tensor, least: float) -> bool:
    if not values.numel():
        return True
    pixels = values.movedim(-1, 1) if layout_of(values) == "channels-last" else values
    pixels = pixels.flatten(2) if layout_of(values) else pixels.flatten(1)
    pixels = pixels.double()
    return float((pixels.amax(-1) - pixels.amin(-1)).max()) <= least


def stays_equal(readings: Again) -> Callable[[tuple[int, int]], bool]:
    """Whether two samples are equal in each reading."""

    def lasts(places: tuple[int, int]) -> bool:
        usual, found = map(readings, places)
        if usual is None or found is None:
            return True
        return all(
            a.shape == b.shape and bool(((a == b) | ((a != a) & (b != b))).all())
            for a, b in zip(usual, found, strict=True)
        )

    return lasts
