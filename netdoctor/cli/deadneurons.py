"""`netdoctor deadneurons`."""

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

PerPosition = Annotated[
    bool,
    typer.Option(
        "--per-position",
        help="Also the stricter reading: each position of a channel is a unit.",
        rich_help_panel="Run",
        metavar="",
        show_default=False,
    ),
]


def deadneurons(request: Request, per_position: PerPosition = False) -> int:
    """Which units never fire or always saturate, at every activation, in one pass.

    [dim]netdoctor deadneurons resnet18 --weights DEFAULT --data photos/
    netdoctor deadneurons my_module:factory --checkpoint best.ckpt --data val/[/dim]
    """
    report = examine(request, "deadneurons", per_position=per_position)
    return finish(report, request.config, draw)


def draw(
    facts: ActivationFacts,
) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The firing-rate figures, and for every call the (U,) rates, dead marks and saturation."""
    from netdoctor.plots.deadneurons import figures

    arrays: dict[str, Any] = {}
    for call in facts.calls:
        if call.units is not None:
            arrays[f"{call.site}.firing_rate"] = call.units.firing_rate
            arrays[f"{call.site}.dead"] = call.units.dead
            if call.units.saturated is not None:
                arrays[f"{call.site}.saturated"] = call.units.saturated
    return figures(facts), {"deadneurons": arrays}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, RUN, RULES, PICTURES, REPORT)
    command(app, "deadneurons", *shared, panel="Examine a model")(deadneurons)
