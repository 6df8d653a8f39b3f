"""The JSON document, as the command line's contract lays it down."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from typing import Any

from netdoctor.errors import NetDoctorError
from netdoctor.render.values import plain_scalar
from netdoctor.report import Finding, Report, Severity
from netdoctor.version import __version__

SCHEMA = 1


def render(report: Report) -> str:
    """The report as one strict JSON document; every row of every table is in it."""
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "command": report.command,
        "model": report.subject or None,
        "device": report.device or None,
        "findings": [_finding(each) for each in report.findings],
        "skipped": [_without_none(each) for each in report.skipped],
        "not_examined": report.not_examined,
        "tables": {table.name: table.rows for table in report.tables},
        "artifacts": report.artifacts,
        "summary": {
            **{each.value: report.count(each) for each in reversed(Severity)},
            **report.summary,
        },
        "settings": report.settings,
        "notes": report.notes,
        **report.extra,
    }
    return _dumps(document)


def render_error(command: str, error: NetDoctorError) -> str:
    """The document that stands in for a report when nothing could be examined."""
    what = {"kind": error.kind, "message": error.message, "hint": error.hint}
    return _dumps({"schema": SCHEMA, "command": command, "error": what})


def _dumps(document: Mapping[str, Any]) -> str:
    return json.dumps(plain(document), indent=2, allow_nan=False)


def plain(value: Any) -> Any:
    """The value in JSON's own types: NaN and infinities as strings, arrays as lists."""
    value = value.value if isinstance(value, Enum) else plain_scalar(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str | PurePath):
        return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, Iterable):
        return [plain(each) for each in value]
    return str(value)


def _finding(finding: Finding) -> dict[str, Any]:
    """The finding; what follows from it only where something does."""
    document: dict[str, Any] = plain(dataclasses.replace(finding, consequences=()))
    del document["consequences"]
    if finding.consequences:
        document["consequences"] = [_finding(each) for each in finding.consequences]
    return document


def _without_none(value: Any) -> dict[str, Any]:
    return {key: each for key, each in plain(value).items() if each is not None}
