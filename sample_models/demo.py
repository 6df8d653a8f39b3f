"""`make demo`: netdoctor, as a user runs it, on a sick network and on a healthy one."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
DATA = "sample_models.shapes:test_loader"
HEALTHY, FINDINGS = 0, 1


def examine(model: str, out: str) -> int:
    """The exit code of `netdoctor deadneurons MODEL`; its report goes to the terminal."""
    arguments = ["deadneurons", f"sample_models.networks:{model}", "--data", DATA, "--out", out]
    print(f"\n$ netdoctor {shlex.join(arguments)}", flush=True)
    return subprocess.run([sys.executable, "-m", "netdoctor", *arguments], cwd=ROOT).returncode


def main() -> int:
    """0 when the sick network was found (exit 1) and the healthy one passed (exit 0), else 1."""
    os.environ.setdefault("OMP_NUM_THREADS", "2")
    sick = examine("sick_dead_layer", "demo-out/sick")
    print(f"-> exit code {sick}", flush=True)
    healthy = examine("healthy", "demo-out/healthy")
    print(f"-> exit code {healthy}\n", flush=True)
    return summary(sick, healthy)


def summary(sick: int, healthy: int) -> int:
    """Prints what the two exit codes mean; 0 when they are as they should be, else 1."""
    says = {HEALTHY: "passed", FINDINGS: "has findings"}
    for name, code in (("sick_dead_layer", sick), ("healthy", healthy)):
        print(f"{name:16} {says.get(code, f'could not be examined (exit code {code})')}")
    if (sick, healthy) != (FINDINGS, HEALTHY):
        print("the demo failed: sick_dead_layer should have findings, and healthy should pass")
        return 1
    pictures = sorted((ROOT / "demo-out").rglob("*.png"))
    where = f"; {len(pictures)} pictures are in demo-out/" if pictures else ""
    print(f"the sick network was found, the healthy one was let through{where}")
    print("every sick network and its cause: sample_models/faults.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
