"""Where the tensors of a torch.save file lie: the zip container and the one before it. No torch."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from netdoctor.errors import CheckpointError
from netdoctor.inputs.inert_reader import HostileCheckpointError
from netdoctor.inputs.sniff import freshly_written
from netdoctor.inputs.stored import ITEM_BYTES, StoredFile, StoredTensor, version_of
from netdoctor.inputs.stored_content import NamedTensor, opaque_in, tensors_in
from netdoctor.inputs.torch_pickle import Storage, View, read_pickle

_LARGEST_PICKLE = 2**28
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_ENCRYPTED = 1
Places = Mapping[str, tuple[int, int]]
"""By storage key the offset of its bytes in the file, and their number."""


def read_zip(path: Path) -> StoredFile:
    """Where the tensors of a zip file by torch.save lie.

    Raises:
        CheckpointError: it is damaged, forged, compressed, or asks to run code.
    """
    version = version_of(path)
    with _explained(path), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        entries = _entries(archive)
        places = _places(file, list(entries.values()), version[1])
        content = read_pickle(io.BytesIO(_read(file, places, "data.pkl", _LARGEST_PICKLE)))
        swapped = "byteorder" in places and _read(file, places, "byteorder", 16) == b"big"
    blocks = {key[5:]: place for key, place in places.items() if key.startswith("data/")}
    return _stored(path, "torch zip", content, blocks, version, swapped)


def read_legacy(path: Path) -> StoredFile:
    """Where the tensors of a file by torch.save before 1.6, or without its zip format, lie.

    Raises:
        CheckpointError: it is damaged, forged, or asks to run code.
    """
    version = version_of(path)
    with _explained(path), path.open("rb") as file:
        read_pickle(file)  # the magic number
        read_pickle(file)  # the protocol
        system = read_pickle(file)
        declared: dict[str, Storage] = {}
        content = read_pickle(file, declared)
        keys = read_pickle(file)
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise pickle.UnpicklingError("the list of its storages is none")
        places: dict[str, tuple[int, int]] = {}
        for key in keys:
            place = file.tell() + 8
            count = int.from_bytes(file.read(8), "little")
            if key not in declared:
                raise pickle.UnpicklingError("it holds values that no tensor uses")
            if count != declared[key].values:
                raise pickle.UnpicklingError("it lies about the size of a storage")
            length = declared[key].bytes
            places[key] = (place, length)
            if place + length > version[1]:
                raise _cut(path, place + length - version[1])
            file.seek(place + length)
    little = system.get("little_endian", True) if isinstance(system, dict) else True
    return _stored(path, "torch legacy", content, places, version, not little)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except HostileCheckpointError as error:
        raise CheckpointError(f"{path} is refused. {error.message}", hint=error.hint) from None
    except CheckpointError as error:
        named = str(path) in error.message
        message = error.message if named else f"{path}: {error.message}"
        raise CheckpointError(message, hint=error.hint) from None
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None
    except Exception as error:
        # A damaged or forged pickle can fail in any way that Python can.
        told = "".join(str(error).partition("\n")[0][:160])
        raise CheckpointError(
            f"{path} cannot be read: {type(error).__name__}: {told}",
            hint=f"It may be damaged: save or download it again. {freshly_written(path)}".rstrip(),
        ) from None


def _entries(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The archive's entries without the folder that they are all in."""
    entries: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        name = info.filename.partition("/")[2]
        if name in entries:
            raise CheckpointError(f"It holds {name[:200]!r} twice: refused.")
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise CheckpointError(
                f"Its entry {name[:200]!r} is compressed, which torch.save never does: refused.",
                hint="Save it again with torch.save.",
            )
        if info.flag_bits & _ENCRYPTED:
            raise CheckpointError(f"Its entry {name[:200]!r} is encrypted.")
        entries[name] = info
    return entries


def _places(
    file: BinaryIO, entries: list[zipfile.ZipInfo], size: int
) -> dict[str, tuple[int, int]]:
    """Where each entry's bytes begin, and how many there are; no byte belongs to two."""
    places: dict[str, tuple[int, int]] = {}
    reached = 0
    for info in sorted(entries, key=lambda each: each.header_offset):
        file.seek(info.header_offset)
        header = file.read(_LOCAL_HEADER.size)
        if info.header_offset < reached or len(header) < _LOCAL_HEADER.size:
            raise CheckpointError("Its entries overlap: refused.")
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        start = info.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        reached = start + info.file_size
        if signature != b"PK\x03\x04" or reached > size:
            raise CheckpointError("Its entries are not where its directory says.")
        places[info.filename.partition("/")[2]] = (start, info.file_size)
    return places


def _read(file: BinaryIO, places: Places, key: str, most: int) -> bytes:
    start, length = places[key]
    if length > most:
        raise CheckpointError(f"Its {key} has {length} bytes, more than are read ({most}).")
    file.seek(start)
    return file.read(length)


def _stored(
    path: Path, kind: str, content: Any, places: Places, version: Any, swapped: bool
) -> StoredFile:
    with _explained(path):
        found = tensors_in(content)
        tensors = [_tensor(path, each, places, swapped) for each in found]
        return StoredFile(
            path, kind, tuple(tensors), version[1], tuple(opaque_in(content)), (version,)
        )


def _tensor(path: Path, found: NamedTensor, places: Places, swapped: bool) -> StoredTensor:
    tensor, name, group = found.tensor, found.name, found.group
    if isinstance(tensor, np.ndarray):
        data, dtype = np.ascontiguousarray(tensor), tensor.dtype.name
        reason = "" if dtype in ITEM_BYTES else f"the type {dtype!r} is not known"
        return StoredTensor(
            name, dtype, tensor.shape, path, group=group, length=data.nbytes,
            data=data.tobytes(), reason=reason,
        )  # fmt: skip
    if not isinstance(tensor, View):
        return StoredTensor(
            name, tensor.dtype or "?", tensor.shape, path, group=group, reason=tensor.reason
        )
    start, length = _place(tensor.storage, places)
    width = ITEM_BYTES[tensor.dtype]
    offset, span = tensor.offset * width, _span(tensor) * width
    if offset + span > length:
        raise ValueError("a tensor that reaches beyond its storage")
    strides = None if _in_order(tensor) else tensor.strides
    return StoredTensor(
        name, tensor.dtype, tensor.shape, path, start + offset, span, group, strides,
        swapped=swapped,
    )  # fmt: skip


def _place(storage: Storage, places: Places) -> tuple[int, int]:
    if storage.key not in places:
        raise ValueError(f"the values of storage {storage.key[:40]!r} are missing")
    start, length = places[storage.key]
    if length != storage.bytes:
        raise ValueError("it lies about the size of a storage")
    return start, length


def _span(view: View) -> int:
    """Values from the first to the last of a tensor, with those in the gaps between them."""
    if 0 in view.shape:
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))


def _in_order(view: View) -> bool:
    expected = 1
    for size, step in zip(reversed(view.shape), reversed(view.strides), strict=True):
        if size != 1 and step != expected:
            return 0 in view.shape
        expected *= size
    return True


def _cut(path: Path, missing: int) -> CheckpointError:
    return CheckpointError(
        f"{path} is cut short: at least {missing} bytes are missing.",
        hint=f"Get it again, or wait for its writer. {freshly_written(path)}".rstrip(),
    )
