"""How a loader's worker processes behave, and how fast the loader is."""

from __future__ import annotations

import dataclasses

from netdoctor.report import Column, Table


@dataclasses.dataclass(frozen=True, slots=True)
class RepeatedDraws:
    """Random numbers that come again where new ones are meant.

    Attributes:
        source: what draws them, as a sentence's part: `NumPy's global generator`.
        workers: whether every worker process draws the same.
        epochs: whether every epoch draws the same.
        fields: the parts of a sample that they decide, `0`, `image`; empty where it is not known.
    """

    source: str
    workers: bool
    epochs: bool
    fields: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Unpicklable:
    """A part of a loader that a freshly started process cannot be given.

    Attributes:
        name: where it is, `dataset.transform.function`.
        kind: its class.
        reason: what pickle said.
    """

    name: str
    kind: str
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What worker processes drew when all were asked for the same samples.

    Attributes:
        compared: how many processes were compared; 0 where none were.
        configured: how many the loader has; None where only a data set was given.
        iterable: whether the data set is an iterable one, which each worker runs through itself.
        random: whether anything random was drawn.
        draws: samples drawn by each process in each epoch.
        repeated: what came again.
        unpicklable: what spawned processes cannot be given.
        spawned: whether this loader's processes are started afresh instead of forked.
        reason: why nothing was compared; empty where it was.
        unsure: why the draws, though compared, prove nothing; empty where they do.
    """

    compared: int = 0
    configured: int | None = None
    iterable: bool = False
    random: bool = False
    draws: int = 0
    repeated: tuple[RepeatedDraws, ...] = ()
    unpicklable: tuple[Unpicklable, ...] = ()
    spawned: bool = False
    reason: str = ""
    unsure: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ThroughputFacts:
    """How fast a loader gives samples, and where its time goes.

    Attributes:
        workers: processes of the loader; 0 loads in the main process.
        batch_size: samples in a batch, on average.
        rate: samples a second as the loader is; NaN where it was too short to tell.
        read, transform, collate: milliseconds a sample in one process; NaN where not measured.
            `read` is without the transform where that could be told apart.
        rates: samples a second by number of workers, each measured.
        step: milliseconds of a training step of the model on one batch; None without a model.
        processors: cores that this process may use.
        reason: why nothing was measured; empty where it was.
    """

    workers: int = 0
    batch_size: float = float("nan")
    rate: float = float("nan")
    read: float = float("nan")
    transform: float = float("nan")
    collate: float = float("nan")
    rates: tuple[tuple[int, float], ...] = ()
    step: float | None = None
    processors: int = 1
    reason: str = ""

    @property
    def batch(self) -> float:
        """Milliseconds that the loader takes for a batch."""
        return 1000 * self.batch_size / self.rate

    @property
    def best(self) -> tuple[int, float]:
        """The number of workers with the highest rate, and that rate."""
        return max(self.rates, key=lambda pair: pair[1], default=(self.workers, self.rate))


def speed_tables(facts: ThroughputFacts) -> list[Table]:
    """A row a number of workers, and where the time goes; none where nothing was timed."""
    if facts.reason:
        return []
    rows = [
        {
            "workers": count,
            "rate": rate,
            "batch": 1000 * facts.batch_size / rate,
            "own": count == facts.workers,
        }
        for count, rate in facts.rates
    ]
    columns = (
        Column("workers", "workers", "integer"),
        Column("rate", "samples/s", "number"),
        Column("batch", "ms a batch", "number"),
        Column("own", "as it is"),
    )
    legend = [f"{facts.processors} core(s)"]
    shares = (("reading", facts.read), ("transform", facts.transform), ("collate", facts.collate))
    spent = [f"{name} {each:.3g} ms" for name, each in shares if each == each]
    legend += [f"a sample in one process: {', '.join(spent)}"] if spent else []
    if facts.step is not None:
        legend.append(f"a training step of the model on a batch: {facts.step:.3g} ms")
    return [Table("speed", "Speed", columns, rows, legend=legend)]
