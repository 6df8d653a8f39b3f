"""`netdoctor check-forward`."""

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

    from netdoctor.facts.forward import ForwardFacts


class HalfType(str, Enum):
    """A type with less range than float32."""

    FLOAT16 = "float16"
    BFLOAT16 = "bfloat16"


Backward = Annotated[
    bool,
    typer.Option(
        "--backward", help="Look at the gradients too.", rich_help_panel="Run", metavar="",
        show_default=False,
    ),
]  # fmt: skip
Depth = Annotated[
    int | None,
    typer.Option(
        "--depth", help="List modules down to this depth only.", metavar="N", min=1,
        rich_help_panel="Run",
    ),
]  # fmt: skip
JudgeAs = Annotated[
    HalfType | None,
    typer.Option(
        "--as", help="Judge the values for this type: what would overflow in it?",
        rich_help_panel="Run",
    ),
]  # fmt: skip


def check_forward(
    request: Request,
    backward: Backward = False,
    depth: Depth = None,
    judge_as: JudgeAs = None,
) -> int:
    """What comes out of every call, and the first operation that makes NaN or Inf, with its line.

    [dim]netdoctor check-forward my_module:factory --checkpoint last.pt --data my_data:loader
    netdoctor check-forward my_module:factory --data my_data:loader --backward
    netdoctor check-forward resnet18 --weights DEFAULT --data photos/ --as float16 --depth 1[/dim]
    """
    report = examine(
        request, "check_forward", loss=request.config.loss, backward=backward, depth=depth,
        judge_as=judge_as.value if judge_as else None,
    )  # fmt: skip
    return finish(report, request.config, draw)


def draw(
    facts: ForwardFacts,
) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The sizes of the calls' values, and for each call its statistics."""
    from netdoctor.plots.forward import arrays, figures

    return figures(facts), arrays(facts)


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, LOSS, RUN, RULES, PICTURES, REPORT)
    command(app, "check-forward", *shared, panel="Examine a model")(check_forward)
