"""Runs a command line: parses, works, and turns every outcome into an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from netdoctor.cli.command import Job
from netdoctor.cli.mishaps import (
    caused_by_interrupt,
    command_of,
    explain,
    tell,
    usage_error,
)
from netdoctor.cli.streams import pipe_safe, warnings_once
from netdoctor.errors import ModelError

COULD_NOT_EXAMINE = 2
INTERRUPTED = 130
_AT_HOME = "raise an Exception instead; --traceback shows where it is"
_COMPLETING = "_NETDOCTOR_COMPLETE"


def run(arguments: Sequence[str]) -> int:
    """The exit code of `netdoctor ARGUMENTS`: 0, 1, 2 or 130, as the contract defines them."""
    with pipe_safe() as out, warnings_once(), _as_typed(arguments):
        if shell := os.environ.get(_COMPLETING):
            code = _complete(shell, arguments)
        else:
            code = _run(list(arguments))
        out.flush()
        return 0 if out.closed_by_reader else code


@contextmanager
def _as_typed(arguments: Sequence[str]) -> Iterator[None]:
    """A block in which `sys.argv` holds the arguments, wherever they came from."""
    before = sys.argv
    sys.argv = [*before[:1], *arguments]
    try:
        yield
    finally:
        sys.argv = before


def _run(arguments: list[str]) -> int:
    try:
        if arguments[:1] in (["--install-completion"], ["--show-completion"]):
            from netdoctor.cli.completion.install import handle

            return handle(arguments)
        parsed = _parse(arguments or ["--help"])
        if parsed == INTERRUPTED:
            raise KeyboardInterrupt
        if isinstance(parsed, int):
            return parsed if arguments else COULD_NOT_EXAMINE
        return _work(parsed)
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if caused_by_interrupt(error):
            return _interrupted()
        if "--traceback" in arguments:
            traceback.print_exception(error)
        tell(explain(error), arguments)
        return COULD_NOT_EXAMINE


def _complete(shell: str, arguments: Sequence[str]) -> int:
    """Answers a shell that completes a line; whoever types it must not be shown a failure."""
    from netdoctor.cli.completion.answer import answer

    try:
        return answer(shell, arguments)
    except (Exception, KeyboardInterrupt):
        return COULD_NOT_EXAMINE


def _interrupted() -> int:
    print("interrupted", file=sys.stderr)
    return INTERRUPTED


def _work(job: Job) -> int:
    try:
        return job()
    except SystemExit as error:
        message = f"the code under examination called sys.exit({error.code!r})"
        hint = "move the call behind `if __name__ == '__main__':`; --traceback shows where it is"
        raise ModelError(message, hint=hint) from error
    except GeneratorExit as error:
        raise ModelError(
            "the code under examination raised GeneratorExit", hint=_AT_HOME
        ) from error


def _parse(arguments: list[str]) -> Job | int:
    """The job that the arguments ask for; an exit code where --help or --version was all."""
    import typer

    from netdoctor.cli.app import make_app

    try:
        parsed = typer.main.get_command(make_app(command_of(arguments))).main(
            args=arguments, prog_name="netdoctor", standalone_mode=False
        )
    except Exception as error:
        if hasattr(error, "format_message"):
            raise usage_error(error.format_message(), arguments) from error
        raise
    return parsed if callable(parsed) else int(parsed or 0)
