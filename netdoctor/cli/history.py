"""`netdoctor history`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import check_out, show
from netdoctor.cli.options import PICTURES, REPORT
from netdoctor.report import Report

_PICTURES = {name: kind for name, kind in PICTURES.items() if name != "save_arrays"}
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="What --history FILE of other commands wrote.")
]
Last = Annotated[
    int | None, typer.Option("--last", help="Only the newest N runs.", metavar="N", min=1)
]


def history(request: Request, file: File, last: Last = None) -> int:
    """How the findings moved from run to run: a table and a picture.

    [dim]netdoctor history runs.jsonl --last 30[/dim]
    """
    from netdoctor.history import findings_table, read, runs_table

    check_out(request.config)
    past = read(file)
    runs = past.runs[-last:] if last else past.runs
    notes = [f"{past.unread} lines of {file} are no runs and were left out"] if past.unread else []
    tables = [runs_table(runs), findings_table(runs)]
    report = Report("history", str(file), tables=tables, notes=notes)
    if not request.config.no_plots:
        from netdoctor.plots.history import figure
        from netdoctor.plots.save import save_figures

        paths = save_figures([("history", figure(runs))], Path(request.config.out))
        report = report.replace(artifacts=paths, notes=[*notes, *(f"wrote {p}" for p in paths)])
    return show(report, request.config)


def register(app: App) -> None:
    """Adds the command."""
    command(app, "history", _PICTURES, REPORT, panel="Look up")(history)
