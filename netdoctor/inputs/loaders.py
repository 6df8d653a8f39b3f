"""Iterating over the user's loader: seeded, and with the failing sample named."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, Subset

from netdoctor.errors import DataError, NetDoctorError
from netdoctor.inputs.user_code import describe

_Restore = Callable[[], None]
_FILE_LISTS = ("samples", "imgs", "paths", "files", "image_paths", "image_files", "filenames")


class CollateError(DataError):
    """Samples of a batch that cannot be stacked into one tensor.

    Attributes:
        batch: number of the batch, counted from 0.
        samples: (index in the data set, its types and shapes) of each sample of the batch.
        reason: what the collation said, on one line.
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        batch: int = 0,
        samples: Sequence[tuple[Any, str]] = (),
        reason: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.batch = batch
        self.samples = tuple(samples)
        self.reason = reason


def seeded(
    source: Iterable[Any], seed: int, name: str, *, anew: bool = False
) -> Generator[Any, None, None]:
    """The batches of a loader, the same ones each time for the same seed.

    The global random states of torch, numpy and Python are the loader's own while it makes a
    batch, and as before in between and afterwards; so are the loader's generators, which `anew`
    seeds too, so that a loader that fixes its order draws another one.

    Raises:
        CollateError: samples of a batch do not fit together.
        DataError: the loader or its data set raised.
    """
    states = _RandomStates(seed)
    restore = _generators_as_now(source)
    for generator in _generators(source) if anew else ():
        generator.manual_seed(seed)
    count = 0
    iterator: Iterator[Any] | None = None
    try:
        with states, _explained(source, seed, name, count):
            iterator = iter(source)
        while True:
            with states, _explained(source, seed, name, count):
                raw = next(iterator, states)
            if raw is states:
                return
            yield raw
            count += 1
    finally:
        restore()
        if not getattr(source, "persistent_workers", False):
            getattr(iterator, "_shutdown_workers", bool)()  # at once, not when it is collected


def seed_everything(seed: int) -> None:
    """Seeds the global random states of torch (on the CPU), numpy and Python."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextlib.contextmanager
def random_states_kept(source: Any) -> Iterator[None]:
    """A block after which the global random states and a loader's own generators are as before."""
    restore_global, restore_own = _global_states(), _generators_as_now(source)
    try:
        yield
    finally:
        restore_global()
        restore_own()


def own_random_states(seed: int) -> contextlib.AbstractContextManager[None]:
    """A block with global random states of its own, seeded, after which they are as before."""
    return _RandomStates(seed)


class _RandomStates(contextlib.AbstractContextManager[None]):
    """Inside the block the global random states are this object's own."""

    def __init__(self, seed: int) -> None:
        outer = _global_states()
        seed_everything(seed)
        self._own = _global_states()
        outer()

    def __enter__(self) -> None:
        self._outer = _global_states()
        self._own()

    def __exit__(self, *exception: object) -> None:
        self._own = _global_states()
        self._outer()


def _global_states() -> _Restore:
    """How to bring back the global random states of this moment."""
    cpu, numpy_state, python = torch.get_rng_state(), np.random.get_state(), random.getstate()

    def restore() -> None:
        torch.set_rng_state(cpu)
        np.random.set_state(numpy_state)
        random.setstate(python)

    return restore


def _generators(source: Any) -> list[torch.Generator]:
    holders = (source, getattr(source, "sampler", None), getattr(source, "dataset", None))
    found = (getattr(holder, "generator", None) for holder in holders)
    return [each for each in found if isinstance(each, torch.Generator)]


def _generators_as_now(source: Any) -> _Restore:
    """How to bring back the state of a loader's own generators."""
    saved = [(each, each.get_state()) for each in _generators(source)]

    def restore() -> None:
        for generator, state in saved:
            generator.set_state(state)

    return restore


@contextlib.contextmanager
def _explained(source: Any, seed: int, name: str, count: int) -> Iterator[None]:
    try:
        yield
    except (NetDoctorError, MemoryError):
        raise
    except (Exception, SystemExit) as exception:
        if isinstance(exception, RuntimeError) and "timed out after" in str(exception):
            raise _hangs(name, count, exception) from exception
        indices = _indices(source, seed, count)
        raise _of_samples(source, indices, name, count, seed, exception) from exception


def _of_samples(
    source: Any, indices: list[Any], name: str, count: int, seed: int, exception: BaseException
) -> DataError:
    """Looks at the failing batch's samples one by one."""
    samples = []
    for index in indices:
        try:
            samples.append((index, source.dataset[index]))
        except (Exception, SystemExit) as raised:
            file = file_of(source.dataset, index)
            return DataError(
                f"Sample {index} of {name} (batch {count}{f', {file}' if file else ''}) raised "
                f"{describe(raised)}",
                hint="Fix or leave out that sample.",
            )
    if samples and _can_collate(source, [sample for _, sample in samples], seed):
        return _now_and_then(name, count, exception)
    shapes = [(index, _shapes(sample)) for index, sample in samples]
    odd = next(((index, shape) for index, shape in shapes if shape != shapes[0][1]), None)
    if odd:
        return CollateError(
            f"Batch {count} of {name} cannot be stacked: sample {shapes[0][0]} is "
            f"{shapes[0][1]}, sample {odd[0]} is {odd[1]} ({_first_line(exception)})",
            hint="Resize or pad the samples to one shape, or give the loader a collate_fn.",
            batch=count,
            samples=shapes,
            reason=_first_line(exception),
        )
    if samples:
        return CollateError(
            f"Batch {count} of {name} cannot be put together, though each of its samples can be "
            f"read: {describe(exception)}",
            hint="Make tensors of the samples (a transform such as ToTensor), or check the "
            "loader's collate_fn.",
            batch=count,
            samples=shapes,
            reason=_first_line(exception),
        )
    return DataError(
        f"Batch {count} of {name} cannot be read: {describe(exception)}",
        hint="Fix the error there; --traceback shows the whole way to it.",
    )


def _can_collate(source: Any, samples: list[Any], seed: int) -> bool:
    """Whether the samples that were read once more make a batch."""
    collate = getattr(source, "collate_fn", None)
    if collate is None or source.batch_sampler is None:
        return False
    try:
        with _RandomStates(seed):
            collate(samples)
    except Exception:  # whatever the user's function raises
        return False
    return True


def _now_and_then(name: str, count: int, exception: BaseException) -> DataError:
    died = "exited unexpectedly" in str(exception) or "killed by signal" in str(exception)
    return DataError(
        f"Batch {count} of {name} could not be read: {_first_line(exception)}",
        hint="A worker process died, and its samples can be read in this one: look for code that "
        "ends the process or takes all memory, and try num_workers=0."
        if died else
        "Its samples could be read the second time, so that it fails now and then, or in worker "
        "processes only.",
    )  # fmt: skip


def _hangs(name: str, count: int, exception: BaseException) -> DataError:
    return DataError(
        f"Batch {count} of {name} did not come: {_first_line(exception)}",
        hint="A worker process hangs: look for locks, network reads and threads in the data set, "
        "and try num_workers=0, or give the DataLoader a longer timeout.",
    )


def _indices(source: Any, seed: int, count: int) -> list[Any]:
    """The data set's indices in that batch, found by drawing them once more."""
    if not isinstance(source, DataLoader) or isinstance(source.dataset, IterableDataset):
        return []
    with contextlib.suppress(Exception), _RandomStates(seed):
        torch.empty((), dtype=torch.int64).random_(generator=source.generator)  # workers' seed
        sampler: Any = source.sampler if source.batch_sampler is None else source.batch_sampler
        for number, indices in enumerate(sampler):
            if number == count:
                return [indices] if source.batch_sampler is None else list(indices)
    return []


def file_of(dataset: Any, index: Any, depth: int = 4) -> str:
    """The file of a sample, where the data set lists its files as torchvision's do; else empty."""
    with contextlib.suppress(Exception):  # whatever the data set keeps under these names
        if isinstance(dataset, Subset):
            return file_of(dataset.dataset, dataset.indices[index], depth - 1) if depth else ""
        for name in _FILE_LISTS:
            entry = getattr(dataset, name, None)
            entry = None if entry is None else entry[index]
            entry = entry[0] if isinstance(entry, (tuple, list)) and entry else entry
            if isinstance(entry, (str, os.PathLike)):
                return os.fspath(entry)
    return ""


def _shapes(value: Any) -> str:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_shapes, value))})"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_shapes(each)}' for key, each in value.items())}}}"
    return type(value).__name__


def _first_line(exception: BaseException) -> str:
    lines = [line for line in str(exception).splitlines() if line.strip()]
    if lines and lines[0].startswith("Caught"):  # a worker's, with its traceback
        return lines[-1].strip()
    last = (lines or [""])[0]
    return f"{type(exception).__name__}: {last.strip()}"
