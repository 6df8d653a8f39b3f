"""The file with the settings: found, read within limits, and blamed with the line."""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netdoctor.errors import ConfigError

NAMES = ("netdoctor.yaml", "netdoctor.yml", "pyproject.toml")
"""What is looked for in a folder; the first one that is there counts."""

MOST_BYTES = 256 * 1024
_WRITE = "write one `key: value` a line, as configs/default.yaml does"
_TABLE = "tool.netdoctor"
_ANYONE = stat.S_IWOTH
_ROOT = 0


@dataclasses.dataclass(frozen=True, slots=True)
class SettingsFile:
    """A file with settings.

    Attributes:
        name: the file as messages name it.
        values: what it says, unchecked.
        lines: by the keys that lead to a value, the line in which it stands, where that is known.
        folder: what relative paths in it are relative to; None for the working directory.
    """

    name: str
    values: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int] = dataclasses.field(default_factory=dict)
    folder: Path | None = None

    def at(self, *place: str) -> str:
        """The file with the line of a value, or of what the value is in: `netdoctor.yaml:7`."""
        for length in range(len(place), 0, -1):
            if (line := self.lines.get(place[:length])) is not None:
                return f"{self.name}:{line}"
        return self.name


def find_file(start: Path | None = None) -> Path | None:
    """The nearest file with settings in a folder or those above it, as linters look for theirs.

    In one folder netdoctor.yaml comes before netdoctor.yml and pyproject.toml, and a
    pyproject.toml without a table [tool.netdoctor] does not count. It is looked for up to the root
    of the file system; neither a repository nor a home folder ends the search.

    Args:
        start: where to begin; the working directory by default.
    """
    try:
        folder = os.path.abspath(start) if start is not None else os.getcwd()
    except OSError:  # the working directory was removed
        return None
    while True:
        for name in NAMES:
            path = os.path.join(folder, name)
            if os.path.lexists(path) and (name != NAMES[-1] or _speaks_of_netdoctor(path)):
                return Path(path)
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)


def _speaks_of_netdoctor(path: str) -> bool:
    """Whether a pyproject.toml has the table; others, be they broken, are not our concern."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return False
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError:
        return False
    if b"netdoctor" not in content:
        return False
    try:
        tool = _toml(content.decode("utf-8")).get("tool")
    except ValueError:
        return f"[{_TABLE}".encode() in content
    return isinstance(tool, dict) and "netdoctor" in tool


def read_found(path: Path) -> SettingsFile:
    """The settings in a file that was found: relative paths in it start at its folder.

    Raises:
        ConfigError: as `read_file` does; or the file belongs to somebody else, in a folder in
            which anybody may put one: it could make this user run that user's code.
    """
    folder = path.parent
    if not _is_trusted(path):
        raise ConfigError(
            f"{path} belongs to another user and lies in a folder that anyone may write to",
            hint="give it with --config if it is what you want, else go on with --no-config",
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        message = f"{path} is neither a file nor a link to one"
        raise ConfigError(message, hint="take it away, or go on with --no-config")
    here = folder == Path.cwd()
    return read_file(path, name=path.name if here else str(path), folder=None if here else folder)


def read_file(path: Path, *, name: str = "", folder: Path | None = None) -> SettingsFile:
    """The settings in a YAML file, or in a .toml: in pyproject.toml the table [tool.netdoctor].

    Args:
        path: where it is.
        name: what messages call it; the path by default.
        folder: what relative paths in it are relative to; the working directory by default.

    Raises:
        ConfigError: missing, unreadable, too large, neither YAML nor TOML, or not a mapping.
    """
    name = name or str(path)
    text = _text(path, name)
    lines: Mapping[tuple[str, ...], int] = {}
    if path.suffix.lower() == ".toml":
        content = _in_toml(text, name, table=path.name == NAMES[-1])
    else:
        content, lines = _in_yaml(text, name)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        message = f"{name} holds a {type(content).__name__} where settings are expected"
        raise ConfigError(message, hint=_WRITE)
    return SettingsFile(name, content, lines, folder)


def _text(path: Path, name: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        if path.is_symlink() and not path.exists():
            reason = f"it is a link to {os.readlink(path)}, which does not exist"
        message = f"cannot read the config file {name}: {reason or error}"
        raise ConfigError(message, hint="check the path, or go on with --no-config") from error
    if len(content) > MOST_BYTES:
        message = f"{name} is larger than {MOST_BYTES // 1024} KiB: it is no file of settings"
        raise ConfigError(message, hint="check the path, or go on with --no-config")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"{name} is not text in UTF-8: byte {error.start} is {content[error.start]:#04x}"
        raise ConfigError(message, hint="save it as UTF-8") from error


def _in_yaml(text: str, name: str) -> tuple[Any, Mapping[tuple[str, ...], int]]:
    import yaml

    from netdoctor.settings.yaml_text import parse

    try:
        parsed = parse(text)
    except (yaml.YAMLError, ValueError) as error:
        message = f"{name} is not valid YAML: {_yaml_problem(error)}"
        raise ConfigError(message, hint=_WRITE) from error
    except RecursionError as error:
        raise ConfigError(f"{name} is nested too deeply", hint=_WRITE) from error
    return parsed.content, parsed.lines


def _yaml_problem(error: Exception) -> str:
    """What is wrong with a YAML text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    return f"{problem}{where}"


def _in_toml(text: str, name: str, *, table: bool) -> Any:
    try:
        content = _toml(text)
    except ValueError as error:
        message = f"{name} is not valid TOML: {error}"
        raise ConfigError(message, hint="write one `key = value` a line") from error
    if not table:
        return content
    tool = content.get("tool", {})
    if not isinstance(tool, dict) or "netdoctor" not in tool:
        message = f"{name} has no table [{_TABLE}]"
        raise ConfigError(message, hint=f"put the settings below a line [{_TABLE}]")
    return tool["netdoctor"]


def _toml(text: str) -> dict[str, Any]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib

    try:
        content: dict[str, Any] = tomllib.loads(text)
        return content
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _is_trusted(path: Path) -> bool:
    """Whether nobody but this user, root, or who may write the folder can have put it there."""
    if not hasattr(os, "getuid"):
        return True
    try:
        owners = {os.stat(path).st_uid, os.lstat(path).st_uid}
        folder = os.stat(path.parent).st_mode
    except OSError:
        return True  # reading it tells what is wrong
    return owners <= {os.getuid(), _ROOT} or not folder & _ANYONE
