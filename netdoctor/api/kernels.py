"""`netdoctor.kernels`: measure the weights of a model or file, judge them, keep kernels to draw."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from torch import nn

from netdoctor.api.common import Thresholds, freshness, loaded_from
from netdoctor.errors import NothingExaminedError, UsageError
from netdoctor.facts.kernels import KernelFacts, table
from netdoctor.inputs.checkpoint import read_state
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes.kernels import drawable, kept_kernels
from netdoctor.probes.weights import Named, measure, named_tensors
from netdoctor.report import NotExamined, Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules

_LISTED = ("convolution", "linear", "embedding", "recurrent")


def kernels(
    model: nn.Module | LoadedModel | Mapping[str, Any] | str | Path,
    data: Any = None,
    *,
    state_key: str | None = None,
    trust_checkpoint: bool = False,
    device: str | None = None,
    layers: Sequence[str] = (),
    max_kernels: int = 64,
    top: int | None = None,
    channel: int | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
) -> Report:
    """What the weights are like: statistics of each, sick ones, and kernels to draw. Runs nothing.

    Args:
        model: the network, left as it is; or a checkpoint file, or tensors by name.
        data: not used; no data are needed.
        state_key: which state dict of a file, where there are several.
        trust_checkpoint: unpickle the whole file, which runs the code in it.
        device: where the model is to be; None for where it is.
        layers: names or shell patterns of weights or their layers; empty for all. All are judged.
        max_kernels: kernels a picture at most.
        top: keeps only so many kernels of the largest norm.
        channel: draws this input channel instead of the norm over all input channels.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.

    Returns:
        A report with the findings of WGT001 to WGT008 and the table `weights`.

    Raises:
        NetDoctorError: the model or file cannot be used, or a name fits no weight.
    """
    given = (("max_kernels", max_kernels, 1), ("top", top, 1), ("channel", channel, 0))
    for name, value, least in given:
        if value is not None and value < least:
            raise UsageError(f"{name} is {value}", hint=f"give {least} or more")
    rules = select_rules("kernels", select, ignore)
    source = _opened(model, state_key, trust_checkpoint, device)
    named = named_tensors(source.weights)
    weights = measure(source.weights, source=source.name, fresh=source.fresh)
    facts = _facts(weights, named, layers, most=max_kernels, top=top, channel=channel)
    judgement = judge(facts.weights, rules, thresholds)
    return Report(
        command="kernels",
        subject=source.name,
        device=source.device,
        facts=facts,
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        tables=[table(facts)],
        not_examined=facts.not_examined,
        notes=source.notes,
        settings={"max_kernels": max_kernels, "top": top, "channel": channel},
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Source:
    """The weights and what is known about them."""

    weights: nn.Module | Mapping[str, Any]
    name: str
    device: str = ""
    fresh: bool | None = None
    notes: tuple[str, ...] = ()


def _opened(model: Any, state_key: str | None, trust: bool, device: str | None) -> _Source:
    if isinstance(model, (str, Path)):
        state = read_state(Path(model), state_key=state_key, trust=trust)
        return _Source(state.tensors, str(model), notes=state.notes)
    if isinstance(model, Mapping):
        return _Source(model, "state dict")
    loaded = loaded_from(model, device)
    return _Source(
        loaded.module, loaded.name, str(loaded.device), freshness(loaded), tuple(loaded.notes)
    )


def _facts(weights: Any, named: list[Named], layers: Sequence[str], **options: Any) -> KernelFacts:
    facts = {each.name: each for each in weights.tensors}
    chosen = _chosen(named, facts.keys(), layers)
    if not chosen:
        raise NothingExaminedError(
            "there are no weights of convolutions, linear, embedding or recurrent layers",
            hint="`netdoctor check-weights FILE` judges any tensors of a file.",
        )
    kept, left = [], list(weights.not_examined)
    for each in chosen:
        reason = drawable(each)
        if not reason:
            kept.append(kept_kernels(each, **options))
        elif reason != "no convolution":
            left.append(NotExamined(each.name, f"no picture: {reason}"))
    return KernelFacts(weights, kept, [facts[each.name] for each in chosen], left)


def _chosen(named: list[Named], measured: Any, layers: Sequence[str]) -> list[Named]:
    there = [each for each in named if each.name in measured]
    weights = [each for each in there if each.role in _LISTED] or [
        each for each in there if each.tensor.ndim > 1 and each.tensor.is_floating_point()
    ]
    if not layers:
        return weights
    missed = [one for one in layers if not any(_selects(one, each.name) for each in weights)]
    if missed:
        names = sorted({part for each in weights for part in (each.name, _layer(each.name))})
        close = [near for each in missed for near in get_close_matches(each, names, 3, 0.5)]
        raise NothingExaminedError(
            f"--layers {' '.join(missed)} matches none of the {len(weights)} weights",
            hint=f"Did you mean {', '.join(close)}?"
            if close
            else f"There are {', '.join(names[:6])}.",
        )
    return [each for each in weights if any(_selects(one, each.name) for one in layers)]


def _selects(pattern: str, name: str) -> bool:
    """Whether a pattern names a weight, its layer, or a module that the layer is in."""
    layer = _layer(name)
    if pattern in (name, layer):
        return True
    inside = any(
        fnmatch.fnmatchcase(layer[:end], pattern)
        for end in [at for at, mark in enumerate(layer) if mark == "."]
    )
    return inside or fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(layer, pattern)


def _layer(name: str) -> str:
    return name.rpartition(".")[0]
