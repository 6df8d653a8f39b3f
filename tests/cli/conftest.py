from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from netdoctor.render import json as documents
from netdoctor.render.schema import schema
from tests.cli.commandline import CommandLine


@pytest.fixture
def netdoctor(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    """The command line in an empty working directory, as in a pipe without any setting."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "COLUMNS",
        "NO_COLOR",
        "LANG",
        "LC_ALL",
        "CI",
        "FORCE_COLOR",
        "GITHUB_STEP_SUMMARY",
    ):
        monkeypatch.delenv(name, raising=False)
    return CommandLine(capsys, monkeypatch)


@pytest.fixture(autouse=True)
def _documents_are_as_the_schema_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Holds every document that is made in this process against the schema."""
    validator = Draft202012Validator(schema())
    for name in ("render", "render_error"):
        make = getattr(documents, name)

        def checked(*arguments: Any, make: Callable[..., str] = make) -> str:
            text = make(*arguments)
            validator.validate(json.loads(text))
            return text

        monkeypatch.setattr(documents, name, checked)
