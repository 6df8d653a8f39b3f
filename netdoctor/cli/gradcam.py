"""`netdoctor gradcam`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.errors import UsageError

if TYPE_CHECKING:
    from netdoctor.facts.gradcam import GradCamFacts
    from netdoctor.plots.tiles import ColourPicture

_DATA = {name: kind for name, kind in DATA.items() if name != "batches"}
_ALL = 2**31 - 1
_USUAL = 32


class Method(str, Enum):
    """How a heat map is made."""

    GRADCAM = "gradcam"
    GRADCAM_PLUS_PLUS = "gradcam++"
    HIRESCAM = "hirescam"
    LAYERCAM = "layercam"
    EIGENCAM = "eigencam"
    SCORECAM = "scorecam"
    ABLATIONCAM = "ablationcam"


MethodOption = Annotated[
    Method,
    typer.Option("--method", help="How the map is made.", rich_help_panel="Explanation"),
]
TargetOption = Annotated[
    str,
    typer.Option(
        "--target", help="predicted, a class by index or name; positive or negative of one logit.",
        metavar="TARGET", rich_help_panel="Explanation",
    ),
]  # fmt: skip
LayerOption = Annotated[
    list[str],
    typer.Option(
        "--layer", help="At this call's output; else the last with a map. Repeatable.",
        metavar="NAME", rich_help_panel="Explanation", show_default=False,
    ),
]  # fmt: skip
ClassNames = Annotated[
    Path | None,
    typer.Option(
        "--class-names", help="Names of the classes: one a line, JSON or YAML.",
        metavar="FILE", rich_help_panel="Explanation",
    ),
]  # fmt: skip
Images = Annotated[
    str | None,
    typer.Option(
        "--images", help=f"How many images, or all. {_USUAL} at most by default; 1 if random.",
        metavar="N", rich_help_panel="Data", show_default=False,
    ),
]  # fmt: skip
Scores = Annotated[
    str,
    typer.Option(
        "--scores", help="Of how many images, the first ones, to measure whether the score follows "
        "the map: a number, all or none. About 100 forward passes each.",
        metavar="N", rich_help_panel="Explanation",
    ),
]  # fmt: skip
SanityFlag = Annotated[
    bool,
    typer.Option(
        "--sanity", help="Test that the maps follow the weights, by making these random.",
        rich_help_panel="Explanation",
    ),
]  # fmt: skip
_OPACITY = 0.6
Alpha = Annotated[
    float,
    typer.Option(
        "--alpha", help="Opacity of the map in the overlay.", metavar="SHARE", min=0.0, max=1.0,
        rich_help_panel="Pictures",
    ),
]  # fmt: skip


def gradcam(
    request: Request,
    method: MethodOption = Method.GRADCAM,
    target: TargetOption = "predicted",
    layer: LayerOption = [],  # noqa: B006  Typer copies it
    class_names: ClassNames = None,
    images: Images = None,
    scores: Scores = "4",
    sanity: SanityFlag = False,
    alpha: Alpha = _OPACITY,
) -> int:
    """Where the network looks: a heat map and an overlay for each image.

    [dim]netdoctor gradcam resnet50 --weights DEFAULT --data photo.jpg
    netdoctor gradcam resnet50 --weights DEFAULT --data photos/ --target 'Egyptian cat'[/dim]
    """
    given = request.config
    wanted = _count(images, synthetic=given.data in (None, "random"))
    scored = _scored(scores)
    if class_names is not None:
        from netdoctor.inputs.class_names import read_names

        read_names(class_names)  # told before torch is imported
    config = msgspec.structs.replace(given, batches=wanted or _ALL, batch_size=1)
    settings = dataclasses.replace(request.settings, config=config)
    report = examine(
        dataclasses.replace(request, settings=settings), "gradcam", method=method.value,
        target=target, layer=layer, class_names=None if class_names is None else str(class_names),
        images=wanted, scores=scored, sanity=sanity, batch_size=given.batch_size,
    )  # fmt: skip
    named = [str(each.site) for each in report.facts.layers]
    report = report.replace(settings={**report.settings, "layer": named})
    return finish(report, config, functools.partial(draw, alpha=alpha))


def _count(text: str | None, *, synthetic: bool) -> int | None:
    """How many images; None for all."""
    if text is None:
        return 1 if synthetic else _USUAL
    if text == "all":
        return None
    try:
        count = int(text)
    except ValueError:
        count = 0
    if not 0 < count < _ALL:
        raise UsageError(f"--images {text}: it is neither a number above 0 nor all")
    return count


def _scored(text: str) -> int | None:
    """Of how many images the faithfulness is measured; None for all."""
    if text in ("all", "none"):
        return None if text == "all" else 0
    if not (text.isdecimal() and int(text) < _ALL):
        raise UsageError(f"--scores {text}: it is neither a number nor all nor none")
    return int(text)


def draw(
    facts: GradCamFacts, *, alpha: float = _OPACITY
) -> tuple[Iterable[tuple[str, ColourPicture]], Mapping[str, Mapping[str, Any]]]:
    """The picture of each image, and one set of arrays for all."""
    from netdoctor.plots.gradcam import pictures

    return pictures(facts, alpha=alpha), {"gradcam": facts.arrays()}


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, _DATA, RUN, RULES, PICTURES, REPORT)
    command(app, "gradcam", *shared, panel="Examine a model")(gradcam)
