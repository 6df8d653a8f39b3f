"""`netdoctor gradflow`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, LOSS, MODEL, PICTURES, REPORT, RULES, RUN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netdoctor.facts.gradflow import GradientFacts


class Optimizer(str, Enum):
    """Whose step is compared with the weights."""

    SGD = "sgd"
    ADAM = "adam"
    ADAMW = "adamw"


class Amp(str, Enum):
    """What autocast computes in."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


OptimizerOption = Annotated[
    Optimizer,
    typer.Option("--optimizer", help="Whose first step --lr is for.", rich_help_panel="Run"),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--lr", help="Compares a step at this learning rate with the weights.", metavar="RATE",
        rich_help_panel="Run",
    ),
]  # fmt: skip
AmpOption = Annotated[
    Amp | None,
    typer.Option(
        "--amp", help="Mixed precision; a loss scale is taken out.", rich_help_panel="Run"
    ),
]
UpdateNorms = Annotated[
    bool,
    typer.Option(
        "--update-norms", help="Let norm layers update their statistics between batches.",
        rich_help_panel="Run", metavar="", show_default=False,
    ),
]  # fmt: skip


def gradflow(
    request: Request,
    optimizer: OptimizerOption = Optimizer.SGD,
    lr: Rate = None,
    amp: AmpOption = None,
    update_norms: UpdateNorms = False,
) -> int:
    """How gradients flow to every parameter: missing, zero, vanishing, exploding, NaN.

    [dim]netdoctor gradflow my_module:factory --data my_module:loader
    netdoctor gradflow resnet18 --data train/ --optimizer adam --lr 1e-3[/dim]
    """
    report = examine(
        request, "gradflow", loss=request.config.loss, optimizer=optimizer.value, lr=lr,
        amp=amp.value if amp else None, update_norms=update_norms,
    )  # fmt: skip
    return finish(report, request.config, draw)


def draw(
    facts: GradientFacts,
) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The bars of all parameters, and (P,) arrays of what they show, in forward order."""
    from netdoctor.plots.gradflow import arrays, figures

    return figures(facts), {"gradflow": arrays(facts)}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, LOSS, RUN, RULES, PICTURES, REPORT)
    command(app, "gradflow", *shared, panel="Examine a model")(gradflow)
