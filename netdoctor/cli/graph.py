"""`netdoctor graph`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.examine import examine
from netdoctor.cli.finish import finish
from netdoctor.cli.options import DATA, MODEL, PICTURES, REPORT, RULES, RUN
from netdoctor.config import Format
from netdoctor.errors import UsageError
from netdoctor.report import Report

if TYPE_CHECKING:
    from netdoctor.facts.graph import GraphFacts
    from netdoctor.facts.graph_health import Health
    from netdoctor.plots.save import TextPicture

_RUN = {name: kind for name, kind in RUN.items() if name != "layers"}
_PICTURES = {name: kind for name, kind in PICTURES.items() if name != "save_arrays"}
_PANEL = "Pictures"

Depth = Annotated[
    int | None,
    typer.Option(
        "--depth", metavar="N", min=1, rich_help_panel=_PANEL,
        help="Open modules down to this level; by default as deep as it stays readable.",
    ),
]  # fmt: skip
Expand = Annotated[
    list[str],
    typer.Option(
        "--expand", metavar="PATTERN", rich_help_panel=_PANEL, show_default=False,
        help="Open these modules in any case: a name or shell pattern. Repeatable.",
    ),
]  # fmt: skip
Dot = Annotated[
    bool,
    typer.Option(
        "--dot", metavar="", rich_help_panel=_PANEL, show_default=False,
        help="Print the graph in Graphviz's language instead of the report.",
    ),
]  # fmt: skip
Mermaid = Annotated[
    bool,
    typer.Option(
        "--mermaid", metavar="", rich_help_panel=_PANEL, show_default=False,
        help="Print it as a Mermaid flowchart instead of the report.",
    ),
]  # fmt: skip


def graph(
    request: Request,
    depth: Depth = None,
    expand: Expand = [],  # noqa: B006
    dot: Dot = False,
    mermaid: Mermaid = False,
) -> int:
    """The network as it ran, drawn, coloured by health.

    [dim]netdoctor graph resnet50 --weights DEFAULT --data photos/
    netdoctor graph my_module:factory --expand 'encoder.layers.0' --mermaid[/dim]
    """
    options: dict[str, Any] = {"depth": depth, "expand": expand}
    if dot and mermaid:
        raise UsageError("--dot and --mermaid are two texts", hint="give one of them")
    if (dot or mermaid) and request.config.format is not Format.TEXT:
        option, form = "--dot" if dot else "--mermaid", request.config.format.value
        hint = "leave one of them out; the SVG is written either way"
        raise UsageError(f"{option} and --format {form} both say what to print", hint=hint)
    report = examine(request, "graph")
    check_patterns(report.facts, expand)
    changed = {name: value for name, value in options.items() if value}
    report = report.replace(settings={**report.settings, **changed})

    def draw(facts: GraphFacts) -> tuple[list[tuple[str, TextPicture]], Mapping[str, Any]]:
        from netdoctor.plots.graph_svg import svg
        from netdoctor.plots.save import TextPicture

        text = svg(facts, health_of(report), remarks=_remarks(report), **options)
        return [("graph", TextPicture(text, ".svg"))], {}

    def as_text(report: Report) -> str:
        from netdoctor.render import graph as texts

        write = texts.dot if dot else texts.mermaid
        return write(report.facts, health_of(report), **options)

    return finish(report, request.config, draw, as_text if dot or mermaid else None)


def health_of(report: Report) -> dict[str, Health]:
    """The health of each call by what the report says; of none where no rule was applied."""
    from netdoctor.facts.graph_health import health

    if not report.ran and not report.findings:
        return {}
    return health(report.findings, report.facts, report.not_examined)


def check_patterns(facts: GraphFacts, patterns: list[str]) -> None:
    """Refuses a pattern of --expand that names no module that ran.

    Raises:
        UsageError: with the near misses.
    """
    from difflib import get_close_matches
    from fnmatch import fnmatchcase

    paths = sorted({scope.path for scope in facts.scopes if scope.path})
    for pattern in patterns:
        if not any(path == pattern or fnmatchcase(path, pattern) for path in paths):
            close = get_close_matches(pattern, paths, 3, 0.5) or paths[:6]
            hint = f"did you mean {', '.join(close)}?" if close else "it has no modules inside"
            message = (
                f"--expand {pattern} matches none of the {len(paths)} modules with calls inside"
            )
            raise UsageError(message, hint=hint)


def _remarks(report: Report) -> list[str]:
    """The verdict, and what was found that is about no single call."""
    from netdoctor.facts.graph_health import unplaced

    verdict = report.conclusion()
    whole = [
        f"{each.severity.value} {each.code} {each.rule}: {each.subject}"
        for each in unplaced(report.findings, report.facts)
    ]
    return [*([verdict] if verdict else []), *whole[:6]]


def register(app: App) -> None:
    """Adds the command."""
    shared = (MODEL, DATA, _RUN, RULES, _PICTURES, REPORT)
    command(app, "graph", *shared, panel="Examine a model")(graph)
