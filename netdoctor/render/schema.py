"""The JSON Schema of what `--format json` prints: a report, or the error that stands in for one.

Strict where the contract says what there is, open where commands may add keys of their own: at the
top of a report, and in `evidence`, `summary`, `settings` and the rows of `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netdoctor.render.json import SCHEMA
from netdoctor.report import Severity

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_NUMBER: Schema = {"$ref": "#/$defs/number"}
_FINDING: Schema = {"$ref": "#/$defs/finding"}


def schema() -> Schema:
    """The JSON Schema, of the dialect 2020-12, as JSON's own types."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What netdoctor --format json prints",
        "oneOf": [{"$ref": "#/$defs/report"}, {"$ref": "#/$defs/failure"}],
        "$defs": {
            "report": _report(),
            "failure": _exactly(
                {"schema": {"const": SCHEMA}, "command": _TEXT, "error": {"$ref": "#/$defs/error"}},
                "When nothing could be examined; the exit code is 2.",
            ),
            "error": _exactly(
                {
                    "kind": {**_TEXT, "pattern": "^[a-z]+(-[a-z]+)*$"},
                    "message": _TEXT,
                    "hint": _TEXT,
                },
                "What happened and why, and what to do next.",
            ),
            "finding": _exactly(
                {
                    "code": {**_TEXT, "pattern": "^[A-Z]{3}[0-9]{3}$"},
                    "rule": {"$ref": "#/$defs/slug"},
                    "severity": {"$ref": "#/$defs/severity"},
                    "subject": _TEXT,
                    "message": _TEXT,
                    "evidence": {"type": "object"},
                    "remedy": _TEXT,
                },
                "One defect: where, the value beside its threshold, what to do.",
                consequences=_list(_FINDING, "Findings that it explains; never empty.", least=1),
            ),
            "skipped": _exactly(
                {"rule": {"$ref": "#/$defs/slug"}, "reason": _TEXT},
                "A rule that did not apply, to the subject alone if one is named.",
                subject=_TEXT,
            ),
            "not_examined": _exactly(
                {"subject": _TEXT, "reason": _TEXT}, "Neither healthy nor sick: never seen at work."
            ),
            "prediction": _prediction(),
            "severity": {"enum": [each.value for each in reversed(Severity)]},
            "slug": {**_TEXT, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
            "number": {
                "description": "What is not finite is a text: JSON has no NaN.",
                "anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}],
            },
        },
    }


def _report() -> Schema:
    counts = {each.value: _COUNT for each in reversed(Severity)}
    return {
        **_with(
            {
                "schema": {"const": SCHEMA},
                "version": _TEXT,
                "command": {**_TEXT, "pattern": "^[a-z]+(-[a-z]+)*$"},
                "model": _or_null(_TEXT, "The model, file or data as the user named it."),
                "device": _or_null(_TEXT, "Where it ran; null without a model."),
                "findings": _list(_FINDING, "Worst first."),
                "skipped": _list({"$ref": "#/$defs/skipped"}),
                "not_examined": _list({"$ref": "#/$defs/not_examined"}),
                "tables": {"type": "object", "additionalProperties": _list({"type": "object"})},
                "artifacts": _list(_TEXT, "The files written."),
                "summary": {
                    **_with(counts, "Findings by severity."),
                    "properties": {**counts, "predictions": _list({"$ref": "#/$defs/prediction"})},
                },
                "settings": {"type": "object", "description": "What it takes to repeat the run."},
                "notes": _list(_TEXT),
            },
            "What one command saw.",
            error={
                "description": "check-weights: the first of the files that were refused.",
                "$ref": "#/$defs/error",
            },
            best_epoch=_or_null(_NUMBER, "diagnose-curves: the log's own label, else from 0."),
            suggestion=_or_null(_NUMBER, "lrfind: the learning rate to start from."),
            suggestion_reason=_or_null(_TEXT, "lrfind: why there is no suggestion."),
        ),
        "allOf": [
            _when("gradcam", {"properties": {"summary": {"required": ["predictions"]}}}),
            _when(
                "diagnose-curves",
                {"required": ["best_epoch"]},
                {"tables": {"required": ["epochs"]}},
            ),
            _when("lrfind", {"required": ["suggestion", "suggestion_reason"]}),
            _when(
                "lrfind",
                {"properties": {"suggestion_reason": _TEXT}},
                {"suggestion": {"type": "null"}},
            ),
        ],
    }


def _prediction() -> Schema:
    return _with(
        {
            "input": _TEXT,
            "index": {"type": "integer"},
            "name": _TEXT,
            "score": _NUMBER,
        },
        "gradcam: what the network said of an image.",
    )


def _with(properties: Mapping[str, Schema], description: str, **optional: Schema) -> Schema:
    """An object with at least these keys."""
    return {
        "description": description,
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **optional},
    }


def _exactly(properties: Mapping[str, Schema], description: str, **optional: Schema) -> Schema:
    """An object with these keys and no others."""
    return {**_with(properties, description, **optional), "additionalProperties": False}


def _list(items: Schema, description: str = "", least: int = 0) -> Schema:
    made: Schema = {"type": "array", "items": items}
    if least:
        made["minItems"] = least
    return {"description": description, **made} if description else made


def _or_null(kind: Schema, description: str = "") -> Schema:
    made: Schema = {"anyOf": [kind, {"type": "null"}]}
    return {"description": description, **made} if description else made


def _when(command: str, then: Schema, also: Mapping[str, Schema] | None = None) -> Schema:
    """What holds for the reports of one command, or for those that are also like this."""
    return {"if": {"properties": {"command": {"const": command}, **(also or {})}}, "then": then}
