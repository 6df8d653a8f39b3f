"""`netdoctor kernels`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine, open_model
from netdoctor.cli.finish import finish
from netdoctor.cli.options import MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.errors import UsageError

if TYPE_CHECKING:
    from netdoctor.config import Config
    from netdoctor.facts.kernels import KernelFacts
    from netdoctor.plots.tiles import ColourPicture, TiledPicture

_MODEL = {
    **MODEL,
    "model": Annotated[
        str,
        typer.Argument(
            metavar="MODEL|CHECKPOINT",
            help="A torchvision name (resnet18), package.module:factory, file.py:factory, or a "
            "file of weights: .safetensors, .pt, .pth, .ckpt, .bin or a sharded index.",
        ),
    ],
}
_ONLY_MODELS = ("weights", "model_arg", "checkpoint", "partial")
_PANEL = "Pictures"

MaxKernels = Annotated[
    int,
    typer.Option(
        "--max-kernels", help="Kernels a picture at most.", metavar="N", min=1, max=4096,
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Top = Annotated[
    int | None,
    typer.Option(
        "--top", help="Only the N kernels of the largest norm, largest first.", metavar="N", min=1,
        rich_help_panel=_PANEL,
    ),
]  # fmt: skip
Channel = Annotated[
    int | None,
    typer.Option(
        "--channel", help="This input channel instead of the norm over all of them.", metavar="N",
        min=0, rich_help_panel=_PANEL,
    ),
]  # fmt: skip


def kernels(
    request: Request, max_kernels: MaxKernels = 64, top: Top = None, channel: Channel = None
) -> int:
    """What the kernels look like, and which weights are sick: a grid a convolution, and a table.

    Takes a model or a file of weights alone; needs no data.

    [dim]netdoctor kernels resnet18 --weights DEFAULT --layers conv1
    netdoctor kernels checkpoint.pt --no-plots[/dim]
    """
    options: dict[str, Any] = {"max_kernels": max_kernels, "top": top, "channel": channel}
    if is_file(request.model):
        _refuse_model_options(request)
        report = examine(
            request, "kernels", opened=lambda model, _: (model, None), checked=_exists,
            state_key=request.config.state_key, trust_checkpoint=request.config.trust_checkpoint,
            **options,
        )  # fmt: skip
    else:
        report = examine(request, "kernels", opened=_model_alone, **options)
    return finish(report, request.config, draw)


def is_file(model: str) -> bool:
    """Whether the argument is a file of weights and not the name of a network."""
    from netdoctor.inputs.spec import is_checkpoint
    from netdoctor.inputs.torchvision_names import torchvision_names

    if model in torchvision_names() or model.endswith(".py"):
        return False
    return is_checkpoint(model) or Path(model).expanduser().is_file()


def _exists(model: str) -> None:
    from netdoctor.inputs.sniff import sniff

    sniff(Path(model).expanduser())


def _model_alone(model: str, config: Config) -> tuple[Any, None]:
    return open_model(model, config), None


def _refuse_model_options(request: Request) -> None:
    for name in _ONLY_MODELS:
        key = name.replace("_", "-")
        given = request.settings.origins[key] == "flag"  # a file speaks of networks in general
        if given and getattr(request.config, name):
            raise UsageError(
                f"--{key} is for networks, and {request.model} is a file of weights",
                hint="leave it out, or name the network: MODEL --checkpoint FILE",
            )


def draw(
    facts: KernelFacts,
) -> tuple[Iterable[tuple[str, TiledPicture | ColourPicture]], Mapping[str, Mapping[str, Any]]]:
    """A picture a convolution; (K, h, w) kernels with their numbers, (O,) filter norms."""
    from netdoctor.plots.kernels import pictures

    return pictures(facts), {"kernels": facts.arrays()}


def register(app: App) -> None:
    """Adds the command."""
    shared = (_MODEL, RUN, RULES, PICTURES, REPORT)
    command(app, "kernels", *shared, panel="Examine a model")(kernels)
