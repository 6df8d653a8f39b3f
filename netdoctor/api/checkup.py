"""`netdoctor.checkup`: every check that applies, on one loading of the model and the data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from netdoctor.api.activations import activations
from netdoctor.api.check_forward import check_forward, forward_report
from netdoctor.api.check_loader import check_loader
from netdoctor.api.common import Progress, Thresholds, loaded_from, noted
from netdoctor.api.diagnose_curves import diagnose_curves
from netdoctor.api.gradflow import gradflow
from netdoctor.api.kernels import kernels
from netdoctor.api.merged_reports import Attempt, merged
from netdoctor.errors import NetDoctorError, UsageError
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data, Given, data_from, given, open_data
from netdoctor.inputs.held import Held
from netdoctor.inputs.model import LoadedModel
from netdoctor.report import Report
from netdoctor.rules.checks import CHECKS, REFUSED, chosen_checks
from netdoctor.rules.core import Rule
from netdoctor.rules.selection import select_rules

_NOT_FINITE = {"NUM001", "NUM002", "GRD003"}
Job = Callable[..., Report]


def checkup(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    log: Any = None,
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

    The batches are loaded once. A check that cannot be made is in the report with its reason, and
    a finding that another one explains stands under that one.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: what `--data` takes, a DataLoader, a Dataset, arrays or an iterable of batches; None
            for random input, which leaves the data unexamined.
        log: a training log, as `diagnose_curves` takes it.
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
    began = time.monotonic()
    reasons = chosen_checks(only, skip, also)
    rules = _rules(reasons, select, ignore)
    loaded = loaded_from(model, device)
    raw = given(data, batches)
    images: dict[str, Any] = {"mean": mean, "std": std, "resize": resize, "crop": crop}
    source = _opened(raw, loaded, images, batches, batch_size, workers, seed, input_shape)

    def late() -> bool:
        return time_limit is not None and time.monotonic() - began >= time_limit

    held = Held(source, late=late)
    shared: dict[str, Any] = {"thresholds": thresholds, "progress": progress}
    passes = {**shared, "batches": batches, "seed": seed}
    jobs: dict[str, Job] = {
        "check-loader": lambda **more: check_loader(
            raw, loaded, batch_size=batch_size, workers=workers, loss=loss,
            processes=_has_workers(raw), input_shape=input_shape, **images, **passes, **more,
        ),
        "check-weights": lambda **more: kernels(
            loaded, max_kernels=1, thresholds=thresholds, **more
        ),
        "check-forward": lambda select: forward_report(
            loaded, held.first(), select_rules("check-forward", select), thresholds, batches=1,
            seed=seed, loss=loss, progress=progress, aside=_few(held),
        ),
        "activations": lambda **more: activations(loaded, held, **passes, **more),
        "gradflow": lambda **more: gradflow(loaded, held, loss=loss, **passes, **more),
        "diagnose-curves": lambda **more: diagnose_curves(log, thresholds=thresholds, **more),
        **_on_demand(loaded, source, loss, seed, shared, doing),
    }  # fmt: skip
    absent = {
        "check-loader": "no data were given (--data)" if source.synthetic else "",
        "diagnose-curves": "no training log was given (--log)" if log is None else "",
    }
    attempts: dict[str, Attempt] = {}
    for name, job in jobs.items():
        codes = [each.code for each in rules[name]]
        reason = reasons[name] or absent.get(name, "")
        if not reason and late():
            reason = f"the time limit of {time_limit:g} seconds was reached before it"
        if not reason and not set(codes) - set(REFUSED):
            reason = "none of its rules is selected"
        if doing is not None and not reason:
            doing(name)
        attempts[name] = Attempt.skipped(reason) if reason else _attempt(job, codes)
        if held.cut and attempts[name].report is not None:
            attempts[name] = attempts[name].noted("cut short by the time limit")
            held.cut = False
    if _to_be_traced(attempts) and batches > 1 and not late():
        codes = [each.code for each in rules["check-forward"]]
        attempts["check-forward"] = _attempt(
            lambda **more: check_forward(loaded, held, loss=loss, **passes, **more), codes
        )
    _raise_if_unusable(attempts)
    report = merged(attempts, rules, subject=loaded.name, device=str(loaded.device))
    return report.replace(
        settings={
            "seed": seed, "batches": batches, "data": source.description,
            "synthetic": source.synthetic, "only": list(only), "skip": list(skip),
            "with": list(also), "time_limit": time_limit,
            "log": str(log) if isinstance(log, (str, bytes)) or hasattr(log, "parts") else None,
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


def _opened(
    raw: Any,
    loaded: LoadedModel,
    images: dict[str, Any],
    batches: int,
    batch_size: int,
    workers: int,
    seed: int,
    input_shape: str | None,
) -> Data:
    sizes: dict[str, Any] = {
        "batches": batches, "batch_size": batch_size, "workers": workers, "seed": seed
    }  # fmt: skip
    if raw is None or not isinstance(raw, (Given, Data)):
        spec = None if raw is None else str(raw)
        return open_data(spec, loaded, input_shape=input_shape, **sizes, **images)
    return data_from(raw, loaded, input_shape=input_shape, **sizes)


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


def _on_demand(
    loaded: LoadedModel,
    source: Data,
    loss: str | None,
    seed: int,
    shared: dict[str, Any],
    doing: Callable[[str], None] | None,
) -> dict[str, Job]:
    """What is imported only when it is made."""

    def made(name: str, **options: Any) -> Job:
        def job(**more: Any) -> Report:
            import netdoctor

            function: Job = getattr(netdoctor, name)
            return function(loaded, source, seed=seed, **options, **shared, **more)

        return job

    return {
        "lrfind": made("lrfind", loss=loss),
        "overfit": made("overfit", loss=loss),
        "gradcam": made("gradcam", doing=doing),
    }


def _attempt(job: Job, codes: Sequence[str]) -> Attempt:
    """What a check gave, or why it could not be made."""
    began = time.perf_counter()
    try:
        report = job(select=codes)
    except NetDoctorError as error:
        return Attempt(None, error.message, error, time.perf_counter() - began)
    return Attempt(report, seconds=time.perf_counter() - began)


def _to_be_traced(attempts: Mapping[str, Attempt]) -> bool:
    """Whether later batches hold values that are not finite, and where they begin is unknown."""
    codes = {
        name: {each.code for each in attempt.report.findings} if attempt.report else set()
        for name, attempt in attempts.items()
    }
    known = codes["check-forward"] & _NOT_FINITE or attempts["check-forward"].report is None
    return not known and bool((codes["activations"] | codes["gradflow"]) & _NOT_FINITE)


def _raise_if_unusable(attempts: Mapping[str, Attempt]) -> None:
    """Raises what kept every check of the network from its work, unless a finding explains it."""
    tried = [attempts[name] for name in ("check-forward", "activations", "gradflow")]
    errors = [each.error for each in tried if each.error is not None]
    worked = any(each.report is not None for each in tried)
    blamed = any(each.report is not None and each.report.exit_code() for each in attempts.values())
    first = next((each.error for each in attempts.values() if each.error is not None), None)
    if errors and not worked and not blamed:
        raise errors[0]
    if first is not None and not any(each.report for each in attempts.values()):
        raise first
