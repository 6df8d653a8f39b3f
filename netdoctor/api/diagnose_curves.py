"""`netdoctor.diagnose_curves`: read a training log, measure its curves, judge them. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from netdoctor.errors import UsageError
from netdoctor.facts import diagnosed_curves as tables
from netdoctor.facts.curves import TrainingLog, TrainingRun
from netdoctor.facts.diagnosed_curves import DiagnosedLog, DiagnosedRun
from netdoctor.inputs.training_logs import read, read_lists
from netdoctor.probes.curves import measure
from netdoctor.report import Report, Skipped
from netdoctor.rules.core import Judgement, Rule, judge
from netdoctor.rules.selection import select_rules

_LISTED = 8


def diagnose_curves(
    log: str | Path | TrainingLog | Mapping[str, Sequence[float]],
    *,
    train: str | None = None,
    val: str | None = None,
    metric: str | None = None,
    classes: int | None = None,
    run: str | None = None,
    growing: bool = False,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
) -> Report:
    """What the curves of a training log say: over- and underfitting, divergence, plateau, NaN.

    Args:
        log: a file or folder, a log that is read already, or lists by name such as Keras'
            `history.history`.
        train: name of the series that is the training loss; None to choose.
        val: the same of the validation loss.
        metric: the same of the validation metric.
        classes: number of classes, where the log does not say.
        run: only this run of several; None for each of them.
        growing: whether it is still being written, so that a last line without an end is left.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.

    Returns:
        A report with the findings of the CRV rules, the tables `series` and `epochs`, and in
        `extra` the `best_epoch`: the log's own label, None without validation.

    Raises:
        NetDoctorError: the log cannot be read, or a named series or run is not in it.
    """
    rules = select_rules("diagnose-curves", select, ignore)
    found = opened(log, train=train, val=val, metric=metric, run=run, growing=growing)
    runs = tuple(dataclasses.replace(each, classes=classes or each.classes) for each in found.runs)
    measured = [measure(each) for each in runs]
    judged = [judge(facts, rules, thresholds) for facts in measured]
    diagnosed = tuple(
        DiagnosedRun(each, facts, judgement.findings)
        for each, facts, judgement in zip(runs, measured, judged, strict=True)
    )
    findings = [finding for each in judged for finding in each.findings]
    ran = [rule.slug for rule in rules if any(rule.slug in each.ran for each in judged)]
    last = diagnosed[-1]
    return Report(
        command="diagnose-curves",
        subject=found.source,
        facts=DiagnosedLog(diagnosed),
        findings=sorted(findings, key=lambda finding: -finding.severity.rank),
        ran=ran,
        skipped=_skipped(rules, runs, judged),
        tables=[tables.series(runs), tables.epochs(runs)],
        notes=_notes(found, diagnosed),
        settings={"train": train, "val": val, "metric": metric, "classes": classes, "run": run},
        extra={"best_epoch": last.best_epoch, "axis": last.run.axis, **_each(diagnosed)},
    )


def opened(
    log: str | Path | TrainingLog | Mapping[str, Sequence[float]],
    *,
    train: str | None = None,
    val: str | None = None,
    metric: str | None = None,
    run: str | None = None,
    growing: bool = False,
) -> TrainingLog:
    """The log with its curves, of one run where one is named.

    Raises:
        NetDoctorError: as `diagnose_curves`.
    """
    if isinstance(log, TrainingLog):
        found = log
    elif isinstance(log, Mapping):
        found = read_lists(log, train=train, val=val, metric=metric)
    else:
        found = read(log, train=train, val=val, metric=metric, growing=growing)
    if run is None:
        return found
    chosen = tuple(each for each in found.runs if each.name == run)
    if not chosen and run == "last":
        chosen = found.runs[-1:]
    if not chosen:
        raise _no_run(run, found)
    return dataclasses.replace(found, runs=chosen)


def _no_run(run: str, log: TrainingLog) -> UsageError:
    names = [each.name or "one without a name" for each in log.runs]
    near = get_close_matches(run, names, n=3, cutoff=0.5)
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    listed = f"there is {', '.join(names[:_LISTED])}{more}"
    hint = f"did you mean {' or '.join(near)}?" if near else listed
    return UsageError(f"there is no run {run!r} in {log.source}", hint=hint)


def listing(log: TrainingLog) -> Report:
    """The series of a log and what each was taken for."""
    table = tables.series(log.runs, shown=None)
    return Report("diagnose-curves", log.source, tables=[table], notes=_read_as(log))


def _each(diagnosed: tuple[DiagnosedRun, ...]) -> dict[str, Any]:
    if len(diagnosed) == 1:
        return {}
    return {"best_epochs": {each.run.name: each.best_epoch for each in diagnosed}}


def _skipped(
    rules: Sequence[Rule], runs: Sequence[TrainingRun], judged: Sequence[Judgement]
) -> list[Skipped]:
    """The rules that were passed over: whole, or in the runs that are named."""
    skipped: list[Skipped] = []
    for rule in rules:
        everywhere = not any(rule.slug in each.ran for each in judged)
        for run, each in zip(runs, judged, strict=True):
            for skip in each.skipped:
                if skip.rule != rule.slug:
                    continue
                subject = skip.subject or (None if everywhere else run.name or None)
                one = Skipped(skip.rule, skip.reason, subject)
                if one not in skipped:
                    skipped.append(one)
    return skipped


def _read_as(log: TrainingLog) -> list[str]:
    points = sum(len(curve.x) for run in log.runs for curve in run.curves)
    several = f", {len(log.runs)} runs" if len(log.runs) > 1 else ""
    notes = [f"read as {log.format}: {points} points{several}"]
    for run in log.runs:
        stem = f"{run.name}: " if run.name else ""
        notes += [f"{stem}{note}" for note in run.notes]
    return list(dict.fromkeys(notes))


def _notes(log: TrainingLog, diagnosed: tuple[DiagnosedRun, ...]) -> list[str]:
    notes = _read_as(log)
    for each in diagnosed:
        best = each.best_epoch
        if best is not None:
            stem = f"{each.run.name}: " if each.run.name else ""
            at = best if isinstance(best, int) else f"{best:.6g}"
            notes.append(f"{stem}best {each.run.axis}: {at}, by {each.facts.best_by}")
    return notes
