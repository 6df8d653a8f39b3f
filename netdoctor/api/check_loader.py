"""`netdoctor.check_loader`: scan the batches of a loader, judge, report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from netdoctor.api.common import Progress, Thresholds, loaded_from
from netdoctor.errors import UsageError
from netdoctor.facts.loader import CopyFacts
from netdoctor.facts.loader_tables import notes, tables
from netdoctor.facts.workers import ThroughputFacts, WorkerFacts, speed_tables
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.open_loader import Wishes, open_loader, split_of
from netdoctor.inputs.scan import in_this_process
from netdoctor.probes.data_model import ModelTrial
from netdoctor.probes.loader import measure
from netdoctor.probes.loading import draws_of, speed_of
from netdoctor.report import Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules

BATCHES = 50
_NO_PROCESSES = "no worker processes were started"


def check_loader(
    data: Any,
    model: nn.Module | LoadedModel | None = None,
    *,
    num_classes: int | None = None,
    against: Any = None,
    batches: int | Literal["all"] | None = None,
    batch_size: int = 32,
    workers: int = 0,
    split: Literal["train", "val", "auto"] = "auto",
    input_shape: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: int | None = None,
    crop: int | tuple[int, int] | None = None,
    loss: str | None = None,
    processes: bool = True,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """What is wrong with the batches of a loader: values, labels, order, copies, leakage.

    Args:
        data: what `--data` takes, a DataLoader, a data set, arrays, or an iterable of batches;
            left as it is, as are the random states.
        model: that the data are for: it tells how many classes there are and what it takes.
        num_classes: how many classes there are.
        against: another split, in which no sample of these data should be.
        batches: how many to scan, or `all`; None for 50, or all where there is another split.
        batch_size: samples in a batch, where the data are no loader.
        workers: processes that load data sets.
        split: what the data are for; `auto` goes by their name and data set.
        input_shape: of one sample, for image files.
        mean: overrides the preprocessing's, for image files.
        std: likewise.
        resize: the short side in pixels, likewise.
        crop: height and width of the centre crop, likewise.
        loss: that the targets are for, as `--loss` names it; needs a model.
        processes: whether to start worker processes, to compare what they draw and to time them.
        seed: of the choice of samples and of what a loader draws.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (batches done, batches at most).

    Returns:
        A report with the findings of the DAT rules and the tables `fields`, `channels`,
        `classes`, `duplicates`, `leakage` and `speed`; `facts` are those of the scan.

    Raises:
        NetDoctorError: the data or the model cannot be used, or there is no sample.
    """
    rules = select_rules("check-loader", select, ignore)
    _check(num_classes, split)
    loaded = None if model is None else loaded_from(model, None)
    limit = _limit(batches, against)
    wishes = Wishes(limit, batch_size, workers, seed, input_shape, mean, std, resize, crop)
    source = open_loader(data, loaded, wishes)
    other = None
    if against is not None:
        everything = Wishes(None, batch_size, workers, seed, input_shape, mean, std, resize, crop)
        other = open_loader(against, loaded, everything)
    # First of all: a generator that a data set makes when it is first used is made in the workers.
    working = draws_of(source) if processes else WorkerFacts(reason=_NO_PROCESSES)
    cannot_start = bool(working.spawned and working.configured and working.unpicklable)
    facts = measure(
        in_this_process(source) if cannot_start else source, batches=limit, against=other,
        trial=None if loaded is None else ModelTrial(loaded, loss), classes=num_classes,
        split=split_of(data, source) if split == "auto" else split, progress=progress,
    )  # fmt: skip
    if working.iterable and working.configured and working.repeated:
        told = CopyFacts(reason="each worker gives all the samples (DAT013)")
        facts = dataclasses.replace(facts, copies=told)
    speed = ThroughputFacts(reason=_NO_PROCESSES)
    if processes:
        speed = speed_of(source, loaded, loss)
    judgement = judge([facts, working, speed], rules, thresholds)
    return Report(
        command="check-loader",
        subject=source.description,
        facts=facts,
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        tables=[*tables(facts), *speed_tables(speed)],
        notes=(*(loaded.notes if loaded else ()), *source.notes, *notes(facts)),
        settings={
            "data": source.description, "batches": "all" if limit is None else limit,
            "split": facts.split or "auto", "num_classes": num_classes, "seed": seed,
        },
    )  # fmt: skip


def _limit(batches: int | Literal["all"] | None, against: Any) -> int | None:
    if batches is None:
        return BATCHES if against is None else None
    return None if batches == "all" else batches


def _check(num_classes: int | None, split: str) -> None:
    if num_classes is not None and num_classes < 1:
        raise UsageError(f"num_classes is {num_classes}", hint="give 1 or more")
    if split not in ("train", "val", "auto"):
        raise UsageError(f"there is no split {split!r}", hint="give train, val or auto")
