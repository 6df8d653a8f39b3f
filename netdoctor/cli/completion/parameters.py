"""The options and arguments of a command, read from its signature: no parser is built."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from typer.models import ArgumentInfo, OptionInfo

from netdoctor.cli.app import make_app

_FILES = ("FILE", "FILE...", "DIR", "LOG")


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """An option or argument.

    Attributes:
        name: as in Python: `fail_on`.
        options: `--fail-on`; none for an argument.
        help: the sentence that `--help` shows.
        choices: the only values, where they are known.
        takes_value: False for a flag.
        is_file: whether a path of any file or folder is meant.
        repeats: whether it may be given more than once.
    """

    name: str
    options: tuple[str, ...]
    help: str
    choices: tuple[str, ...]
    takes_value: bool
    is_file: bool
    repeats: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Cursor:
    """What the last word of a command line is.

    Attributes:
        command: the command's name; empty while that is what is typed.
        parameter: the parameter that the word belongs to; None where only an option's name fits.
        given: what was given before, by the parameter's name.
    """

    command: str
    parameter: Parameter | None
    given: dict[str, list[str]]


def commands() -> dict[str, str]:
    """What there is to do, and a sentence on it."""
    registered = make_app("").registered_commands
    return {
        each.name: inspect.getdoc(each.callback).partition("\n")[0]  # type: ignore[union-attr]
        for each in registered
        if each.name
    }


def parameters_of(command: str) -> list[Parameter] | None:
    """The parameters of a command, in order; None where there is no such command."""
    found = [each for each in make_app(command).registered_commands if each.name == command]
    if not found or found[0].callback is None:
        return None
    listed = inspect.signature(found[0].callback).parameters.values()
    return [read for each in listed if (read := _read(each.name, each.annotation)) is not None]


def locate(command: str, before: Sequence[str], known: Sequence[Parameter]) -> Cursor:
    """What the word after `command *before` is.

    Args:
        command: the command's name.
        before: the complete words between it and the last one.
        known: the command's parameters.
    """
    by_option = {option: each for each in known for option in each.options}
    arguments = [each for each in known if not each.options]
    given: dict[str, list[str]] = {}
    waiting: Parameter | None = None
    options_end = False
    for word in before:
        option, equals, value = word.partition("=")
        if waiting is not None:
            given.setdefault(waiting.name, []).append(word)
            waiting = None
        elif options_end or not word.startswith("-"):
            if arguments:
                given.setdefault(arguments[0].name, []).append(word)
                arguments = arguments if arguments[0].repeats else arguments[1:]
        elif word == "--":
            options_end = True
        elif option in by_option:
            parameter = by_option[option]
            if equals or not parameter.takes_value:
                given.setdefault(parameter.name, []).append(value)
            else:
                waiting = parameter
    return Cursor(command, waiting or next(iter(arguments), None), given)


def is_waited_for(cursor: Cursor) -> bool:
    """Whether the word is the value of the option before it."""
    return cursor.parameter is not None and bool(cursor.parameter.options)


def _read(name: str, annotation: Any) -> Parameter | None:
    if get_origin(annotation) is not Annotated:
        return None
    kind, info = get_args(annotation)[:2]
    if not isinstance(info, OptionInfo | ArgumentInfo) or info.hidden:
        return None
    plain = _plain(kind)
    choices = tuple(each.value for each in plain) if issubclass(plain, Enum) else ()
    return Parameter(
        name=name,
        options=_option_names(info) if isinstance(info, OptionInfo) else (),
        help=info.help or "",
        choices=choices,
        takes_value=plain is not bool,
        is_file=issubclass(plain, Path) or info.metavar in _FILES,
        repeats=get_origin(kind) is list,
    )


def _option_names(info: OptionInfo) -> tuple[str, ...]:
    # Inside Annotated, Typer takes the first name for the default, until it builds the parser.
    names = (info.default, *(info.param_decls or ()))
    given = [each for each in names if isinstance(each, str) and each.startswith("-")]
    return tuple(name for each in given for name in each.split("/"))  # `--thorough/--brief`


def _plain(kind: Any) -> type:
    """The type of one value: `Path` of `list[Path]` and of `Path | None`."""
    if get_origin(kind) in (list, Union, UnionType):
        return _plain(next(each for each in get_args(kind) if each is not type(None)))
    return kind if isinstance(kind, type) else str
