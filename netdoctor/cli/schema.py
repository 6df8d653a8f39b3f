"""`netdoctor schema`."""

from __future__ import annotations

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import write


def schema(request: Request) -> int:
    """The JSON Schema of what --format json prints: reports, and errors in their place.

    [dim]netdoctor schema > netdoctor.schema.json[/dim]
    """
    import json

    from netdoctor.render.schema import schema as of_documents

    write(json.dumps(of_documents(), indent=2) + "\n")
    return 0


def register(app: App) -> None:
    """Adds the command."""
    command(app, "schema", panel="Look up", looks_for_file=False)(schema)
