"""`--report KIND=FILE`: the report in several forms at once, each file whole or not at all."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from netdoctor.config import REPORT_KINDS, Config
from netdoctor.errors import NetDoctorError, UsageError
from netdoctor.report import Report
from netdoctor.version import __version__

if TYPE_CHECKING:
    from netdoctor.render.html import Origin

_NEXT = re.compile(r",(?=\s*[\w-]+=)")
_PICTURES = (".png", ".svg")
_PACKAGES = ("torch", "torchvision", "numpy")


def parse_reports(texts: Sequence[str]) -> dict[str, str]:
    """`html=a.html,junit=b.xml` texts as files by kind.

    Raises:
        UsageError: a text of another form, or a kind given twice.
    """
    files: dict[str, str] = {}
    for text in (part.strip() for each in texts for part in _NEXT.split(each)):
        kind, equals, file = text.partition("=")
        if not equals or not file:
            kinds = ", ".join(REPORT_KINDS)
            message = f"--report {text!r} is not of the form KIND=FILE"
            raise UsageError(message, hint=f"write --report html=report.html; kinds: {kinds}")
        if kind in files:
            message = f"--report names two files for {kind}: {files[kind]} and {file}"
            raise UsageError(message, hint="leave one of them out")
        files[kind] = file
    return files


def check_reports(config: Config) -> None:
    """Refuses files of --report that cannot be written, before any work is done for them.

    Raises:
        UsageError: a folder, in the place of one, read-only, or one file for two purposes.
    """
    others = {"--write-baseline": config.write_baseline, "--history": config.history}
    check_distinct(config.report, others)
    for kind, file in config.report.items():
        _check_place(kind, file)


def check_distinct(files: Mapping[str, str], others: Mapping[str, str | None]) -> None:
    """Refuses one file for two purposes.

    Args:
        files: of --report, by kind.
        others: files that are written besides, by option.

    Raises:
        UsageError: two of them are the same file.
    """
    taken: dict[str, str] = {}
    named = {**{f"--report {kind}": file for kind, file in files.items()}, **others}
    for purpose, file in named.items():
        if not file:
            continue
        first = taken.setdefault(os.path.realpath(_path(file)), purpose)
        if first != purpose:
            message = f"{first} and {purpose} name the same file, {file}"
            raise UsageError(message, hint="give each a file of its own")


def write_reports(report: Report, config: Config, pictures: Sequence[Path] = ()) -> None:
    """Writes what --report asks for.

    Args:
        report: what was found.
        config: names the files.
        pictures: for the HTML page, beside the report's own artifacts.

    Raises:
        UsageError: a file cannot be written.
    """
    for kind, file in config.report.items():
        _write(kind, file, rendered(kind, report, config, pictures))


def write_errors(files: Mapping[str, str], command: str, error: NetDoctorError) -> None:
    """Writes to each file of --report that nothing could be examined, and why.

    A file that cannot be written is told on stderr.
    """
    for kind, file in files.items():
        try:
            _check_place(kind, file)
            _write(kind, file, _rendered_error(kind, command, error))
        except UsageError as problem:
            if problem.message != error.message:
                print(f"error: {problem.message}", file=sys.stderr)


def pictures_of(report: Report) -> list[Path]:
    """The pictures among the files that a report names."""
    return [Path(each) for each in report.artifacts if each.lower().endswith(_PICTURES)]


def _path(file: str) -> Path:
    return Path(os.path.expanduser(file))  # the shell leaves the tilde of `html=~/a.html` alone


def _check_place(kind: str, file: str) -> None:
    try:
        problem = _obstacle(_path(file))
    except OSError as error:
        problem = error.strerror or str(error)
    if problem:
        hint = "name a file in a folder of your own"
        raise UsageError(f"--report {kind}={file}: {problem}", hint=hint)


def _obstacle(path: Path) -> str:
    """What keeps a file from being written, as far as it can be told; empty for nothing."""
    if path.is_dir():
        return "it is a folder, not a file"
    nearest = next((each for each in path.absolute().parents if each.exists()), Path())
    if not nearest.is_dir():
        return f"{nearest} is a file, not a folder"
    written, needed = (path, os.W_OK) if _is_stream(path) else (nearest, os.W_OK | os.X_OK)
    return "" if os.access(written, needed) else f"{written} cannot be written to"


def _is_stream(path: Path) -> bool:
    """Whether it is a pipe or a device, which takes what is written and is never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _write(kind: str, file: str, text: str) -> None:
    from netdoctor.plots.save import write_whole

    content = text.encode("utf-8", "backslashreplace")
    path = _path(file)
    try:
        if _is_stream(path):
            path.write_bytes(content)
            return
        path = Path(os.path.realpath(path))  # a link keeps pointing where it does
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda opened: opened.write(content))
    except OSError as error:
        raise UsageError(
            f"cannot write --report {kind}={file}: {error.strerror or error}",
            hint="name a file in a folder of your own, with room for it",
        ) from error


def rendered(kind: str, report: Report, config: Config, pictures: Sequence[Path] = ()) -> str:
    """The report as one of `REPORT_KINDS`."""
    if kind == "html":
        from netdoctor.render.html import render as as_page

        return as_page(report, [*pictures_of(report), *pictures], origin())
    if kind == "junit":
        from netdoctor.render.junit import render as as_junit

        return as_junit(report, config.fail_on.severity)
    if kind == "text":
        from netdoctor.render.text import render as as_text
        from netdoctor.render.text import render_plain

        judged = report.ran or report.skipped or report.findings
        return as_text(report) if judged else render_plain(report)
    text: str = import_module(f"netdoctor.render.{kind}").render(report)
    return text if text.endswith("\n") else f"{text}\n"


def _rendered_error(kind: str, command: str, error: NetDoctorError) -> str:
    if kind == "html":
        from netdoctor.render.html import render_error

        return render_error(command, error, origin())
    if kind == "text":
        return f"error: {error.message}\n" + (f"hint: {error.hint}\n" if error.hint else "")
    text: str = import_module(f"netdoctor.render.{kind}").render_error(command, error)
    return text if text.endswith("\n") else f"{text}\n"


def origin() -> Origin:
    """The command line of this process, the time, and the versions that matter."""
    import datetime
    import platform
    import shlex
    from importlib import metadata

    from netdoctor.render.html import Origin

    versions = {"netdoctor": __version__, "Python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    versions["platform"] = f"{platform.system()} {platform.machine()}"
    now = datetime.datetime.now().astimezone()
    return Origin(
        shlex.join(["netdoctor", *sys.argv[1:]]),
        f"{now.day} {now:%B %Y, %H:%M %Z}",
        versions,
    )
