"""Makes a Typer command of a function: shared options in, a job out."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import typer

from netdoctor.cli.options import Options, default
from netdoctor.cli.reports import check_reports, parse_reports
from netdoctor.config import Config, Settings, merge, parse_assignments, parse_thresholds


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """What the user asked for.

    Attributes:
        command: the command's name.
        settings: the merged settings and where each came from.
        model: the MODEL argument; empty for commands without one.
    """

    command: str
    settings: Settings
    model: str = ""

    @property
    def config(self) -> Config:
        """The merged settings."""
        return self.settings.config


class App(typer.Typer):
    """An app of which only one command has its options: those of all take a quarter of a second.

    Attributes:
        wanted: the command that has them; None for all.
    """

    def __init__(self, wanted: str | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.wanted = wanted


Job = Callable[[], int]
"""Does the work that was asked for and returns the exit code; runs outside of the parser."""


def command(
    app: App, name: str, *groups: Options, panel: str
) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Registers `function(request, **its own options) -> exit code` under a name.

    Args:
        app: where to register.
        name: the command's name.
        groups: the shared options that it takes besides its own.
        panel: the panel of `netdoctor --help` in which it is listed.
    """
    shared = {option: kind for group in groups for option, kind in group.items()}

    def register(function: Callable[..., int]) -> Callable[..., int]:
        own = list(inspect.signature(function).parameters)[1:]

        def parse(ctx: typer.Context, **values: Any) -> Job:
            arguments = {option: values.pop(option) for option in own}
            given = {option: value for option, value in values.items() if _is_given(ctx, option)}
            return lambda: function(_request(name, given), **arguments)

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
    hints = get_type_hints(function, include_extras=True)
    parameters = [keyword("ctx", annotation=typer.Context)]
    for name, kind in shared.items():
        value = inspect.Parameter.empty if name == "model" else default(name)
        parameters.append(keyword(name, annotation=kind, default=value))
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        parameters.append(
            keyword(parameter.name, annotation=hints[parameter.name], default=parameter.default)
        )
    return parameters


def _is_given(ctx: typer.Context, option: str) -> bool:
    source = ctx.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _request(name: str, given: dict[str, Any]) -> Request:
    file: Path | None = given.pop("config", None)
    model: str = given.pop("model", "")
    given.pop("traceback", None)
    flags = {option.replace("_", "-"): value for option, value in given.items()}
    if "model-arg" in flags:
        flags["model-arg"] = parse_assignments(flags["model-arg"], "--model-arg")
    if "set" in flags:
        flags["rules"] = parse_thresholds(flags.pop("set"))
    if "report" in flags:
        flags["report"] = parse_reports(flags["report"])
    settings = merge(flags, file)
    check_reports(settings.config)
    return Request(name, settings, model)
