"""Data pipelines as frameworks and their tutorials have them, by name, for check-loader's tests."""

from __future__ import annotations

import dataclasses
from collections import namedtuple
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    TensorDataset,
    default_collate,
)
from torchvision.transforms import v2

from tests.loaders import crops, loader, normalised

_NORMALISE = v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])


@cache
def _pictures() -> list[Any]:
    arrays = (crops()[0].movedim(1, -1) * 255).byte().numpy()
    return [Image.fromarray(each).resize((40, 36)) for each in arrays]


class Photographs(Dataset[Any]):
    """PIL images with a transform, as `ImageFolder` gives them."""

    def __init__(self, *transforms: Any, views: int = 1) -> None:
        self.transform, self.views = v2.Compose([v2.ToImage(), *transforms]), views

    def __len__(self) -> int:
        return 160

    def __getitem__(self, index: int) -> Any:
        views = [self.transform(_pictures()[index]) for _ in range(self.views)]
        return views[0] if self.views == 1 else tuple(views), int(crops()[1][index])


_AUGMENTED = (
    v2.RandomResizedCrop(32, antialias=True), v2.RandAugment(),
    v2.ToDtype(torch.float32, scale=True), _NORMALISE,
)  # fmt: skip


def augmented() -> DataLoader[Any]:
    return DataLoader(Photographs(*_AUGMENTED), 32, shuffle=True)


def mixed_up() -> DataLoader[Any]:
    mix = v2.RandomChoice([v2.MixUp(num_classes=4), v2.CutMix(num_classes=4)])
    return DataLoader(
        Photographs(*_AUGMENTED), 32, shuffle=True,
        collate_fn=lambda samples: mix(*default_collate(samples)),
    )  # fmt: skip


def two_views() -> DataLoader[Any]:
    return DataLoader(Photographs(*_AUGMENTED, views=2), 32, shuffle=True)


def _ids(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(5, 30000, shape, generator=torch.Generator().manual_seed(seed))


def masked_language_model() -> DataLoader[Any]:
    ids, masked = _ids(160, 48), torch.rand(160, 48, generator=torch.manual_seed(1)) < 0.15
    labels = torch.where(masked, ids, -100)
    rows = [
        {"input_ids": a, "token_type_ids": torch.zeros_like(a), "labels": b}
        for a, b in zip(ids.where(~masked, torch.tensor(103)), labels, strict=True)
    ]
    return DataLoader(rows, 16, shuffle=True)


def causal_language_model() -> DataLoader[Any]:
    ids = _ids(160, 48)
    mask = torch.arange(48) < torch.randint(10, 48, (160, 1), generator=torch.manual_seed(1))
    rows = [
        {"input_ids": a * m, "attention_mask": m.long(), "labels": a.where(m, torch.tensor(-100))}
        for a, m in zip(ids, mask, strict=True)
    ]
    return DataLoader(rows, 16, shuffle=True)


def answer_spans() -> DataLoader[Any]:
    rows = [
        {"input_ids": each, "start_positions": n % 40, "end_positions": n % 40 + 3}
        for n, each in enumerate(_ids(160, 48))
    ]
    return DataLoader(rows, 16, shuffle=True)


def overlapping_windows() -> DataLoader[Any]:
    time = torch.arange(2000) / 50
    series = torch.stack([time.sin(), (0.7 * time).cos()], 1)
    series += 0.1 * torch.randn(2000, 2, generator=torch.manual_seed(0))
    rows = [(series[n : n + 96], series[n + 96 : n + 108]) for n in range(0, 1800, 4)]
    return DataLoader(rows, 32, shuffle=True)


def log_mel_of_any_range() -> DataLoader[Any]:
    waves = torch.randn(80, 6000, generator=torch.manual_seed(0))
    waves *= torch.linspace(0.1, 1, 80)[:, None]
    window = torch.hann_window(256)
    power = torch.stft(waves, 256, 128, window=window, return_complex=True).abs() ** 2
    labels = torch.arange(80) % 10
    return loader((power + 1e-6).log()[:, None], labels[torch.randperm(80)], batch_size=16)


def graphs_in_a_mapping() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    rows = [
        (torch.randn(4 + n % 9, 6, generator=random), torch.randint(0, 4, (2, 10)), n % 2)
        for n in range(120)
    ]

    def collate(samples: list[Any]) -> dict[str, Tensor]:
        sizes = torch.tensor([len(nodes) for nodes, _, _ in samples])
        return {
            "x": torch.cat([nodes for nodes, _, _ in samples]),
            "edge_index": torch.cat([edges for _, edges, _ in samples], 1),
            "batch": torch.arange(len(samples)).repeat_interleave(sizes),
            "y": torch.tensor([label for *_, label in samples]),
        }

    return DataLoader(rows, 16, shuffle=True, collate_fn=collate)


Named = namedtuple("Named", "image label")


def named_tuples() -> DataLoader[Any]:
    return DataLoader([Named(a, b) for a, b in zip(*normalised(), strict=True)], 16, shuffle=True)


@dataclasses.dataclass
class Batch:
    image: Tensor
    label: Tensor


def dataclasses_as_batches() -> DataLoader[Any]:
    rows = list(zip(*normalised(), strict=True))
    return DataLoader(
        rows, 16, shuffle=True, collate_fn=lambda samples: Batch(*default_collate(samples))
    )


class Shards(IterableDataset[Any]):
    """Samples with keys, in the manner of webdataset."""

    def __iter__(self) -> Iterator[Any]:
        x, y = normalised()
        for place in torch.randperm(len(x)).tolist():
            yield {"__key__": f"shard/{place:06d}", "jpg": x[place], "cls": int(y[place])}


def shards() -> DataLoader[Any]:
    return DataLoader(Shards(), 16)


def batches_ready_made() -> DataLoader[Any]:
    x, y = normalised()
    rows = TensorDataset(x.view(15, 16, 3, 32, 32), y.view(15, 16))
    return DataLoader(rows, batch_size=None, shuffle=True)


def one_of_three_ranks() -> DataLoader[Any]:
    rows = TensorDataset(*normalised())
    return DataLoader(rows, 16, sampler=DistributedSampler(rows, 3, 1, shuffle=True))


def from_easy_to_hard() -> DataLoader[Any]:
    x, y = normalised()
    return DataLoader(TensorDataset(x, y), 16, sampler=x.flatten(1).std(1).argsort().tolist())


def sixteen_bits() -> DataLoader[Any]:
    x, y = crops()
    return loader((x.mean(1, keepdim=True) * 40000).round() / 65535, y % 2)


def depth_with_holes() -> DataLoader[Any]:
    x, _ = normalised()
    depth = x.mean(1, keepdim=True).abs() * 10
    depth[torch.rand(depth.shape, generator=torch.manual_seed(0)) < 0.3] = 0
    return loader(x, depth)


def digits_of_one_size() -> DataLoader[Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    images = torch.from_numpy(x).float().view(-1, 1, 8, 8) / 16
    images = functional.interpolate(images[:600], size=28, mode="bilinear")
    return loader((images - 0.1307) / 0.3081, torch.from_numpy(np.asarray(y[:600])))


PIPELINES: dict[str, Callable[[], Any]] = {
    each.__name__: each
    for each in (
        augmented, mixed_up, two_views, masked_language_model, causal_language_model,
        answer_spans, overlapping_windows, log_mel_of_any_range, graphs_in_a_mapping,
        named_tuples, dataclasses_as_batches, shards, batches_ready_made, one_of_three_ranks,
        from_easy_to_hard, sixteen_bits, depth_with_holes, digits_of_one_size,
    )
}  # fmt: skip
