"""The Typer app: every command is registered here."""

from __future__ import annotations

from typing import Annotated

import typer

from netdoctor.cli import (
    activations,
    check_forward,
    deadneurons,
    env,
    featuremaps,
    gradflow,
    history,
    layers,
    lrfind,
    overfit,
    rules,
    show_config,
)
from netdoctor.version import __version__

app = typer.Typer(
    name="netdoctor",
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netdoctor {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 nothing found, 1 findings, 2 could not examine, 130 interrupted."
)
def netdoctor(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_print_version,
            is_eager=True,
            metavar="",
            help="Show the version and exit.",
        ),
    ] = False,
) -> None:
    """Finds what is wrong with a PyTorch network, and says what to do about it."""


for module in (
    check_forward,
    deadneurons,
    activations,
    gradflow,
    lrfind,
    overfit,
    featuremaps,
    layers,
    rules,
    history,
    env,
    show_config,
):
    module.register(app)
