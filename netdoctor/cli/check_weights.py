"""`netdoctor check-weights`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import finish
from netdoctor.cli.options import REPORT, RULES
from netdoctor.cli.progress import progress_bar
from netdoctor.config import Format

if TYPE_CHECKING:
    from netdoctor.report import Report

_PANEL = "Files"
_COULD_NOT_EXAMINE = 2
Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help=".safetensors, .index.json, .pt, .pth, .ckpt, .bin, or a folder."
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against", metavar="FILE", help="An earlier file: what changed since, and what did not.",
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Thorough = Annotated[
    bool | None,
    typer.Option(
        "--thorough/--brief", show_default=False, rich_help_panel=_PANEL,
        help="Filters and moments of large tensors too, or not; by default up to 512 MiB.",
    ),
]  # fmt: skip


def check_weights(
    request: Request, files: Files, against: Against = None, thorough: Thorough = None
) -> int:
    """NaN, Inf, zero, constant or broken tensors in files of weights; needs no model.

    Reads each file once, without torch; nothing in it is run. Exit code 2 when any file could not
    be examined, even if another one is sick; the report has both.

    [dim]netdoctor check-weights model.safetensors
    netdoctor check-weights checkpoints/*.pt --quiet
    netdoctor check-weights step200.pt --against step100.pt[/dim]
    """
    import netdoctor

    config = request.config
    quiet = config.quiet or config.format is not Format.TEXT
    with progress_bar("reading", quiet=quiet, unit="bytes") as progress:
        report = netdoctor.check_weights(
            files, against=against, thorough=thorough, select=config.select, ignore=config.ignore,
            thresholds=config.rules, progress=progress,
        )  # fmt: skip
    code = finish(report, config)
    return _COULD_NOT_EXAMINE if _told(report, config.format) else code


def _told(report: Report, format: Format) -> bool:
    """Says on stderr which files could not be examined; whether there were any.

    For GitHub they are annotations too: a report has none for what it is not about.
    """
    from netdoctor.render.github import render_error
    from netdoctor.render.values import printable

    refused = report.facts.refused
    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    for each in refused:
        print(printable(f"error: {each.message}", unicode=unicode), file=sys.stderr)
        if each.hint:
            print(printable(f"hint: {each.hint}", unicode=unicode), file=sys.stderr)
        if format is Format.GITHUB:
            print(render_error(report.command, each), end="")
    return bool(refused)


def register(app: App) -> None:
    """Adds the command."""
    command(app, "check-weights", RULES, REPORT, panel="Examine a file")(check_weights)
