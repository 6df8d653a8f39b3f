"""The names of classes: from a file, or ImageNet's, read from torchvision's source. No torch."""

from __future__ import annotations

import ast
import functools
import importlib.util
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from netdoctor.errors import UsageError
from netdoctor.inputs.user_code import near_paths

_FORMS = "Give one name a line (.txt), a list, or a mapping from index to name (.json, .yaml)."
IMAGENET = 1000


@functools.cache
def imagenet_names() -> tuple[str, ...]:
    """The 1000 categories of torchvision's ImageNet weights; empty without torchvision.

    Read from its source file, for importing torchvision takes seconds.
    """
    found = importlib.util.find_spec("torchvision")
    if found is None or not found.submodule_search_locations:
        return ()
    file = Path(found.submodule_search_locations[0]) / "models" / "_meta.py"
    if not file.is_file():
        return ()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        names = node.targets if isinstance(node, ast.Assign) else ()
        if any(isinstance(each, ast.Name) and each.id == "_IMAGENET_CATEGORIES" for each in names):
            assert isinstance(node, ast.Assign)
            return tuple(map(str, ast.literal_eval(node.value)))
    return ()


def read_names(file: Path) -> tuple[str, ...]:
    """The class names in a file, by index.

    Args:
        file: text with one name a line, JSON or YAML with a list of names, a mapping from index
            to name or from name to index.

    Raises:
        UsageError: the file is missing or holds something else.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        message = f"--class-names {file}: there is no such file"
        raise UsageError(message, hint=near_paths(file) or _FORMS) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--class-names {file}: it cannot be read: {error}", hint=_FORMS
        ) from error
    names = _listed(_parsed(file, text))
    if not names:
        raise UsageError(f"--class-names {file}: there are no names in it", hint=_FORMS)
    return names


def index_of(name: str, names: Sequence[str]) -> int:
    """The index of the class of that name; letter case, `_` and `-` make no difference.

    Raises:
        UsageError: there is none, or there are several.
    """
    exact = [index for index, each in enumerate(names) if each == name]
    found = exact or [index for index, each in enumerate(names) if _plain(each) == _plain(name)]
    if len(found) == 1:
        return found[0]
    if found:
        listed = " and ".join(f"{index} ({names[index]})" for index in found)
        raise UsageError(
            f"--target {name}: several classes have that name: {listed}",
            hint="Give the index of the one that is meant.",
        )
    plain = {_plain(each): each for each in reversed(names)}
    close = [plain[each] for each in get_close_matches(_plain(name), plain, 3, 0.6)]
    parts = [each for each in names if _plain(name) in _plain(each)][:3]
    near = list(dict.fromkeys([*close, *parts]))[:4]
    raise UsageError(
        f"--target {name}: no class has that name",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else f"An index from 0 to "
        f"{len(names) - 1} does it too; the first names are {', '.join(names[:5])}.",
    )


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _parsed(file: Path, text: str) -> Any:
    suffix = file.suffix.lower()
    try:
        if suffix == ".json":
            return json.loads(text)
        if suffix in (".yaml", ".yml"):
            import msgspec

            return msgspec.yaml.decode(text.encode())
    except Exception as error:  # the two parsers raise errors of many kinds
        message = f"--class-names {file}: it is not {suffix[1:].upper()}: {error}"
        raise UsageError(message, hint=_FORMS) from error
    lines = text.splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    return [line.strip() for line in lines]


def _listed(found: Any) -> tuple[str, ...]:
    """The names by index; empty where they are no names."""
    if isinstance(found, Mapping):
        nested = found.get("names", found.get("id2label"))
        if nested is not None and not isinstance(nested, (str, int)):
            return _listed(nested)
        if found and all(isinstance(each, int) for each in found.values()):
            found = {index: name for name, index in found.items()}
        try:
            numbered = {int(index): name for index, name in found.items()}
        except (TypeError, ValueError):
            return ()
        last = max(numbered, default=-1)
        if min(numbered, default=0) < 0 or last > 10**6:
            return ()
        return tuple(_name(numbered.get(at, f"class {at}")) for at in range(last + 1))
    if isinstance(found, list):
        return tuple(_name(each) for each in found)
    return ()


def _name(value: Any) -> str:
    """A name; of the pair of an ImageNet id and a name the latter."""
    if isinstance(value, list) and value:
        value = value[-1]
    return str(value)
