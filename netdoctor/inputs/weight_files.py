"""What a path to weights means: one file, a sharded set, or a folder of files. No torch."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

import msgspec

from netdoctor.errors import CheckpointError
from netdoctor.inputs.safetensors_layout import read_layout
from netdoctor.inputs.sniff import sniff
from netdoctor.inputs.stored import StoredFile, StoredTensor
from netdoctor.inputs.torch_layout import read_legacy, read_zip

_LARGEST_INDEX_BYTES = 100_000_000
_MOST_SHARDS = 10_000
_ENDINGS = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
_SHOWN = 6


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


def expand(paths: Sequence[str | Path]) -> list[Path]:
    """The checkpoint files that these paths name; of a folder those directly in it.

    The files that an index in the same folder names are part of the index.

    Raises:
        CheckpointError: a folder has none.
    """
    files: list[Path] = []
    for path in map(Path, paths):
        files += _in_folder(path) if path.is_dir() else [path]
    return list(dict.fromkeys(files))


def open_stored(path: Path) -> StoredFile:
    """Where the tensors of a checkpoint file, or of a sharded set, lie.

    Raises:
        CheckpointError: it is missing, something else, unfinished, damaged or forged.
    """
    try:
        kind = sniff(path)
        if kind == "index":
            return _sharded(path)
        if kind == "safetensors":
            return read_layout(path)
        return read_zip(path) if kind == "zip" else read_legacy(path)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from None


def _in_folder(folder: Path) -> list[Path]:
    inside = sorted(each for each in folder.iterdir() if each.is_file())
    indices = [each for each in inside if each.name.endswith(".index.json")]
    parts: set[Path] = set()
    for index in indices:
        with contextlib.suppress(CheckpointError):
            parts |= {folder / shard for shard in _weight_map(index).values()}
    files = [each for each in inside if each.suffix.lower() in _ENDINGS and each not in parts]
    if not indices and not files:
        raise CheckpointError(
            f"The folder {folder} holds no checkpoint file.",
            hint=f"Looked for {', '.join(_ENDINGS)} and .index.json directly in it.",
        )
    return [*indices, *files]


def _sharded(path: Path) -> StoredFile:
    weight_map = _weight_map(path)
    names = sorted(set(weight_map.values()))
    absent = [name for name in names if not (path.parent / name).is_file()]
    if absent:
        more = f" and {len(absent) - _SHOWN} more" if len(absent) > _SHOWN else ""
        raise CheckpointError(
            f"{path} names {len(names)} files, of which {len(absent)} are not beside it: "
            f"{', '.join(absent[:_SHOWN])}{more}.",
            hint=f"Put them into {path.parent}.",
        )
    shards = {name: _shard(path.parent / name) for name in names}
    held = {each.name: shard for shard, file in shards.items() for each in file.tensors}
    lost = [name for name, shard in weight_map.items() if held.get(name) != shard]
    if lost:
        raise CheckpointError(
            f"{path} places {len(lost)} of {len(weight_map)} tensors where they are not: "
            f"{', '.join(name[:200] for name in lost[:_SHOWN])}.",
            hint="The files do not belong together: get them all again.",
        )
    tensors: list[StoredTensor] = [each for file in shards.values() for each in file.tensors]
    return StoredFile(
        path, "sharded", tuple(tensors), sum(file.size for file in shards.values()),
        tuple(each for file in shards.values() for each in file.not_read),
        tuple(version for file in shards.values() for version in file.versions),
    )  # fmt: skip


def _shard(path: Path) -> StoredFile:
    if sniff(path) == "index":
        raise CheckpointError(f"{path} is an index where a shard should be.")
    return open_stored(path)


def _weight_map(path: Path) -> dict[str, str]:
    if path.stat().st_size > _LARGEST_INDEX_BYTES:
        raise CheckpointError(f"{path} is too large for an index.", hint="Give a checkpoint.")
    try:
        weight_map = msgspec.json.decode(path.read_bytes(), type=_Index).weight_map
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise CheckpointError(
            f"{path} is a JSON file, but not the index of a sharded checkpoint.",
            hint="An index has a weight_map from tensor names to files beside it.",
        ) from None
    if len(set(weight_map.values())) > _MOST_SHARDS or not weight_map:
        raise CheckpointError(f"{path} names {len(set(weight_map.values()))} files: refused.")
    for shard in set(weight_map.values()):
        _refuse_outside(path, shard)
    return weight_map


def _refuse_outside(path: Path, shard: str) -> None:
    parts = {*PurePosixPath(shard).parts, *PureWindowsPath(shard).parts}
    anchored = PurePosixPath(shard).is_absolute() or PureWindowsPath(shard).anchor
    if anchored or ".." in parts or not shard or "\0" in shard:
        raise CheckpointError(
            f"{path} names the file {shard[:200]!r}, which is outside its own folder: refused.",
            hint="The files of a sharded checkpoint stand beside its index.",
        )
