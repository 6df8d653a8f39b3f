"""How long the command line takes before it works, and that it leaves torch alone until then."""

from __future__ import annotations

import compileall
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import netdoctor
from tests.benchmarks.row import Row
from tests.benchmarks.timing import checked, ratio_of_interleaved, run_python

COMMANDS = (
    ("--help", ["--help"], 0),
    ("rules", ["rules"], 0),
    ("a misspelt model", ["deadneurons", "resnet81"], 2),
)
LISTED = """
import sys
from netdoctor.__main__ import main
try:
    main(sys.argv[1:])
finally:
    print(sum(each.partition(".")[0] == "torch" for each in sys.modules))
"""
COMPLETED = ("deadneurons resn", "rule ACT", "deadneurons resnet18 --set ACT002.")
OWN_MODEL = """
import os, time
from torch import nn

class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 4)

    def forward(self, x):
        with open(os.environ["STARTED"], "a") as file:
            print(time.time(), file=file)
        return self.layer(x).relu()
"""


def rows() -> Iterator[Row]:
    """Commands that need no torch, then the way to the first forward pass of a user's model."""
    # As pip leaves it: where PYTHONDONTWRITEBYTECODE is set, each start would compile the sources.
    compileall.compile_dir(Path(netdoctor.__file__).parent, quiet=1)
    for what, arguments, code in COMMANDS:
        seconds = statistics.median(_seconds(arguments, code) for _ in range(7))
        yield Row(f"{what}: seconds", seconds, "0.18 s, Typer alone", 0.3)
        listed = run_python("-c", LISTED, *arguments)
        loaded = float(checked(listed).splitlines()[-1])
        yield Row(f"{what}: torch modules imported", loaded, "none", 0)
    for line in COMPLETED:
        seconds = statistics.median(_completed(line) for _ in range(7))
        yield Row(f"TAB behind `{line}`: seconds", seconds, "0.18 s, Typer alone", 0.3)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, "own_model.py")
        model.write_text(OWN_MODEL)
        ratio = ratio_of_interleaved(lambda: _until_work(model), _import_torch, 5)
    yield Row("a command on one's own model: until the first forward", ratio, "import torch", 1.25)


def _seconds(arguments: list[str], code: int) -> float:
    start = time.perf_counter()
    done = run_python("-m", "netdoctor", *arguments)
    seconds = time.perf_counter() - start
    checked(done, [code])
    return seconds


def _completed(line: str) -> float:
    environment = {"_NETDOCTOR_COMPLETE": "zsh"}
    start = time.perf_counter()
    done = run_python("-m", "netdoctor", *line.split(" "), environment=environment)
    seconds = time.perf_counter() - start
    assert checked(done), line
    return seconds


def _import_torch() -> float:
    start = time.time()
    return float(checked(run_python("-c", "import torch, time; print(time.time())"))) - start


def _until_work(model: Path) -> float:
    """Seconds from the start of the process to the first forward pass of the user's model."""
    note = model.with_name("started.txt")
    note.unlink(missing_ok=True)
    arguments = ["deadneurons", f"{model}:Network", "--input-shape", "8", "--no-plots"]
    start = time.time()
    checked(run_python("-m", "netdoctor", *arguments, environment={"STARTED": str(note)}), (0, 1))
    return float(note.read_text().splitlines()[0]) - start
