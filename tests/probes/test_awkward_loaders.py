"""Sound data that look sick raise nothing; the same faults beside them are found."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, get_worker_info

from netdoctor import check_loader as with_processes
from netdoctor.errors import DataError
from tests.awkward_loaders import AWKWARD, Augmented, graphs
from tests.loaders import MEAN, STD, check_loader, crops, loader, normalised
from tests.probes.randomness import Whole


@pytest.mark.parametrize("name", AWKWARD)
def test_sound_data_in_awkward_forms_raise_nothing(name: str) -> None:
    report = check_loader(AWKWARD[name]())
    assert report.findings == ()
    assert report.facts.samples > 0


def test_graphs_with_their_labels_beside_them_are_as_many_samples_as_labels() -> None:
    batches = list(graphs())
    for each in batches:
        each.label = each.__dict__.pop("y")
    pairs = [(each, each.__dict__.pop("label")) for each in batches]
    report = check_loader(pairs)
    assert report.findings == ()
    assert report.facts.samples == 60


class Failing(Augmented):
    """Two samples are black and two are one image, whatever augmentation does with them."""

    def __init__(self) -> None:
        super().__init__()
        self.images[[5, 9]] = 0.0
        self.images[7] = self.images[3]

    def __getitem__(self, index: int) -> Any:
        if index in (3, 7):
            return self.images[index], int(self.labels[index])
        return super().__getitem__(index)


def test_what_is_blank_or_copied_in_every_reading_is_found() -> None:
    report = check_loader(DataLoader(Failing(), 32), split="val")
    copied, blank = report.findings
    assert (copied.code, blank.code) == ("DAT007", "DAT008")
    assert {"5", "9"} <= set(blank.evidence["indices"])
    (pair,) = report.facts.copies.pairs
    assert (pair.first, pair.second) == ("3", "7")


def black_then_normalised() -> DataLoader[Any]:
    """Failed decodes: black is another value in each channel."""
    x, y = (each.clone() for each in crops())
    x[[3, 50, 70]] = 0
    return loader((x - MEAN) / STD, y)


def flattened_bytes() -> DataLoader[Any]:
    x, y = crops()
    return loader((x.mean(1) * 255).round().flatten(1), y)


def copies_with_their_numbers() -> DataLoader[Any]:
    x, y = normalised()
    x[50:60] = x[:10]
    rows = [{"image": x[n], "label": y[n], "idx": n} for n in range(len(x))]
    return DataLoader(rows, batch_size=32, shuffle=True)


def copies_of_padded_texts() -> DataLoader[Any]:
    random = torch.Generator().manual_seed(0)
    texts = [torch.randint(1000, 9000, (40 + n % 30,), generator=random) for n in range(160)]
    texts[100:110] = texts[:10]
    rows = [{"input_ids": ids, "labels": n % 2} for n, ids in enumerate(texts)]
    return DataLoader(rows, batch_size=8, shuffle=True, collate_fn=_padded)


def _padded(rows: list[dict[str, Any]]) -> dict[str, Any]:
    ids = nn.utils.rnn.pad_sequence([row["input_ids"] for row in rows], batch_first=True)
    labels = torch.tensor([row["labels"] for row in rows])
    return {"input_ids": ids, "attention_mask": (ids > 0).long(), "labels": labels}


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (black_then_normalised, "DAT008"),
        (flattened_bytes, "DAT003"),
        (copies_with_their_numbers, "DAT007"),
        (copies_of_padded_texts, "DAT007"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_faults_in_awkward_forms_are_found(make: Callable[[], Any], code: str) -> None:
    assert {each.code for each in check_loader(make()).findings} == {code}


def test_whole_numbers_for_binary_cross_entropy_are_named() -> None:
    x, y = torch.randn(64, 8), torch.arange(64) % 2
    report = check_loader(loader(x, y), nn.Linear(8, 1), loss="bce")
    assert [each.code for each in report.findings] == ["DAT010"]
    assert "binary cross-entropy" in report.findings[0].message
    assert check_loader(loader(x, y.float()), nn.Linear(8, 1), loss="bce").findings == ()


def test_what_each_worker_repeats_is_told_once() -> None:
    report = with_processes(DataLoader(Whole(), 8, num_workers=2))
    assert [each.code for each in report.findings] == ["DAT013"]


class Flaky(Augmented):
    """Raises the first time that a sample is read."""

    def __init__(self) -> None:
        super().__init__()
        self.raised = False

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if index == 40 and not self.raised:
            self.raised = True
            raise OSError("the disk is away")
        return super().__getitem__(index)


def test_a_sample_that_raises_now_and_then_is_no_ragged_batch() -> None:
    with pytest.raises(DataError, match="the disk is away") as raised:
        check_loader(DataLoader(Flaky(), 32))
    assert "now and then" in (raised.value.hint or "")


class Hanging(Augmented):
    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        if get_worker_info() is not None:
            time.sleep(600)
        return super().__getitem__(index)


@pytest.mark.slow
def test_workers_that_hang_are_an_error_after_a_while() -> None:
    with pytest.raises(DataError, match="did not come"):
        check_loader(DataLoader(Hanging(), 32, num_workers=1))


def test_workers_that_cannot_start_are_named_and_the_data_scanned_without_them() -> None:
    source = Augmented()
    vars(source)["transform"] = lambda image: image
    options: Any = {"num_workers": 2, "multiprocessing_context": "spawn"}
    report = with_processes(DataLoader(source, 32, shuffle=True, **options))
    assert [(each.code, each.severity.value) for each in report.findings] == [("DAT018", "error")]
    assert report.facts.samples == 240
