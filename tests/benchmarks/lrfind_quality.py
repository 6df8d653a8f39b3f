"""Quality of `lrfind`: the regret of its suggestion and its spread, beside its peers.

The regret of a rate is (loss at that rate - best) / (initial - best): the mean training loss of
the last steps of a fixed budget at that constant rate, over a grid of rates, interpolated.
`python -m tests.benchmarks.lrfind_quality` prints the table and writes lrfind-quality.json.
"""

from __future__ import annotations

import os

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # read once, when torch is imported
os.environ["OMP_NUM_THREADS"] = "1"  # tiny networks: a second thread only waits

import dataclasses
import json
import math
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from netdoctor.facts.lr_curve import read
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes import lrfind
from tests.benchmarks.lrfind_peers import PEERS
from tests.benchmarks.lrfind_tasks import CHOSEN_ON, UNSEEN, Task
from tests.benchmarks.row import Row
from tests.benchmarks.timing import ROOT

Floats = NDArray[np.float64]

BUDGET, TAIL = 150, 30
GRID = 2e-4 * 2.0 ** np.arange(14)
RATES = np.geomspace(1e-7, 10, 100)
SEEDS = 10
WORST = 3.0  # the regret of what diverged, and of what is worse
TASKS = (*CHOSEN_ON, *UNSEEN)
OURS = "netdoctor lrfind"
OURS_ONCE = "netdoctor lrfind --repeats 1"


@dataclasses.dataclass(frozen=True, slots=True)
class Truth:
    """What training at each rate of the grid comes to.

    Attributes:
        losses: (G,) after the budget, mean over two seeds; infinite where one diverged.
        initial: the loss before the first step.
    """

    losses: Floats
    initial: float

    def regret(self, rate: float | None) -> float:
        """0 at the grid's best rate, 1 for learning nothing or for no suggestion, at most 3."""
        if rate is None:
            return 1.0
        best = float(self.losses.min())
        regrets = np.minimum((self.losses - best) / (self.initial - best), WORST)
        slow = math.log(GRID[0] / 100)  # where nothing is learnt within the budget
        places = [slow, *np.log(GRID)]
        return float(np.interp(math.log(rate), places, [1.0, *regrets], right=WORST))


@dataclasses.dataclass(frozen=True, slots=True)
class Score:
    """How one finder did on one task: (S,) regrets and suggestions over the seeds."""

    regrets: list[float]
    rates: list[float]

    @property
    def regret(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.regrets))

    @property
    def spread(self) -> float:
        """The largest suggestion over the smallest."""
        return max(self.rates) / min(self.rates) if self.rates else math.inf


def trained(task: Task, rate: float, seed: int) -> list[float]:
    """The losses of training at a constant rate, until one is not finite."""
    return _losses(task, np.full(BUDGET, rate), seed, batches=100 + seed)


def _losses(task: Task, rates: Floats, seed: int, batches: int) -> list[float]:
    network = task.fresh(seed)
    optimizer, losses = task.made_optimizer(network, 1.0), []
    for (inputs, target), rate in zip(task.batches(len(rates), batches), rates, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = float(rate)
        optimizer.zero_grad()
        loss = task.loss(network(inputs), target)
        if not math.isfinite(loss.item()):
            break
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


def truth(task: Task) -> Truth:
    """Trains on the whole grid."""
    runs = [[trained(task, float(rate), seed) for seed in range(2)] for rate in GRID]
    ends = [
        [float(np.mean(run[-TAIL:])) if len(run) == BUDGET else math.inf for run in pair]
        for pair in runs
    ]
    return Truth(np.mean(ends, 1), float(np.mean([run[0] for pair in runs for run in pair])))


def suggestions(task: Task, seed: int) -> dict[str, float | None]:
    """What each finder suggests for a fresh network; netdoctor sees three sweeps, others one."""

    def one_pass(number: int) -> Iterator[Batch]:
        for inputs, target in task.batches(3 * len(RATES), 1000 * seed + number):
            yield Batch((inputs,), {}, target, len(inputs))

    facts = lrfind.measure(
        task.fresh(1000 + seed),
        one_pass,
        Objective("mse" if "mse" in task.loss.__name__ else "cross-entropy"),
        RATES,
        optimizer=task.optimizer,
        seed=seed,
    )
    losses = np.array(_losses(task, RATES, 1000 + seed, batches=1000 * seed))
    return {
        OURS: facts.reading.suggestion,
        OURS_ONCE: read(RATES, [facts.sweeps[0].losses]).suggestion,
        **{name: rule(RATES[: len(losses)], losses) for name, rule in PEERS.items()},
    }


def scores(task: Task) -> dict[str, Score]:
    """Every finder's score on one task."""
    known = truth(task)
    found = [suggestions(task, seed) for seed in range(SEEDS)]
    return {
        name: Score(
            [known.regret(each[name]) for each in found],
            [rate for each in found if (rate := each[name]) is not None],
        )
        for name in found[0]
    }


def summary(per_task: Sequence[dict[str, Score]], name: str) -> dict[str, float | str]:
    """One finder over some tasks: median and worst regret, median and worst spread."""
    regrets = [each[name].regret for each in per_task]
    spreads = [each[name].spread for each in per_task]
    return {
        "finder": name,
        "median_regret": round(float(np.median(regrets)), 4),
        "worst_regret": round(max(regrets), 4),
        "median_spread": round(float(np.median(spreads)), 2),
        "worst_spread": round(max(spreads), 2),
        "declined": sum(SEEDS - len(each[name].rates) for each in per_task),
    }


def measured() -> tuple[list[dict[str, Score]], list[dict[str, Score]]]:
    """The scores on the tasks that the rule was chosen on, and on the unseen ones."""
    console = Console(stderr=True, width=160)
    found = []
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        for task, score in zip(TASKS, pool.map(_scores_of, range(len(TASKS))), strict=True):
            found.append(score)
            told = ", ".join(f"{each.regret:.3f}" for each in score.values())
            console.print(f"{task.name} {task.optimizer}: {told}", style="dim", highlight=False)
    return found[: len(CHOSEN_ON)], found[len(CHOSEN_ON) :]


def _scores_of(place: int) -> dict[str, Score]:
    return scores(TASKS[place])


def rows() -> Iterator[Row]:
    """Median and worst regret and the spread over all tasks, each beside the best peer's."""
    chosen, unseen = measured()
    _write(chosen, unseen)
    every = [summary([*chosen, *unseen], name) for name in (OURS, *PEERS)]
    count = len(chosen) + len(unseen)
    wanted = (("median_regret", 0.02), ("worst_regret", 0.10), ("median_spread", 2.0))
    for key, goal in wanted:
        what = key.replace("_", " ")
        limit = "best rate of a grid" if "regret" in key else "lowest of ten seeds"
        yield Row(f"lrfind {what}, {count} tasks", float(every[0][key]), limit, goal)
        best = min(every[1:], key=lambda each, key=key: float(each[key]))
        yield Row(f"best peer's: {best['finder']}, {what}", float(best[key]), limit)


def table(every: Sequence[dict[str, float | str]], title: str) -> Table:
    """The summaries as the terminal shows them."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for heading in every[0]:
        right = heading != "finder"
        shown.add_column(heading.replace("_", " "), justify="right" if right else "left")
    for each in every:
        shown.add_row(*(str(value) for value in each.values()))
    return shown


def _write(chosen: list[dict[str, Score]], unseen: list[dict[str, Score]]) -> dict[str, object]:
    names = [OURS, OURS_ONCE, *PEERS]
    halves = {"all": [*chosen, *unseen], "chosen_on": chosen, "unseen": unseen}
    document: dict[str, object] = {
        "budget": BUDGET,
        "seeds": SEEDS,
        **{key: [summary(half, name) for name in names] for key, half in halves.items()},
        "tasks": [
            {
                "task": task.name,
                "optimizer": task.optimizer,
                "unseen": task in UNSEEN,
                "regret": {name: round(score[name].regret, 4) for name in names},
                "spread": {name: round(score[name].spread, 2) for name in names},
            }
            for task, score in zip(TASKS, halves["all"], strict=True)
        ],
    }
    (ROOT / "lrfind-quality.json").write_text(f"{json.dumps(document, indent=2)}\n")
    return document


def main() -> None:
    """Measures, prints the tables and writes lrfind-quality.json."""
    chosen, unseen = measured()
    document = _write(chosen, unseen)
    console = Console(width=110)
    for key, title in (
        ("all", "all tasks"),
        ("chosen_on", "tasks that the rule was chosen on"),
        ("unseen", "tasks that nobody looked at before"),
    ):
        found = document[key]
        assert isinstance(found, list)
        console.print(table(found, title))
        console.print()


if __name__ == "__main__":
    main()
