"""`netdoctor featuremaps`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, MODEL, PICTURES, REPORT, RUN

if TYPE_CHECKING:
    from netdoctor.facts.featuremaps import FeatureMapFacts
    from netdoctor.plots.tiles import TiledPicture

_DATA = {name: kind for name, kind in DATA.items() if name not in ("batches", "batch_size")}


class Scale(str, Enum):
    """What a colour means."""

    EACH = "each"
    SHARED = "shared"


Images = Annotated[
    int,
    typer.Option("--images", help="How many samples.", metavar="N", min=1, rich_help_panel="Data"),
]
Top = Annotated[
    int | None,
    typer.Option(
        "--top", help="Only the N most active maps, most active first.", metavar="N", min=1,
        rich_help_panel="Pictures",
    ),
]  # fmt: skip
ScaleOption = Annotated[
    Scale,
    typer.Option(
        "--scale", help="Each map from its own minimum to maximum, or one shared range.",
        rich_help_panel="Pictures",
    ),
]  # fmt: skip
MaxMaps = Annotated[
    int,
    typer.Option(
        "--max-maps", help="Maps a picture at most.", metavar="N", min=1, max=4096,
        rich_help_panel="Pictures",
    ),
]  # fmt: skip


def featuremaps(
    request: Request,
    images: Images = 4,
    top: Top = None,
    scale: ScaleOption = Scale.EACH,
    max_maps: MaxMaps = 64,
) -> int:
    """What each layer's output looks like: one grid of maps a layer and image, and a table.

    Without --layers, the last layer of each stage.

    [dim]netdoctor featuremaps resnet18 --weights DEFAULT --data photo.jpg
    netdoctor featuremaps resnet18 --data photo.jpg --layers 'layer*' --top 16[/dim]
    """
    config = msgspec.structs.replace(request.config, batches=images, batch_size=1)
    settings = dataclasses.replace(request.settings, config=config)
    report = examine(
        dataclasses.replace(request, settings=settings), "featuremaps",
        images=images, top=top, scale=scale.value, max_maps=max_maps,
    )  # fmt: skip
    return finish(report, config, draw)


def draw(
    facts: FeatureMapFacts,
) -> tuple[Iterable[tuple[str, TiledPicture]], Mapping[str, Mapping[str, Any]]]:
    """The pictures, and for each call and image its raw (K, …) maps and their channels."""
    from netdoctor.plots.featuremaps import pictures

    return pictures(facts), {"featuremaps": facts.arrays()}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, _DATA, RUN, PICTURES, REPORT)
    command(app, "featuremaps", *shared, panel="Examine a model")(featuremaps)
