"""`netdoctor activations`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, MODEL, PICTURES, REPORT, RULES, RUN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netdoctor.facts.activations import ActivationFacts

EveryModule = Annotated[
    bool,
    typer.Option(
        "--all",
        help="Every module's output, not only the activations.",
        rich_help_panel="Run",
        metavar="",
        show_default=False,
    ),
]


def activations(request: Request, every_module: EveryModule = False) -> int:
    """The distribution of every layer's activations: a table and histograms.

    [dim]netdoctor activations resnet18 --weights DEFAULT --data photos/
    netdoctor activations my_module:factory --data val/ --all[/dim]
    """
    report = examine(request, "activations", every_module=every_module)
    return finish(report, request.config, draw)


def draw(
    facts: ActivationFacts,
) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The histogram sheets, and for every call its (B,) counts and (B + 1,) bin edges."""
    from netdoctor.plots.activations import figures

    arrays: dict[str, Any] = {}
    for call in facts.calls:
        if call.histogram is not None and call.edges is not None:
            arrays[f"{call.site}.counts"] = call.histogram
            arrays[f"{call.site}.edges"] = call.edges
    return figures(facts), {"activations": arrays}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, RUN, RULES, PICTURES, REPORT)
    command(app, "activations", *shared, panel="Examine a model")(activations)
