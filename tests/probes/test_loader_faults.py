"""Planted faults are found and named: images, tables, tokens, masks, spectrograms, numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import ConcatDataset, DataLoader, IterableDataset, TensorDataset

from netdoctor.report import Report
from tests.loaders import (
    MEAN,
    STD,
    check_loader,
    crops,
    digits,
    loader,
    log_mel,
    normalised,
    segmentation,
    tables,
    tokens,
)  # fmt: skip

Options = dict[str, Any]


def codes(data: Any, **options: Any) -> list[str]:
    report = check_loader(data, **options)
    return sorted({each.code for each in report.findings})


def finding(report: Report, code: str) -> Any:
    (found,) = [each for each in report.findings if each.code == code]
    return found


def with_nan(which: str, value: float = torch.nan) -> DataLoader[Any]:
    if which == "spectrogram":
        x, y = (torch.stack(each) for each in zip(*log_mel().dataset, strict=True))
        x[[7, 30], 0, 3] = value
    elif which == "table":
        x, y = (each.clone() for each in tables().dataset.tensors)
        x[[7, 30], 5] = value
    else:
        x, y = normalised()
        x[[7, 30], 1, 4, 4] = value
    return loader(x, y)


def nan_target() -> DataLoader[Any]:
    x = torch.randn(64, 4)
    y = x.sum(1)
    y[5] = torch.nan
    return loader(x, y)


def bytes_as_floats() -> DataLoader[Any]:
    x, y = crops()
    return loader((x * 255).round(), y)


def bytes_resized() -> DataLoader[Any]:
    x, y = crops()
    return loader(nn.functional.interpolate(x, 24, mode="bilinear") * 255, y)


def raw_bytes() -> DataLoader[Any]:
    x, y = crops()
    return loader((x * 255).byte(), y)


def grey_bytes() -> DataLoader[Any]:
    x, y = crops()
    return loader((x.mean(1, keepdim=True) * 255).round(), y)


def long_integers() -> DataLoader[Any]:
    x, y = crops()
    return loader((x * 255).long(), y)


def grey_without_channel() -> DataLoader[Any]:
    x, y = crops()
    return loader((x.mean(1) * 255).round(), y)


def film_of_bytes() -> DataLoader[Any]:
    x, _ = crops()
    return loader((x * 255).round().view(30, 8, 3, 32, 32), torch.arange(30) % 4)


def raw_table() -> DataLoader[Any]:
    rng = np.random.default_rng(0)
    x = np.stack([rng.normal(13, 1, 178), rng.normal(746, 314, 178), rng.normal(0.3, 0.1, 178)], 1)
    return loader(torch.from_numpy(x).float(), torch.arange(178) % 3)


def twice(mean: Tensor = MEAN, std: Tensor = STD) -> DataLoader[Any]:
    x, y = crops()
    return loader(((x - mean) / std - mean) / std, y)


def halves_twice() -> DataLoader[Any]:
    return twice(torch.tensor(0.5), torch.tensor(0.5))


def divided_twice() -> DataLoader[Any]:
    x, y = crops()
    return loader(x / 255, y)


def divided_twice_then_normalised() -> DataLoader[Any]:
    x, y = crops()
    return loader((x / 255 - MEAN) / STD, y)


def from_one() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x, y + 1)


def negative() -> DataLoader[Any]:
    x, y = normalised()
    y[11] = -1
    return loader(x, y)


def too_large() -> DataLoader[Any]:
    x, y = normalised()
    y[11] = 4
    return loader(x, y)


def mask_too_large() -> DataLoader[Any]:
    x, masks = (each.clone() for each in segmentation().dataset.tensors)
    masks[3, 9, 9] = 3
    return loader(x, masks)


def mask_of_bytes() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x, (x.mean(1) > 0).long() * 255)


def float_mask_of_bytes() -> DataLoader[Any]:
    x, _ = normalised()
    return loader(x, (x.mean(1, keepdim=True) > 0).float() * 255)


def one_class() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x, torch.zeros_like(y))


def imbalanced() -> DataLoader[Any]:
    x = torch.randn(600, 8)
    return loader(x, (torch.arange(600) % 25 == 0).long())


def class_missing() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x[y != 2], y[y != 2])


def copied() -> DataLoader[Any]:
    x, y = normalised()
    x[40:50], y[40:50] = x[:10], y[:10]
    return loader(x, y)


def copied_with_other_labels() -> DataLoader[Any]:
    x, y = normalised()
    x[40:50], y[40:50] = x[:10], (y[:10] + 1) % 4
    return loader(x, y)


def nearly_copied() -> DataLoader[Any]:
    x, y = normalised()
    x[40:60] = x[:20] + 0.02 * torch.randn(
        20, 3, 32, 32, generator=torch.Generator().manual_seed(0)
    )
    return loader(x, y)


def rows_copied() -> DataLoader[Any]:
    x, y = (each.clone() for each in tables().dataset.tensors)
    x[100:140] = x[:40]
    return loader(x, y)


def twice_the_same_set() -> DataLoader[Any]:
    x, y = normalised()
    both = ConcatDataset([TensorDataset(x, y), TensorDataset(x.clone(), y)])
    return DataLoader(both, batch_size=32, shuffle=True)


def blank() -> DataLoader[Any]:
    x, y = normalised()
    x[60:72] = 0.25
    return loader(x, y)


def channel_lost() -> DataLoader[Any]:
    x, y = normalised()
    x[:, 2] = 0
    return loader(x, y)


def only_padding() -> DataLoader[Any]:
    rows = [{**each} for each in tokens().dataset]
    for row in rows[:5]:
        row["input_ids"] = torch.zeros_like(row["input_ids"])
    return DataLoader(rows, batch_size=16, shuffle=True)


def in_order() -> DataLoader[Any]:
    x, y = normalised()
    order = y.argsort(stable=True)
    return loader(x[order], y[order], shuffle=False)


def first_class_only() -> DataLoader[Any]:
    y = torch.arange(4).repeat_interleave(2000)
    return loader(torch.randn(8000, 4), y, shuffle=False)


class Sorted(IterableDataset[Any]):
    """A stream whose shards are classes."""

    def __iter__(self) -> Any:
        for label in range(4):
            for _ in range(60):
                yield torch.randn(6), label


def sorted_stream() -> DataLoader[Any]:
    return DataLoader(Sorted(), batch_size=16)


def floats(labels: Callable[[Tensor], Any] = Tensor.float) -> DataLoader[Any]:
    x, y = normalised()
    return loader(x, labels(y))


def texts() -> DataLoader[Any]:
    x, y = normalised()
    names = ["astronaut", "coffee", "cat", "rocket"]
    rows = [(a, names[b]) for a, b in zip(x, y.tolist(), strict=True)]
    return DataLoader(rows, batch_size=16, shuffle=True)


def ragged() -> DataLoader[Any]:
    rows = [(torch.randn(3, 16, 16 + (n == 21)), n % 2) for n in range(40)]
    return DataLoader(rows, batch_size=8)


def pictures() -> DataLoader[Any]:
    rows = [(Image.new("RGB", (8, 8)), n % 2) for n in range(16)]
    return DataLoader(rows, batch_size=8)


def pictures_in_lists() -> DataLoader[Any]:
    rows = [(Image.new("RGB", (8, 8)), n % 2) for n in range(16)]
    return DataLoader(rows, batch_size=8, collate_fn=list)


def channels_last() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x.permute(0, 2, 3, 1).contiguous(), y)


def grey_channels_last() -> DataLoader[Any]:
    x, y = crops()
    return loader(x.mean(1)[..., None], y)


def digits_channels_last() -> DataLoader[Any]:
    x, y = digits().dataset.tensors
    return loader(x.view(-1, 8, 8, 1), y)


def one_left() -> DataLoader[Any]:
    x, y = normalised()
    return loader(x[:225], y[:225])


def dictionary() -> list[Any]:
    x, y = normalised()
    x[3, 0] = torch.inf
    return [{"pixel_values": x[n : n + 16], "labels": y[n : n + 16]} for n in range(0, 240, 16)]


FAULTS: dict[str, tuple[str, Callable[[], Any], Options]] = {
    "nan-image": ("DAT001", lambda: with_nan("image"), {}),
    "nan-table": ("DAT001", lambda: with_nan("table"), {}),
    "nan-spectrogram": ("DAT001", lambda: with_nan("spectrogram"), {}),
    "nan-target": ("DAT001", nan_target, {}),
    "inf-image": ("DAT002", lambda: with_nan("image", torch.inf), {}),
    "inf-table": ("DAT002", lambda: with_nan("table", -torch.inf), {}),
    "inf-dictionary": ("DAT002", dictionary, {}),
    "bytes-as-floats": ("DAT003", bytes_as_floats, {}),
    "bytes-resized": ("DAT003", bytes_resized, {}),
    "bytes": ("DAT003", raw_bytes, {}),
    "grey-bytes": ("DAT003", grey_bytes, {}),
    "long-integers": ("DAT003", long_integers, {}),
    "grey-without-channel": ("DAT003", grey_without_channel, {}),
    "film-of-bytes": ("DAT003", film_of_bytes, {}),
    "raw-table": ("DAT003", raw_table, {}),
    "from-one": ("DAT004", from_one, {}),
    "from-one-of-4": ("DAT004", from_one, {"num_classes": 4}),
    "negative": ("DAT004", negative, {}),
    "too-large": ("DAT004", too_large, {"num_classes": 4}),
    "mask-too-large": ("DAT004", mask_too_large, {"num_classes": 3}),
    "mask-of-bytes": ("DAT004", mask_of_bytes, {}),
    "mask-of-bytes-of-2": ("DAT004", mask_of_bytes, {"num_classes": 2}),
    "float-mask-of-bytes": ("DAT004", float_mask_of_bytes, {}),
    "one-class": ("DAT005", one_class, {}),
    "imbalanced": ("DAT006", imbalanced, {}),
    "class-missing": ("DAT006", class_missing, {"num_classes": 4}),
    "copied": ("DAT007", copied, {}),
    "copied-other-labels": ("DAT007", copied_with_other_labels, {}),
    "nearly-copied": ("DAT007", nearly_copied, {}),
    "rows-copied": ("DAT007", rows_copied, {}),
    "set-twice": ("DAT007", twice_the_same_set, {}),
    "blank": ("DAT008", blank, {}),
    "all-blank": ("DAT008", lambda: loader(torch.zeros(96, 3, 16, 16), torch.arange(96) % 3), {}),
    "all-rows-blank": ("DAT008", lambda: loader(torch.zeros(96, 32), torch.arange(96) % 3), {}),
    "channel-lost": ("DAT008", channel_lost, {}),
    "only-padding": ("DAT008", only_padding, {}),
    "in-order": ("DAT009", in_order, {}),
    "first-class-only": ("DAT009", first_class_only, {"batches": 20}),
    "sorted-stream": ("DAT009", sorted_stream, {}),
    "float-labels": ("DAT010", floats, {}),
    "float-labels-of-4": ("DAT010", floats, {"num_classes": 4}),
    "int32-labels": ("DAT010", lambda: floats(Tensor.int), {"num_classes": 4}),
    "column-labels": ("DAT010", lambda: floats(lambda y: y[:, None]), {"num_classes": 4}),
    "integer-one-hot": ("DAT010", lambda: floats(nn.functional.one_hot), {}),
    "text-labels": ("DAT010", texts, {}),
    "ragged": ("DAT011", ragged, {}),
    "pictures": ("DAT011", pictures, {}),
    "pictures-in-lists": ("DAT011", pictures_in_lists, {}),
    "channels-last": ("DAT012", channels_last, {}),
    "grey-channels-last": ("DAT012", grey_channels_last, {}),
    "digits-channels-last": ("DAT012", digits_channels_last, {}),
    "one-left": ("DAT016", one_left, {}),
    "normalised-twice": ("DAT017", twice, {}),
    "halves-twice": ("DAT017", halves_twice, {}),
    "divided-twice": ("DAT017", divided_twice, {}),
    "divided-twice-then-normalised": ("DAT017", divided_twice_then_normalised, {}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named_and_nothing_else(name: str) -> None:
    code, make, options = FAULTS[name]
    assert codes(make(), **options) == [code]


def test_samples_of_nan_are_no_copies_and_not_blank() -> None:
    images, labels = normalised()
    images[::7] = float("nan")
    assert codes(loader(images, labels)) == ["DAT001"]
