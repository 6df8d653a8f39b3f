"""The text of a log file, whatever its encoding; what is no log is refused by name."""

from __future__ import annotations

import codecs
import gzip
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

from netdoctor.errors import LogError, NoCurveYetError
from netdoctor.inputs.user_code import is_web_address, near_paths

LARGEST = 2 * 1024**3
_BOMB = 200 * 1024**2  # from here on, what is packed more than so many times is refused
_MOST_PACKED = 200
_PIECE = 4 * 1024**2
_HEAD = 4096
_GZIP = b"\x1f\x8b"
_EVENT = b"brain.Event:"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MODEL = "Give the log of its training; for the weights there is `netdoctor check-weights FILE`."
_MAGIC = (
    (0, b"PK\x03\x04", "is a zip archive, such as torch.save, Keras and NumPy write", _MODEL),
    (2, b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "is a PyTorch checkpoint", _MODEL),
    (0, b"\x89HDF", "is an HDF5 file, such as Keras writes for models", _MODEL),
    (0, b"GGUF", "is a GGUF model", _MODEL),
    (0, b"\x89PNG\r\n", "is a picture (PNG)", ""),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)", ""),
    (0, b"GIF8", "is a picture (GIF)", ""),
    (0, b"%PDF", "is a PDF document", ""),
    (0, b"PAR1", "is a Parquet file", "Write it as CSV: pandas.read_parquet(FILE).to_csv(...)."),
    (0, b"SQLite format 3", "is an SQLite database", "Export the metrics as CSV or JSON."),
    (0, b"\x93NUMPY", "is a NumPy array", "Write it as CSV with a header line."),
    (0, b"BZh", "is a compressed archive (bzip2)", "Unpack it first."),
    (0, b"\xfd7zXZ", "is a compressed archive (xz)", "Unpack it first."),
    (0, b"(\xb5/\xfd", "is a compressed archive (zstd)", "Unpack it first."),
    (257, b"ustar", "is a tar archive", "Unpack it first."),
)  # fmt: skip
ACCEPTED = (
    "Give a CSV, TSV, JSON or JSON-lines log, TensorBoard events, the text that a trainer printed, "
    "or a folder that holds one of these."
)


def existing(path: Path) -> Path:
    """The path, when a file or folder is there that can be read.

    Raises:
        LogError: it is not, said why.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("rb").close()
        elif not stat.S_ISDIR(mode):
            raise LogError(
                f"{path} is not a regular file.", hint="Give the path of a file on disk."
            )
    except FileNotFoundError:
        hint = near_paths(path) or "Check the path; it is relative to the working directory."
        if is_web_address(str(path)):
            hint = "It is a web address: download the log first, and give its path."
        raise LogError(f"There is no log {path}.", hint=hint) from None
    except (OSError, ValueError) as error:
        raise LogError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.",
            hint="Check the path and the permissions of the file.",
        ) from None
    return path


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked where it is gzip."""
    with path.open("rb") as file:
        start = file.read(_HEAD)
    if start.startswith(_GZIP):
        try:
            with gzip.open(path) as packed:
                return packed.read1(_HEAD)
        except (OSError, EOFError, zlib.error):
            return b""
    return start


def is_event_file(head: bytes) -> bool:
    """Whether the bytes begin a TensorBoard event file."""
    return _EVENT in head[:64]


def text_of(path: Path) -> str:
    """The whole text of a log, lines ended by newlines, without a byte order mark.

    Raises:
        LogError: it is empty, too large, broken, or recognisably something else.
    """
    head = head_of(path)
    refuse_others(path, head)
    content = _unpacked(path)
    return _decoded(path, content)


def refuse_others(path: Path, head: bytes) -> None:
    """Tells what a file is that is no log.

    Raises:
        LogError: it is recognisably something else.
    """
    for offset, magic, what, hint in _MAGIC:
        if head[offset:].startswith(magic):
            raise LogError(f"{path} {what}, not a training log.", hint=hint or ACCEPTED)
    if head[8:9] == b"{" and head[:8] != head[:8].strip(b"\x00") and b'"dtype"' in head:
        raise LogError(f"{path} is a safetensors checkpoint, not a training log.", hint=_MODEL)
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and len(head) > 2:
        raise LogError(
            f"{path} is a pickle, which cannot be read without running what is in it.",
            hint="Write it as JSON: json.dump(history.history, open('history.json', 'w'), "
            "default=float)",
        )
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html", b"<?xml")):
        hint = "Download it again with a direct link, or export the metrics as CSV."
        raise LogError(f"{path} is a web page or XML, not a training log.", hint=hint)


def _unpacked(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP
    if not packed and path.stat().st_size > LARGEST:
        raise _too_large(path)
    if not packed:
        return path.read_bytes()
    pieces: list[bytes] = []
    size, on_disk = 0, path.stat().st_size
    try:
        for piece in _gunzipped(path):
            size += len(piece)
            if size > LARGEST or (size > _BOMB and size > _MOST_PACKED * on_disk):
                raise _too_large(path)
            pieces.append(piece)
    except zlib.error as error:
        raise LogError(
            f"{path} is a broken gzip file: {error}.", hint="Copy or pack it again."
        ) from None
    return b"".join(pieces)


def _gunzipped(path: Path) -> Iterator[bytes]:
    """What a gzip file holds; of one that is still being written, as far as it goes."""
    with path.open("rb") as file:
        unpacker, packed = zlib.decompressobj(31), file.read(_PIECE)
        while packed:
            yield unpacker.decompress(packed, _PIECE)
            packed = unpacker.unconsumed_tail or unpacker.unused_data.lstrip(b"\x00")
            if unpacker.eof:
                unpacker = zlib.decompressobj(31)
            packed = packed or file.read(_PIECE)


def _too_large(path: Path) -> LogError:
    return LogError(
        f"{path} holds more than {LARGEST // 1024**3} GiB, or unpacks to more than a log would.",
        hint="Keep every n-th line, or the columns that matter.",
    )


def _binary(path: Path) -> LogError:
    return LogError(f"{path} is not a text file and no training log that is known.", hint=ACCEPTED)


def _bom(content: bytes) -> tuple[bytes, str] | None:
    return next((each for each in _BOMS if content.startswith(each[0])), None)


def _decoded(path: Path, content: bytes) -> str:
    if not content.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00"):
        raise NoCurveYetError(
            f"{path} is empty.", hint="Nothing was logged yet, or its writer was stopped."
        )
    mark = _bom(content)
    if mark is not None:
        text = content[len(mark[0]) :].decode(mark[1], errors="replace")
    elif b"\x00" in content[:_HEAD]:
        text = content.decode(_wide(path, content), errors="replace")
    else:
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            text = content.decode("latin-1")
    text = text.rstrip("\x00")
    _refuse_noise(path, text[:_HEAD])
    text = text.replace("\x00", "") if "\x00" in text else text
    return text.replace("\r\n", "\n") if "\r\n" in text else text


def _wide(path: Path, content: bytes) -> str:
    """UTF-16 without a mark: every other byte is zero."""
    if content.rstrip(b"\x00")[:_HEAD].count(0) == 0:
        return "utf-8"  # zeros behind the text: preallocated, or its writer crashed
    sample = content[: _HEAD // 2 * 2]
    share = len(sample) / 2 * 0.9
    if sample[1::2].count(0) >= share:
        return "utf-16-le"
    if sample[0::2].count(0) >= share:
        return "utf-16-be"
    raise _binary(path)


def _refuse_noise(path: Path, sample: str) -> None:
    odd = sum(not (each.isprintable() or each in "\n\r\t\b\x1b\x0c") for each in sample)
    if odd > 0.05 * len(sample):
        raise _binary(path)
