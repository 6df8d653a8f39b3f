"""`python -m tests.benchmarks [PART ...]` prints the table and writes bench.json."""

from __future__ import annotations

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # read once, when torch is imported
os.environ.setdefault("OMP_NUM_THREADS", "2")

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.row import Row
from tests.benchmarks.timing import ROOT

PARTS = (
    "startup", "statistics_time", "statistics_memory", "feature_maps", "kernels", "gradcam",
    "forward_time", "backward", "gradflow", "lrfind_speed", "lrfind_quality", "check_weights",
    "checkup",
)  # fmt: skip


def main(parts: Sequence[str]) -> int:
    """Measures the parts, all by default; in bench.json their rows take the place of older ones."""
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        print(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}", file=sys.stderr)
        return 2
    console = Console(stderr=True)
    rows: list[Row] = []
    for part in parts or PARTS:
        for row in import_module(f"tests.benchmarks.{part}").rows():
            console.print(f"{row.work}: {row.ratio:.2f}", style="dim", highlight=False)
            rows.append(row)
    Console(width=None if sys.stdout.isatty() else 120).print(table(rows))
    kept = _older() if parts else {}
    kept |= {row.work: row.document() for row in rows}
    (ROOT / "bench.json").write_text(f"{json.dumps(list(kept.values()), indent=2)}\n")
    return 0


def _older() -> dict[str, dict[str, Any]]:
    """The rows of bench.json by what they measured."""
    path = ROOT / "bench.json"
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return {row["work"]: row for row in rows}


def table(rows: Sequence[Row]) -> Table:
    """The rows as the terminal shows them."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("work", overflow="fold")
    shown.add_column("ratio", justify="right")
    shown.add_column("limit")
    shown.add_column("goal", justify="right")
    shown.add_column("met")
    for row in rows:
        goal = "" if row.goal is None else f"≤ {row.goal:g}"
        met = {True: "yes", False: "NO", None: ""}[row.met]
        shown.add_row(row.work, f"{row.ratio:.2f}", row.limit, goal, met)
    return shown


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
