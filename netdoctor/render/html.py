"""One self-contained HTML page: readable without JavaScript, without CSS and without a network."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdoctor.errors import NetDoctorError
from netdoctor.render.pictures import embed
from netdoctor.render.sections import (
    count_findings,
    evidence,
    findings_by_severity,
    first_findings,
    not_examined_by_reason,
    skipped_by_reason,
    standing,
    table_view,
)
from netdoctor.render.values import brief, counted, printable
from netdoctor.report import Report
from netdoctor.version import __version__

if TYPE_CHECKING:
    from jinja2 import Environment

LARGEST = 4_900_000
"""Bytes that a page has at most."""
_MOST_TEXT = 3_000_000  # of them
_ROWS = (5000, 2000, 500, 100, 20, 5)
_LONGEST = 4000  # characters of one text
_SHOWN_PICTURES = 8
_SYMBOLS = {
    "error": "✖", "warning": "▲", "info": "●", "sick": "✖", "ailing": "▲", "undecided": "?",
    "healthy": "✔", "told": "●", "unexamined": "✖",
}  # fmt: skip
_PART = re.compile(r"[^./:_]*[./:_]|[^./:_]+")
_TABLES_OF_WORK = ("checks",)


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a page comes from, as its foot says.

    Attributes:
        command_line: what makes it again; empty where no command line did.
        made: date and time, in words.
        versions: of what could change the result, by name.
    """

    command_line: str = ""
    made: str = ""
    versions: Mapping[str, str] = dataclasses.field(default_factory=dict)


def render(report: Report, pictures: Sequence[Path] = (), origin: Origin | None = None) -> str:
    """The report as a page of less than 5 MB, whatever is in it.

    Long tables are cut before pictures are made smaller; the page says what it does not hold.

    Args:
        report: what was found.
        pictures: PNG and SVG files that belong to it, in the order in which they are shown.
        origin: how to repeat it.
    """
    held = 0
    text = ""
    for most in _ROWS:
        text = _page(report, most, origin, pictures=(), left_out=())
        held = len(text.encode("utf-8"))
        if held < _MOST_TEXT:
            break
    if not pictures:
        return text
    embedded, left_out = embed(pictures, LARGEST - held - 400 * len(pictures))
    return _page(report, most, origin, pictures=embedded, left_out=left_out)


def render_error(command: str, error: NetDoctorError, origin: Origin | None = None) -> str:
    """The page that stands in for a report when nothing could be examined."""
    page = _environment().get_template("error.html")
    return page.render(command=command, error=error, origin=origin or Origin(), **_constant())


def _page(report: Report, most: int, origin: Origin | None, **shown: Any) -> str:
    findings = list(report.every_finding())
    views = [
        table_view(table, findings, most, whole=table.closing)
        for table in sorted(report.tables, key=lambda table: not table.closing)
    ]
    closing = sum(table.closing for table in report.tables)
    kept, room = first_findings(report.findings, most)
    return (
        _environment()
        .get_template("report.html")
        .render(
            report=report,
            standing=standing(report),
            conclusion=report.conclusion(),
            judged=bool(report.ran or report.skipped or report.findings),
            groups=findings_by_severity(kept),
            findings_cut=count_findings(report.findings) - (most - room),
            closing_tables=views[:closing],
            tables=[each for each in views[closing:] if each.name not in _TABLES_OF_WORK],
            work_tables=[each for each in views if each.name in _TABLES_OF_WORK],
            skipped=skipped_by_reason(report.skipped),
            not_examined=not_examined_by_reason(report.not_examined),
            most=most,
            shown_pictures=_SHOWN_PICTURES,
            origin=origin or Origin(),
            **shown,
            **_constant(),
        )
    )


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def shown(value: Any) -> Any:
        if isinstance(value, Markup) or not isinstance(value, str):
            return value
        cut = value if len(value) <= _LONGEST else f"{value[:_LONGEST]} …"
        return printable(cut)

    environment = Environment(
        loader=PackageLoader("netdoctor.render", "page"),
        autoescape=True,
        finalize=shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def prose(text: str) -> Markup:
        """Text in which what stands between backticks is code."""
        parts = str(shown(text)).split("`")
        if len(parts) % 2 == 0:
            return escape("`".join(parts))
        marked = [
            Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
            for at, part in enumerate(parts)
        ]
        return Markup("").join(marked)

    def name(text: str) -> Markup:
        """A name that may be broken behind its separators, where a line is too short for it."""
        return Markup("<wbr>").join(_PART.findall(shown(text)))

    environment.filters.update(
        brief=brief, evidence=evidence, counted=counted, prose=prose, name=name
    )
    return environment


@lru_cache(maxsize=1)
def _constant() -> Mapping[str, Any]:
    """What all pages share: style and script as they are, and the policy that lets only them in."""
    from markupsafe import Markup

    folder = Path(__file__).with_name("page")
    style, script = ((folder / name).read_text("utf-8") for name in ("style.css", "script.js"))
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src '{_hash(script)}'; base-uri 'none'; form-action 'none'"
    )
    return {
        "style": Markup(style),
        "script": Markup(script),
        "policy": Markup(policy),
        "symbols": _SYMBOLS,
        "version": __version__,
    }


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"
