"""What a type checker knows of the package where it is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """\
import netdoctor
reveal_type(netdoctor.kernels("a.pt"))
reveal_type(netdoctor.kernels("a.pt").table("weights").rows)
netdoctor.deadneuron
netdoctor.overfit(3)
"""


@pytest.mark.slow
def test_results_are_typed_and_wrong_names_and_arguments_are_seen(tmp_path: Path) -> None:
    (tmp_path / "use.py").write_text(SCRIPT, encoding="utf-8")
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=",
            "--cache-dir", str(tmp_path / "cache"), "use.py",
        ],
        cwd=tmp_path,
        env={"MYPYPATH": str(root), "PATH": ""},
        capture_output=True,
        encoding="utf-8",
        timeout=250,
    )  # fmt: skip
    assert 'use.py:2: note: Revealed type is "netdoctor.report.Report"' in done.stdout
    assert "use.py:3: note: Revealed type is" in done.stdout
    assert "typing.Mapping[str, Any]" in done.stdout
    assert "use.py:4: error: Module has no attribute" in done.stdout
    assert "use.py:5: error: Argument 1 to" in done.stdout
