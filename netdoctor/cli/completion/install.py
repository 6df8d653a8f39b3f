"""`netdoctor --install-completion [SHELL]` and `--show-completion [SHELL]`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from netdoctor.cli.completion.scripts import SCRIPTS
from netdoctor.errors import UsageError

OPTIONS = ("--install-completion", "--show-completion")


def handle(arguments: Sequence[str]) -> int:
    """Prints the script of a shell, or installs it.

    Raises:
        UsageError: an unknown shell, or a file that cannot be written.
    """
    option, shell = arguments[0], _shell(arguments)
    if option == "--show-completion":
        print(SCRIPTS[shell], end="")
        return 0
    try:
        written, sourced = install(shell)
    except OSError as error:
        raise UsageError(
            f"cannot install the completion: {error.filename}: {error.strerror}",
            hint=f"put what `netdoctor --show-completion {shell}` prints where {shell} reads it",
        ) from error
    print(f"wrote {written}")
    if sourced is not None:
        print(f"{sourced} reads it")
    print(f"completion is on in every {shell} that you start from now on")
    return 0


def install(shell: str) -> tuple[Path, Path | None]:
    """The file with the script, and the start-up file that was made to read it.

    fish finds it by itself; bash and zsh get a line in their start-up file, once.

    Raises:
        OSError: one of them cannot be written.
    """
    home = Path.home()
    if shell == "fish":
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
        script = settings / "fish" / "completions" / "netdoctor.fish"
        _write(script, SCRIPTS[shell])
        return script, None
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    script = data / "netdoctor" / f"completion.{shell}"
    _write(script, SCRIPTS[shell])
    place = home if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home)
    start = place / f".{shell}rc"
    line = f"[ -r {shlex.quote(str(script))} ] && . {shlex.quote(str(script))}"
    before = start.read_text(encoding="utf-8", errors="replace") if start.exists() else ""
    if line not in before.splitlines():
        gap = "" if before.endswith("\n") or not before else "\n"
        with start.open("a", encoding="utf-8") as file:
            file.write(f"{gap}# completion of netdoctor\n{line}\n")
    return script, start


def _shell(arguments: Sequence[str]) -> str:
    if len(arguments) > 2:
        message = f"{arguments[0]} takes the name of one shell"
        raise UsageError(message, hint=f"for example netdoctor {arguments[0]} bash")
    given = arguments[1] if len(arguments) == 2 else Path(os.environ.get("SHELL", "")).name
    if given in SCRIPTS:
        return given
    known = ", ".join(SCRIPTS)
    what = f"there is no completion for {given!r}" if given else "$SHELL does not say which shell"
    raise UsageError(f"{what}; there is one for {known}", hint=f"netdoctor {arguments[0]} bash")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
