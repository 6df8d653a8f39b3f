"""The Typer app: every command is registered here."""

from __future__ import annotations

from typing import Annotated

import typer

from netdoctor.cli import (
    activations,
    check_forward,
    check_loader,
    check_weights,
    checkup,
    deadneurons,
    diagnose_curves,
    env,
    featuremaps,
    gradcam,
    gradflow,
    graph,
    history,
    kernels,
    layers,
    lrfind,
    overfit,
    rules,
    schema,
    show_config,
)
from netdoctor.cli.command import App
from netdoctor.version import __version__

_MODULES = (
    checkup,
    check_forward,
    deadneurons,
    activations,
    gradflow,
    lrfind,
    overfit,
    check_loader,
    featuremaps,
    check_weights,
    kernels,
    gradcam,
    diagnose_curves,
    graph,
    layers,
    rules,
    history,
    env,
    show_config,
    schema,
)

_SHELLS = "[bash|zsh|fish]"


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"netdoctor {__version__}")
        raise typer.Exit


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
    # The next two are only shown here: `run` reads them, because their value may be left out.
    install_completion: Annotated[
        str | None,
        typer.Option(metavar=_SHELLS, help="Turn on completion in a shell, $SHELL by default."),
    ] = None,
    show_completion: Annotated[
        str | None, typer.Option(metavar=_SHELLS, help="Print the script that does it.")
    ] = None,
) -> None:
    """Finds what is wrong with a PyTorch network, and says what to do about it."""


def make_app(wanted: str | None = None) -> App:
    """The command line.

    Args:
        wanted: the only command that has its options; None for all.
    """
    app = App(
        wanted,
        name="netdoctor",
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        no_args_is_help=False,
        add_completion=False,
    )
    app.callback(
        epilog="Exit codes: 0 nothing found, 1 findings, 2 could not examine, 130 interrupted."
    )(netdoctor)
    for module in _MODULES:
        module.register(app)
    return app
