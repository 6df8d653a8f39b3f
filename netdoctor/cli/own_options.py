"""The options that one command alone has, as keys that a file may set."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer
from typer.models import OptionInfo

from netdoctor.config import Text
from netdoctor.settings.values import Key, Kind

_KINDS: dict[str, Kind] = {"FILE": "path", "DIR": "path", "SPEC": "data", "MODEL": "code"}


@dataclasses.dataclass(frozen=True, slots=True)
class Own:
    """An option of a command's own: its long name, its key, and whether it takes a `Path`."""

    name: str
    key: Key
    is_path: bool


def own_keys(function: Callable[..., int]) -> dict[str, Own]:
    """The options of a command's function by parameter; arguments are not among them."""
    hints = inspect.get_annotations(function, eval_str=True)
    own = {}
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        annotation = hints[parameter.name]
        option = next(iter(annotation.__metadata__))
        if isinstance(option, OptionInfo):
            own[parameter.name] = _own(option, annotation.__origin__, parameter)
    return own


def from_file(function: Callable[..., int], values: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of a command's own options, as arguments of its function.

    Args:
        function: the command's.
        values: by long name, checked.
    """
    if not values:
        return {}
    return {
        parameter: Path(values[own.name])
        if own.is_path and values[own.name] is not None
        else values[own.name]
        for parameter, own in own_keys(function).items()
        if own.name in values
    }


def opposite(annotation: Any) -> OptionInfo | None:
    """The hidden flag that turns off again what a file turns on: `--no-quiet`, `--plots`.

    None for what is no flag; one that may be on, off or neither has its own.
    """
    option = next(iter(getattr(annotation, "__metadata__", ())), None)
    if not isinstance(option, OptionInfo) or annotation.__origin__ is not bool:
        return None
    name = _long_name(option)
    turned = name.removeprefix("no-") if name.startswith("no-") else f"no-{name}"
    opposed: OptionInfo = typer.Option(f"--{turned}", hidden=True)
    return opposed


def _own(option: OptionInfo, annotated: Any, parameter: inspect.Parameter) -> Own:
    plain = next((each for each in get_args(annotated) if each is not type(None)), annotated)
    optional = type(None) in get_args(annotated)
    if annotated == list[str]:
        plain = list[str]
    kind = _type(plain, option)
    key = Key(
        kind | None if optional else kind,
        parameter.default,
        kind=_KINDS.get(option.metavar or "", "value"),
        numbers_as_text=plain is str,
    )
    return Own(_long_name(option), key, plain is Path)


def _long_name(option: OptionInfo) -> str:
    """`quiet` of `--quiet`, `thorough` of `--thorough/--brief`."""
    # In an annotation Typer leaves the first name where its default would be.
    names = [str(each) for each in (option.default, *(option.param_decls or ()))]
    return next(each for each in names if each.startswith("--"))[2:].partition("/")[0]


def _type(plain: Any, option: OptionInfo) -> Any:
    """The type with the option's bounds, as msgspec checks it."""
    if plain in (str, Path):
        return Text
    if plain == list[str]:
        return list[Text]
    if plain in (int, float) and (option.min is not None or option.max is not None):
        return Annotated[plain, msgspec.Meta(ge=option.min, le=option.max)]
    return plain
