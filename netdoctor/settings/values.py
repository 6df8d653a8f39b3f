"""Values checked against the keys that there are: what is wrong is told with a way out."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import msgspec

from netdoctor.errors import NetDoctorError

Place = tuple[str, ...]
"""Where a value stands: the keys that lead to it."""

Blame = Callable[[Place, str, str], NetDoctorError]
"""(place, what is wrong, hint) -> the error to raise: a flag's or a file's."""

_LISTS = frozenset({"mean", "std", "crop"})

Kind = Literal["value", "path", "data", "code"]

_PLAIN_WORDS = {
    "array": "a list", "object": "a mapping", "str": "a text", "int": "an integer",
    "float": "a number", "bool": "true or false", "null": "nothing", "enum value": "value",
}  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A setting that there is.

    Attributes:
        type: what its values are converted to, as msgspec knows types.
        default: its value where nobody gives one.
        example: how a value is written.
        kind: what its text names: nothing in the file system, a file, data, or a model or loss.
        numbers_as_text: whether a number stands for its text: `images: 8` for a text or a number.
    """

    type: Any
    default: Any
    example: str = ""
    kind: Kind = "value"
    numbers_as_text: bool = False


def convert(place: Place, key: Key, value: Any, blame: Blame) -> Any:
    """The value as the key's type.

    Raises:
        NetDoctorError: what `blame` makes of it: another type, or out of range.
    """
    if key.numbers_as_text and isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    try:
        converted = msgspec.convert(value, key.type)
    except msgspec.ValidationError as error:
        raise blame(place, _in_words(error, key, value), _hint(key, value)) from error
    for text in _texts(converted):
        if "\0" in text or not _can_be_a_name(text):
            raise blame(place, f"it holds a character that no name can: {text!r}", "leave it out")
    return converted


def spelled_out(key: str, value: Any) -> Any:
    """Lists as flags may have them: `224` and `0.5,0.5,0.5`."""
    if key in _LISTS and isinstance(value, str):
        value = [_number(part) for part in value.split(",")]
    if key == "crop" and isinstance(value, int | list):
        value = [value, value] if isinstance(value, int) else value * (2 if len(value) == 1 else 1)
    return value


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def near_miss(name: str, known: Iterable[str], *, otherwise: str) -> str:
    """A hint at the most similar name, or the other hint."""
    close = get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


def rebased(value: Any, kind: Kind, folder: Path) -> Any:
    """A value that names something in the file system, as seen from a folder.

    `module:factory`, `random` and names of models and losses stay as they are.
    """
    if isinstance(value, list | tuple):
        return type(value)(rebased(each, kind, folder) for each in value)
    if isinstance(value, dict):
        return {key: rebased(each, kind, folder) for key, each in value.items()}
    if kind == "value" or not isinstance(value, str | Path):
        return value
    text = str(value)
    if text.startswith("~"):
        return value
    if kind == "path":
        return type(value)(folder / text)
    if text.startswith("torchvision:"):
        return re.sub(r"(?<=[?&]root=)(?!~)[^&]+", lambda root: str(folder / root[0]), text)
    is_file = ".py:" in text or (kind == "data" and ":" not in text and text != "random")
    return str(folder / text) if is_file or (folder / text).exists() else value


def _texts(value: Any) -> list[str]:
    """The text that a value is, or the texts directly in it."""
    inside = value.values() if isinstance(value, dict) else value
    values = inside if isinstance(value, dict | list | tuple) else [value]
    return [each for each in values if isinstance(each, str)]


def _can_be_a_name(text: str) -> bool:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def _in_words(error: msgspec.ValidationError, key: Key, value: Any) -> str:
    if value in ("", [""]):
        return "it is empty"
    problem = re.sub(r" - at `.*`$", "", str(error)).replace("`", "")
    if "matching regex" in problem:
        problem = f"Expected {key.example}"
    members = _members(key.type)
    if members:
        problem = f"Expected {', '.join(members)}"
    for term, word in _PLAIN_WORDS.items():
        problem = re.sub(rf"\b{term}\b", word, problem)
    return f"{problem[:1].lower()}{problem[1:]}; it is {brief(value)}"


def _members(kind: Any) -> list[str]:
    """What an enumeration, or an optional one, can be."""
    for each in (kind, *getattr(kind, "__args__", ())):
        if isinstance(each, type) and issubclass(each, Enum):
            return [str(member.value) for member in each]
    return []


def brief(value: Any) -> str:
    """The value as a message shows it, on one line and not too long."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes
        text = "a number of thousands of digits"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _hint(key: Key, value: Any) -> str:
    if value in ("", [""]):
        return "give it a value or leave it out; an unset shell variable is empty"
    if key.example and not isinstance(key.default, str):
        return f"for example {key.example}"
    plain = key.default.value if isinstance(key.default, Enum) else key.default
    shown = isinstance(plain, str | int | float) and not isinstance(plain, bool)
    return f"the default is {plain}" if shown else ""
