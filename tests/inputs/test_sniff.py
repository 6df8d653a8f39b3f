"""Each file that is no checkpoint is recognised before anything unpickles it."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from netdoctor.errors import CheckpointError
from netdoctor.inputs.sniff import sniff


def _old(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (time.time() - 3600,) * 2)
    return path


def _picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, kind)
    return buffer.getvalue()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pt"), io.BytesIO())
    return buffer.getvalue()


def _zip(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"x")
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros(3))
    return buffer.getvalue()


def _onnx() -> bytes:
    return b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(64)


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 1234567890\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (LFS, "Git LFS pointer"),
        (b"\n<!DOCTYPE html><html>404</html>", "web page"),
        (_picture("PNG"), "PNG"),
        (_picture("JPEG"), "JPEG"),
        (_picture("GIF"), "GIF"),
        (gzip.compress(b"weights"), "gzip"),
        (_tar(), "tar"),
        (_onnx(), "ONNX"),
        (_npz(), "npz"),
        (_zip("readme.txt"), "zip archive"),
        (_zip("model/archive_format"), "torch.export"),
        (_zip("net/code/__torch__.py"), "TorchScript"),
        (_zip("net/data.pkl")[:-40], "truncated"),
        (b"GGUF" + bytes(40), "GGUF"),
        (b"epoch,loss\n1,0.5\n", "text file"),
        ("épreuve de texte\n".encode() * 200, "text file"),
        (pickle.dumps({"a": 1}), "plain pickle"),
        (bytes(range(128, 256)) * 10, "no checkpoint"),
        ((10**6).to_bytes(8, "little") + b'{"a"' + bytes(20), "truncated safetensors"),
    ],
)
def test_names_what_the_file_is(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        sniff(_old(tmp_path / "model.pt", content))
    assert caught.value.hint
    assert "being written" not in caught.value.hint


def test_lfs_pointer_tells_the_size_and_the_way(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"1\.2 GB") as caught:
        sniff(_old(tmp_path / "model.safetensors", LFS))
    assert "git lfs pull" in caught.value.hint


def test_a_file_changed_just_now_may_still_be_being_written(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    torch.save(nn.Linear(64, 64).state_dict(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match="truncated") as caught:
        sniff(path)
    assert "being written" in caught.value.hint


def test_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "best.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="no checkpoint") as caught:
        sniff(tmp_path / "bset.ckpt")
    assert "best.ckpt" in caught.value.hint


def test_folder_suggests_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="folder") as caught:
        sniff(tmp_path)
    assert "model.safetensors" in caught.value.hint


def test_knows_the_real_formats_whatever_the_ending(tmp_path: Path) -> None:
    state = nn.Linear(2, 3).state_dict()
    torch.save(state, tmp_path / "new.bin")
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    save_file(state, tmp_path / "renamed.pt")
    assert sniff(tmp_path / "new.bin") == "zip"
    assert sniff(tmp_path / "old.pt") == "legacy"
    assert sniff(tmp_path / "renamed.pt") == "safetensors"


def test_only_what_may_still_grow_is_worth_waiting_for(tmp_path: Path) -> None:
    for name, content, waits in (("a.pt", b"", True), ("b.pt", _picture("PNG"), False)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CheckpointError) as caught:
            sniff(tmp_path / name)
        assert ("may still be being written" in caught.value.hint) == waits
    with pytest.raises(CheckpointError) as caught:
        sniff(tmp_path)
    assert "written" not in caught.value.hint
