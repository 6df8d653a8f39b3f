"""Files, folders and the factories in a file: found without importing any code."""

from __future__ import annotations

import ast
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from netdoctor.cli.completion.candidate import Candidate

_LARGEST = 2_000_000  # bytes of a file that is read for its factories
_MOST = 2_000  # entries of a folder
_SKIPPED = frozenset({"__pycache__", "node_modules"})


def specs(typed: str) -> list[Candidate]:
    """`file.py:factory` and `package.module:factory`, one step further than what is typed."""
    location, colon, _ = typed.rpartition(":")
    if colon:
        file = _file_of(location)
        found = factories(file) if file is not None else []
        return [Candidate(f"{location}:{each.value}", each.help) for each in found]
    return [*paths(typed, endings=(".py",), follow=":"), *_modules(typed)]


def paths(typed: str, *, endings: tuple[str, ...] = (), follow: str = "") -> list[Candidate]:
    """Folders, and files with one of the endings, that begin with what is typed.

    Args:
        typed: the path as far as it is known; `~` stands for the home folder.
        endings: of the files; all files without any.
        follow: what has to follow a file's name.
    """
    folder, slash, beginning = typed.rpartition("/")
    shown = folder + slash
    found = []
    for entry in _entries(os.path.expanduser(shown) or "."):
        hidden = entry.name.startswith(".") and not beginning.startswith(".")
        if hidden or entry.name in _SKIPPED or not entry.name.startswith(beginning):
            continue
        if entry.is_dir():
            found.append(Candidate(f"{shown}{entry.name}/"))
        elif entry.name.endswith(endings or ""):
            found.append(Candidate(f"{shown}{entry.name}{follow}"))
    return found


def factories(file: Path) -> list[Candidate]:
    """Functions, classes and objects that the file defines at its top, by their source alone."""
    try:
        if file.stat().st_size > _LARGEST:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    return [each for each in _defined(tree.body) if not each.value.startswith("_")]


def _defined(body: list[ast.stmt]) -> Iterator[Candidate]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield Candidate(node.name, (ast.get_docstring(node) or "").partition("\n")[0])
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            names = [each for each in node.targets if isinstance(each, ast.Name)]
            yield from (Candidate(each.id) for each in names)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry, _ in zip(entries, range(_MOST), strict=False)]
    except (OSError, ValueError):
        return []
    return sorted(found, key=lambda entry: entry.name)


def _file_of(location: str) -> Path | None:
    """The source of `file.py` or of a dotted module; packages are not imported to find it."""
    if location.endswith(".py"):
        return Path(location).expanduser()
    if not location or "/" in location:
        return None
    parts = location.split(".")
    for root in (Path.cwd(), *map(Path, sys.path)):
        place = root.joinpath(*parts)
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


def _modules(typed: str) -> list[Candidate]:
    """Packages of the working directory, and what is in them."""
    package, dot, beginning = typed.rpartition(".")
    if "/" in typed:
        return []
    folder = Path.cwd().joinpath(*package.split(".")) if package else Path.cwd()
    found = []
    for entry in _entries(str(folder)):
        name = entry.name.removesuffix(".py")
        if not name.startswith(beginning) or not name.isidentifier() or name == "__init__":
            continue
        if entry.is_dir() and Path(entry.path, "__init__.py").is_file():
            found.append(Candidate(f"{package}{dot}{name}."))
        elif package and entry.name.endswith(".py"):
            found.append(Candidate(f"{package}{dot}{name}:"))
    return found
