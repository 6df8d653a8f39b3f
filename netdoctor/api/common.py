"""What every function of the API does: the model at hand, names that fit nothing, notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import nn

from netdoctor.errors import NothingExaminedError
from netdoctor.facts.site import Site
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.data import Data
from netdoctor.inputs.model import LoadedModel
from netdoctor.inputs.objective import TargetError
from netdoctor.observe import unwrap
from netdoctor.probes.samples import few
from netdoctor.report import Report, Skipped
from netdoctor.rules.core import Rule, judge

_LISTED = 6
_THE_MODULES_TOO = "the modules too, which `netdoctor activations --all` measures."
Progress = Callable[[int, int], None]
Thresholds = Mapping[str, Mapping[str, Any]]


def selects(pattern: str, site: Site) -> bool:
    """Whether a --layers pattern names the call or the module in which it happened."""
    return site.matches(pattern) or site.inside(pattern)


def loaded_from(model: nn.Module | LoadedModel, device: str | None) -> LoadedModel:
    """The model, unwrapped and on the device; None for where it is."""
    if isinstance(model, LoadedModel):
        return model
    module = unwrap(model)
    parameter = next(module.parameters(), None)
    where = parameter.device if parameter is not None else torch.device("cpu")
    if device is not None and torch.device(device) != where:
        module, where = module.to(device), torch.device(device)
    return LoadedModel(module, type(module).__name__, where)


def needed(rules: Sequence[Rule], facts: type) -> bool:
    """Whether one of the rules judges facts of this type and no others."""
    return any(each.facts_type is facts for each in rules)


def freshness(loaded: LoadedModel) -> bool | None:
    """Whether the weights are untrained: as loaded, else by norm statistics nobody touched."""
    if loaded.fresh is not None:
        return loaded.fresh
    means = [
        norm.running_mean
        for norm in loaded.module.modules()
        if isinstance(norm, nn.modules.batchnorm._BatchNorm) and norm.running_mean is not None
    ]
    return False if means and any(bool(mean.any()) for mean in means) else None


def nothing_measured(
    patterns: Sequence[str],
    seen: Sequence[Site],
    *,
    all_modules: bool = False,
    option: str = "--layers",
) -> NothingExaminedError:
    """The error when no call was measured, with near misses of the --layers patterns.

    Args:
        patterns: what was asked for; empty for everything.
        seen: every call that could have been measured.
        all_modules: whether the command watches every module, not only activations.
        option: what the patterns were given with.
    """
    if not patterns and all_modules:
        return NothingExaminedError(
            "no call gave floating-point numbers",
            hint="Is it the network, or does its forward only pass indices on?",
        )
    if not patterns:
        return NothingExaminedError(
            "no activation function was called",
            hint="`netdoctor layers MODEL` lists what ran; `netdoctor activations --all` measures "
            "every module's output.",
        )
    calls = list(dict.fromkeys(str(site) for site in seen))
    names = sorted({name for site in seen for name in (str(site), site.path) if name})
    close = [near for each in patterns for near in get_close_matches(each, names, 3, 0.5)]
    more = f" and {len(calls) - _LISTED} more" if len(calls) > _LISTED else ""
    return NothingExaminedError(
        f"{option} {' '.join(patterns)} matches none of the calls that were watched "
        f"({len(calls)} in all)",
        hint=f"Did you mean {', '.join(close)}?"
        if close
        else f"Watched were {', '.join(calls[:_LISTED])}{more}; `netdoctor layers MODEL` lists "
        + ("them all." if all_modules else _THE_MODULES_TOO),
    )


def noted(
    batches: Iterable[Batch], aside: list[Batch], *, most: int = 8, samples: int = 8
) -> Iterator[Batch]:
    """The batches as they come; copies of a few samples of the first ones are put aside.

    A batch whose samples cannot be told apart is kept whole, and so only the first two of them.
    """
    for number, batch in enumerate(batches):
        if number < most:
            part = few(batch, samples)
            if part is not batch or number < 2:
                aside.append(part)
        yield batch


def refused_target(
    command: str,
    loaded: LoadedModel,
    source: Data,
    error: TargetError,
    rules: Sequence[Rule],
    thresholds: Thresholds | None,
    **more: Any,
) -> Report:
    """The report of a command that a refused target kept from its work: what is wrong with it.

    Raises:
        TargetError: no selected rule says so.
    """
    judgement = judge(error.facts, rules, thresholds)
    if not judgement.findings:
        raise error
    left = [each.slug for each in rules if each.slug not in judgement.ran]
    return Report(
        command=command,
        subject=loaded.name,
        device=str(loaded.device),
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=[Skipped(slug, "the loss refuses the targets") for slug in left],
        notes=(*loaded.notes, *data_notes(source)),
        settings={"data": source.description, "synthetic": source.synthetic},
        **more,
    )


def data_notes(source: Data) -> Sequence[str]:
    """The lines of a report that say what the data were."""
    return source.notes if source.synthetic else (f"data: {source.description}", *source.notes)
