"""Data: what `--data` names, or what a user of the Python API hands over, as batches."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from netdoctor.errors import DataError, UsageError
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.datasets import collate, collate_images
from netdoctor.inputs.images import Preprocessing
from netdoctor.inputs.loaders import seeded
from netdoctor.inputs.passes import passes_as_given, passes_over
from netdoctor.inputs.sources import Source, open_source
from netdoctor.inputs.synthetic import draw, plan_inputs
from netdoctor.inputs.user_code import call_user, import_object, kind_of, near_misses, near_paths

if TYPE_CHECKING:
    from netdoctor.inputs.model import LoadedModel

_FORMS = (
    "Give an image, a folder of images, an .npz or .npy file, torchvision:NAME?root=DIR, "
    "module:loader, path/file.py:loader, or random."
)


class Data:
    """Batches on the model's device, at most so many; each iteration starts anew.

    Attributes:
        description: what the data are, as the report names them.
        synthetic: whether they are random numbers instead of real samples.
        notes: one line for each assumption made.
        preprocessing: what was done to images; None where nothing was.
        samples: the names of the samples in their order where they have names, else empty.
    """

    def __init__(
        self,
        description: str,
        make: Callable[[], Iterator[Batch]],
        *,
        training_pass: Callable[[int], Iterator[Batch]],
        synthetic: bool = False,
        notes: Sequence[str] = (),
        preprocessing: Preprocessing | None = None,
        samples: Sequence[str] = (),
    ) -> None:
        self.description = description
        self.synthetic = synthetic
        self.notes = tuple(notes)
        self.preprocessing = preprocessing
        self.samples = tuple(samples)
        self._make = make
        self._training_pass = training_pass

    def __iter__(self) -> Iterator[Batch]:
        return self._make()

    def training_pass(self, number: int) -> Iterator[Batch]:
        """One pass over the same data as training makes it: shuffled, each number in its own way.

        As long as the data are, which may be endless. Samples left over from the last full batch
        of a data set are left out. A loader gives its own order in pass 0.
        """
        return self._training_pass(number)

    def __repr__(self) -> str:
        return f"Data({self.description!r})"


@dataclasses.dataclass(frozen=True, slots=True)
class Given:
    """What a factory of the user's gave, and what reports call it."""

    value: Any
    name: str


def open_data(
    spec: str | None,
    loaded: LoadedModel,
    *,
    batches: int = 10,
    batch_size: int = 32,
    workers: int = 0,
    seed: int = 0,
    input_shape: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: int | None = None,
    crop: int | tuple[int, int] | None = None,
) -> Data:
    """The data that `--data` names.

    Args:
        spec: an image file, a folder of images, an `ImageFolder` tree,
            `torchvision:NAME?root=DIR&train=false`, an `.npz` or `.npy` file,
            `package.module:factory`, `path/file.py:factory`, or `random` or None for random input.
        loaded: the model that the data are for.
        batches: how many batches to give at most.
        batch_size: samples in a batch; a ready `DataLoader` keeps its own.
        workers: processes that load data sets; a ready `DataLoader` keeps its own.
        seed: of random input, of the choice of samples, and of what a loader draws.
        input_shape: the shape of random input, `3,224,224` or `3,32,32;16:long`.
        mean: overrides the preprocessing's; one value a channel, for images in [0, 1].
        std: likewise.
        resize: the short side in pixels, before the crop.
        crop: height and width of the centre crop.

    Raises:
        DataError: there is no such data, or it cannot be read.
        ModelError: no random input was found that the model takes.
        UsageError: an option is malformed.
    """
    settings = _Settings(batches, batch_size, workers, seed)
    if spec is None or spec == "random":
        return _synthetic(loaded, settings, input_shape)
    source = open_source(spec, loaded, input_shape, mean, std, resize, crop)
    if source is not None:
        return _of_source(source, loaded, settings)
    if names_a_factory(spec):
        found = called(import_object(spec, what="data", error=DataError), spec)
        return _of_object(found, loaded, settings, spec)
    raise no_such_data(spec)


def names_a_factory(spec: str) -> bool:
    """Whether it is `module:name` or `file.py:name` rather than something on disk."""
    on_disk = spec.startswith("torchvision:") or Path(spec).expanduser().exists()
    return spec.endswith(".py") or (":" in spec and not on_disk)


def given(source: Any, batches: int) -> Any:
    """What `--data` names, its factory called once; a one-shot iterator is read into a list.

    Args:
        source: what `data_from` takes.
        batches: how many batches of an iterator are wanted.

    Raises:
        DataError: the factory cannot be found, or it raised.
    """
    name = type(source).__name__
    if isinstance(source, (str, Path)):
        if not names_a_factory(str(source)):
            return source
        name = str(source)
        source = called(import_object(name, what="data", error=DataError), name)
    if isinstance(source, Iterator):
        source = list(itertools.islice(source, batches))
    return source if source is None or isinstance(source, Data) else Given(source, name)


def no_such_data(spec: str) -> DataError:
    """The error for a spec that names nothing, with near misses."""
    similar = near_misses(spec, ["random"]) or near_paths(Path(spec).expanduser())
    why = "it is neither a file nor a folder" if Path(spec).exists() else "no such file or folder"
    return DataError(f"There is no data {spec}: {why}.", hint=f"{similar} {_FORMS}".strip())


def data_from(
    source: Any,
    loaded: LoadedModel,
    *,
    batches: int = 10,
    batch_size: int = 32,
    workers: int = 0,
    seed: int = 0,
    input_shape: str | None = None,
) -> Data:
    """The data that a Python object holds.

    Args:
        source: None for random input, a `DataLoader` (kept as it is), a data set, a tensor or
            array of samples (N, …), one batch as a tuple or mapping, or an iterable of batches.
            `Data` is returned as it is, and a string is what `--data` takes.
        loaded: the model that the data are for.
        batches: how many batches to give at most.
        batch_size: samples in a batch, where the source has none.
        workers: processes that load data sets.
        seed: of random input, of the choice of samples, and of what a loader draws.
        input_shape: the shape of random input.

    Raises:
        DataError: it is none of these, or it cannot be read.
        ModelError: no random input was found that the model takes.
    """
    if isinstance(source, Data):
        return source
    if source is None or isinstance(source, (str, Path)):
        return open_data(
            None if source is None else str(source), loaded, batches=batches,
            batch_size=batch_size, workers=workers, seed=seed, input_shape=input_shape,
        )  # fmt: skip
    settings = _Settings(batches, batch_size, workers, seed)
    return _of_object(source, loaded, settings, type(source).__name__)


class _Settings:
    """How many batches of how many samples, checked."""

    def __init__(self, batches: int, batch_size: int, workers: int, seed: int) -> None:
        _check("number of batches", batches, 1)
        _check("batch size", batch_size, 1)
        _check("number of workers", workers, 0)
        self.batches = batches
        self.batch_size = batch_size
        self.workers = workers
        self.seed = seed


def _check(what: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"The {what} is {value}.", hint=f"Give {least} or more.")


def _synthetic(loaded: LoadedModel, settings: _Settings, input_shape: str | None) -> Data:
    plan = plan_inputs(loaded, input_shape)

    def endless(number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(settings.seed + number)
        while True:
            yield draw(plan, loaded, settings.batch_size, generator).to(loaded.device)

    def make() -> Iterator[Batch]:
        return itertools.islice(endless(0), settings.batches)

    note = (
        f"input: synthetic, seeded random numbers of shape {plan} ({plan.source}); verdicts about "
        "trained units need real data (--data)"
    )
    return Data(f"synthetic ({plan})", make, training_pass=endless, synthetic=True, notes=[note])


def _of_source(source: Source, loaded: LoadedModel, settings: _Settings) -> Data:
    chosen, note = _chosen(source.dataset, settings)
    together = collate_images if loaded.input_style == "images" else collate
    loader = _loader(source.dataset, chosen, settings, together)
    names = source.samples
    if names and chosen is not None:
        names = tuple(names[index] for index in chosen)
    return Data(
        source.description,
        _batches_of(loader, loaded, settings, source.description),
        training_pass=passes_over(loader, loaded, source.description, settings.seed),
        notes=[*source.notes, *note],
        preprocessing=source.preprocessing,
        samples=names[: settings.batches * settings.batch_size],
    )


def _of_object(source: Any, loaded: LoadedModel, settings: _Settings, name: str) -> Data:
    notes: Sequence[str] = ()
    shuffled = False
    if isinstance(source, Data):
        return source
    if isinstance(source, Given):
        source, name = source.value, source.name
    if isinstance(source, np.ndarray):
        source = torch.from_numpy(source)
    if isinstance(source, Tensor):
        source = TensorDataset(source)
    if isinstance(source, (tuple, Mapping)):
        source = [source]
    if isinstance(source, IterableDataset):
        source = _loader(source, None, settings)
    elif isinstance(source, Dataset) or is_like_a_data_set(source):
        chosen, notes = _chosen(source, settings)
        source, shuffled = _loader(source, chosen, settings), True
    elif not isinstance(source, Iterable):
        raise DataError(
            f"{name} is {kind_of(source)}, which gives no batches.",
            hint="Give a DataLoader, a Dataset, an iterable of batches, or a function of no "
            "arguments that returns one.",
        )
    elif isinstance(source, Iterator):
        source = list(itertools.islice(seeded(source, settings.seed, name), settings.batches))
    passes = passes_over if shuffled else passes_as_given
    return Data(
        name,
        _batches_of(source, loaded, settings, name),
        training_pass=passes(source, loaded, name, settings.seed),
        notes=notes,
    )


def called(found: Any, spec: str) -> Any:
    """What a factory returns; loaders, data sets and batches as they are."""
    ready = (Tensor, np.ndarray, Dataset, Iterable)
    if isinstance(found, type) or (callable(found) and not isinstance(found, ready)):
        found = call_user(found, spec=spec, error=DataError)
        if found is None:
            raise DataError(
                f"{spec} returned None, which gives no batches.",
                hint="The factory has to end with `return loader`.",
            )
    return found


def is_like_a_data_set(source: Any) -> bool:
    """Whether an object has a length and items, and is not a list of batches."""
    if isinstance(source, (list, DataLoader)) or not hasattr(source, "__getitem__"):
        return False
    return hasattr(source, "__len__") and (
        hasattr(source, "__getitems__") or not hasattr(source, "__iter__")
    )


def _chosen(dataset: Any, settings: _Settings) -> tuple[list[int] | None, list[str]]:
    """Which samples to take where there are more than needed: a seeded choice of all."""
    needed, total = settings.batches * settings.batch_size, None
    with contextlib.suppress(TypeError, NotImplementedError):
        total = len(dataset)
    if total is None or total <= needed:
        return None, []
    generator = torch.Generator().manual_seed(settings.seed)
    chosen = torch.randperm(total, generator=generator)[:needed].tolist()
    return chosen, [f"data: {needed} of {total} samples, chosen at random (seed {settings.seed})"]


def _loader(
    dataset: Any,
    chosen: list[int] | None,
    settings: _Settings,
    collate_fn: Callable[[list[Any]], Any] | None = None,
) -> DataLoader[Any]:
    return DataLoader(
        dataset,
        batch_size=settings.batch_size,
        sampler=chosen,
        num_workers=settings.workers,
        collate_fn=collate_fn,
    )


def _batches_of(
    source: Any, loaded: LoadedModel, settings: _Settings, name: str
) -> Callable[[], Iterator[Batch]]:
    passes = passes_as_given(source, loaded, name, settings.seed, limit=settings.batches)
    return lambda: passes(0)
