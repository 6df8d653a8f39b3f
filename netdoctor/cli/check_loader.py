"""`netdoctor check-loader`."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import open_model, rule_options, surroundings, to_repeat
from netdoctor.cli.finish import check_out, finish
from netdoctor.cli.importing import uncollected
from netdoctor.cli.options import DATA, LOSS, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from netdoctor.facts.loader import LoaderFacts

_MODEL = {name: kind for name, kind in MODEL.items() if name != "model"}
_DATA = {name: kind for name, kind in DATA.items() if name not in ("data", "batches")}
_RUN = {name: kind for name, kind in RUN.items() if name != "layers"}


class SplitOption(str, Enum):
    """What the data are for."""

    AUTO = "auto"
    TRAIN = "train"
    VAL = "val"


DataArgument = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="module:loader or file.py:loader, a folder, an ImageFolder tree, .npz, "
        "torchvision:NAME?root=DIR.",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", help="The model that the data are for, as other commands take it.",
        metavar="MODEL", rich_help_panel="Model",
    ),
]  # fmt: skip
NumClasses = Annotated[
    int | None,
    typer.Option(
        "--num-classes", help="How many classes there are; else as many as the model gives.",
        metavar="N", min=1, rich_help_panel="Model",
    ),
]  # fmt: skip
Against = Annotated[
    str | None,
    typer.Option(
        "--against", help="Another split: no sample of DATA should be in it.",
        metavar="SPEC", rich_help_panel="Data",
    ),
]  # fmt: skip
Batches = Annotated[
    str | None,
    typer.Option(
        "--batches", help="How many batches to scan, or all. [default: 50; all with --against]",
        metavar="N|all", rich_help_panel="Data",
    ),
]  # fmt: skip
SplitChoice = Annotated[
    SplitOption,
    typer.Option(
        "--split", help="What DATA is for; auto goes by its name.", rich_help_panel="Data",
    ),
]  # fmt: skip
NoProcesses = Annotated[
    bool,
    typer.Option(
        "--no-processes", metavar="", show_default=False, rich_help_panel="Run",
        help="Start no worker processes: neither their draws nor their speed is examined.",
    ),
]  # fmt: skip


def check_loader(
    request: Request,
    data: DataArgument,
    model: ModelOption = None,
    num_classes: NumClasses = None,
    against: Against = None,
    batches: Batches = None,
    split: SplitChoice = SplitOption.AUTO,
    no_processes: NoProcesses = False,
) -> int:
    """Whether the data are what the model needs: values, labels, order, duplicates, leakage.

    [dim]netdoctor check-loader my_module:train_loader --num-classes 10
    netdoctor check-loader data/val --against data/train --batches all
    netdoctor check-loader my_module:loader --model my_module:factory[/dim]
    """
    config = request.config
    limit = _limit(batches, request)

    def check(request: Request) -> None:
        from netdoctor.inputs.spec import check_spec
        from netdoctor.rules.selection import select_rules

        select_rules(request.command, config.select, config.ignore)
        check_out(config)
        if model is not None:
            check_spec(model)

    with surroundings(request, check) as progress:
        import netdoctor

        with uncollected():
            examination = netdoctor.check_loader
            from netdoctor.inputs.loaders import seed_everything

        seed_everything(config.seed)
        loaded = open_model(model, config) if model is not None else None
        report = examination(
            data, loaded, num_classes=num_classes, against=against, batches=limit,
            batch_size=config.batch_size, workers=config.workers, split=split.value,
            input_shape=config.input_shape, mean=config.mean, std=config.std,
            resize=config.resize, crop=config.crop, loss=config.loss, seed=config.seed,
            processes=not no_processes, progress=progress, **rule_options(config),
        )  # fmt: skip
    asked = {"model": model, "against": against, "split": split.value, "num_classes": num_classes}
    given = {name: value for name, value in asked.items() if value not in (None, "auto")}
    settings = {**to_repeat(request.settings), **report.settings, **given}
    return finish(report.replace(settings=settings), config, draw)


def _limit(batches: str | None, request: Request) -> int | Literal["all"] | None:
    if batches is None:
        in_file = request.settings.origins.get("batches") == "file"
        return request.config.batches if in_file else None
    if batches.lower() == "all":
        return "all"
    if not batches.isascii() or not batches.isdigit() or int(batches) < 1:
        message = f"--batches: expected a number of 1 or more, or all; it is {batches!r}"
        raise UsageError(message, hint="for example --batches 200")
    return int(batches)


def draw(
    facts: LoaderFacts,
) -> tuple[list[tuple[str, Figure]], Mapping[str, Mapping[str, Any]]]:
    """The contact sheet, labels, values and pairs, and the numbers behind them."""
    from netdoctor.plots.loader import arrays, figures

    return figures(facts), arrays(facts)


def register(app: App) -> None:
    """Adds the command."""
    shared = (_MODEL, _DATA, LOSS, _RUN, RULES, PICTURES, REPORT)
    command(app, "check-loader", *shared, panel="Examine a model")(check_loader)
