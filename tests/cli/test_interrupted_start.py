"""Ctrl-C while the program is still being imported."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import pytest

from netdoctor.__main__ import main


def test_an_interrupt_before_anything_has_begun_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def interrupted(name: str, *rest: Any, **more: Any) -> Any:
        if name == "netdoctor.cli.run":
            raise RuntimeError("while a class was made") from KeyboardInterrupt()
        return real(name, *rest, **more)

    monkeypatch.delitem(sys.modules, "netdoctor.cli.run", raising=False)
    monkeypatch.setattr(builtins, "__import__", interrupted)
    assert main(["--help"]) == 130
    assert capsys.readouterr() == ("", "interrupted\n")
