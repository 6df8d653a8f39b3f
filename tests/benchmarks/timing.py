"""How time and memory are taken so that busy neighbours do not change the result."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Stopwatch:
    """Sums the processor time, over all threads, of the calls that it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def wrap(self, function: Callable[..., object]) -> Callable[..., None]:
        """The function, with the time spent in it added up."""

        def timed(*args: object, **keywords: object) -> None:
            start = time.process_time()
            function(*args, **keywords)
            self.seconds += time.process_time() - start

        return timed


def processor_seconds(work: Callable[[], object]) -> float:
    """Processor time of one run of `work`, over all threads."""
    start = time.process_time()
    work()
    return time.process_time() - start


def ratio_of_interleaved(
    work: Callable[[], float], limit: Callable[[], float], repeats: int
) -> float:
    """The median of `work() / limit()` over runs that alternate, so that drift hits both."""
    return statistics.median(work() / limit() for _ in range(repeats))


def run_python(
    *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs Python on the working tree, its output captured; passive waiting, two threads."""
    settings = {"OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    settings |= environment or {}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"OMP_NUM_THREADS": "2", **os.environ, **settings},
    )


def checked(done: subprocess.CompletedProcess[str], codes: Sequence[int] = (0,)) -> str:
    """The standard output of a run that must have ended with one of these codes."""
    if done.returncode not in codes:
        raise RuntimeError(f"{done.args} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def peak_memory() -> float:
    """The largest resident size this process ever had, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 2**10
    import resource

    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
