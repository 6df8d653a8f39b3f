"""Pictures and their numbers to disk: each file whole or not at all."""

from __future__ import annotations

import dataclasses
import os
import re
import zipfile
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2s
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from netdoctor.errors import UsageError
from netdoctor.plots.tiles import ColourPicture, TiledPicture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 100


@dataclasses.dataclass(frozen=True, slots=True)
class TextPicture:
    """A picture that is a text, and what its file's name ends with: `.svg`."""

    text: str
    suffix: str

    def write(self, file: IO[bytes]) -> None:
        """Writes it as UTF-8."""
        file.write(self.text.encode("utf-8"))


Picture = Union["Figure", TiledPicture, ColourPicture, TextPicture]


def save_figures(
    figures: Iterable[tuple[str, Picture]],
    out: Path,
    *,
    arrays: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
) -> list[str]:
    """Writes each figure as `stem.png`, or with a text's own suffix, and returns all paths.

    Args:
        figures: file stems and their figures.
        out: the folder, made if it is missing.
        arrays: the numbers behind the pictures; those of a stem are saved as `stem.npz` beside
            its picture.

    Raises:
        UsageError: the folder cannot be made or written to.
    """
    written: list[str] = []
    taken: set[str] = set()
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = {}
        for stem, figure in figures:
            names[stem] = _free_name(safe_name(stem), taken)
            suffix = figure.suffix if isinstance(figure, TextPicture) else ".png"
            written.append(_write_picture(figure, out / f"{names[stem]}{suffix}"))
        for stem, numbers in (arrays or {}).items():
            name = names.get(stem) or _free_name(safe_name(stem), taken)
            written.append(_write_npz(numbers, out / f"{name}.npz"))
    except OSError as error:
        raise UsageError(
            f"cannot write pictures to {out}: {error.strerror or error}",
            hint="name a folder that can be written to with --out DIR, or use --no-plots",
        ) from error
    return written


def safe_name(text: str) -> str:
    """A file name without extension for any text: ASCII, no folders, at most 100 characters.

    `layer1.0.relu#2` becomes `layer1.0.relu-2`; where more than such marks is lost, a checksum
    of the text keeps different texts apart.
    """
    plain = re.sub(r"[/#:\s]+", "-", text)
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", plain)
    name = re.sub(r"\.{2,}", "_", name).strip("-.")
    if name == plain.strip("-.") and 0 < len(name) <= _LONGEST:
        return name
    checksum = blake2s(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{name[: _LONGEST - 9].strip('-._')}-{checksum}".lstrip("-")


def write_whole(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Writes a file by way of a temporary one beside it, so that it never exists half-written."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            write(file)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _free_name(name: str, taken: set[str]) -> str:
    """The name, or one with a number when it is taken; letter case makes no difference."""
    number, free = 1, name
    while free.lower() in taken:
        number += 1
        free = f"{name}-{number}"
    taken.add(free.lower())
    return free


def _write_picture(figure: Picture, path: Path) -> str:
    if isinstance(figure, (TiledPicture, ColourPicture, TextPicture)):
        write_whole(path, figure.write)
        return str(path)
    from netdoctor.plots.style import DPI, quiet  # matplotlib is imported only where it draws

    with quiet():
        write_whole(path, lambda file: figure.savefig(file, format="png", dpi=DPI))
    return str(path)


def _write_npz(arrays: Mapping[str, NDArray[Any]], path: Path) -> str:
    """Like numpy's savez_compressed, but with any text as a key (`file`, `self`, `a/b`)."""

    def write(file: IO[bytes]) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for key, array in arrays.items():
                with archive.open(f"{key}.npy", "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)

    write_whole(path, write)
    return str(path)
