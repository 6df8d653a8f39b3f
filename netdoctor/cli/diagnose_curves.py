"""`netdoctor diagnose-curves`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import check_out, finish, show
from netdoctor.cli.options import PICTURES, REPORT, RULES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netdoctor.facts.diagnosed_curves import DiagnosedLog
    from netdoctor.report import Report

_PANEL = "Log"
File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="A training log: CSV, JSON, TensorBoard events, printed text, or a folder with one.",
        show_default=False,
    ),
]
_COLUMN = "COL"
Train = Annotated[
    str | None,
    typer.Option("--train", help="The series that is the training loss.", metavar=_COLUMN,
                 rich_help_panel=_PANEL),
]  # fmt: skip
Val = Annotated[
    str | None,
    typer.Option("--val", help="The series that is the validation loss.", metavar=_COLUMN,
                 rich_help_panel=_PANEL),
]  # fmt: skip
Metric = Annotated[
    str | None,
    typer.Option("--metric", help="The series that is the validation metric.", metavar=_COLUMN,
                 rich_help_panel=_PANEL),
]  # fmt: skip
Run = Annotated[
    str | None,
    typer.Option("--run", help="Only this run of several, or `last`.", metavar="NAME",
                 rich_help_panel=_PANEL),
]  # fmt: skip
Classes = Annotated[
    int | None,
    typer.Option("--classes", help="Number of classes, for what chance would give.", metavar="N",
                 min=2, rich_help_panel=_PANEL),
]  # fmt: skip
List = Annotated[
    bool,
    typer.Option("--list", help="Only list the series found and what each was taken for.",
                 metavar="", show_default=False, rich_help_panel=_PANEL),
]  # fmt: skip
Watch = Annotated[
    bool,
    typer.Option("--watch", help="Follow a log that grows; Ctrl-C ends it.", metavar="",
                 show_default=False, rich_help_panel=_PANEL),
]  # fmt: skip
Poll = Annotated[
    float,
    typer.Option("--poll", help="How often --watch looks.", metavar="SECONDS", min=0.05, max=86_400,
                 rich_help_panel=_PANEL),
]  # fmt: skip


def diagnose_curves(
    request: Request,
    file: File,
    train: Train = None,
    val: Val = None,
    metric: Metric = None,
    run: Run = None,
    classes: Classes = None,
    list_series: List = False,
    watch: Watch = False,
    poll: Poll = 2.0,
) -> int:
    """What a training log says: over- and underfitting, divergence, plateau, instability, NaN.

    Reads what trainers write, found by content: CSV, JSON, TensorBoard events, printed text.

    [dim]netdoctor diagnose-curves lightning_logs/version_0/metrics.csv
    netdoctor diagnose-curves train.log --train loss --val 'test loss' --watch[/dim]
    """
    _check(request)
    if list_series:
        from netdoctor.api.diagnose_curves import listing, opened

        log = opened(file, train=train, val=val, metric=metric, run=run)
        return show(listing(log), request.config)

    def examine(growing: bool) -> Report:
        import netdoctor

        return netdoctor.diagnose_curves(
            file, train=train, val=val, metric=metric, run=run, classes=classes, growing=growing,
            select=config.select, ignore=config.ignore, thresholds=config.rules,
        )  # fmt: skip

    def tell(report: Report) -> int:
        return finish(report, config, draw)

    config = request.config
    if watch:
        from netdoctor.cli.watching import follow

        return follow(file, examine, tell, poll=poll)
    return tell(examine(False))


def _check(request: Request) -> None:
    """What can be wrong with a request and is told before the log is read."""
    from netdoctor.rules.selection import select_rules

    select_rules(request.command, request.config.select, request.config.ignore)
    check_out(request.config)


def draw(facts: DiagnosedLog) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """A picture a run; of each of its curves (n,) x and y as `NAME.x` and `NAME.y`."""
    from netdoctor.plots.curves import figure

    figures, arrays = [], {}
    for each in facts.runs:
        stem = f"curves-{each.run.name}" if each.run.name else "curves"
        figures.append((stem, figure(each)))
        arrays[stem] = {
            f"{curve.name}.{axis}": getattr(curve, axis)
            for curve in each.run.curves
            for axis in ("x", "y")
        }
    return figures, arrays


def register(app: App) -> None:
    """Adds the command."""
    command(app, "diagnose-curves", RULES, PICTURES, REPORT, panel="Examine a training log")(
        diagnose_curves
    )
