"""Keeps the generated blocks of README.md equal to the program: `--check` or `--write`.

A block stands between `<!-- name -->` and `<!-- end -->`; `name:argument` passes an argument.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BENCH = README.with_name("bench.json")
IMAGES = README.with_name("docs") / "images"
_BLOCK = re.compile(r"<!-- (?P<marker>[\w:-]+) -->\n(?P<text>.*?)<!-- end -->", re.DOTALL)
_COLOURING = {"GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"}


def help_of(command: str) -> str:
    """What `netdoctor COMMAND --help` prints, 80 columns wide."""
    environment = {name: value for name, value in os.environ.items() if name not in _COLOURING}
    environment |= {"COLUMNS": "80", "NO_COLOR": "1", "PYTHONUTF8": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-m", "netdoctor", *command.split(), "--help"],
        capture_output=True,
        encoding="utf-8",
        env=environment,
        check=True,
    )
    lines = [line.rstrip() for line in done.stdout.strip("\n").splitlines()]
    return "```\n" + "\n".join(lines).strip("\n") + "\n```\n"


def rules(_: str) -> str:
    """The catalogue as a table."""
    from netdoctor.cli.rules import rules_table

    rows = rules_table().rows
    return _table(
        ["code", "rule", "severity", "finds"],
        [[row["code"], f"`{row['rule']}`", row["severity"], row["summary"]] for row in rows],
    )


def bench(_: str) -> str:
    """The measurements in bench.json, or nothing while there are none."""
    if not BENCH.exists():
        return ""
    rows = json.loads(BENCH.read_text(encoding="utf-8"))
    return _table(
        ["work", "of the limit", "goal", "limit", "met"],
        [
            [
                row["work"],
                f"{row['ratio']:.3g}×",
                f"≤ {row['goal']:.3g}×" if row["goal"] is not None else "",
                row["limit"],
                {True: "yes", False: "**no**"}.get(row["met"], ""),
            ]
            for row in rows
        ],
    )


QUALITY = README.with_name("lrfind-quality.json")


def quality(which: str) -> str:
    """The regret and the spread of each way to read a range test, from lrfind-quality.json."""
    if not QUALITY.exists():
        return ""
    rows = json.loads(QUALITY.read_text(encoding="utf-8"))[which]
    return _table(
        ["suggested by", "median regret", "worst regret", "median spread", "worst spread"],
        [
            [
                row["finder"],
                f"{row['median_regret']:.3g}",
                f"{row['worst_regret']:.3g}",
                f"{row['median_spread']:.3g}×",
                f"{row['worst_spread']:.3g}×",
            ]
            for row in rows
        ],
    )


_TEST_DATA = "--data sample_models.shapes:test_loader"
_SESSIONS = {
    "checkup": "checkup sample_models.networks:sick_dead_layer "
    "--data sample_models.shapes:train_loader",
    "sick": f"deadneurons sample_models.networks:sick_dead_layer {_TEST_DATA}",
    "healthy": f"deadneurons sample_models.networks:healthy_functional {_TEST_DATA}",
    "gradients": "gradflow sample_models.networks:sick_detached "
    "--data sample_models.shapes:train_loader --batches 2",
    "nan": "check-forward sample_models.networks:sick_nan --model-arg trained=false "
    "--data sample_models.loaders:one_blank_frame",
}


def session(name: str) -> str:
    """What netdoctor prints for a sample network; its first picture goes to docs/images."""
    command = _SESSIONS[name]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "netdoctor", *command.split(), "--out", folder],
            capture_output=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "96", "NO_COLOR": "1", "PYTHONUTF8": "1"},
            cwd=README.parent,
        )
        if f"docs/images/{name}.png" in README.read_text(encoding="utf-8"):
            shutil.copy(min(Path(folder).glob("*.png")), IMAGES / f"{name}.png")
    text = done.stdout.replace(folder, "netdoctor-out").strip("\n")
    text = text.replace(f"{README.parent}/", "")
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```\n$ netdoctor {command}\n{lines}\n$ echo $?\n{done.returncode}\n```\n"


BLOCKS: dict[str, Callable[[str], str]] = {
    "help": help_of,
    "rules": rules,
    "bench": bench,
    "quality": quality,
}
# Written on request only: the last digits differ between machines.
SESSIONS: dict[str, Callable[[str], str]] = {"session": session}


def filled(text: str, blocks: dict[str, Callable[[str], str]] = BLOCKS) -> str:
    """The text with each known block generated anew; blocks of other names stay as they are."""

    def fill(match: re.Match[str]) -> str:
        name, _, argument = match["marker"].partition(":")
        if name not in blocks:
            return match[0]
        return f"<!-- {match['marker']} -->\n{blocks[name](argument)}<!-- end -->"

    return _BLOCK.sub(fill, text)


def main(arguments: Sequence[str]) -> int:
    """0 when README.md is up to date or was written; 1 with the blocks that are not."""
    if list(arguments) not in (["--check"], ["--write"]):
        print("usage: python -m tests.readme --check|--write", file=sys.stderr)
        return 2
    before = README.read_text(encoding="utf-8")
    if arguments[0] == "--write":
        README.write_text(filled(before, BLOCKS | SESSIONS), encoding="utf-8")
        return 0
    after = filled(before)
    stale = [
        old["marker"]
        for old, new in zip(_BLOCK.finditer(before), _BLOCK.finditer(after), strict=True)
        if old[0] != new[0]
    ]
    if stale:
        print(f"README.md: {', '.join(stale)} out of date: run `make readme`", file=sys.stderr)
    return int(bool(stale))


def _table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join("| " + " | ".join(str(each) for each in line) + " |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
