"""What `check-loader` scans: the user's loader as it is, or one made for data without a loader."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.data import (
    Given,
    called,
    is_like_a_data_set,
    names_a_factory,
    no_such_data,
)
from netdoctor.inputs.datasets import collate
from netdoctor.inputs.loaders import seeded
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.scan import LoaderSource
from netdoctor.inputs.sources import open_source
from netdoctor.inputs.user_code import import_object, kind_of

Split = Literal["train", "val"]

_MOST_ENDLESS = 2000  # batches of what does not say how long it is
_VALIDATION = {
    "val", "valid", "validation", "validate", "test", "testing", "eval", "evaluation", "dev",
    "holdout", "heldout", "predict", "inference",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Wishes:
    """What the user asked for about the data; None in `batches` is all of them."""

    batches: int | None = 50
    batch_size: int = 32
    workers: int = 0
    seed: int = 0
    input_shape: str | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    resize: int | None = None
    crop: int | tuple[int, int] | None = None

    def __post_init__(self) -> None:
        named = (("number of batches", self.batches), ("batch size", self.batch_size))
        for what, value in named:
            if value is not None and value < 1:
                raise UsageError(f"The {what} is {value}.", hint="Give 1 or more.")


def open_loader(
    source: Any, model: LoadedModel | None = None, wishes: Wishes | None = None
) -> LoaderSource:
    """The loader that a spec names or an object is.

    Args:
        source: what `--data` takes, a DataLoader, a data set, arrays, or an iterable of batches.
        model: that the data are for, which settles the size of images.
        wishes: batches, batch size and how images are prepared.

    Raises:
        DataError: there is no such data, or it cannot be read.
        UsageError: `random`, of which nothing can be learnt.
    """
    wishes = wishes or Wishes()
    if isinstance(source, Given):
        return _of_object(source.value, source.name, wishes)
    if not isinstance(source, (str, Path)):
        return _of_object(source, type(source).__name__, wishes)
    spec = str(source)
    if spec in ("", "random"):
        raise UsageError("random input has nothing to check", hint="name the data or the loader")
    loaded = model or LoadedModel(nn.Identity(), "", torch.device("cpu"))
    found = open_source(
        spec, loaded, wishes.input_shape, wishes.mean, wishes.std, wishes.resize, wishes.crop
    )
    if found is not None:
        made = _made_for(found.dataset, found.description, wishes)
        return dataclasses.replace(made, names=found.samples, notes=(*found.notes, *made.notes))
    if names_a_factory(spec):
        ready = called(import_object(spec, what="data", error=DataError), spec)
        return _of_object(ready, spec, wishes)
    raise no_such_data(spec)


def split_of(source: Any, opened: LoaderSource) -> Split | None:
    """Whether the data are for training or for validation, as their name or data set says."""
    source = source.name if isinstance(source, Given) else source
    words = _words(source) if isinstance(source, (str, Path)) else []
    if "train=false" in words or any(each in _VALIDATION for each in words):
        return "val"
    if any(each.startswith("train") for each in words):
        return "train"
    dataset = getattr(opened.loader, "dataset", None)
    for _ in range(8):
        said = getattr(dataset, "train", getattr(dataset, "split", None))
        if isinstance(said, bool):
            return "train" if said else "val"
        if isinstance(said, str):
            return "val" if said.lower() in _VALIDATION else "train" if "train" in said else None
        root = getattr(dataset, "root", None)
        if isinstance(root, (str, Path)) and (named := split_of(str(Path(root).name), opened)):
            return named
        dataset = getattr(dataset, "dataset", None)
    return None


def _words(spec: Any) -> list[str]:
    """What names the split: the attribute after the colon, or the last part of a path."""
    text = str(spec)
    if text.startswith("torchvision:"):
        name, _, query = text.partition("?")
        options = [each.lower() for each in query.split("&")]
        values = [each.partition("=")[2] for each in options if not each.startswith("root=")]
        return (
            [each for each in options if each.startswith("train=")]
            + values
            + ["train" for each in options if each in ("train=true", "train=1")]
        )
    location, colon, attribute = text.rpartition(":")
    if colon and (location.endswith(".py") or not Path(text).exists()):
        name = attribute
    else:
        name = Path(text).stem if Path(text).is_file() else Path(text).name
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [each for each in re.split(r"[^a-z]+", parted.lower()) if each]


def _of_object(source: Any, name: str, wishes: Wishes) -> LoaderSource:
    if isinstance(source, np.ndarray):
        source = torch.from_numpy(source)
    if isinstance(source, Tensor):
        source = TensorDataset(source)
    if isinstance(source, (tuple, Mapping)):
        source = [source]
    if isinstance(source, IterableDataset):
        loader = DataLoader(source, wishes.batch_size, num_workers=wishes.workers)
        return LoaderSource(loader, name, ready=True, seed=wishes.seed)
    if isinstance(source, Dataset) or is_like_a_data_set(source):
        return _made_for(source, name, wishes)
    if not isinstance(source, Iterable):
        raise DataError(
            f"{name} is {kind_of(source)}, which gives no batches.",
            hint="Give a DataLoader, a Dataset, an iterable of batches, or a function of no "
            "arguments that returns one.",
        )
    if isinstance(source, Iterator):
        limit = _MOST_ENDLESS if wishes.batches is None else wishes.batches + 1
        kept = seeded(source, wishes.seed, name)
        source = list(itertools.islice(kept, limit))
    total = _length(getattr(source, "dataset", None))
    return LoaderSource(source, name, ready=True, total=total, seed=wishes.seed)


def _made_for(dataset: Any, name: str, wishes: Wishes) -> LoaderSource:
    """A loader of netdoctor's own: all samples, or a seeded choice of as many as asked for."""
    total, chosen = _length(dataset), None
    notes: list[str] = []
    needed = None if wishes.batches is None else wishes.batches * wishes.batch_size
    if total is not None:
        generator = torch.Generator().manual_seed(wishes.seed)
        chosen = torch.randperm(total, generator=generator)[:needed].tolist()
        if needed is not None and total > needed:
            notes.append(
                f"data: {needed} of {total} samples, chosen at random (seed {wishes.seed}); "
                "--batches all takes every one"
            )
    if total == 0:
        raise DataError(f"{name} gives no sample: it is empty.", hint="Check its path or filter.")
    loader = DataLoader(
        dataset, wishes.batch_size, sampler=chosen, num_workers=wishes.workers, collate_fn=collate
    )
    whole = total is None or needed is None or total <= needed
    return LoaderSource(
        loader, name, ready=False, total=total, whole=whole, notes=tuple(notes), seed=wishes.seed
    )


def most_batches(source: LoaderSource, wanted: int | None) -> int | None:
    """How many batches to read at most: as wanted; what does not say its length has an end too."""
    if wanted is not None:
        return wanted
    return None if _length(source.loader) is not None else _MOST_ENDLESS


def _length(value: Any) -> int | None:
    if value is None:
        return None
    with contextlib.suppress(TypeError, NotImplementedError, AttributeError):
        return len(value)
    return None
