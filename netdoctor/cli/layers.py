"""`netdoctor layers`."""

from __future__ import annotations

import dataclasses

import msgspec

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, MODEL, REPORT, RUN

_ONE_BATCH = {"batches": 1, "batch_size": 2}
_DATA = {name: kind for name, kind in DATA.items() if name not in _ONE_BATCH}


def layers(request: Request) -> int:
    """The names that --layers can select, with type and output shape.

    [dim]netdoctor layers resnet18 --layers 'layer4.*'[/dim]
    """
    config = msgspec.structs.replace(request.config, **_ONE_BATCH)
    settings = dataclasses.replace(request.settings, config=config)
    return finish(examine(dataclasses.replace(request, settings=settings), "layers"), config)


def register(app: App) -> None:
    """Adds the command."""
    command(app, "layers", MODEL, _DATA, RUN, REPORT, panel="Examine a model")(layers)
