"""How the checks of a checkup are made: each on its own, so that none hides the others."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netdoctor.api.activations import activations
from netdoctor.api.check_forward import check_forward, forward_report
from netdoctor.api.check_loader import check_loader
from netdoctor.api.common import Progress, Thresholds, noted
from netdoctor.api.diagnose_curves import diagnose_curves
from netdoctor.api.gradflow import gradflow
from netdoctor.api.kernels import kernels
from netdoctor.api.merged_reports import Attempt
from netdoctor.errors import NetDoctorError, NothingExaminedError
from netdoctor.facts.curves import TrainingLog
from netdoctor.facts.graph import GraphFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data, Given
from netdoctor.inputs.held import Held
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes import graph
from netdoctor.report import Report
from netdoctor.rules.core import Rule
from netdoctor.rules.selection import select_rules

_NOT_FINITE = {"NUM001", "NUM002", "GRD003"}
_OF_THE_NETWORK = ("check-forward", "activations", "gradflow")
Job = Callable[..., Report]


class Clock:
    """The time that a checkup may take, from now on.

    Args:
        limit: in seconds; None for as long as it takes.
    """

    def __init__(self, limit: float | None) -> None:
        self._limit = limit
        self._began = time.monotonic()
        self._noticed = False

    def is_late(self) -> bool:
        """Whether the limit is reached."""
        late = self._limit is not None and time.monotonic() - self._began >= self._limit
        self._noticed = self._noticed or late
        return late

    def was_noticed(self) -> bool:
        """Whether somebody was told so since this was last asked."""
        noticed, self._noticed = self._noticed, False
        return noticed

    def reason(self) -> str:
        """Why nothing more is begun; empty as long as there is time."""
        if not self.is_late():
            return ""
        self._noticed = False
        return f"the time limit of {self._limit:g} s was reached before it"


@dataclasses.dataclass(frozen=True, slots=True)
class Subjects:
    """What a checkup examines, opened once.

    Attributes:
        loaded: the model.
        raw: the data as they were given, for what looks at the loader itself.
        data: the batches for the model.
        log: the training log; None without.
    """

    loaded: LoadedModel
    raw: Any
    data: Held
    log: TrainingLog | None


def jobs_of(
    subjects: Subjects,
    reading: Mapping[str, Any],
    *,
    against: Any,
    loss: str | None,
    thresholds: Thresholds | None,
    progress: Progress | None,
    doing: Callable[[str], None] | None,
) -> dict[str, Job]:
    """Each check, in order, as a function of the codes of its rules.

    Args:
        subjects: what is examined.
        reading: how the data are read, as `check_loader` takes it.
        against: another split, as `check_loader` takes it.
        loss: as `gradflow` takes it.
        thresholds: changed thresholds, by rule code and name.
        progress: told (steps done, steps in all) of a check.
        doing: told what takes time.
    """
    loaded, data, seed = subjects.loaded, subjects.data, reading["seed"]
    shared: dict[str, Any] = {"thresholds": thresholds, "progress": progress}
    passes = {**shared, "batches": reading["batches"], "seed": seed}

    def forward(select: Sequence[str]) -> Report:
        """Of the first batch alone; the wiring is tried out on samples of several."""
        rules, first = select_rules("check-forward", select), data.first()
        return forward_report(
            loaded, first, rules, thresholds, batches=1, seed=seed, loss=loss, progress=progress,
            aside=_few(data),
        )  # fmt: skip

    def on_demand(name: str, **options: Any) -> Job:
        def job(**more: Any) -> Report:
            from importlib import import_module

            function: Job = getattr(import_module(f"netdoctor.api.{name}"), name)
            return function(loaded, data, seed=seed, **options, **shared, **more)

        return job

    return {
        "check-loader": lambda **more: check_loader(
            subjects.raw, loaded, against=against, loss=loss,
            processes=_has_workers(subjects.raw), **reading, **shared, **more,
        ),
        "check-weights": lambda **more: kernels(
            loaded, max_kernels=1, thresholds=thresholds, **more
        ),
        "check-forward": forward,
        "activations": lambda **more: activations(loaded, data, **passes, **more),
        "gradflow": lambda **more: gradflow(loaded, data, loss=loss, **passes, **more),
        "diagnose-curves": lambda **more: diagnose_curves(
            _log(subjects), thresholds=thresholds, **more
        ),
        "lrfind": on_demand("lrfind", loss=loss),
        "overfit": on_demand("overfit", loss=loss),
        "gradcam": on_demand("gradcam", doing=doing),
    }  # fmt: skip


def everywhere(
    subjects: Subjects,
    batches: int,
    loss: str | None,
    thresholds: Thresholds | None,
    progress: Progress | None,
) -> Job:
    """The forward check of all batches, which finds where values stop being finite."""
    return lambda **more: check_forward(
        subjects.loaded, subjects.data, loss=loss, thresholds=thresholds, progress=progress,
        batches=batches, **more,
    )  # fmt: skip


def attempt(job: Job, rules: Sequence[Rule]) -> Attempt:
    """What a check gave, or why it could not be made or does not apply."""
    began = time.perf_counter()
    try:
        report = job(select=[each.code for each in rules])
    except NothingExaminedError as nothing:
        return Attempt.skipped(nothing.message)
    except NetDoctorError as error:
        return Attempt(None, error.message, error)
    return Attempt(report, seconds=time.perf_counter() - began)


def not_traced(attempts: Mapping[str, Attempt]) -> bool:
    """Whether later batches hold values that are not finite, and where they begin is unknown."""
    codes = {
        name: {each.code for each in attempt.report.findings} if attempt.report else set()
        for name, attempt in attempts.items()
    }
    known = codes["check-weights"] | codes["check-forward"]
    untold = not known & {"WGT001", *_NOT_FINITE} and attempts["check-forward"].report is not None
    return untold and bool((codes["activations"] | codes["gradflow"]) & _NOT_FINITE)


def graph_of(subjects: Subjects, attempts: Mapping[str, Attempt]) -> GraphFacts | None:
    """The network as it ran on the first batch; None where no check of the network worked."""
    if not any(attempts[name].report is not None for name in _OF_THE_NETWORK):
        return None
    loaded = subjects.loaded
    try:
        return graph.measure(loaded.module, next(iter(subjects.data)), name=loaded.name)
    except NetDoctorError:
        return None


def raise_if_unusable(attempts: Mapping[str, Attempt]) -> None:
    """Raises what kept every check of the network from its work, unless a finding explains it.

    Raises:
        NetDoctorError: of the first check that could not be made.
    """
    tried = [attempts[name] for name in _OF_THE_NETWORK]
    worked = any(each.report is not None for each in tried)
    errors = [each.error for each in tried if each.error is not None]
    blamed = any(each.report is not None and each.report.exit_code() for each in attempts.values())
    if errors and not worked and not blamed:
        raise next(each.error for each in attempts.values() if each.error is not None)
    if not any(each.report is not None for each in attempts.values()):
        reasons = [
            f"{name}: {each.reason}"
            for name, each in attempts.items()
            if not each.reason.startswith(("runs with", "left out"))
        ]
        raise NothingExaminedError(f"no check could be made: {'; '.join(reasons)}")


def _few(source: Data) -> list[Batch]:
    """Some samples of the first batches."""
    aside: list[Batch] = []
    for _ in noted(source, aside):
        pass
    return aside


def _has_workers(raw: Any) -> bool:
    """Whether it is a loader whose samples come from worker processes."""
    loader = raw.value if isinstance(raw, Given) else raw
    return bool(getattr(loader, "num_workers", 0))


def _log(subjects: Subjects) -> TrainingLog:
    assert subjects.log is not None
    return subjects.log
