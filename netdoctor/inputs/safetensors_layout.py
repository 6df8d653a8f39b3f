"""The header of a safetensors file, every claim of it checked before a byte is read. No torch."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from netdoctor.errors import CheckpointError
from netdoctor.inputs.groups import group_of
from netdoctor.inputs.sniff import freshly_written
from netdoctor.inputs.stored import ITEM_BYTES, StoredFile, StoredTensor, version_of

_LARGEST_HEADER = 100_000_000
_MOST_ENTRIES = 1_000_000
_MOST_DIMENSIONS = 64
_TYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64", "C64": "complex64", "C128": "complex128",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz", "F8_E8M0": "float8_e8m0fnu",
}  # fmt: skip
_BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6}


class _Entry(msgspec.Struct):
    dtype: str | None = None
    shape: list[int] | None = None
    data_offsets: tuple[int, int] | None = None


def read_layout(path: Path) -> StoredFile:
    """Where the tensors of a safetensors file lie.

    Raises:
        CheckpointError: the header lies about sizes or places, or the file is cut short.
    """
    version = version_of(path)
    size = version[1]
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > min(_LARGEST_HEADER, size - 8):
            raise _damaged(path, f"claims a header of {length} bytes in a file of {size}")
        raw = file.read(length)
    if len(raw) < length:
        raise _damaged(path, "ends inside its header")
    entries = _entries(path, raw)
    tensors = [_tensor(path, name, entry, 8 + length) for name, entry in entries.items()]
    _check_places(path, tensors, 8 + length, size)
    return StoredFile(path, "safetensors", tuple(tensors), size, versions=(version,))


def _entries(path: Path, raw: bytes) -> dict[str, _Entry]:
    if raw.count(b"{") > _MOST_ENTRIES:
        raise _damaged(path, f"has a header of more than {_MOST_ENTRIES} entries")
    try:
        entries = msgspec.json.decode(raw, type=dict[str, _Entry])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        told = str(error).partition("\n")[0][:200]
        raise _damaged(path, f"has a header that breaks the format: {told}") from None
    entries.pop("__metadata__", None)
    named = raw.count(b'"data_offsets"')
    if named > len(entries) and not any("data_offsets" in name for name in entries):
        raise _damaged(path, "lists a tensor twice in its header")
    return entries


def _tensor(path: Path, name: str, entry: _Entry, base: int) -> StoredTensor:
    dtype, shape, offsets = entry.dtype, entry.shape, entry.data_offsets
    if dtype is None or shape is None or offsets is None:
        raise _damaged(path, f"says no type, shape or place of {name[:200]!r}")
    if len(shape) > _MOST_DIMENSIONS or any(each < 0 for each in shape):
        raise _damaged(path, f"gives {name[:200]!r} an impossible shape")
    begin, end = offsets
    if not 0 <= begin <= end:
        raise _damaged(path, f"places {name[:200]!r} at bytes {begin} to {end}")
    known = _TYPES.get(dtype, dtype)
    reason = "" if known in ITEM_BYTES else _unknown(dtype)
    bits = 8 * ITEM_BYTES[known] if known in ITEM_BYTES else _BITS.get(dtype)
    if bits is not None and bits * math.prod(shape) != 8 * (end - begin):
        told = f"{dtype} {shape} take {bits * math.prod(shape) // 8} bytes, not {end - begin}"
        raise _damaged(path, f"lies about the size of {name[:200]!r}: {told}")
    group = group_of(name)
    return StoredTensor(
        name, known, tuple(shape), path, base + begin, end - begin, group, reason=reason
    )


def _unknown(dtype: str) -> str:
    if dtype in _BITS:
        return f"{dtype} packs several values into a byte; it has neither NaN nor Inf"
    return f"the type {dtype[:40]!r} is not known"


def _check_places(path: Path, tensors: list[StoredTensor], base: int, size: int) -> None:
    """The tensors cover the data from its first byte to its last, and no byte twice."""
    reached = base
    for each in sorted(tensors, key=lambda each: (each.offset, each.length)):
        if each.offset != reached:
            what = "overlaps with another" if each.offset < reached else "leaves a gap before it"
            raise _damaged(path, f"lies about its places: {each.name[:200]!r} {what}")
        reached += each.length
    if reached > size:
        cut = [each for each in tensors if each.offset + each.length > size]
        raise CheckpointError(
            f"{path} is cut short: {reached - size} of {reached} bytes are missing, and with them "
            f"{len(cut)} of {len(tensors)} tensors, {cut[0].name[:200]!r} first.",
            hint=f"Get it again, or wait for its writer. {freshly_written(path)}".rstrip(),
        )
    if reached < size:
        raise _damaged(path, f"has {size - reached} bytes at its end that belong to no tensor")


def _damaged(path: Path, what: str) -> CheckpointError:
    hint = f"It is damaged or forged: get it again. {freshly_written(path)}".rstrip()
    return CheckpointError(f"{path} {what}.", hint=hint)
