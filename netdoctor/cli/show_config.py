"""`netdoctor config`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import show
from netdoctor.cli.options import DATA, LOSS, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.config import KEYS, CommandKeys, Settings
from netdoctor.errors import UsageError
from netdoctor.report import Column, Report, Table
from netdoctor.rules import COMMAND_RULES, catalogue, rules_of
from netdoctor.settings.values import Place, near_miss

_MODEL_OPTIONS = {name: kind for name, kind in MODEL.items() if name != "model"}

About = Annotated[
    str | None,
    typer.Argument(
        metavar="COMMAND",
        help="Only what this command takes, as it would run.",
        show_default=False,
    ),
]


def config(request: Request, about: About = None) -> int:
    """Every setting with its value and where that came from: default, file or flag.

    Looks from the working directory upwards for netdoctor.yaml, or pyproject.toml
    with a table tool.netdoctor: the nearest counts, and it alone.

    [dim]netdoctor config
    netdoctor config gradcam
    netdoctor config --config ci.yaml --set ACT002.threshold=0.6[/dim]
    """
    settings = request.settings_for(about or "config")
    rows = list(_rows(settings, request.commands(), about))
    columns = [Column("key", "setting", "name"), Column("value", "value"), Column("origin", "from")]
    table = Table("settings", "", columns, rows)
    file = settings.file.name if settings.file else "none"
    report = Report("config", about or "", tables=[table], notes=[f"File: {file}"])
    return show(report, request.config)


def _rows(
    settings: Settings, commands: Mapping[str, CommandKeys], about: str | None
) -> Iterator[dict[str, Any]]:
    if about is not None and about not in commands:
        hint = near_miss(about, commands, otherwise=f"there is {', '.join(commands)}")
        raise UsageError(f"there is no command {about!r} that takes settings", hint=hint)
    shared = [key for key in KEYS if about is None or key in commands[about].shared]
    section = settings.sections.get(about or "", {})
    for key in shared:
        if key != "rules":
            value = getattr(settings.config, key.replace("-", "_"))
            place = ("commands", about or "", key) if key in section else (key,)
            yield _row(key, value, settings, settings.origins[key], place)
    for name in [about] if about else commands:
        yield from _of_command(settings, name, commands[name], with_shared=about is None)
    if "rules" in shared:
        yield from _thresholds(settings, about)


def _of_command(
    settings: Settings, name: str, keys: CommandKeys, *, with_shared: bool
) -> Iterator[dict[str, Any]]:
    """The options that only a command has, and what a file sets for it alone."""
    section = settings.sections.get(name, {})
    for key, own in keys.own.items():
        value, origin = (section[key], "file") if key in section else (own.default, "default")
        yield _row(f"commands.{name}.{key}", value, settings, origin, ("commands", name, key))
    for key in section if with_shared else ():
        if key not in keys.own:
            place = ("commands", name, key)
            yield _row(".".join(place), section[key], settings, "file", place)


def _thresholds(settings: Settings, about: str | None) -> Iterator[dict[str, Any]]:
    """The thresholds of all rules, or of those that a command applies."""
    rules = rules_of(about) if about in COMMAND_RULES else catalogue().values()
    section = settings.sections.get(about or "", {}).get("rules", {})
    for rule in rules:
        changed = settings.config.rules.get(rule.code, {})
        for name, value in {**rule.thresholds, **changed}.items():
            key = f"rules.{rule.code}.{name}"
            below = ("commands", about or "") if name in section.get(rule.code, {}) else ()
            place = _written(settings, (*below, "rules"), (rule.code, rule.slug), name)
            yield _row(key, value, settings, settings.origins.get(key, "default"), place)


def _written(settings: Settings, place: Place, rule: tuple[str, str], name: str) -> Place:
    """The place of a threshold, whose rule may be written as code or as slug."""
    lines = settings.file.lines if settings.file else {}
    return next((each for one in rule if (each := (*place, one, name)) in lines), place)


def _row(key: str, value: Any, settings: Settings, origin: str, place: Place) -> dict[str, Any]:
    """One setting; where a file gives it, the origin is the file, with the line if known."""
    plain = value.value if isinstance(value, Enum) else value
    if origin == "file" and settings.file is not None:
        origin = settings.file.at(*place)
    return {"key": key, "value": plain, "origin": origin}


def register(app: App) -> None:
    """Adds the command."""
    shared = (_MODEL_OPTIONS, DATA, LOSS, RUN, RULES, PICTURES, REPORT)
    command(app, "config", *shared, panel="Look up")(config)
