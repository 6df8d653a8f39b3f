"""DAT013, DAT015 and DAT018: worker processes, and how fast they are."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.workers import RepeatedDraws, ThroughputFacts, WorkerFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule


@rule("DAT013", "identical-workers", Severity.ERROR)
def identical_workers(facts: WorkerFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """Worker processes, or epochs, draw the same random numbers.

    Measures: the number of sources of randomness that give the same draws in every worker process
    or in every epoch, found by asking all workers for the same samples in two epochs; from
    `threshold` a finding. A warning where only the epochs repeat each other, for information where
    the loader has no worker processes yet.

    Why: augmentation is the same for each worker's samples and each epoch's, so that the network
    sees a fraction of the variety that it was meant to; an iterable data set that is not divided
    among its workers gives each sample several times.

    False alarm: draws that vary too rarely to be told from chance are not judged. A data set that
    seeds itself for each sample (as for validation) is not random, and silent.

    Remedy: make the generator in the worker, from `torch.initial_seed()`, or use torch's global
    functions, which are seeded for each worker and epoch. An iterable data set takes its share by
    `torch.utils.data.get_worker_info()`.

    Source: the NumPy seed bug of 2021, of which generators held by a data set are the live form;
    "Randomness in multi-process data loading" in PyTorch's documentation.
    """
    if facts.reason or facts.unsure:
        yield Skip(facts.reason or facts.unsure)
        return
    if not facts.random:
        yield Skip("nothing in the samples is random")
        return
    if len(facts.repeated) < threshold:
        return
    for each in facts.repeated:
        severity = None if each.workers else Severity.WARNING
        message = f"{each.source} gives the same draws in {_where(each, facts)}"
        if facts.configured == 0:
            severity = Severity.INFO
            message += "; the loader has no workers yet, but would have this fault with them"
        yield Hit(
            f"field {', '.join(each.fields)}" if each.fields else "workers",
            message,
            {"repeated": len(facts.repeated), "threshold": threshold, "workers": facts.compared,
             "epochs": each.epochs, "draws": facts.draws, "fields": list(each.fields)},
            _remedy(each, facts),
            severity,
        )  # fmt: skip


def _where(each: RepeatedDraws, facts: WorkerFacts) -> str:
    workers = f"all {facts.compared} worker processes"
    if each.workers and each.epochs:
        return f"{workers}, and again in every epoch"
    return workers if each.workers else "every epoch"


def _remedy(each: RepeatedDraws, facts: WorkerFacts) -> str:
    if facts.iterable:
        return (
            "In __iter__ take every n-th sample only: info = torch.utils.data.get_worker_info(), "
            "then itertools.islice(samples, info.id, None, info.num_workers)."
        )
    if "global" in each.source or "module" in each.source:
        return (
            "Seed it in worker_init_fn from torch.initial_seed() % 2**32, which differs for each "
            "worker and epoch; a constant, or the worker's number alone, does not."
        )
    return (
        "Make the generator where it is first used, in the worker: "
        "np.random.default_rng(torch.initial_seed()); with persistent_workers it then goes on from "
        "epoch to epoch."
    )


@rule("DAT015", "slow-loader", Severity.INFO)
def slow_loader(
    facts: ThroughputFacts, *, threshold: float = 0.1, slowest: float = 200.0, gain: float = 1.5
) -> Iterator[Hit | Skip]:
    """The model waits for data.

    Measures: how much longer the loader takes for a batch than a training step does, as a share of
    the step, both measured on this machine; from `threshold` a finding. Without a model: a batch
    that takes more than `slowest` milliseconds where other numbers of workers give `gain` times the
    rate.

    Why: the accelerator is idle meanwhile.

    False alarm: on this machine's processor and disks; a first epoch fills caches.

    Remedy: the number of workers with the highest rate; decode and resize once and store the
    result; do the transform on batches.

    Source: house heuristic.
    """
    if facts.reason:
        yield Skip(facts.reason)
        return
    workers, best = facts.best
    share = None if facts.step is None else (facts.batch - facts.step) / facts.step
    if share is None and (facts.batch < slowest or best < gain * facts.rate):
        return
    if share is not None and share < threshold:
        return
    message = f"a batch of {facts.batch_size:.0f} takes {facts.batch:.3g} ms"
    if facts.step is not None:
        message += f", a training step {facts.step:.3g} ms"
    message += f" with {facts.workers} worker(s): {facts.rate:.3g} samples a second"
    if workers != facts.workers and best > 1.1 * facts.rate:
        message += f"; {best:.3g} with {workers}"
    slow = max(
        (("reading", facts.read), ("the transform", facts.transform), ("collate", facts.collate)),
        key=lambda pair: pair[1] if pair[1] == pair[1] else -1.0,
    )
    if slow[1] == slow[1]:
        message += f"; most of it is {slow[0]}, {slow[1]:.3g} ms a sample"
    yield Hit(
        "loader",
        message,
        {"waiting": share, "threshold": threshold, "batch_ms": facts.batch, "step_ms": facts.step,
         "rate": facts.rate, "workers": facts.workers, "best_workers": workers, "best_rate": best},
        f"Set num_workers={workers}." if workers != facts.workers and best > 1.1 * facts.rate else
        f"More workers do not help on {facts.processors} core(s): make {slow[0]} cheaper (store "
        "decoded, resized samples; transform whole batches).",
    )  # fmt: skip


@rule("DAT018", "unpicklable-data", Severity.INFO)
def unpicklable_data(facts: WorkerFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """A part of the loader that a worker process started afresh cannot be given.

    Measures: the number of parts (data set, collate function, worker_init_fn) that pickle refuses;
    from `threshold` a finding: an error where this loader's workers are started so, else for
    information.

    Why: workers are started by spawn on Windows and macOS and by forkserver from Python 3.14 on
    Linux; there the loader raises before its first batch.

    False alarm: a loader that will only ever run with forked workers, or without any.

    Remedy: define functions and classes at the top of a module, not inside functions; open files
    and connections in the worker, when they are first used.

    Source: PyTorch's documentation of multi-process data loading.
    """
    if len(facts.unpicklable) < threshold:
        return
    live = facts.spawned and bool(facts.configured)
    for each in facts.unpicklable:
        yield Hit(
            each.name,
            f"a {each.kind} that pickle refuses, so that "
            + ("this loader's workers cannot start" if live else
               "workers started by spawn or forkserver (Windows, macOS, Python 3.14) cannot have "
               "it") + f": {each.reason}",
            {"unpicklable": len(facts.unpicklable), "threshold": threshold, "kind": each.kind},
            "Define it at the top of a module"
            + (" (a named function instead of a lambda)" if each.kind == "lambda" else
               ", or make it in the worker when it is first used") + ".",
            Severity.ERROR if live else None,
        )  # fmt: skip
