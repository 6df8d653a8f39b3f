"""Where the tensors of a checkpoint file lie in it: names, types, byte ranges. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

ITEM_BYTES = {
    "bool": 1, "uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "uint32": 4, "int32": 4,
    "uint64": 8, "int64": 8, "float16": 2, "bfloat16": 2, "float32": 4, "float64": 8,
    "complex32": 4, "complex64": 8, "complex128": 16, "float8_e4m3fn": 1, "float8_e5m2": 1,
    "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1, "float8_e8m0fnu": 1,
}  # fmt: skip
"""Bytes of one value, by the name that torch gives the type."""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor in a file.

    Attributes:
        name: as its state dict has it.
        dtype: torch's name of the type; the file's own where it is not known.
        shape: of the tensor.
        path: the file that holds its bytes.
        offset, length: the byte range; of a view with gaps, the range that it spans.
        group: empty for weights, else `optimizer`, `ema` or the key it stands under.
        strides: in values; None where the values are in order and without gaps.
        data: the bytes themselves, where they are inside a pickle.
        swapped: whether the bytes are big-endian.
        reason: why it cannot be examined; empty where it can.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int = 0
    length: int = 0
    group: str = ""
    strides: tuple[int, ...] | None = None
    data: bytes | None = None
    swapped: bool = False
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class StoredFile:
    """What a checkpoint file, or a sharded set of them, says that it holds.

    Attributes:
        path: the file, or the index of the set.
        format: `safetensors`, `torch zip`, `torch legacy`, `sharded`.
        tensors: in the order in which the file lists them.
        size: bytes of all its files.
        not_read: what else it holds, as `key (class)`.
        versions: (bytes, time of the last change in ns) of each file when it was opened.
    """

    path: Path
    format: str
    tensors: tuple[StoredTensor, ...]
    size: int
    not_read: tuple[str, ...] = ()
    versions: tuple[tuple[Path, int, int], ...] = ()


def version_of(path: Path) -> tuple[Path, int, int]:
    """What changes when a file is written to."""
    found = path.stat()
    return path, found.st_size, found.st_mtime_ns


def by_place(tensors: Sequence[StoredTensor]) -> list[int]:
    """The tensors' numbers in the order of their bytes: a file is read from front to back."""
    return sorted(
        range(len(tensors)), key=lambda each: (str(tensors[each].path), tensors[each].offset)
    )
