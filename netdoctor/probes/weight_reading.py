"""The bytes of stored tensors, a buffer at a time, from front to back. No torch."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netdoctor.errors import CheckpointError
from netdoctor.inputs.stored import ITEM_BYTES, StoredFile, StoredTensor, version_of

BUFFER_BYTES = 2**20
_LARGEST_SPAN = 2**24
Raw = NDArray[np.uint8]


class Reader:
    """Reads tensors of one set of files into one buffer, which each chunk overwrites.

    Args:
        progress: told the bytes of each chunk.
    """

    def __init__(self, progress: Callable[[int], None] | None = None) -> None:
        self._buffer = np.empty(BUFFER_BYTES, np.uint8)
        self._progress = progress
        self._files = contextlib.ExitStack()
        self._path: Path | None = None
        self._file: Any = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def chunks(
        self, tensor: StoredTensor, step: int = 0, most: int = BUFFER_BYTES
    ) -> Iterator[Raw]:
        """The bytes of a tensor without gaps, in the order of the file.

        Args:
            tensor: what to read.
            step: the length of a chunk is a multiple of it, where it fits into the buffer.
            most: the longest chunk, in bytes.

        Raises:
            CheckpointError: the file ended before the tensor did.
        """
        step = step if 0 < step <= BUFFER_BYTES else 16
        most = max(most // step, 1) * step
        if tensor.data is not None:
            held = np.frombuffer(tensor.data, np.uint8)
            yield from (held[start : start + most] for start in range(0, len(held), most))
            return
        self._open(tensor.path)
        self._file.seek(tensor.offset)
        left = tensor.length
        while left:
            chunk = self._buffer[: min(most, left)]
            self._fill(chunk, tensor)
            left -= len(chunk)
            yield chunk
            if self._progress is not None:
                self._progress(len(chunk))

    def whole(self, tensor: StoredTensor) -> Raw:
        """All bytes of a small tensor, in memory of their own, gaps left out."""
        raw = np.concatenate([np.empty(0, np.uint8), *(c.copy() for c in self.chunks(tensor))])
        if tensor.strides is None or 0 in tensor.shape:
            return raw
        width = ITEM_BYTES[tensor.dtype]
        steps = (*(width * each for each in tensor.strides), 1)
        view = np.lib.stride_tricks.as_strided(raw, (*tensor.shape, width), steps)
        return np.ascontiguousarray(view).reshape(-1)

    def _open(self, path: Path) -> None:
        if path != self._path:
            self._files.close()
            self._file = self._files.enter_context(path.open("rb", buffering=0))
            self._path = path

    def _fill(self, chunk: Raw, tensor: StoredTensor) -> None:
        target = chunk.data
        while len(target):
            count = self._file.readinto(target)
            if not count:
                raise CheckpointError(
                    f"{tensor.path} became shorter while it was read.",
                    hint="Its writer is not done: try again later.",
                )
            target = target[count:]


def check_unchanged(file: StoredFile) -> None:
    """Refuses what was written to in the meantime.

    Raises:
        CheckpointError: a file has another size or time than when it was opened.
    """
    for version in file.versions:
        if version_of(version[0]) != version:
            raise CheckpointError(
                f"{version[0]} was written to while it was read.",
                hint="Its writer is not done: try again later.",
            )


def layout_of(tensor: StoredTensor) -> str:
    """How its values lie: `rows` with the first axis outermost, `block`, `gaps`, or `sparse`.

    A block has all values and nothing else, in another order; what has gaps is small enough to be
    copied, what is sparse is not.
    """
    if tensor.strides is None:
        return "rows"
    axes = sorted(zip(tensor.strides, tensor.shape, strict=True))
    expected = 1
    for stride, size in axes:
        if size != 1 and stride not in (expected, 0):
            small = tensor.length <= _LARGEST_SPAN and _copied(tensor) <= _LARGEST_SPAN
            return "gaps" if small else "sparse"
        expected *= size if stride else 1
    if any(stride == 0 and size > 1 for stride, size in axes):
        return "gaps" if _copied(tensor) <= _LARGEST_SPAN else "block"
    outermost = max(tensor.strides) == tensor.strides[0] or tensor.shape[0] == 1
    return "rows" if outermost else "block"


def _copied(tensor: StoredTensor) -> int:
    return math.prod(tensor.shape) * ITEM_BYTES[tensor.dtype]
