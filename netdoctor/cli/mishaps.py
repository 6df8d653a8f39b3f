"""What to say when nothing could be examined, and on which stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from netdoctor.cli.command import LISTS
from netdoctor.config import KEYS, seen_from_here
from netdoctor.errors import NetDoctorError, UsageError


class BugError(NetDoctorError):
    """An exception that nobody expected: our own fault."""

    kind: ClassVar[str] = "internal"


class OutOfMemoryError(NetDoctorError):
    """The machine or the device had too little memory."""

    kind: ClassVar[str] = "memory"


def explain(error: BaseException) -> NetDoctorError:
    """The error as what happened and what to do next."""
    if any(_is_out_of_memory(each) for each in _chain(error)):
        return OutOfMemoryError(
            "the memory was not enough for this model and batch",
            hint="try a smaller --batch-size or --input-shape, or --device cpu",
        )
    if isinstance(error, NetDoctorError):
        return error
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        hint = "check the path, its permissions and the free space; --traceback shows where it was"
        return UsageError(f"{where}{error.strerror}", hint=hint)
    return BugError(
        f"this is a bug in netdoctor: {type(error).__name__}: {error}",
        hint="please report it with what --traceback and `netdoctor env` print",
    )


def caused_by_interrupt(error: BaseException) -> bool:
    """Whether Ctrl-C came at a place that makes another error of it, as importing C code does."""
    return any(isinstance(each, KeyboardInterrupt) for each in _chain(error))


def usage_error(message: str, arguments: Sequence[str]) -> UsageError:
    """A parser's message, with the help to read."""
    command = command_of(arguments)
    if message.startswith("No such command") and "Did you mean" not in message:
        close = get_close_matches(command, _commands(), n=1)
        message += f" Did you mean {close[0]!r}?" if close else ""
    message = message.replace("Value error, ", "")
    known = f" {command}" if command in _commands() else ""
    hint = f"`netdoctor{known} --help` shows what there is"
    if not command and any(each in _commands() for each in arguments):
        hint = f"options stand behind the command: netdoctor COMMAND … {arguments[0]}; {hint}"
    return UsageError(message, hint=hint)


def tell(error: NetDoctorError, arguments: Sequence[str]) -> None:
    """One message on stderr; the error's document on stdout and in files where one is asked for."""
    from netdoctor.render.values import printable

    unicode = (sys.stderr.encoding or "").lower().startswith("utf")
    message = f"error: {error.message}\n" + (f"hint: {error.hint}" if error.hint else "")
    for line in message.splitlines():
        print(printable(line, unicode=unicode), file=sys.stderr)
    if (wanted := wanted_format(arguments)) in ("json", "github", "junit"):
        document = import_module(f"netdoctor.render.{wanted}").render_error
        print(document(command_of(arguments), error).rstrip("\n"))
    if files := wanted_reports(arguments):
        from netdoctor.cli.reports import write_errors

        write_errors(files, command_of(arguments), error)


def command_of(arguments: Sequence[str]) -> str:
    """The command, as typed: the first argument, unless that is an option."""
    return next((each for each in arguments[:1] if not each.startswith("-")), "")


def wanted_format(arguments: Sequence[str]) -> str | None:
    """The --format that was asked for, be it in a command line that does not parse."""
    chosen = _last_value(arguments, "--format")
    return str(_in_file(arguments).get("format")) if chosen is None else chosen


def _in_file(arguments: Sequence[str]) -> Mapping[str, Any]:
    """What the file of a command line says for its command, unchecked; nothing if it is broken."""
    from netdoctor.settings.files import find_file, read_file, read_found

    given, name = _last_value(arguments, "--config"), command_of(arguments)
    if name in LISTS:
        return {}
    try:
        if given is not None:
            file = read_file(Path(given))
        elif "--no-config" in arguments or (found := find_file()) is None:
            return {}
        else:
            file = read_found(found)
    except NetDoctorError:
        return {}
    sections = file.values.get("commands")
    section = sections.get(name) if isinstance(sections, dict) else None
    values = {**file.values, **(section if isinstance(section, dict) else {})}
    return seen_from_here({key: each for key, each in values.items() if key in KEYS}, KEYS, file)


def wanted_reports(arguments: Sequence[str]) -> dict[str, str]:
    """The files of --report by kind, be it in a command line that does not parse.

    None where they are asked for wrongly, or lie in the place of another file that is written.
    """
    from netdoctor.cli.reports import check_distinct, parse_reports
    from netdoctor.config import REPORT_KINDS

    given, in_file = _values(arguments, "--report"), _in_file(arguments)
    found = in_file.get("report") or {}
    others = {
        option: str(_last_value(arguments, option) or in_file.get(option.removeprefix("--")) or "")
        for option in ("--write-baseline", "--history")
    }
    try:
        found = parse_reports(given) if given else found
        if not isinstance(found, dict) or not all(isinstance(each, str) for each in found.values()):
            return {}
        check_distinct(found, others)
    except NetDoctorError:
        return {}
    return found if all(kind in REPORT_KINDS for kind in found) else {}


def _last_value(arguments: Sequence[str], option: str) -> str | None:
    return next(reversed(_values(arguments, option)), None)


def _values(arguments: Sequence[str], option: str) -> list[str]:
    values = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        if argument == "--":
            break
        if argument == option:
            values.append(following)
        elif argument.startswith(f"{option}="):
            values.append(argument.partition("=")[2])
    return values


def _commands() -> list[str]:
    from netdoctor.cli.app import make_app

    return [each.name for each in make_app("").registered_commands if each.name]


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _is_out_of_memory(error: BaseException) -> bool:
    # torch's own class is known by its name, so that torch need not be imported here.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in ("can't allocate memory", "not enough memory: you tried")
    )
