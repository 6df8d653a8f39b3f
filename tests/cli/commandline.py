"""Runs the command line in this process, with the examination replaced by a report of our own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

import netdoctor
from netdoctor.__main__ import main
from netdoctor.report import Report


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a command line left behind."""

    code: int
    out: str
    err: str


class CommandLine:
    """`netdoctor ARGUMENTS` on a report, or an exception, that the test supplies."""

    def __init__(self, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        self._capture = capture
        self._patch = patch

    def __call__(self, *arguments: str) -> Outcome:
        code = main(arguments)
        out, err = self._capture.readouterr()
        return Outcome(code, out, err)

    def examine(self, examination: Callable[..., Report]) -> None:
        """Makes `deadneurons` do this instead: model, data and options in, report out."""
        self._patch.setattr("netdoctor.cli.examine.check", lambda request: None)
        self._patch.setattr("netdoctor.cli.examine.open_inputs", lambda *_: (None, None))
        # In the place of the real one, which would import torch.
        self._patch.setattr(netdoctor, "deadneurons", examination, raising=False)

    def report(self, report: Report) -> None:
        """Makes `deadneurons` return this report."""
        self.examine(lambda *_, **__: report)

    def fail(self, error: BaseException) -> None:
        """Makes `deadneurons` raise this."""

        def examination(*_: Any, **__: Any) -> Report:
            raise error

        self.examine(examination)
