from __future__ import annotations

import pytest

from tests.cli.commandline import CommandLine


@pytest.mark.parametrize("command", ["check-forward", "gradflow", "lrfind", "overfit"])
def test_the_command_line_ends_with_one_and_writes_no_broken_picture(
    netdoctor: CommandLine, command: str
) -> None:
    spec = "tests.api.test_refused_targets:"
    outcome = netdoctor(command, f"{spec}model", "--data", f"{spec}from_one")
    assert outcome.code == 1
    assert "DAT004 label-out-of-range" in outcome.out
