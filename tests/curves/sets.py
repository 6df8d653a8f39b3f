"""Small data sets for the training runs: shipped by scikit-learn, or drawn by code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

LICENCE = Path(__file__).parents[2] / "LICENSE"
CONTEXT = 24


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """Training and validation rows of one data set.

    Attributes:
        x, y: training inputs (N, ...) and targets: (N,) int64 classes, (N, T) int64 next
            characters, or (N, 1) float32 values.
        test_x, test_y: the validation rows.
        classes: number of classes or characters; 0 for a regression.
    """

    x: Tensor
    y: Tensor
    test_x: Tensor
    test_y: Tensor
    classes: int


def _split(x: np.ndarray, y: np.ndarray, classes: int, share: float = 0.7) -> Split:
    order = np.random.default_rng(0).permutation(len(x))
    cut = int(len(x) * share)
    inputs = torch.tensor(x[order]) if x.dtype == np.int64 else torch.tensor(x[order]).float()
    targets = torch.tensor(y[order]).long() if classes else torch.tensor(y[order]).float()
    return Split(inputs[:cut], targets[:cut], inputs[cut:], targets[cut:], classes)


def _scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / (x.std(0) + 1e-9)


def digits() -> Split:
    """1,797 grey digits of 8 x 8 pixels, ten classes."""
    bunch = datasets.load_digits()
    return _split((bunch.images[:, None] - 8) / 8, bunch.target, 10)


def cancer() -> Split:
    """569 rows of 30 values, two classes."""
    x, y = datasets.load_breast_cancer(return_X_y=True)
    return _split(_scaled(x), y, 2)


def wine() -> Split:
    """178 rows of 13 values, three classes."""
    x, y = datasets.load_wine(return_X_y=True)
    return _split(_scaled(x), y, 3)


def diabetes() -> Split:
    """442 rows of ten values, one standardised target."""
    x, y = datasets.load_diabetes(return_X_y=True)
    return _split(_scaled(x), _scaled(y)[:, None], 0)


def housing() -> Split:
    """2,000 rows of eight values and a price in hundred thousands, skewed and noisy."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2000, 8))
    price = 2 + 0.8 * x[:, 0] + 0.5 * np.sin(2 * x[:, 1]) + 0.4 * x[:, 2] * x[:, 3]
    return _split(x, np.maximum(price + rng.normal(0, 0.4, 2000), 0.15)[:, None], 0)


def friedman() -> Split:
    """1,500 rows of ten values, Friedman's first function."""
    x, y = datasets.make_friedman1(1500, noise=1.0, random_state=2)
    return _split(_scaled(x), _scaled(y)[:, None], 0)


def spirals() -> Split:
    """900 points on three spirals, three classes."""
    rng = np.random.default_rng(3)
    y = np.repeat(np.arange(3), 300)
    radius = np.tile(np.linspace(0.1, 1, 300), 3)
    angle = 4 * radius + y * 2 * np.pi / 3 + rng.normal(0, 0.15, 900)
    return _split(3 * np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1), y, 3)


def blobs() -> Split:
    """1,500 points in twenty dimensions, five overlapping classes."""
    x, y = datasets.make_classification(
        1500, 20, n_informative=8, n_classes=5, class_sep=1.2, random_state=4
    )
    return _split(_scaled(x), y, 5)


def shapes() -> Split:
    """1,200 grey pictures of 16 x 16 pixels, eight outlines."""
    from sample_models.shapes import CLASSES, draw

    rng = np.random.default_rng(5)
    y = np.arange(1200) % len(CLASSES)
    pictures = np.stack([draw(int(label), rng).pixels.mean(2) for label in y])
    small = pictures.reshape(-1, 16, 3, 16, 3).mean((2, 4))[:, None]
    return _split((small - small.mean()) / small.std(), y, len(CLASSES))


def outlines() -> Split:
    """1,200 noisy outlines of 16 x 16 pixels, eight classes: easier than `shapes`."""
    from sample_models.shapes import CLASSES, draw

    rng = np.random.default_rng(8)
    y = np.arange(1200) % len(CLASSES)
    masks = np.stack([draw(int(label), rng).mask for label in y]).astype(float)
    small = masks.reshape(-1, 16, 3, 16, 3).mean((2, 4))[:, None]
    small = small + rng.normal(0, 0.15, small.shape)
    return _split((small - small.mean()) / small.std(), y, len(CLASSES))


def waves() -> Split:
    """1,000 noisy waves of 30 steps, four frequencies to tell apart."""
    rng = np.random.default_rng(6)
    y = np.arange(1000) % 4
    time = np.arange(30) / 30
    phase = rng.uniform(0, 2 * np.pi, (1000, 1))
    wave = np.sin(2 * np.pi * (2 + y[:, None]) * time + phase) + rng.normal(0, 0.4, (1000, 30))
    return _split(wave[..., None], y, 4)


def text() -> Split:
    """Windows of 24 characters of the licence text, and the same one character on."""
    letters = LICENCE.read_text(encoding="utf-8")
    alphabet = sorted(set(letters))
    codes = np.array([alphabet.index(letter) for letter in letters], np.int64)
    starts = np.arange(0, len(codes) - CONTEXT - 1, CONTEXT // 2)
    windows = np.stack([codes[start : start + CONTEXT + 1] for start in starts])
    return _split(windows[:, :-1], windows[:, 1:], len(alphabet))


SETS: dict[str, Callable[[], Split]] = {
    function.__name__: functools.cache(function)
    for function in (
        digits, cancer, wine, diabetes, housing, friedman, spirals, blobs, shapes, outlines, waves,
        text,
    )
}  # fmt: skip
