"""Reads a checkpoint file in any of its formats; no line of code in it ever runs."""

from __future__ import annotations

import json
import pickle
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import Tensor

from netdoctor.errors import CheckpointError
from netdoctor.inputs import inert_pickle
from netdoctor.inputs.sniff import freshly_written, sniff
from netdoctor.inputs.user_code import describe

_LARGEST_INDEX_BYTES = 200_000_000
_SHOWN = 6


def read_file(path: Path, *, trust: bool = False) -> Any:
    """What a checkpoint file holds, on the CPU; objects of unknown classes as stand-ins.

    Args:
        path: a `.safetensors` file, the index of a sharded set, or a `torch.save` file.
        trust: unpickle everything, which runs whatever code the file holds.

    Raises:
        CheckpointError: the file is missing, something else, damaged, or asks to run code.
    """
    kind = sniff(path)
    try:
        if kind == "index":
            return _read_shards(path, trust)
        if kind == "safetensors":
            return _read_safetensors(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _read_trusted(path) if trust else _read_torch(path, mmap=kind == "zip")
    except inert_pickle.HostileCheckpointError as error:
        raise CheckpointError(
            f"{path} is refused. {error.message}",
            hint=f"{error.hint} --trust-checkpoint reads it and runs that.",
        ) from None
    except CheckpointError:
        raise
    except (Exception, SystemExit) as error:
        reason = str(error).strip().partition("\n")[0][:200] or "it ends too early"
        raise CheckpointError(
            f"{path} cannot be read: {type(error).__name__}: {reason}",
            hint=f"It may be damaged: save or download it again. {freshly_written(path)}".rstrip(),
        ) from error


def _read_torch(path: Path, *, mmap: bool) -> Any:
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        # One object of another class is enough to be refused. Our own reader is stricter still:
        # with it as the pickle module, torch contributes the file format only.
        inert: Any = inert_pickle
        return torch.load(
            str(path), map_location="cpu", weights_only=False, pickle_module=inert, mmap=mmap
        )


def _read_trusted(path: Path) -> Any:
    try:
        return torch.load(str(path), map_location="cpu", weights_only=False)
    except (ImportError, AttributeError) as error:
        raise CheckpointError(
            f"{path} holds objects whose classes are not importable here: {describe(error)}",
            hint="Run where they are, or leave --trust-checkpoint out: tensors need no classes.",
        ) from error


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt", device="cpu") as file:
            names = file.keys()
            return {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is a damaged safetensors file: {error}.",
            hint="The copy, the download or the save was cut short: get the file again. "
            + freshly_written(path),
        ) from None


def _read_shards(path: Path, trust: bool) -> dict[str, Any]:
    weight_map = _weight_map(path)
    shards = sorted(set(weight_map.values()))
    missing = [name for name in shards if not (path.parent / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{path} names {len(shards)} files, of which {len(missing)} are not beside it: "
            f"{', '.join(missing[:_SHOWN])}.",
            hint=f"Put them into {path.parent}.",
        )
    state: dict[str, Any] = {}
    for shard in shards:
        if sniff(path.parent / shard) == "index":
            raise CheckpointError(
                f"{path.parent / shard} is an index where a shard should be.",
                hint="Give the index whose files are checkpoints.",
            )
        content = read_file(path.parent / shard, trust=trust)
        wanted = [name for name, file in weight_map.items() if file == shard]
        absent = [name for name in wanted if name not in content]
        if absent:
            raise CheckpointError(
                f"{path.parent / shard} lacks {len(absent)} of the tensors that {path.name} "
                f"places there: {', '.join(absent[:_SHOWN])}.",
                hint="The files do not belong together: download them again.",
            )
        state.update((name, content[name]) for name in wanted)
    return state


def _weight_map(path: Path) -> dict[str, str]:
    if path.stat().st_size > _LARGEST_INDEX_BYTES:
        raise CheckpointError(f"{path} is too large for an index.", hint="Give a checkpoint.")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        weight_map = index["weight_map"]
        shards = {str(name): str(file) for name, file in weight_map.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(
            f"{path} is a JSON file, but not the index of a sharded checkpoint.",
            hint="An index has a weight_map from tensor names to files beside it.",
        ) from None
    for shard in shards.values():
        parts = {*PurePosixPath(shard).parts, *PureWindowsPath(shard).parts}
        anchored = PurePosixPath(shard).is_absolute() or PureWindowsPath(shard).anchor
        if anchored or ".." in parts or not shard:
            raise CheckpointError(
                f"{path} names the file {shard!r}, which is outside its own folder: refused.",
                hint="The files of a sharded checkpoint stand beside its index.",
            )
    return shards
