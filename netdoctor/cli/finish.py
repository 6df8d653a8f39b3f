"""The end of every command, in one place: pictures, report, exit code."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from netdoctor import baseline, history
from netdoctor.baseline import Baseline
from netdoctor.cli.reports import rendered, write_reports
from netdoctor.config import Config, Format
from netdoctor.errors import UsageError
from netdoctor.report import Report
from netdoctor.rules.selection import tolerances

Draw = Callable[[Any], tuple[Iterable[tuple[str, Any]], Mapping[str, Mapping[str, Any]]]]
"""Facts -> file stems with their figures, and the arrays behind them by file stem."""
_Drawn = tuple[Report, Sequence[Path]]
"""The report that names its pictures, and those that only a page is to hold."""


def check_out(config: Config) -> None:
    """Refuses an --out that cannot be written, before any work is done for it.

    Raises:
        UsageError: it is a file, below one, or in a folder that is read-only.
    """
    folder = Path(config.out)
    existing = next((each for each in (folder, *folder.parents) if each.exists()), folder)
    if config.no_plots or not existing.exists():
        return
    if not existing.is_dir():
        message = f"--out {config.out}: {existing} is a file, not a folder"
        raise UsageError(message, hint="name a folder, or give --no-plots")
    if not os.access(existing, os.W_OK | os.X_OK):
        message = f"--out {config.out}: {existing} cannot be written to"
        raise UsageError(message, hint="name a folder of your own, or give --no-plots")


def known_findings(config: Config, command: str) -> Baseline | None:
    """What --baseline names; None without it.

    Raises:
        ConfigError: it cannot be read or is no baseline of this command.
    """
    return None if config.baseline is None else baseline.read(Path(config.baseline), command)


def finish(
    report: Report,
    config: Config,
    draw: Draw | None = None,
    as_text: Callable[[Report], str] | None = None,
) -> int:
    """Writes the pictures and the report, and returns the exit code.

    Args:
        report: what was found.
        config: says what to write and when to fail.
        draw: makes the pictures of the report's facts; None for commands without any.
        as_text: what to print instead of the report.

    Raises:
        UsageError: --out cannot be written.
    """
    known = known_findings(config, report.command)
    with _drawn(report, config, draw) as (report, unsaved):
        if config.write_baseline is not None:
            baseline.write(Path(config.write_baseline), report)
        if known is not None:
            report = baseline.applied(report, known, tolerances(config.rules))
        if config.history is not None:
            history.append(Path(config.history), report)
        write_reports(report, config, unsaved)
    write(_render(report, config) if as_text is None else as_text(report))
    if config.format is Format.GITHUB:
        _add_to_job_summary(report)
    if known is None and config.write_baseline is not None:
        return 0  # all that was found is known from now on
    return report.exit_code(config.fail_on.severity)


def show(report: Report, config: Config) -> int:
    """Writes what a listing command lists; there is nothing to judge, so 0."""
    write_reports(report, config)
    if config.format is Format.JSON:
        write(rendered("json", report, config))
    elif not config.quiet:
        from netdoctor.cli.streams import terminal
        from netdoctor.render.text import render_plain

        write(render_plain(report, terminal()))
    return 0


def write(text: str) -> None:
    """Writes to stdout, whatever its encoding can say."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _render(report: Report, config: Config) -> str:
    if config.format is not Format.TEXT:
        return rendered(config.format.value, report, config)
    from netdoctor.cli.streams import terminal
    from netdoctor.render.text import render, render_findings

    if config.quiet:
        return render_findings(report, config.fail_on.severity, terminal())
    return render(report, terminal())


def _add_to_job_summary(report: Report) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    from netdoctor.render.github import render_summary

    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(render_summary([report]))
    except OSError as error:
        raise UsageError(
            f"cannot add to the job summary {path}: {error.strerror or error}",
            hint="GitHub sets GITHUB_STEP_SUMMARY itself; unset it to do without",
        ) from error


@contextlib.contextmanager
def _drawn(report: Report, config: Config, draw: Draw | None) -> Iterator[_Drawn]:
    """The report with its pictures on disk; under --no-plots only until the page has them."""
    if draw is None or report.facts is None or (config.no_plots and "html" not in config.report):
        yield report, []
    elif config.no_plots:
        with TemporaryDirectory(prefix="netdoctor-") as folder:
            out = msgspec.structs.replace(config, out=folder, save_arrays=False)
            yield report, [Path(each) for each in _save(report, out, draw)]
    else:
        written = _save(report, config, draw)
        yield report.replace(artifacts=[*report.artifacts, *written]), []


def _save(report: Report, config: Config, draw: Draw) -> list[str]:
    from netdoctor.plots.save import save_figures

    figures, arrays = draw(report.facts)
    return save_figures(figures, Path(config.out), arrays=arrays if config.save_arrays else None)
