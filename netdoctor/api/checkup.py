"""`netdoctor.checkup`: every check that applies, on one loading of the model and the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from netdoctor.api.checkup_jobs import (
    Clock,
    Subjects,
    attempt,
    everywhere,
    graph_of,
    jobs_of,
    not_traced,
    raise_if_unusable,
)
from netdoctor.api.common import Progress, Thresholds, loaded_from
from netdoctor.api.diagnose_curves import opened
from netdoctor.api.merged_reports import Attempt, merged
from netdoctor.errors import UsageError
from netdoctor.inputs.data import Data, Given, data_from, given, open_data
from netdoctor.inputs.held import Held
from netdoctor.inputs.model import LoadedModel
from netdoctor.report import Report
from netdoctor.rules.checks import CHECKS, REFUSED, chosen_checks
from netdoctor.rules.core import Rule
from netdoctor.rules.selection import select_rules


def checkup(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    log: Any = None,
    against: Any = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    also: Sequence[str] = (),
    time_limit: float | None = None,
    loss: str | None = None,
    batches: int = 10,
    batch_size: int = 32,
    workers: int = 0,
    input_shape: str | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    resize: int | None = None,
    crop: int | tuple[int, int] | None = None,
    device: str | None = None,
    seed: int = 0,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
    doing: Callable[[str], None] | None = None,
) -> Report:
    """Every check that applies: data, weights, forward pass, activations, gradients, curves.

    Model and data are opened once; the batches are read to be scanned, and once for the network
    if they are not too large to keep. A check that cannot be made is in the report with its
    reason, and a finding that another one explains stands under that one.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: what `--data` takes, a DataLoader, a Dataset, arrays or an iterable of batches; None
            for random input, which leaves the data unexamined.
        log: a training log, as `diagnose_curves` takes it.
        against: another split, in which no sample of these data should be.
        only: none but these checks: `check-loader`, `check-weights`, `check-forward`,
            `activations`, `gradflow`, `diagnose-curves`, `lrfind`, `overfit`, `gradcam`.
        skip: not these checks.
        also: of `lrfind`, `overfit` and `gradcam`, those to make too.
        time_limit: seconds after which no further check and no further batch is begun.
        loss: `cross-entropy`, `bce`, `mse` or `module:factory`; None to choose from the data.
        batches: how many batches to look at.
        batch_size: for what does not come in batches.
        workers: processes that load data sets.
        input_shape: the shape of one random input, or of one image.
        mean: overrides the preprocessing's, for image files.
        std: likewise.
        resize: the short side in pixels, likewise.
        crop: height and width of the centre crop, likewise.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input, of the data's order and of worker processes.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (steps done, steps in all) of the check that is being made.
        doing: told which check that is.

    Returns:
        A report with the findings of all checks, the tables `checks`, `checklist` and those of
        the checks; `facts.of("gradflow")` are what a check measured.

    Raises:
        NetDoctorError: the model or the data cannot be used at all.
    """
    if time_limit is not None and not 0 < time_limit < float("inf"):
        raise UsageError(f"time_limit is {time_limit}", hint="give a number of seconds above 0")
    clock = Clock(time_limit)
    reasons = chosen_checks(only, skip, also)
    rules = _rules(reasons, select, ignore)
    read_log = None if log is None else opened(log)
    loaded = loaded_from(model, device)
    raw = given(data, batches)
    images: dict[str, Any] = {
        "input_shape": input_shape, "mean": mean, "std": std, "resize": resize, "crop": crop
    }  # fmt: skip
    sizes = {"batches": batches, "batch_size": batch_size, "workers": workers, "seed": seed}
    source = _opened(raw, loaded, images, sizes)
    subjects = Subjects(loaded, raw, Held(source, late=clock.is_late), read_log)
    jobs = jobs_of(
        subjects, {**images, **sizes}, against=against, loss=loss, thresholds=thresholds,
        progress=progress, doing=doing,
    )  # fmt: skip
    absent = {
        "check-loader": "no data were given (--data)" if source.synthetic else "",
        "diagnose-curves": "no training log was given (--log)" if log is None else "",
    }
    attempts: dict[str, Attempt] = {}
    for name, job in jobs.items():
        reason = reasons[name] or absent.get(name, "")
        if not reason and not {each.code for each in rules[name]} - set(REFUSED):
            reason = "none of its rules is selected"
        late = "" if reason else clock.reason()
        if doing is not None and not reason and not late:
            doing(name)
        attempts[name] = (
            Attempt.skipped(reason or late, late=bool(late))
            if reason or late
            else attempt(job, rules[name])
        )
        if clock.was_noticed():
            attempts[name] = attempts[name].noted("cut short by the time limit")
    if not_traced(attempts) and batches > 1 and not clock.is_late():
        job = everywhere(subjects, batches, loss, thresholds, progress)
        attempts["check-forward"] = attempt(job, rules["check-forward"])
    raise_if_unusable(attempts)
    graph = None if clock.is_late() else graph_of(subjects, attempts)
    where = str(loaded.device)
    return merged(attempts, rules, subject=loaded.name, device=where, graph=graph).replace(
        settings={
            "seed": seed, "batches": batches, "data": source.description,
            "synthetic": source.synthetic, "log": None if read_log is None else read_log.source,
            "only": list(only), "skip": list(skip), "with": list(also), "time_limit": time_limit,
        }
    )  # fmt: skip


def _rules(
    reasons: Mapping[str, str], select: Sequence[str], ignore: Sequence[str]
) -> dict[str, list[Rule]]:
    """The selected rules by the check that they are left to.

    Raises:
        UsageError: a name that is no rule, or none that is selected belongs to a check to be made.
    """
    chosen = select_rules("checkup", select, ignore)
    rules = {
        name: [rule for rule in chosen if any(rule.answers_to(each) for each in names)]
        for name, names in CHECKS.items()
    }
    if chosen and not any(rules[name] for name, reason in reasons.items() if not reason):
        needed = sorted({name for name in CHECKS if rules[name]})
        raise UsageError(
            f"--select {' '.join(select)} leaves no rule of the checks that are made",
            hint=f"they are rules of {', '.join(needed)}: add --with or leave out --skip",
        )
    return rules


def _opened(raw: Any, loaded: LoadedModel, images: dict[str, Any], sizes: dict[str, Any]) -> Data:
    if isinstance(raw, (Given, Data)):
        return data_from(raw, loaded, input_shape=images["input_shape"], **sizes)
    return open_data(None if raw is None else str(raw), loaded, **images, **sizes)
