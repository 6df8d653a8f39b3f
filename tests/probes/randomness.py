"""Data sets that draw random numbers in the ways that people write them; workers import them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info


class Fifty(Dataset[Any]):
    """Fifty samples, each its own number plus what `noise` draws."""

    def __len__(self) -> int:
        return 50

    def noise(self, index: int) -> Any:
        return 0.0

    def __getitem__(self, index: int) -> Any:
        return torch.full((4,), float(index)) + self.noise(index), index


class HeldGenerator(Fifty):
    """The live form of the NumPy seed bug."""

    def __init__(self) -> None:
        self.rng: Any = np.random.default_rng(0)

    def noise(self, index: int) -> Any:
        return self.rng.normal()


class HeldBesideTorch(HeldGenerator):
    """A held generator whose repetition a sound flip hides."""

    def __getitem__(self, index: int) -> Any:
        values, label = super().__getitem__(index)
        return values * (1 if torch.rand(()) < 0.5 else -1), label


class HeldRare(Fifty):
    """A held generator that changes one sample in ten."""

    def __init__(self) -> None:
        self.dice = random.Random(3)

    def noise(self, index: int) -> Any:
        return float(self.dice.random() < 0.1)


class HeldTorch(Fifty):
    def __init__(self) -> None:
        self.augment = {"generator": torch.Generator().manual_seed(0)}

    def noise(self, index: int) -> Any:
        return torch.randn((), generator=self.augment["generator"])


class GlobalTorch(Fifty):
    def noise(self, index: int) -> Any:
        return torch.randn(())


class GlobalNumpy(Fifty):
    def noise(self, index: int) -> Any:
        return np.random.randn()


class GlobalPython(Fifty):
    def noise(self, index: int) -> Any:
        return float(random.random() < 0.1)


class SeededByIndex(Fifty):
    """The same augmentation of a sample each time, as for validation."""

    def noise(self, index: int) -> Any:
        np.random.seed(index)
        return np.random.randn()


class FromEntropy(Fifty):
    def noise(self, index: int) -> Any:
        return np.random.default_rng().normal()


class MadeInWorker(Fifty):
    """The cure: a generator that the worker makes when it first needs it."""

    rng: Any = None

    def noise(self, index: int) -> Any:
        if self.rng is None:
            self.rng = np.random.default_rng(torch.initial_seed())
        return self.rng.normal()


class Slow(Fifty):
    """Reading takes two milliseconds, the transform four."""

    def __init__(self) -> None:
        self.transform: Callable[[Any], Any] = self.wait

    def wait(self, value: Any) -> Any:
        time.sleep(0.004)
        return value

    def __getitem__(self, index: int) -> Any:
        time.sleep(0.002)
        return self.transform(torch.full((4,), float(index)))


class Whole(IterableDataset[Any]):
    """Each worker goes through everything."""

    def __iter__(self) -> Iterator[Any]:
        yield from (torch.tensor([float(number)]) for number in range(100))


class Divided(IterableDataset[Any]):
    """Each worker takes its share, as the documentation has it."""

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        yield from (torch.tensor([float(number)]) for number in range(first, 100, step))


class Broken(Fifty):
    def noise(self, index: int) -> Any:
        raise ValueError("no [red]picture[/red]")


def seed_constant(number: int) -> None:
    np.random.seed(0)


def seed_number(number: int) -> None:
    np.random.seed(number)


def seed_from_torch(number: int) -> None:
    np.random.seed(torch.initial_seed() % 2**32)


def give_generator(number: int) -> None:
    """The cure by worker_init_fn, which finds the data set in the worker's info."""
    info = get_worker_info()
    assert isinstance(info.dataset, HeldGenerator)
    info.dataset.rng = np.random.default_rng(info.seed)


class NoisyCollate:
    """A collate function with a generator of its own."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def __call__(self, samples: list[Any]) -> Any:
        return torch.stack([values for values, _ in samples]) + self.rng.normal()
