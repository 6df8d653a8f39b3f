"""What a file is by its first bytes, before anything unpickles it. No torch."""

from __future__ import annotations

import json
import re
import stat
import time
import zipfile
from pathlib import Path
from typing import Literal

from netdoctor.errors import CheckpointError
from netdoctor.inputs.user_code import is_web_address, near_paths

Kind = Literal["zip", "legacy", "safetensors", "index"]

_HEAD = 1024
_STILL_WRITTEN_SECONDS = 60
_LARGEST_SAFETENSORS_HEADER = 100_000_000
_TORCH_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_LFS = b"version https://git-lfs.github.com/spec/"
_PICTURE = "a picture"
_ARCHIVE = "a compressed archive"
_MAGIC = (
    (0, b"\x89PNG\r\n", f"{_PICTURE} (PNG)"),
    (0, b"\xff\xd8\xff", f"{_PICTURE} (JPEG)"),
    (0, b"GIF8", f"{_PICTURE} (GIF)"),
    (8, b"WEBP", f"{_PICTURE} (WebP)"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x1f\x8b", f"{_ARCHIVE} (gzip)"),
    (0, b"BZh", f"{_ARCHIVE} (bzip2)"),
    (0, b"\xfd7zXZ", f"{_ARCHIVE} (xz)"),
    (0, b"(\xb5/\xfd", f"{_ARCHIVE} (zstd)"),
    (0, b"7z\xbc\xaf", f"{_ARCHIVE} (7z)"),
    (257, b"ustar", f"{_ARCHIVE} (tar)"),
    (0, b"\x89HDF", "an HDF5 file (Keras)"),
    (0, b"GGUF", "a GGUF file (llama.cpp)"),
    (0, b"\x93NUMPY", "a NumPy array (.npy)"),
)
_GET_AGAIN = "The copy, the download or the save was cut short: get the file again."
_HINTS = {
    _PICTURE: "Images go to --data; --checkpoint takes weights.",
    _ARCHIVE: "Unpack it first, and give the checkpoint inside it.",
}


def sniff(path: Path) -> Kind:
    """The format of a checkpoint file.

    Raises:
        CheckpointError: it is missing, unreadable, or recognisably something else, said by name.
    """
    size = _size(path)
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if size == 0:
        hint = "It was never written, or its writer was stopped: save it again."
        raise _unfinished(path, "is empty", hint)
    if head.startswith(_LFS):
        raise _pointer(path, head)
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if _is_safetensors(path, head, size):
        return "safetensors"
    if head[2:].startswith(_TORCH_LEGACY) and head[0] == 0x80:
        return "legacy"
    for offset, magic, what in _MAGIC:
        if head[offset:].startswith(magic):
            hint = next((hint for key, hint in _HINTS.items() if what.startswith(key)), "")
            raise _refusal(path, f"is {what}, not a checkpoint", hint)
    _refuse_page_or_text(path, head)
    return "index"


def freshly_written(path: Path) -> str:
    """A sentence when the file changed within the last minute, else an empty string."""
    age = time.time() - path.stat().st_mtime
    if age > _STILL_WRITTEN_SECONDS:
        return ""
    return (
        f"It was changed {max(age, 0):.0f} s ago and may still be being written: try again later."
    )


def _size(path: Path) -> int:
    try:
        found = path.stat()
        if stat.S_ISREG(found.st_mode):
            with path.open("rb"):
                return found.st_size
    except FileNotFoundError:
        hint = near_paths(path) or "Check the path; it is relative to the working directory."
        if is_web_address(str(path)):
            hint = "It is a web address: download the file first, and give its path."
        raise CheckpointError(f"There is no checkpoint {path}.", hint=hint) from None
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            hint="Check the path and the permissions of the file.",
        ) from None
    if path.is_dir():
        raise _refusal(path, "is a folder, not a checkpoint file", _in_folder(path))
    raise _refusal(path, "is not a regular file", "Give the path of a file on disk.")


def _in_folder(folder: Path) -> str:
    endings = ("*.index.json", "*.safetensors", "*.ckpt", "*.pt", "*.pth", "*.bin")
    inside = [str(file) for ending in endings for file in sorted(folder.glob(ending))]
    return f"Give a file in it: {' or '.join(inside[:3])}." if inside else "Give a file in it."


def _refusal(path: Path, what: str, hint: str = "") -> CheckpointError:
    hint = hint or "Give a file that torch.save or safetensors wrote."
    return CheckpointError(f"{path} {what}.", hint=hint)


def _unfinished(path: Path, what: str, hint: str = _GET_AGAIN) -> CheckpointError:
    return _refusal(path, what, f"{hint} {freshly_written(path)}".rstrip())


def _pointer(path: Path, head: bytes) -> CheckpointError:
    size = re.search(rb"^size (\d+)", head, re.MULTILINE)
    expected = f" (the file itself has {_bytes(int(size[1]))})" if size else ""
    return CheckpointError(
        f"{path} is a Git LFS pointer, not the checkpoint{expected}: Git did not fetch it.",
        hint="Run `git lfs pull` in its repository.",
    )


def _bytes(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"


def _zip(path: Path) -> Kind:
    try:
        with zipfile.ZipFile(path) as archive:
            tops = archive.namelist()
            packed = [each.filename for each in archive.infolist() if each.compress_type]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        what = "is truncated: its zip archive has no directory at the end"
        raise _unfinished(path, what) from None
    names = [name.partition("/")[2] for name in tops]
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        raise _refusal(
            path,
            "is a TorchScript archive, a compiled program and not a state dict",
            "Save the weights alone: torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt').",
        )
    if "archive_format" in names:
        raise _refusal(path, "is a torch.export archive, a program and not a state dict")
    if "data.pkl" in names:
        if packed:
            what = f"has the compressed entry {packed[0][:200]!r}, which torch.save never writes"
            raise _refusal(path, what, "Load it with torch.load, and save it with torch.save.")
        return "zip"
    if any(name.endswith(".npy") for name in tops):
        raise _refusal(path, "is a NumPy archive (.npz), not a checkpoint")
    raise _refusal(path, "is a zip archive, but not one that torch.save wrote")


def _is_safetensors(path: Path, head: bytes, size: int) -> bool:
    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or length > max(_LARGEST_SAFETENSORS_HEADER, size):
        return False
    if length + 8 > size:
        raise _unfinished(path, "is a truncated safetensors file: it ends inside its header")
    return True


def _refuse_page_or_text(path: Path, head: bytes) -> None:
    """Lets only the JSON index of a sharded checkpoint pass."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml", b"<head")):
        raise _refusal(
            path,
            "is a web page, not a checkpoint: the download got a page in place of the file",
            "Download it again with a direct link (a login or a confirmation may be needed).",
        )
    if path.suffix.lower() == ".onnx" or _looks_like_onnx(head):
        raise _refusal(path, "is an ONNX model, which holds a graph and no PyTorch state dict")
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05":
        raise _refusal(
            path,
            "is a plain pickle (pickle.dump), which cannot be read without running it",
            "Save it with torch.save.",
        )
    if path.suffix.lower() == ".json":
        return
    text = head.decode("utf-8", errors="ignore")
    if len(text.encode()) >= len(head) - 3 and all(c.isprintable() or c.isspace() for c in text):
        first = json.dumps(text.strip().split("\n")[0][:60], ensure_ascii=False)
        raise _refusal(path, f"is a text file (it begins with {first}), not a checkpoint")
    what = f"is no checkpoint in a known format (it begins with {head[:8]!r})"
    raise _unfinished(path, what, "Give a file that torch.save or safetensors wrote.")


def _looks_like_onnx(head: bytes) -> bool:
    starts = (
        head[0] == 0x08 and head[1:2] <= b"\x20" and head[2:3] in (b"\x12", b":", b"\x1a", b"B")
    )
    return starts and re.search(rb"pytorch|onnx|tf2onnx|skl2onnx", head[:128]) is not None
