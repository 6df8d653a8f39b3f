"""`netdoctor checkup`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine, open_model
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, LOSS, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.errors import UsageError

if TYPE_CHECKING:
    from netdoctor.config import Config
    from netdoctor.facts.checkup import CheckupFacts
    from netdoctor.plots.save import Picture

_PANEL = "Checks"
_RUN = {name: kind for name, kind in RUN.items() if name != "layers"}
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}

Log = Annotated[
    str | None,
    typer.Option("--log", help="A training log, whose curves are diagnosed too.", metavar="FILE",
                 rich_help_panel="Data"),
]  # fmt: skip
Against = Annotated[
    str | None,
    typer.Option("--against", help="Another split: no sample of --data should be in it.",
                 metavar="SPEC", rich_help_panel="Data"),
]  # fmt: skip
Also = Annotated[
    list[str],
    typer.Option("--with", help="Also lrfind, overfit or gradcam; a list with commas.",
                 metavar="CHECK", show_default=False, rich_help_panel=_PANEL),
]  # fmt: skip
Only = Annotated[
    list[str],
    typer.Option("--only", help="None but these checks: data, weights, forward, activations, "
                 "gradients, curves.", metavar="CHECK", show_default=False,
                 rich_help_panel=_PANEL),
]  # fmt: skip
Skip = Annotated[
    list[str],
    typer.Option("--skip", help="Not these checks.", metavar="CHECK", show_default=False,
                 rich_help_panel=_PANEL),
]  # fmt: skip
TimeLimit = Annotated[
    str | None,
    typer.Option("--time-limit", help="Begin nothing more after it: 90, 90s, 5m, 1h.",
                 metavar="TIME", rich_help_panel=_PANEL),
]  # fmt: skip


def checkup(
    request: Request,
    log: Log = None,
    against: Against = None,
    also: Also = [],  # noqa: B006 - Typer reads it, nobody changes it
    only: Only = [],  # noqa: B006
    skip: Skip = [],  # noqa: B006
    time_limit: TimeLimit = None,
) -> int:
    """Every check that applies, in one go: data, weights, forward, activations, gradients, curves.

    [dim]netdoctor checkup my_module:factory --checkpoint best.pt --data my_module:loader
    netdoctor checkup resnet18 --weights DEFAULT --data photos/ --with gradcam
    netdoctor checkup my_module:factory --data my_module:loader --log metrics.csv[/dim]
    """
    from netdoctor.rules.checks import chosen_checks

    chosen_checks(only, skip, also)
    config = request.config
    report = examine(
        request, "checkup", opened=_opened, log=log, against=against, also=also, only=only,
        skip=skip, time_limit=None if time_limit is None else _seconds(time_limit),
        loss=config.loss, workers=config.workers, input_shape=config.input_shape,
        mean=config.mean, std=config.std, resize=config.resize, crop=config.crop,
    )  # fmt: skip
    return finish(report, config, draw)


def _opened(model: str, config: Config) -> tuple[Any, Any]:
    """The model; the data are opened by the checkup, once for all its checks."""
    return open_model(model, config), config.data


def _seconds(text: str) -> float:
    """What a time such as 90, 90s, 5m or 1h is in seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", text.lower(), re.ASCII)
    seconds = float(found[1]) * _UNITS[found[2] or ""] if found else 0.0
    if not 0 < seconds < float("inf"):
        message = f"--time-limit: expected a time such as 90, 90s, 5m or 1h; it is {text!r}"
        raise UsageError(message)
    return seconds


def draw(
    facts: CheckupFacts,
) -> tuple[list[tuple[str, Picture]], Mapping[str, Mapping[str, Any]]]:
    """The network as it ran, the pictures of the checks, and the numbers behind them."""
    from importlib import import_module

    figures: list[tuple[str, Picture]] = []
    if facts.graph is not None:
        from netdoctor.plots.graph_svg import svg
        from netdoctor.plots.save import TextPicture

        text = svg(facts.graph, facts.health, remarks=facts.remarks)
        figures.append(("graph", TextPicture(text, ".svg")))
    arrays: dict[str, Mapping[str, Any]] = {}
    for check in facts.checks:
        module = import_module(f"netdoctor.cli.{check.name.replace('-', '_')}")
        if check.facts is None or not hasattr(module, "draw") or check.name in _NOT_DRAWN:
            continue
        drawn, numbers = module.draw(check.facts)
        figures += drawn
        arrays.update(numbers)
    return figures, arrays


_NOT_DRAWN = ("check-weights",)  # its facts are those of `kernels`: a picture a layer


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, LOSS, _RUN, RULES, PICTURES, REPORT)
    command(app, "checkup", *shared, panel="Examine a model")(checkup)
