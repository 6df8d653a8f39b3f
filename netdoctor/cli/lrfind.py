"""`netdoctor lrfind`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, LOSS, MODEL, PICTURES, REPORT, RULES, RUN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netdoctor.facts.lrfind import LrFindFacts

_DATA = {name: kind for name, kind in DATA.items() if name != "batches"}
_RUN = {name: kind for name, kind in RUN.items() if name != "layers"}
_PANEL = "Range test"


class Kind(str, Enum):
    """The optimisers whose rate can be sought."""

    SGD = "sgd"
    ADAM = "adam"
    ADAMW = "adamw"


Optimizer = Annotated[
    Kind, typer.Option("--optimizer", help="What the rate is for.", rich_help_panel=_PANEL)
]
Momentum = Annotated[
    float,
    typer.Option("--momentum", help="Of SGD.", metavar="M", rich_help_panel=_PANEL),
]
StartLr = Annotated[
    float,
    typer.Option("--start-lr", help="The lowest rate.", metavar="LR", rich_help_panel=_PANEL),
]
EndLr = Annotated[
    float,
    typer.Option("--end-lr", help="The highest rate.", metavar="LR", rich_help_panel=_PANEL),
]
Steps = Annotated[
    int,
    typer.Option(
        "--steps", help="Steps over which it rises.", metavar="N", min=2, rich_help_panel=_PANEL
    ),
]
Repeats = Annotated[
    int,
    typer.Option(
        "--repeats", help="Runs with other batches and seeds.", metavar="N", min=1,
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Accumulate = Annotated[
    int,
    typer.Option(
        "--accumulate", help="Batches whose gradient is averaged for a step.", metavar="N", min=1,
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip


def lrfind(
    request: Request,
    optimizer: Optimizer = Kind.SGD,
    momentum: Momentum = 0.9,
    start_lr: StartLr = 1e-7,
    end_lr: EndLr = 10.0,
    steps: Steps = 100,
    repeats: Repeats = 3,
    accumulate: Accumulate = 1,
) -> int:
    """Which learning rate to start from, and how sure that is: a range test.

    Trains a few hundred steps at a rising rate; the model stays as it was.

    [dim]netdoctor lrfind my_module:factory --data my_module:loader
    netdoctor lrfind my_module:factory --data train/ --optimizer adamw --repeats 5[/dim]
    """
    config = msgspec.structs.replace(request.config, batches=steps * accumulate)
    settings = dataclasses.replace(request.settings, config=config)
    report = examine(
        dataclasses.replace(request, settings=settings), "lrfind", loss=config.loss,
        optimizer=optimizer.value, momentum=momentum, start_lr=start_lr, end_lr=end_lr,
        steps=steps, repeats=repeats, accumulate=accumulate,
    )  # fmt: skip
    return finish(report, config, draw)


def draw(facts: LrFindFacts) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The picture; (P,) rates, (R, P) losses with NaN behind a sweep's end, smoothed, and mean."""
    from netdoctor.plots.lrfind import figure, losses

    arrays = {
        "rates": facts.rates,
        "losses": losses(facts),
        "smoothed": facts.reading.smoothed,
        "mean": facts.reading.mean,
    }
    return [("lrfind", figure(facts))], {"lrfind": arrays}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, _DATA, LOSS, _RUN, RULES, PICTURES, REPORT)
    command(app, "lrfind", *shared, panel="Examine a model")(lrfind)
