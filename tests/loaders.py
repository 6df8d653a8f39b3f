"""Data as users have them, sound ones by name, for the tests of check-loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from skimage import data as photos
from sklearn.datasets import load_breast_cancer, load_digits, load_iris
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset, WeightedRandomSampler

import netdoctor
from netdoctor.report import Report

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


@cache
def crops(count: int = 240, size: int = 32) -> tuple[Tensor, Tensor]:
    """Crops of four photographs that do not overlap, in [0, 1], and which photograph it is."""
    rng = np.random.default_rng(0)
    images = [photos.astronaut(), photos.coffee(), photos.chelsea(), photos.rocket()]
    found, labels = [], []
    for label, image in enumerate(images):
        rows, columns = image.shape[0] // size, image.shape[1] // size
        for place in rng.permutation(rows * columns)[: count // 4].tolist():
            row, column = divmod(place, columns)
            part = image[row * size : (row + 1) * size, column * size : (column + 1) * size]
            found.append(torch.from_numpy(part.copy()).permute(2, 0, 1))
            labels.append(label)
    order = torch.from_numpy(rng.permutation(len(found)))
    return torch.stack(found).float()[order] / 255, torch.tensor(labels)[order]


def normalised(count: int = 240) -> tuple[Tensor, Tensor]:
    """The same by ImageNet's mean and deviation."""
    x, y = crops(count)
    return (x - MEAN) / STD, y.clone()


def loader(*tensors: Tensor, shuffle: bool = True, **options: Any) -> DataLoader[Any]:
    """A loader of these tensors, shuffled as in training."""
    return DataLoader(TensorDataset(*tensors), **{"batch_size": 32, **options}, shuffle=shuffle)


def _randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _randint(high: int, *shape: int, low: int = 0, seed: int = 0) -> Tensor:
    return torch.randint(low, high, shape, generator=torch.Generator().manual_seed(seed))


def digits(*, flat: bool = False) -> DataLoader[Any]:
    x, y = load_digits(return_X_y=True)
    images = torch.from_numpy(x).float() / 16
    return loader(images if flat else images.view(-1, 1, 8, 8), torch.from_numpy(y).long())


def digits_raw() -> DataLoader[Any]:
    x, y = load_digits(return_X_y=True)
    return loader(torch.from_numpy(x).float().view(-1, 1, 8, 8), torch.from_numpy(y).long())


def one_hot() -> DataLoader[Any]:
    columns = [torch.nn.functional.one_hot(_randint(8, 400, seed=n), 8) for n in range(3)]
    return loader(torch.cat(columns, 1).float(), _randint(2, 400))


def bag_of_words() -> DataLoader[Any]:
    counts = torch.poisson(torch.full((400, 1000), 0.02), torch.Generator().manual_seed(0))
    return loader(counts, _randint(5, 400))


def tokens() -> DataLoader[Any]:
    lengths = _randint(40, 300, low=5)
    ids = _randint(30000, 300, 40, low=1000)
    ids[torch.arange(40) >= lengths[:, None]] = 0
    mask = (ids > 0).long()
    rows = [
        {"input_ids": i, "attention_mask": m, "labels": y}
        for i, m, y in zip(ids, mask, _randint(2, 300), strict=True)
    ]
    return DataLoader(rows, batch_size=16, shuffle=True)


def language_model() -> DataLoader[Any]:
    ids = _randint(256, 200, 33)
    labels = ids[:, 1:].clone()
    labels[:, :5] = -100
    return loader(ids[:, :-1], labels)


def short_sequences() -> DataLoader[Any]:
    return loader(_randint(4, 600, 6), _randint(3, 600))


def binary_masks() -> DataLoader[Any]:
    discs = torch.stack([_disc(n) for n in range(150)])
    return loader(discs, discs[:, 0])


def _disc(seed: int) -> Tensor:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    centre, radius = rng.integers(8, 24, 2), rng.integers(0, 8)
    disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
    return torch.from_numpy(disc[None].astype(np.float32))


def segmentation() -> DataLoader[Any]:
    x, _ = normalised()
    masks = (x.mean(1) > 0).long() + (x[:, 0] > 1).long()
    masks[:, :2] = 255
    return loader(x, masks)


def rare_mask() -> DataLoader[Any]:
    x, _ = normalised()
    masks = torch.zeros(len(x), 32, 32, dtype=torch.long)
    masks[::7, 3:5, 3:5] = 1
    return loader(x, masks)


def float_mask() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x, (x.mean(1, keepdim=True) > 0).float())


def log_mel(channels: bool = True) -> DataLoader[Any]:
    mel = _randn(150, 80, 100) * 2.5 - 5 - torch.linspace(0, 4, 80)[None, :, None]
    return loader(mel[:, None] if channels else mel, _randint(10, 150))


def decibels() -> DataLoader[Any]:
    power = _randn(150, 1, 64, 64).square().clamp(min=1e-8)
    return loader((10 * power.log10()).clamp(-80, 0), _randint(10, 150))


def stacked_decibels() -> DataLoader[Any]:
    power = _randn(150, 1, 64, 64).square().clamp(min=1e-8)
    return loader((10 * power.log10()).clamp(-80, 0).repeat(1, 3, 1, 1), _randint(10, 150))


def power_mel() -> DataLoader[Any]:
    return loader((_randn(150, 1, 64, 64) * 2).exp().clamp(max=220), _randint(10, 150))


def waveforms() -> DataLoader[Any]:
    return loader(_randn(150, 1, 4000) * 0.1, _randint(10, 150))


def medical_scaled() -> DataLoader[Any]:
    x, y = crops()
    return loader(x.mean(1, keepdim=True) ** 2 * 0.4, y % 2)


def medical_12_bit() -> DataLoader[Any]:
    x, y = crops()
    return loader((x.mean(1, keepdim=True) * 4095).round(), y % 2)


def medical_ct() -> DataLoader[Any]:
    x, y = crops()
    return loader(x.mean(1, keepdim=True) * 3000 - 1024, y % 2)


def volumes() -> DataLoader[Any]:
    return loader(_randn(40, 1, 12, 16, 16), _randint(2, 40))


def tables() -> DataLoader[Any]:
    x, y = load_breast_cancer(return_X_y=True)
    return loader(torch.from_numpy(StandardScaler().fit_transform(x)).float(), torch.from_numpy(y))


def iris() -> DataLoader[Any]:
    x, y = load_iris(return_X_y=True)
    return loader(torch.from_numpy(x).float(), torch.from_numpy(y))


def regression() -> DataLoader[Any]:
    x = _randn(300, 8)
    return loader(x, (x.sum(1, keepdim=True) * 40 + 200))


def counts_to_predict() -> DataLoader[Any]:
    x = _randn(400, 8)
    return loader(x, torch.poisson(torch.full((400,), 3.0), torch.Generator().manual_seed(0)))


def multi_label() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x, (_randn(len(x), 20) > 1.5).float())


def soft_labels() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x, _randn(len(x), 5).softmax(1))


def one_hot_labels() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x, torch.nn.functional.one_hot(y, 4).float())


def binary_labels() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x, (y % 2).float()[:, None])


def autoencoder() -> DataLoader[Any]:
    x, _ = crops()
    return loader(x.clone(), x.clone())


def inputs_alone() -> DataLoader[Any]:
    return loader(crops()[0].clone())


def weighted() -> DataLoader[Any]:
    y = (torch.arange(800) % 40 == 0).long()
    weights = torch.where(y == 1, 39.0, 1.0).double()
    generator = torch.Generator().manual_seed(0)
    sampler = WeightedRandomSampler(weights.tolist(), len(y), generator=generator)
    return DataLoader(TensorDataset(_randn(800, 8), y), 32, sampler=sampler)


def validation_loader() -> DataLoader[Any]:
    x, y = normalised()
    order = y.argsort(stable=True)
    return loader(x[order], y[order], shuffle=False)


def validation_of_one_left() -> DataLoader[Any]:
    x, y = normalised()
    order = y.argsort(stable=True)[:225]
    return loader(x[order], y[order], shuffle=False)


def tiny() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x[:6], y[:6], batch_size=2)


def tiny_single() -> list[Any]:
    x, y = normalised()
    return [(x[:1], y[:1])]


def bucketed() -> list[Any]:
    batches = []
    for length in (5, 9, 14, 23, 40):
        batches += [(_randint(900, 16, length, low=1, seed=length), _randint(4, 16, seed=length))]
    return batches


def photographs() -> DataLoader[Any]:
    return loader(*crops())


def imagenet() -> DataLoader[Any]:
    return loader(*normalised())


def minus_one_to_one() -> DataLoader[Any]:
    x, y = crops()
    return loader(x * 2 - 1, y)


def channels_last_memory() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x.contiguous(memory_format=torch.channels_last), y)


def video() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x.view(30, 8, 3, 32, 32), _randint(4, 30))


def video_channels_last() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x.view(30, 8, 3, 32, 32).permute(0, 1, 3, 4, 2), _randint(4, 30))


def skeletons() -> DataLoader[Any]:
    return loader(_randn(100, 30, 25, 3).cumsum(1), _randint(5, 100))


def traffic() -> DataLoader[Any]:
    return loader(_randn(100, 12, 50, 1), _randn(100, 12, 50, 1))


def point_clouds() -> DataLoader[Any]:
    return loader(_randn(60, 256, 3), _randint(5, 60))


def boards() -> DataLoader[Any]:
    planes = (_randn(200, 17, 8, 8) > 1).float()
    planes[:, 16] = 1
    return loader(planes, _randint(64, 200))


class Stream(IterableDataset[Any]):
    """Endless random samples."""

    def __iter__(self) -> Iterator[Any]:
        generator = torch.Generator().manual_seed(0)
        while True:
            x = torch.randn(8, generator=generator)
            yield x, int(x[0] > 0)


def endless() -> DataLoader[Any]:
    return DataLoader(Stream(), batch_size=16)


def cycle() -> Iterator[Any]:
    batches = list(loader(*normalised()))
    while True:
        yield from batches


def with_index() -> list[Any]:
    x, y = normalised()
    return [(a, b, i) for a, b, i in DataLoader(list(zip(x, y, range(len(x)), strict=True)), 16)]


def with_paths() -> DataLoader[Any]:
    x, y = normalised()
    names = [f"photos/{n}.png" for n in range(len(x))]
    return DataLoader(list(zip(x, y, names, strict=True)), batch_size=16, shuffle=True)


def detection() -> DataLoader[Any]:
    rows = []
    for n in range(24):
        boxes = torch.tensor([[1.0, 2.0, 9.0, 12.0 + n]]).repeat(1 + n % 3, 1)
        labels = torch.arange(1, 2 + n % 3)
        rows.append((torch.rand(3, 20 + n, 30), {"boxes": boxes, "labels": labels}))
    return DataLoader(rows, batch_size=4, shuffle=True, collate_fn=_as_lists)


def _as_lists(samples: list[Any]) -> tuple[list[Any], list[Any]]:
    return [each[0] for each in samples], [each[1] for each in samples]


def attention_bias() -> DataLoader[Any]:
    bias = torch.zeros(100, 12, 12)
    bias[:, :, 7:] = -torch.inf
    rows = [{"x": x, "bias": b, "labels": y} for x, b, y in zip(
        _randn(100, 12, 16), bias, _randint(3, 100), strict=True)]  # fmt: skip
    return DataLoader(rows, batch_size=10, shuffle=True)


def metric_learning() -> DataLoader[Any]:
    x, y = normalised()
    places = [torch.nonzero(y == label).flatten().tolist() for label in range(4)]
    batches = [
        [place for label in ((n % 4), (n + 1) % 4) for place in places[label][4 * n : 4 * n + 4]]
        for n in range(14)
    ]
    return DataLoader(TensorDataset(x, y), batch_sampler=batches)


def missing_targets() -> DataLoader[Any]:
    targets = _randn(200, 12)
    targets[_randn(200, 12, seed=1) > 0.5] = torch.nan
    return loader(_randn(200, 32), targets)


def long_tail_of_many() -> DataLoader[Any]:
    return loader(_randn(400, 16), _randint(100, 400))


HEALTHY: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        digits, digits_raw, one_hot, bag_of_words, tokens, language_model, short_sequences,
        binary_masks, segmentation, rare_mask, float_mask, log_mel, decibels, stacked_decibels,
        power_mel, waveforms, medical_scaled, medical_12_bit, medical_ct, volumes, tables, iris,
        regression, counts_to_predict, multi_label, soft_labels, one_hot_labels, binary_labels,
        autoencoder, inputs_alone, weighted, validation_loader, validation_of_one_left, tiny,
        tiny_single, bucketed, photographs, imagenet, minus_one_to_one, channels_last_memory,
        video, video_channels_last, skeletons, traffic, point_clouds, boards, endless, cycle,
        with_index, with_paths, detection, attention_bias, metric_learning, missing_targets,
        long_tail_of_many,
    )
}  # fmt: skip


def check_loader(data: Any, *arguments: Any, **options: Any) -> Report:
    """The report without worker processes, which take a second for each test."""
    return netdoctor.check_loader(data, *arguments, processes=False, **options)
