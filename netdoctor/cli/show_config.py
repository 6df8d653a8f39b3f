"""`netdoctor config`."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

import msgspec

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import show
from netdoctor.cli.options import DATA, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.config import Settings
from netdoctor.report import Column, Report, Table
from netdoctor.rules import catalogue

_MODEL_OPTIONS = {name: kind for name, kind in MODEL.items() if name != "model"}


def config(request: Request) -> int:
    """Every setting with its value and where that came from: default, file or flag.

    [dim]netdoctor config --config ci.yaml --set ACT002.threshold=0.6[/dim]
    """
    columns = [Column("key", "setting", "name"), Column("value", "value"), Column("origin", "from")]
    rows = [
        {"key": key, "value": value, "origin": request.settings.origins.get(key, "default")}
        for key, value in all_settings(request.settings)
    ]
    return show(Report("config", "", tables=[Table("settings", "", columns, rows)]), request.config)


def all_settings(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Key and value of every setting, thresholds as `rules.CODE.name`."""
    for field in msgspec.structs.fields(settings.config):
        if field.name != "rules":
            value = getattr(settings.config, field.name)
            yield field.encode_name, value.value if isinstance(value, Enum) else value
    for rule in catalogue().values():
        changed = settings.config.rules.get(rule.code, {})
        for name, value in {**rule.thresholds, **changed}.items():
            yield f"rules.{rule.code}.{name}", value


def register(app: App) -> None:
    """Adds the command."""
    shared = (_MODEL_OPTIONS, DATA, RUN, RULES, PICTURES, REPORT)
    command(app, "config", *shared, panel="Look up")(config)
