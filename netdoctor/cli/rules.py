"""`netdoctor rules` and `netdoctor rule CODE`: the catalogue."""

from __future__ import annotations

from typing import Annotated

import typer

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import show
from netdoctor.cli.options import REPORT
from netdoctor.report import Column, Report, Table
from netdoctor.rules import COMMAND_RULES
from netdoctor.rules.core import Rule
from netdoctor.rules.headings import Heading, headings
from netdoctor.rules.selection import find_rule

_PANEL = "Look up"
Code = Annotated[str, typer.Argument(metavar="CODE", help="A code or slug: ACT001, dead-layer.")]


def rules(request: Request) -> int:
    """Every rule: code, slug, severity, and what it finds."""
    return show(Report("rules", "", tables=[rules_table()]), request.config)


def rule(request: Request, code: Code) -> int:
    """What a rule measures, when it is a false alarm, what to do, and its thresholds."""
    return show(rule_page(find_rule(code)), request.config)


def rules_table() -> Table:
    """One row a rule, in the order of the codes."""
    columns = [
        Column("code", "code", "name"),
        Column("rule", "rule"),
        Column("severity", "severity"),
        Column("summary", "finds", priority=1),
        Column("commands", "raised by", hidden=True),
    ]
    rows = [
        {
            "code": each.code,
            "rule": each.slug,
            "severity": each.severity.value,
            "summary": each.summary,
            "commands": commands_of(each),
        }
        for each in headings()
    ]
    return Table("rules", "", columns, rows)


def rule_page(rule: Rule) -> Report:
    """The documentation of one rule, with its thresholds and their defaults."""
    title = f"{rule.code} {rule.slug} ({rule.severity.value})"
    columns = [Column("threshold", "threshold", "name"), Column("default", "default")]
    rows = [{"threshold": name, "default": value} for name, value in rule.thresholds.items()]
    thresholds = Table("thresholds", "Thresholds", columns, rows)
    facts = {
        "code": rule.code,
        "rule": rule.slug,
        "severity": rule.severity.value,
        "documentation": rule.documentation,
        "commands": commands_of(rule),
        "thresholds": rule.thresholds,
    }
    paragraphs = [" ".join(each.split()) for each in rule.documentation.split("\n\n")]
    notes = [title, *paragraphs, f"Raised by: {', '.join(commands_of(rule))}"]
    return Report(
        "rule", "", tables=[thresholds] if rows else [], notes=notes, extra={"rule": facts}
    )


def commands_of(rule: Rule | Heading) -> list[str]:
    """The commands that may raise a rule."""
    return [
        name
        for name, given in COMMAND_RULES.items()
        if any(rule.answers_to(each) for each in given)
    ]


def register(app: App) -> None:
    """Adds both commands."""
    command(app, "rules", REPORT, panel=_PANEL, looks_for_file=False)(rules)
    command(app, "rule", REPORT, panel=_PANEL, looks_for_file=False)(rule)
