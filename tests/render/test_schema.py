"""The schema is a schema, takes every document there is, and refuses what none may be."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netdoctor.errors import CheckpointError
from netdoctor.render.json import render, render_error
from netdoctor.render.schema import schema
from netdoctor.report import Report
from tests.render.sample import HEALTHY, SICK

VALIDATOR = Draft202012Validator(schema())
DEEP = dataclasses.replace(
    SICK.findings[0],
    consequences=[dataclasses.replace(SICK.findings[1], consequences=SICK.findings[2:])],
)
PREDICTION = {"input": "a.jpg", "index": 285, "name": "Egyptian cat", "score": 0.39, "top": []}
REPORTS = {
    "sick": SICK,
    "healthy": HEALTHY,
    "empty": Report("rules", ""),
    "consequences": SICK.replace(findings=[DEEP]),
    "gradcam": Report("gradcam", "m", summary={"predictions": [PREDICTION]}),
    "infinite": Report(
        "lrfind", "m", extra={"suggestion": float("inf"), "suggestion_reason": None}
    ),
    "declined": Report("lrfind", "m", extra={"suggestion": None, "suggestion_reason": "noise"}),
    "best": Report("diagnose-curves", "log.csv", extra={"best_epoch": 3}),
    "refused": Report(
        "check-weights", "", extra={"error": {"kind": "checkpoint", "message": "no", "hint": ""}}
    ),
    "more": SICK.replace(extra={"something": {"new": 1}}),
}


def document(name: str) -> Any:
    return json.loads(render(REPORTS[name]))


def failure() -> Any:
    return json.loads(render_error("deadneurons", CheckpointError("no", hint="yes")))


def test_it_is_a_schema_of_its_dialect() -> None:
    Draft202012Validator.check_schema(schema())
    assert VALIDATOR.schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    json.dumps(schema(), allow_nan=False)


@pytest.mark.parametrize("name", REPORTS)
def test_every_kind_of_report_is_taken(name: str) -> None:
    VALIDATOR.validate(document(name))


def test_an_error_is_taken_and_is_no_report() -> None:
    VALIDATOR.validate(failure())
    assert not VALIDATOR.is_valid({**document("healthy"), "error": "text"})
    assert not VALIDATOR.is_valid({**failure(), "findings": []})
    assert not VALIDATOR.is_valid({**failure(), "error": {"kind": "data", "message": "no"}})
    assert VALIDATOR.is_valid({**failure(), "command": ""})


OPEN = ("evidence", "settings", "tables", "top", "best_epoch")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to every value that the contract lays down."""
    if path:
        yield path
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in OPEN:
                yield from places(each, (*path, key))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from places(each, (*path, number))


def inside(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def changed(whole: Any, path: tuple[Any, ...], value: Any) -> Any:
    other = copy.deepcopy(whole)
    inside(other, path[:-1])[path[-1]] = value
    return other


@pytest.mark.parametrize("name", ["sick", "consequences", "gradcam", "declined", "failure"])
def test_a_missing_key_and_a_value_of_another_type_are_refused(name: str) -> None:
    whole = failure() if name == "failure" else document(name)
    for path in places(whole):
        assert not VALIDATOR.is_valid(changed(whole, path, True)), path
        optional = path[-1] == "consequences" or (path[-1] == "subject" and "skipped" in path)
        if isinstance(path[-1], str) and not optional:
            missing = copy.deepcopy(whole)
            del inside(missing, path[:-1])[path[-1]]
            assert not VALIDATOR.is_valid(missing), path


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("sick", ("schema",), 2),
        ("sick", ("command",), "dead neurons"),
        ("sick", ("findings", 0, "severity"), "critical"),
        ("sick", ("findings", 0, "severity"), "Error"),
        ("sick", ("findings", 0, "code"), "ACT1"),
        ("sick", ("findings", 0, "code"), "act001"),
        ("sick", ("findings", 0, "code"), "XACT001"),
        ("sick", ("findings", 0, "rule"), "Dead Layer"),
        ("sick", ("findings", 0, "remedies"), "more"),
        ("sick", ("findings", 0, "consequences"), []),
        ("sick", ("skipped", 0, "because"), "x"),
        ("sick", ("tables", "layers"), {}),
        ("sick", ("tables", "layers", 0), 3),
        ("sick", ("artifacts",), [3]),
        ("sick", ("notes",), "one"),
        ("sick", ("summary", "error"), -1),
        ("sick", ("summary", "error"), 1.5),
        ("sick", ("summary", "predictions"), [{}]),
        ("consequences", ("findings", 0, "consequences", 0, "code"), "x"),
        ("consequences", ("findings", 0, "consequences", 0, "consequences", 0, "code"), "x"),
        ("infinite", ("suggestion",), "infinite"),
        ("infinite", ("suggestion",), "NaN"),
        ("infinite", ("suggestion",), None),
        ("best", ("best_epoch",), "3"),
        ("gradcam", ("summary", "predictions", 0, "score"), "high"),
        ("refused", ("error", "kind"), "Not A Kind"),
    ],
)
def test_what_no_document_may_say_is_refused(name: str, path: tuple[Any, ...], value: Any) -> None:
    assert not VALIDATOR.is_valid(changed(document(name), path, value))


def test_commands_have_what_the_contract_adds_for_them() -> None:
    best = document("best")
    del best["best_epoch"]
    VALIDATOR.validate(best)  # what --list prints
    best["tables"]["epochs"] = []
    assert not VALIDATOR.is_valid(best)
    assert VALIDATOR.is_valid({**best, "best_epoch": None})
    assert not VALIDATOR.is_valid(json.loads(render(Report("gradcam", "m"))))
    assert not VALIDATOR.is_valid(json.loads(render(Report("lrfind", "m"))))
