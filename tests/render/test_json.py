from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from netdoctor.errors import CheckpointError
from netdoctor.render.json import plain, render, render_error
from netdoctor.report import Report, Severity
from tests.render.sample import ROWS, SICK


def fail(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


def strictly(text: str) -> Any:
    return json.loads(text, parse_constant=fail)


def test_the_document_is_the_contracts() -> None:
    document = strictly(render(SICK))
    assert list(document) == [
        "schema", "version", "command", "model", "device", "findings", "skipped", "not_examined",
        "tables", "artifacts", "summary", "settings", "notes", "best_epoch",
    ]  # fmt: skip
    assert document["schema"] == 1
    assert document["summary"] == {"error": 1, "warning": 1, "info": 1}
    assert document["settings"] == {"seed": 0, "batches": 16, "rate": 0.5, "limit": "inf"}
    assert document["best_epoch"] == 3


def test_findings_and_what_was_left_out_are_whole() -> None:
    document = strictly(render(SICK))
    first = document["findings"][0]
    assert list(first) == [
        "code", "rule", "severity", "subject", "message", "evidence", "remedy"
    ]  # fmt: skip
    assert first["severity"] == "error"
    assert first["evidence"]["units"] == list(range(64))
    assert document["skipped"][0] == {
        "rule": "saturated-units",
        "reason": "no bounded activation was called",
    }
    assert document["skipped"][1]["subject"] == "head.relu#1"
    assert len(document["not_examined"]) == 9


def test_every_row_is_there_with_hidden_columns_and_nan() -> None:
    rows = strictly(render(SICK))["tables"]["layers"]
    assert [row["layer"] for row in rows] == [row["layer"] for row in ROWS]
    assert rows[0]["dead_indices"] == [0, 1, 2]
    assert rows[0]["shape"] == [32, 64, 56, 56]
    assert rows[2]["mean"] == "nan"


def test_a_report_without_a_model_says_null() -> None:
    document = strictly(render(Report("rules", "")))
    assert document["model"] is None
    assert document["tables"] == {}


def test_the_error_document() -> None:
    text = render_error("kernels", CheckpointError("not a checkpoint", hint="run git lfs pull"))
    assert strictly(text) == {
        "schema": 1,
        "command": "kernels",
        "error": {
            "kind": "checkpoint",
            "message": "not a checkpoint",
            "hint": "run git lfs pull",
        },
    }


def test_values_become_jsons_own() -> None:
    assert plain(np.array([1.0, math.nan, -math.inf])) == [1.0, "nan", "-inf"]
    assert plain(np.bool_(True)) is True
    assert plain(Path("a") / "b") == "a/b"
    assert plain({1: Severity.ERROR, (2, 3): {4}}) == {"1": "error", "[2, 3]": [4]}
    assert plain(np.float32(0.5)) == 0.5
    assert plain("\udcff") == "\\udcff"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_any_evidence_gives_strict_json(value: object) -> None:
    report = SICK.replace(settings={"value": value})
    strictly(render(report).encode("utf-8").decode("utf-8"))
