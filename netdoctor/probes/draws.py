"""What runs inside a worker process: draws a sample and notes which random states it used."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

GLOBAL = ("torch's global generator", "NumPy's global generator", "Python's random module")
_FIXED = 20_11_24


@dataclasses.dataclass(frozen=True, slots=True)
class Draw:
    """One sample that a worker drew.

    Attributes:
        worker: the worker's number.
        fields: a digest of each part of the sample by its name.
        before, after: digests of the global random states, in the order of `GLOBAL`.
    """

    worker: int
    fields: dict[str, bytes]
    before: tuple[bytes, ...] = ()
    after: tuple[bytes, ...] = ()


class Draws(Dataset[Draw]):
    """The user's data set, asked for (index, fixed).

    With `fixed` the global random states are the same at each call, so that what still varies comes
    from generators of the user's own. The states are as before afterwards.
    """

    def __init__(self, inner: Any, collate: Callable[[list[Any]], Any] | None) -> None:
        self.inner = inner
        self.collate = collate

    def __getitem__(self, request: tuple[int, bool]) -> Draw:
        index, fixed = request
        outer = _states()
        if fixed:
            _seed(_FIXED)
        before = _digests(_states())
        sample = self._sample(index)
        fields = digests_of(sample)
        after = _digests(_states())
        if self.collate is not None:
            fields |= digests_of(self.collate([sample, sample]), "batch")
        if fixed:
            _restore(outer)
        return Draw(_number(), fields, before, after)

    def _sample(self, index: int) -> Any:
        if hasattr(self.inner, "__getitems__"):
            return self.inner.__getitems__([index])[0]
        return self.inner[index]


class IterableDraws(IterableDataset[Draw]):
    """The first samples of the user's iterable data set."""

    def __init__(self, inner: Any, most: int) -> None:
        self.inner = inner
        self.most = most

    def __iter__(self) -> Iterator[Draw]:
        for number, sample in enumerate(self.inner):
            if number == self.most:
                return
            yield Draw(_number(), digests_of(sample))


class Initialised:
    """Runs the user's worker_init_fn, which finds its own data set where it looks for it."""

    def __init__(self, inner: Any, function: Callable[[int], Any] | None) -> None:
        self.inner = inner
        self.function = function

    def __call__(self, number: int) -> None:
        info = get_worker_info()
        if info is not None:
            object.__setattr__(info, "dataset", self.inner)  # it forbids plain assignment
        if self.function is not None:
            self.function(number)


def as_it_is(value: Any) -> Any:
    """The value: a collate function that does nothing."""
    return value


def digests_of(value: Any, name: str = "") -> dict[str, bytes]:
    """A digest of each part of a sample: tensors, arrays, images and plain values at any depth."""
    if isinstance(value, Mapping):
        parts: Any = value.items()
    elif isinstance(value, (list, tuple)):
        parts = enumerate(value)
    else:
        return {name or "sample": hashlib.blake2b(_bytes(value), digest_size=8).digest()}
    found: dict[str, bytes] = {}
    for key, part in parts:
        found |= digests_of(part, f"{name}.{key}" if name else str(key))
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        if value.dtype is torch.bfloat16:
            value = value.float()
        value = value.numpy() if value.layout is torch.strided else value.to_dense().numpy()
    if isinstance(value, np.ndarray):
        return value.tobytes() if value.dtype.kind != "O" else repr(value.tolist()).encode()
    if hasattr(value, "tobytes"):
        return bytes(value.tobytes())
    if isinstance(value, (bytes, str, int, float, complex, type(None))):
        return repr(value).encode()
    try:
        return pickle.dumps(value)
    except Exception:  # pickle raises what the object's own methods raise
        return type(value).__qualname__.encode()


def _number() -> int:
    info = get_worker_info()
    return 0 if info is None else int(info.id)


def _states() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _restore(states: tuple[Any, ...]) -> None:
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


def _seed(seed: int) -> None:
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)
    random.seed(seed)


def _digests(states: tuple[Any, ...]) -> tuple[bytes, ...]:
    torch_state, numpy_state, python_state = states
    kind, keys, *rest = numpy_state
    contents = (
        torch_state.numpy().tobytes(),
        keys.tobytes() + repr((kind, rest)).encode(),
        repr(python_state).encode(),
    )
    return tuple(hashlib.blake2b(content, digest_size=8).digest() for content in contents)
