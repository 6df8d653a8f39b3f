"""Makes a Typer command of a function: shared options in, a job out."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from netdoctor.cli.options import Options, default
from netdoctor.cli.own_options import from_file, opposite, own_keys
from netdoctor.cli.reports import check_reports, parse_reports
from netdoctor.config import KEYS, CommandKeys, Commands, Config, Format, Settings, merge
from netdoctor.errors import UsageError
from netdoctor.settings.assignments import parse_assignments, parse_thresholds
from netdoctor.settings.files import SettingsFile, find_file, read_file, read_found

LISTS = frozenset({"config", "env", "history", "layers", "rule", "rules", "schema"})
"""The commands that show what they are asked for; how a file wants reports is not for them."""

_ONLY_FLAGS = frozenset({"trust_checkpoint", "no_config", "traceback"})
_OFF = "off__"


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        command: the command's name.
        settings: the merged settings and where each came from.
        model: the MODEL argument; empty for commands without one.
        settings_for: the settings as another command would have them.
        commands: gives what a file may set for each command.
    """

    command: str
    settings: Settings
    model: str = ""
    settings_for: Callable[[str], Settings] = lambda _: merge({})
    commands: Commands = dict

    @property
    def config(self) -> Config:
        """The merged settings."""
        return self.settings.config


class App(typer.Typer):
    """An app of which only one command has its options: those of all take a quarter of a second.

    Attributes:
        wanted: the command that has them; None for all.
        settable: by command that looks for a file, its function and the shared options it takes.
    """

    def __init__(self, wanted: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.wanted = wanted
        self.settable: dict[str, tuple[Callable[..., int], Options]] = {}

    @functools.cached_property
    def command_keys(self) -> Mapping[str, CommandKeys]:
        """What a file may set for each command."""
        return {
            name: CommandKeys(
                frozenset(_key_of(option) for option in shared) & KEYS.keys(),
                {own.name: own.key for own in own_keys(function).values()},
            )
            for name, (function, shared) in self.settable.items()
            if name != "config"
        }


Job = Callable[[], int]
"""Does the work that was asked for and returns the exit code; runs outside of the parser."""


def command(
    app: App, name: str, *groups: Options, panel: str, looks_for_file: bool = True
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Registers `function(request, **its own options) -> exit code` under a name.

    Args:
        app: where to register.
        name: the command's name.
        groups: the shared options that it takes besides its own.
        panel: the panel of `netdoctor --help` in which it is listed.
        looks_for_file: whether it reads the nearest file with settings.
    """
    shared = {option: kind for group in groups for option, kind in group.items()}

    def register(function: Callable[..., int]) -> Callable[..., int]:
        own = list(inspect.signature(function).parameters)[1:]
        if looks_for_file:
            app.settable[name] = (function, shared)

        def parse(ctx: typer.Context, **values: Any) -> Job:
            given = {option for option in values if _is_given(ctx, option)}
            for option in [each for each in values if each.startswith(_OFF)]:
                if values.pop(option):
                    values[option.removeprefix(_OFF)] = False
                    given.add(option.removeprefix(_OFF))
            arguments = {option: values.pop(option) for option in own}
            flags = {option: value for option, value in values.items() if option in given}

            def job() -> int:
                request = _request(app, name, flags)
                in_file = from_file(function, request.settings.own)
                later = {option: value for option, value in in_file.items() if option not in given}
                return function(request, **{**arguments, **later})

            return job

        parse.__doc__ = function.__doc__
        parameters = _parameters(function, shared) if app.wanted in (None, name) else []
        parse.__dict__["__signature__"] = inspect.Signature(parameters)
        parse.__annotations__ = {each.name: each.annotation for each in parameters}
        app.command(name, rich_help_panel=panel)(parse)
        return function

    return register


def _parameters(function: Callable[..., Any], shared: Options) -> list[inspect.Parameter]:
    """What Typer is to parse: the shared options, then the function's own."""
    keyword = functools.partial(inspect.Parameter, kind=inspect.Parameter.KEYWORD_ONLY)
    hints = inspect.get_annotations(function, eval_str=True)
    parameters = [keyword("ctx", annotation=typer.Context)]
    for name, kind in shared.items():
        value = inspect.Parameter.empty if name == "model" else default(name)
        parameters.append(keyword(name, annotation=kind, default=value))
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        parameters.append(
            keyword(parameter.name, annotation=hints[parameter.name], default=parameter.default)
        )
    opposites = ((each.name, opposite(each.annotation)) for each in parameters[1:])
    return [
        *parameters,
        *(
            keyword(_OFF + name, annotation=Annotated[bool, option], default=False)
            for name, option in opposites
            if option is not None and name not in _ONLY_FLAGS
        ),
    ]


def _is_given(ctx: typer.Context, option: str) -> bool:
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _key_of(option: str) -> str:
    """A shared option's key in a file: thresholds, which --set gives, are its `rules`."""
    return "rules" if option == "set" else option.replace("_", "-")


def _request(app: App, name: str, given: dict[str, Any]) -> Request:
    file = _file(given.pop("config", None), given.pop("no_config", False), name in app.settable)
    model: str = given.pop("model", "")
    given.pop("traceback", None)
    flags = {option.replace("_", "-"): value for option, value in given.items()}
    if "model-arg" in flags:
        flags["model-arg"] = parse_assignments(flags["model-arg"], "--model-arg")
    if "set" in flags:
        flags["rules"] = parse_thresholds(flags.pop("set"))
    if "report" in flags:
        flags["report"] = parse_reports(flags["report"])

    def commands() -> Mapping[str, CommandKeys]:
        return app.command_keys

    def settings_for(command: str) -> Settings:
        return merge(flags, file, command=command, commands=commands)

    settings = settings_for(name)
    if name in LISTS:
        settings = dataclasses.replace(settings, config=_for_a_list(settings))
    check_reports(settings.config)
    return Request(name, settings, model, settings_for, commands)


def _for_a_list(settings: Settings) -> Config:
    plain = {"format": Format.TEXT, "quiet": False, "report": {}}
    changes = {key: value for key, value in plain.items() if settings.origins[key] == "file"}
    return msgspec.structs.replace(settings.config, **changes)


def _file(given: Path | None, without: bool, looks_for_one: bool) -> SettingsFile | None:
    """The file of --config, or else the nearest one."""
    if given is not None:
        if without:
            raise UsageError("--config FILE and --no-config exclude each other")
        return read_file(given)
    found = find_file() if looks_for_one and not without else None
    return None if found is None else read_found(found)
