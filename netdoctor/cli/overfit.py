"""`netdoctor overfit`."""

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

    from netdoctor.facts.overfit import OverfitFacts

_DATA = {name: kind for name, kind in DATA.items() if name not in ("batches", "batch_size")}
_RUN = {name: kind for name, kind in RUN.items() if name != "layers"}
_BATCHES = 4  # looked at for one whose labels differ


class Optimizer(str, Enum):
    """What trains the copy."""

    ADAM = "adam"
    SGD = "sgd"


Samples = Annotated[
    int,
    typer.Option(
        "--samples", help="How many samples to learn, at most.", metavar="N", min=1,
        rich_help_panel="Data",
    ),
]  # fmt: skip
Steps = Annotated[
    int,
    typer.Option(
        "--steps", help="Steps at one learning rate, at most; up to three rates are tried.",
        metavar="N", min=1, rich_help_panel="Training",
    ),
]  # fmt: skip
TimeLimit = Annotated[
    float,
    typer.Option(
        "--time-limit", help="Seconds for everything.", metavar="SECONDS", min=0.1,
        rich_help_panel="Training",
    ),
]  # fmt: skip
OptimizerOption = Annotated[
    Optimizer,
    typer.Option(
        "--optimizer", help="SGD has a momentum of 0.9.", rich_help_panel="Training",
    ),
]  # fmt: skip


def overfit(
    request: Request,
    samples: Samples = 8,
    steps: Steps = 1000,
    time_limit: TimeLimit = 60.0,
    optimizer: OptimizerOption = Optimizer.ADAM,
) -> int:
    """Whether it can learn at all: trains a copy on one small batch until the loss is low.

    [dim]netdoctor overfit resnet18 --data photos/
    netdoctor overfit my_module:factory --data my_module:loader --loss mse --time-limit 20[/dim]
    """
    config = msgspec.structs.replace(request.config, batches=_BATCHES, batch_size=samples)
    settings = dataclasses.replace(request.settings, config=config)
    report = examine(
        dataclasses.replace(request, settings=settings), "overfit",
        samples=samples, steps=steps, time_limit=time_limit, optimizer=optimizer.value,
        loss=config.loss,
    )  # fmt: skip
    return finish(report, config, draw)


def draw(facts: OverfitFacts) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The picture of the loss, and the (S,) losses of every attempt by its rate."""
    from netdoctor.plots.overfit import figures

    arrays = {
        f"loss.{number}.rate {attempt.rate:.3g}": attempt.losses
        for number, attempt in enumerate(facts.attempts, 1)
    }
    return figures(facts), {"overfit": arrays}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, _DATA, LOSS, _RUN, RULES, PICTURES, REPORT)
    command(app, "overfit", *shared, panel="Examine a model")(overfit)
