"""What is measured of a loader, against slow independent versions, and that it is left alone."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    Subset,
    TensorDataset,
)  # fmt: skip

from netdoctor.errors import DataError, UsageError
from netdoctor.facts.loader import LoaderFacts
from netdoctor.inputs.open_loader import open_loader, split_of
from netdoctor.probes.near_copies import near_copies
from netdoctor.probes.order import runs_test
from netdoctor.probes.prints import small_pictures
from netdoctor.rules.class_balance import least_ratio
from tests.loaders import HEALTHY, check_loader, crops, loader, normalised


def facts(data: Any, **options: Any) -> LoaderFacts:
    found = check_loader(data, **options).facts
    assert isinstance(found, LoaderFacts)
    return found


@pytest.mark.parametrize("name", HEALTHY)
def test_sound_data_raise_nothing(name: str) -> None:
    split: Any = "val" if name.startswith("validation") else "auto"
    report = check_loader(HEALTHY[name](), split=split)
    assert report.findings == ()
    assert report.ran


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("batch_size", [7, 64])
def test_channels_are_those_of_two_passes_in_float64(layout: str, batch_size: int) -> None:
    x, y = normalised()
    x = x + 100
    x[3, 1, 2, 2], x[9, 0, 5, 5] = torch.nan, torch.inf
    given = x.permute(0, 2, 3, 1).contiguous() if layout == "last" else x
    measured = facts(loader(given, y, batch_size=batch_size)).inputs[0]
    assert measured.channels is not None
    assert (measured.nan, measured.inf, measured.nan_at, measured.inf_at) == (1, 1, ("3",), ("9",))
    for channel in range(3):
        values = x[:, channel].double().numpy().ravel()
        values = values[np.isfinite(values)]
        mean = values.sum() / len(values)
        assert measured.channels.mean[channel] == pytest.approx(mean, rel=1e-12)
        std = np.sqrt(((values - mean) ** 2).sum() / len(values))
        assert measured.channels.std[channel] == pytest.approx(std, rel=1e-9)
        assert measured.channels.minimum[channel] == values.min()
        assert measured.channels.maximum[channel] == values.max()
        assert measured.channels.counts is not None
        assert measured.channels.counts[channel].sum() == len(values)


def test_exact_copies_are_those_of_comparing_all_pairs() -> None:
    x, y = normalised()
    rng = np.random.default_rng(1)
    for place, other in rng.integers(0, len(x), (25, 2)).tolist():
        x[place] = x[other]
    same = {(i, j) for i, j in combinations(range(len(x)), 2) if torch.equal(x[i], x[j])}
    assert same
    copies = facts(loader(x, y, shuffle=False), split="val").copies
    extra = {j for _, j in same}
    assert copies.exact == len(extra)
    assert {(int(p.first), int(p.second)) for p in copies.pairs if p.similarity == 1} <= same


def test_near_copies_are_those_of_comparing_all_pairs() -> None:
    x, _ = normalised()
    x[100:130] = x[:30] + 0.03 * torch.randn(30, 3, 32, 32, generator=torch.manual_seed(0))
    small = small_pictures(x, "channels-first")
    pictures = small.astype(np.float64)
    spread = pictures.std(1)
    typical = float(np.median(spread))
    slow = set()
    for i, j in combinations(range(len(x)), 2):
        if min(spread[i], spread[j]) > 0.3 * typical:
            close = np.sqrt(((pictures[i] - pictures[j]) ** 2).mean()) <= 0.1 * typical
            if close and np.corrcoef(pictures[i], pictures[j])[0, 1] >= 0.995:
                slow.add((i, j))
    fast = {(i, j) for i, j, _ in near_copies(small, np.ones(len(x), bool))}
    assert len(slow) > 15
    assert fast <= slow
    assert len(fast) >= 0.9 * len(slow)


def test_what_a_sampler_draws_twice_is_no_copy() -> None:
    x, y = normalised()
    rows = TensorDataset(x, y)
    assert facts(DataLoader(rows, 16, sampler=[0, 1, 2, 3] * 20)).copies.exact == 0
    within = ConcatDataset([Subset(rows, [5, 6, 7]), Subset(rows, [7, 6, 8])])
    assert facts(DataLoader(within, 2)).copies.exact == 0
    twins = ConcatDataset([rows, TensorDataset(x.clone(), y)])
    black = 1  # of the crops
    assert facts(DataLoader(twins, 32), batches="all").copies.exact == len(x) - black


def test_an_endless_repetition_is_not_compared() -> None:
    copies = facts(HEALTHY["cycle"]()).copies
    assert copies.exact == 0
    assert "come again" in copies.reason


def test_labels_are_counted() -> None:
    x, y = normalised()
    y[:5] = -100
    labels = facts(loader(x, y), num_classes=6).labels
    assert labels is not None
    assert dict(labels.counts) == dict(Counter(y[5:].tolist()))
    assert (labels.ignored, labels.classes, labels.kind) == ({-100: 5}, 6, "class")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("segmentation", "mask"), ("language_model", "sequence"), ("multi_label", "multi-label"),
        ("soft_labels", "soft"), ("one_hot_labels", "one-hot"), ("regression", "regression"),
        ("binary_labels", "regression"), ("autoencoder", "regression"), ("with_paths", "class"),
        ("with_index", "class"), ("tokens", "class"),
    ],
)  # fmt: skip
def test_targets_are_known_for_what_they_are(name: str, kind: str) -> None:
    labels = facts(HEALTHY[name]()).labels
    assert labels is not None
    assert labels.kind == kind


def test_padding_is_found() -> None:
    field = facts(HEALTHY["tokens"]()).inputs[0]
    assert field.padding == 0
    ids = torch.stack([row["input_ids"] for row in HEALTHY["tokens"]().dataset])
    assert field.padded == pytest.approx(float((ids == 0).float().mean()), abs=0.02)


def test_the_runs_test_agrees_with_shuffling() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [40, 25, 10])
    drawn = []
    for _ in range(4000):
        rng.shuffle(labels)
        drawn.append(1 + np.count_nonzero(labels[1:] != labels[:-1]))
    runs, expected, deviations = runs_test(np.sort(labels).astype(np.int64))
    assert runs == 3
    assert expected == pytest.approx(np.mean(drawn), rel=0.01)
    assert (expected - runs) / deviations == pytest.approx(np.std(drawn), rel=0.05)


def test_the_least_ratio_is_that_of_the_binomial_tail() -> None:
    from scipy.stats import binomtest

    for larger, smaller in ((243, 13), (50, 0), (30, 30)):
        low = binomtest(larger, larger + smaller, alternative="greater").proportion_ci(0.99).low
        assert least_ratio(larger, smaller, 0.01) == pytest.approx(low / (1 - low), rel=1e-6)


class Shaky(Dataset[Any]):
    """Draws from every global random state."""

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> Any:
        noise = random.random() + np.random.rand() + float(torch.rand(1))
        return torch.full((4,), noise) + torch.arange(4), index % 2


@pytest.mark.parametrize("workers", [0, 2])
def test_loader_and_random_states_are_left_as_they_were(workers: int) -> None:
    generator = torch.Generator().manual_seed(3)
    data = DataLoader(
        Shaky(), 8, shuffle=True, generator=generator, num_workers=workers,
        persistent_workers=workers > 0,
    )  # fmt: skip
    before = dict(vars(data))
    states = (torch.get_rng_state(), generator.get_state(), random.getstate())
    legacy = np.random.get_state()[1].copy()
    first = facts(data)
    assert first.copies.compared == 40
    assert all(vars(data)[name] is value for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(generator.get_state(), states[1])
    assert random.getstate() == states[2]
    assert np.array_equal(np.random.get_state()[1], legacy)
    again = facts(data)
    assert first.inputs[0].channels is not None
    assert again.inputs[0].channels is not None
    assert np.array_equal(first.inputs[0].channels.mean, again.inputs[0].channels.mean)


@pytest.mark.parametrize("workers", [0, 2])
def test_indices_are_those_of_the_data_set(workers: int) -> None:
    x, y = normalised()
    marked = x.clone()
    marked[:, 0, 0, 0] = torch.arange(len(x))
    source = open_loader(loader(marked, y, num_workers=workers))
    for batch in source.batches():
        assert batch.indices is not None
        assert list(batch.indices) == batch.raw[0][:, 0, 0, 0].int().tolist()


class Net(nn.Module):
    """A classifier of four classes with batch norm."""

    def __init__(self, classes: int = 4, norm_first: bool = False) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()]
        if norm_first:
            layers.insert(0, nn.BatchNorm2d(3))
        self.net = nn.Sequential(
            *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.net(x)
        return out


class Permuting(Net):
    """Takes the channels last."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 3, 1, 2))


def found(data: Any, model: nn.Module, **options: Any) -> list[str]:
    before = copy.deepcopy(model.state_dict())
    report = check_loader(data, model, **options)
    after = model.state_dict()
    assert model.training
    assert all(torch.equal(before[name], after[name]) for name in before)
    return [each.code for each in report.findings]


def test_a_model_tells_what_its_data_must_be() -> None:
    x, y = normalised()
    last = x.permute(0, 2, 3, 1).contiguous()
    assert found(loader(x, y), Net()) == []
    assert found(loader(x, y), Net(3)) == ["DAT004"]
    assert found(loader(last, y), Net()) == ["DAT012"]
    assert found(loader(last, y), Permuting()) == []
    assert found(loader((x * 60).round(), y), Net(norm_first=True)) == []
    one_left = loader(x[:225], y[:225])
    assert found(one_left, Net()) == ["DAT016"]
    assert found(one_left, nn.Sequential(nn.Flatten(), nn.Linear(3072, 4))) == []
    assert found(loader(x, y.float()), Net()) == ["DAT010"]
    masked = HEALTHY["segmentation"]()
    assert found(masked, nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))) == []


def test_overlap_of_splits_is_found_in_full() -> None:
    x, y = normalised()
    train, test = (x[:200], y[:200]), (x[190:].clone(), y[190:])
    report = check_loader(loader(*test), against=loader(*train))
    (leak,) = [each for each in report.findings if each.code == "DAT014"]
    assert leak.evidence["samples"] == 10
    pairs = report.table("leakage").rows
    assert {(row["first"], row["second"]) for row in pairs} == {
        (str(n), str(190 + n)) for n in range(10)
    }
    apart = check_loader(loader(x[200:], y[200:]), against=loader(*train))
    assert not apart.findings


def test_nearly_the_same_in_both_splits_is_a_warning() -> None:
    x, y = normalised()
    other = x[:80] + 0.02 * torch.randn(80, 3, 32, 32, generator=torch.manual_seed(0))
    report = check_loader(loader(x[:120], y[:120]), against=loader(other, y[:80]))
    (leak,) = report.findings
    assert (leak.code, leak.severity.value) == ("DAT014", "warning")


def test_shared_rows_of_few_values_and_blank_images_are_no_leak() -> None:
    rows, y = torch.randint(0, 3, (100, 6)), torch.arange(100) % 2
    assert not check_loader(loader(rows, y), against=loader(rows, y)).findings
    x, y = normalised()
    x[5], x[150] = 0.0, 0.0
    report = check_loader(loader(x[:100], y[:100]), against=loader(x[100:], y[100:]))
    assert not [each for each in report.findings if each.code == "DAT014"]


def images(folder: Path) -> Path:
    x, y = crops()
    for number, (image, label) in enumerate(zip(x, y.tolist(), strict=True)):
        file = folder / f"class{label}" / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.permute(1, 2, 0) * 255).byte().numpy()).save(file)
    return folder


def test_every_form_of_data_is_taken(tmp_path: Path) -> None:
    x, y = normalised()
    np.savez(tmp_path / "set.npz", x=x.numpy(), y=y.numpy())
    (tmp_path / "my_sets.py").write_text(
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "x, y = torch.load(__file__.replace('my_sets.py', 'xy.pt'))\n"
        "def train_loader(): return DataLoader(TensorDataset(x, y), 32, shuffle=True)\n"
        "dataset = TensorDataset(x, y)\n"
    )
    torch.save((x, y), tmp_path / "xy.pt")
    forms: list[Any] = [
        str(images(tmp_path / "tree")), str(tmp_path / "set.npz"),
        f"{tmp_path}/my_sets.py:train_loader", f"{tmp_path}/my_sets.py:dataset",
        TensorDataset(x, y), loader(x, y), [(x[:64], y[:64]), (x[64:], y[64:])],
        (x, y), {"x": x, "labels": y}, iter([(x, y)]),
    ]  # fmt: skip
    for form in forms:
        report = check_loader(form)
        assert report.facts.samples == 240, form
        assert report.findings == (), form
    alone = check_loader(x)
    assert alone.facts.labels is None
    assert alone.findings == ()


def test_copies_of_files_are_named_by_their_files(tmp_path: Path) -> None:
    tree = images(tmp_path / "train")
    original = next(tree.glob("class0/*.png"))
    (tree / "class1" / "again.png").write_bytes(original.read_bytes())
    report = check_loader(str(tree))
    (copied,) = report.findings
    assert copied.code == "DAT007"
    assert {original.name, "again.png"} == {
        Path(row[key]).name
        for row in report.table("duplicates").rows
        for key in ("first", "second")
    }


@pytest.mark.parametrize(
    ("spec", "split"),
    [
        ("my_sets:train_loader", "train"), ("my_sets:val_loader", "val"), ("data/test", "val"),
        ("tests/sets.py:loader", None), ("my.pkg:valid_dl", "val"), ("a.py:trainLoader", "train"),
        ("torchvision:MNIST?root=train&train=false", "val"),
        ("torchvision:MNIST?root=test&train=true", "train"), ("my_sets:latest", None),
    ],
)  # fmt: skip
def test_the_split_goes_by_the_name(spec: str, split: str | None) -> None:
    assert split_of(spec, open_loader([torch.zeros(2, 2)])) == split


class Unpaired(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield from ((torch.randn(2 + (n == 5)), 0) for n in range(8))


def odd_ones() -> DataLoader[Any]:
    rows = [(torch.randn(3, 8, 8 + (n in (9, 13))), n % 2) for n in range(16)]
    return DataLoader(rows, batch_size=8)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_that_do_not_stack_are_named(workers: int) -> None:
    data = DataLoader(odd_ones().dataset, 8, num_workers=workers)
    (ragged,) = check_loader(data).findings
    assert ragged.code == "DAT011"
    assert ragged.evidence["samples"] == ["9", "13"]
    assert "(3, 8, 9)" in ragged.message


def test_what_cannot_be_scanned_is_an_error() -> None:
    for empty in (
        [],
        DataLoader(TensorDataset(torch.zeros(0, 3))),
        TensorDataset(torch.zeros(0, 3)),
    ):
        with pytest.raises(DataError, match="empty"):
            check_loader(empty)
    with pytest.raises(DataError, match="cannot be"):
        check_loader(DataLoader(Unpaired(), batch_size=8))
    for wrong in ([("a", "b")], [1, 2], 3):
        with pytest.raises(DataError):
            check_loader(wrong)
    with pytest.raises(UsageError, match="nothing to check"):
        check_loader("random")


def test_a_sample_that_raises_is_named() -> None:
    class Broken(Shaky):
        def __getitem__(self, index: int) -> Any:
            if index == 17:
                raise ValueError("not a JPEG")
            return super().__getitem__(index)

    with pytest.raises(DataError, match=r"Sample 17 .* not a JPEG"):
        check_loader(DataLoader(Broken(), batch_size=8))


@pytest.mark.parametrize(
    "values",
    [
        torch.full((64, 3, 8, 8), torch.nan), torch.full((64, 4), torch.inf),
        torch.randn(64, 4).double() * 1e300, torch.randn(64, 3, 16, 16).half(),
        torch.randn(64, 3, 16, 16).bfloat16(), torch.randn(64, 5, dtype=torch.complex64),
        torch.zeros(64, 3, 16, 16), torch.zeros(64, 0), torch.randint(0, 9, (64,)),
    ],
)  # fmt: skip
def test_values_of_every_kind_are_measured(values: torch.Tensor) -> None:
    report = check_loader(loader(values, torch.arange(64) % 2))
    assert report.facts.samples == 64
    bad = int((~values.isfinite()).sum())
    assert report.facts.inputs[0].nan + report.facts.inputs[0].inf == bad
