"""What examining a GiB of weights costs beside reading it; the file is in the system's cache."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.row import Row
from tests.benchmarks.timing import checked, ratio_of_interleaved, run_python

TENSORS = 256
SIDE = 1024
REPEATS = 7
EXAMINED = """
import sys
from netdoctor.__main__ import main
from tests.benchmarks.timing import peak_memory
code = main(["check-weights", sys.argv[1], "--quiet"])
print(code, peak_memory(), sum(each.partition(".")[0] == "torch" for each in sys.modules))
"""
SAVED = """
import sys, torch
torch.save({str(n): torch.full((1024, 1024), n / 99).normal_() for n in range(256)}, sys.argv[1])
"""


def rows() -> Iterator[Row]:
    """Both formats, in time beside two ways of reading, in memory, and in imports."""
    with tempfile.TemporaryDirectory() as folder:
        files = {".safetensors": Path(folder, "a.safetensors"), ".pt": Path(folder, "a.pt")}
        _write(files[".safetensors"])
        checked(run_python("-c", SAVED, str(files[".pt"])))
        for ending, file in files.items():
            yield from _cost(f"check-weights, 1 GiB {ending}", file)
            file.unlink()


def _cost(work: str, file: Path) -> Iterator[Row]:
    whole = ratio_of_interleaved(lambda: _measure(file), lambda: _read_whole(file), REPEATS)
    yield Row(work, whole, "file.read()", 1.3)
    buffered = ratio_of_interleaved(lambda: _measure(file), lambda: _read_buffered(file), REPEATS)
    yield Row(work, buffered, "readinto a 1 MiB buffer", None)
    _, peak, torch = checked(run_python("-c", EXAMINED, str(file))).split()[-3:]
    yield Row(f"{work}: MiB resident", float(peak), "the whole process", 64)
    yield Row(f"{work}: torch modules imported", float(torch), "none", 0)


def _measure(file: Path) -> float:
    from netdoctor.inputs.weight_files import open_stored
    from netdoctor.probes.weight_files import measure

    start = time.perf_counter()
    measure(open_stored(file))
    return time.perf_counter() - start


def _read_whole(file: Path) -> float:
    start = time.perf_counter()
    with file.open("rb") as opened:
        opened.read()
    return time.perf_counter() - start


def _read_buffered(file: Path) -> float:
    buffer = bytearray(2**20)
    start = time.perf_counter()
    with file.open("rb", buffering=0) as opened:
        while opened.readinto(buffer):
            pass
    return time.perf_counter() - start


def _write(file: Path) -> None:
    size = 4 * SIDE * SIDE
    header = {
        f"layers.{n}.weight": {
            "dtype": "F32", "shape": [SIDE, SIDE], "data_offsets": [n * size, (n + 1) * size],
        }
        for n in range(TENSORS)
    }  # fmt: skip
    raw = json.dumps(header).encode()
    with file.open("wb") as opened:
        opened.write(len(raw).to_bytes(8, "little") + raw)
        for _ in range(TENSORS):
            # Random bytes whose exponents are those of weights.
            block = bytearray(os.urandom(size))
            block[3::4] = b"\x3c" * (size // 4)
            opened.write(block)
