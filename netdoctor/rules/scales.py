"""What the range of images says about how they were scaled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.loader_fields import FieldFacts

_BYTE = 1 / 255
_USUAL = {
    "ImageNet's": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "to [-1, 1]": ((0.5,) * 3, (0.5,) * 3),
    "CIFAR-10's": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    "CIFAR-10's (of images)": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.201)),
    "CIFAR-100's": ((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762)),
    "CLIP's": ((0.4815, 0.4578, 0.4082), (0.2686, 0.2613, 0.2758)),
    "MNIST's": ((0.1307,) * 3, (0.3081,) * 3),
    "Fashion-MNIST's": ((0.2860,) * 3, (0.3530,) * 3),
}  # mean and standard deviation of normalisations that are in use, for images in [0, 1]


def is_bytes(field: FieldFacts) -> bool:
    """Whether images hold the values of bytes: from 0 to 255, and not all of them small."""
    if field.channels is None or field.minimum < 0 or field.maximum > 255.5:
        return False
    if field.dtype == "uint8":
        return field.maximum > 20
    if field.whole > 0.99:
        return field.maximum > 64
    colour = len(field.channels.mean) == 3
    return field.maximum > (128 if colour else 200) and field.mean > 10


def twice(field: FieldFacts) -> str:
    """What was done twice to images, in a sentence; empty where nothing was."""
    channels = field.channels
    if field.kind != "image" or channels is None or field.dtype == "uint8":
        return ""
    if len(channels.mean) not in (1, 3) or not np.isfinite(channels.mean).all():
        return ""
    widths = channels.maximum - channels.minimum
    if not (widths > 0).any():
        return ""
    if field.minimum >= 0 and field.maximum <= 1.02 * _BYTE:
        return (
            f"the images go from {field.minimum:.3g} to {field.maximum:.3g}, a 255th of [0, 1]: "
            "they seem to be divided by 255 twice"
        )
    for name, (means, stds) in _USUAL.items():
        mean, std = np.array(means[: len(widths)]), np.array(stds[: len(widths)])
        if _fits(channels.minimum, channels.maximum, -mean / std, (_BYTE - mean) / std, 0.3):
            return (
                f"the images lie within {float(widths.max()):.2g} of each other, at what black "
                f"becomes by {name} normalisation: they seem to be divided by 255 twice before it"
            )
        low, high = (-mean / std - mean) / std, ((1 - mean) / std - mean) / std
        wide = widths > 1.15 / std
        # Spectrograms have one channel too, and any range: there black has to be met exactly.
        black = abs(channels.minimum - low) <= 0.01 * (high - low)
        sure = len(widths) == 3 or (len(set(means)) == 1 and black.all())
        if wide.all() and sure and _fits(channels.minimum, channels.maximum, low, high, 0.8):
            return (
                f"the images go from {field.minimum:.3g} to {field.maximum:.3g}, which is what "
                f"{name} normalisation makes of images that are normalised by it already"
            )
    return ""


def _fits(
    low: NDArray[np.float64], high: NDArray[np.float64], least: NDArray[np.float64],
    most: NDArray[np.float64], share: float,
) -> bool:  # fmt: skip
    """Whether each channel's range lies in the expected one, fills it and begins there."""
    width = most - least
    slack = 0.02 * width
    inside = (low >= least - slack) & (high <= most + slack)
    filled = (high - low) >= share * width
    return bool((inside & filled & (low <= least + 0.1 * width)).all())
