"""The layer names of models examined before, so that a shell can offer them for --layers.

A file a model in the user's cache folder; `NETDOCTOR_CACHE=off` keeps none. It is a convenience:
whatever goes wrong with it is passed over.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from netdoctor.report import Report

_MOST_MODELS = 64
_MOST_NAMES = 5_000
_LARGEST = 1_000_000  # bytes of a file


def folder() -> Path | None:
    """Where the files are; None when they are turned off or there is no home."""
    if os.environ.get("NETDOCTOR_CACHE", "").lower() in ("off", "0", "no", "false"):
        return None
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base and sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA", "")
    try:
        root = Path(base) if os.path.isabs(base) else Path.home() / _default()
    except RuntimeError:  # no home
        return None
    return root / "netdoctor" / "layers"


def remember(model: str, report: Report) -> None:
    """Keeps the names of the layers in a report's tables, for the models seen last.

    `layers` lists them all; what other commands see is added to what is known.

    Args:
        model: the MODEL argument.
        report: of a run on it.
    """
    import json  # here and below: not for every start

    names, target = _names(report), _file(model)
    if not names or target is None:
        return
    if report.command != "layers":
        names = list(dict.fromkeys([*recall(model), *names]))[:_MOST_NAMES]
    content = json.dumps({"model": model, "layers": names})
    if len(content) > _LARGEST:
        return
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    with contextlib.suppress(OSError, ValueError):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            partial.write_text(content, encoding="utf-8")
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        _forget_the_oldest(target.parent)


def recall(model: str) -> list[str]:
    """The names kept for a model, in the order of the calls; none where there are none."""
    import json

    file = _file(model)
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if file is not None and file.stat().st_size <= _LARGEST:
            kept = json.loads(file.read_text(encoding="utf-8"))
            names = kept.get("layers") if isinstance(kept, dict) else None
            if isinstance(names, list):
                return [name for name in names if isinstance(name, str)]
    return []


def _default() -> str:
    if sys.platform == "darwin":
        return "Library/Caches"
    return "AppData/Local" if sys.platform == "win32" else ".cache"


def _names(report: Report) -> list[str]:
    """Each call, and before it the name that selects all calls: `relu`, `relu#1`, `relu#2`."""
    tables = [each for each in report.tables if each.name == "layers"]
    rows = [str(row.get("layer", "")) for table in tables for row in table.rows]
    names = dict.fromkeys(name for row in rows for name in (row.rpartition("#")[0], row))
    return [name for name in names if name and name.isprintable()][:_MOST_NAMES]


def _file(model: str) -> Path | None:
    """A name of the working directory's own for what is found from there."""
    import hashlib

    where = folder()
    if where is None:
        return None
    with contextlib.suppress(OSError):
        place = os.getcwd() if ":" in model else ""
        digest = hashlib.sha256(f"{place}\n{model}".encode(errors="surrogateescape"))
        return where / f"{digest.hexdigest()[:24]}.json"
    return None


def _forget_the_oldest(where: Path) -> None:
    files = sorted(where.glob("*.json"), key=lambda file: file.stat().st_mtime)
    for file in files[: -_MOST_MODELS or None]:
        file.unlink(missing_ok=True)
