"""`netdoctor.featuremaps`: keep the maps, report on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from torch import nn

from netdoctor.api.common import Progress, data_notes, loaded_from, nothing_measured
from netdoctor.errors import NothingExaminedError, UsageError
from netdoctor.facts.featuremaps import FeatureMapFacts, table
from netdoctor.facts.site import Site
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes.featuremaps import measure
from netdoctor.probes.stages import selected
from netdoctor.report import Report


def featuremaps(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    images: int = 4,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    top: int | None = None,
    scale: Literal["each", "shared"] = "each",
    max_maps: int = 64,
    progress: Progress | None = None,
) -> Report:
    """What layers see: their maps for some images, and a row of statistics a call.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: images or other samples; None for random input.
        images: how many samples to look at.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the data's order.
        layers: names or shell patterns of calls; empty for the last call of each stage.
        top: keeps only so many of the most active maps.
        scale: colours `each` map from its own minimum to its maximum, or all on a `shared` range.
        max_maps: keeps so many maps a picture at most.
        progress: told (images done, images in all).

    Returns:
        A report with the table `layers`; its facts hold the maps, `facts.arrays()` all of them.

    Raises:
        NetDoctorError: the model or data cannot be used, or a name fits no call.
    """
    loaded = loaded_from(model, device)
    source = data_from(data, loaded, batches=images, batch_size=1, seed=seed)
    facts = _kept_maps(
        loaded.module, source, layers, images=images, top=top, scale=scale, max_maps=max_maps,
        seed=seed, progress=None if progress is None else lambda done: progress(done, images),
    )  # fmt: skip
    names = ", ".join(str(call.site) for call in facts.calls)
    note = [f"layers: the last of each stage: {names}"] if facts.stages else []
    return Report(
        command="featuremaps",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        tables=[table(facts)],
        not_examined=facts.not_examined,
        notes=(*loaded.notes, *data_notes(source), *note),
        settings={
            "seed": seed, "samples": facts.samples, "data": source.description,
            "synthetic": facts.synthetic, "images": images, "top": top, "scale": scale,
            "max_maps": max_maps,
        },
    )  # fmt: skip


def _kept_maps(
    module: nn.Module, source: Data, patterns: Sequence[str], **options: Any
) -> FeatureMapFacts:
    for name, least in (("images", 1), ("max_maps", 1), ("top", 1)):
        if options[name] is not None and options[name] < least:
            raise UsageError(f"{name} is {options[name]}", hint=f"give {least} or more")
    if options["scale"] not in ("each", "shared"):
        raise UsageError(f"scale is {options['scale']!r}", hint="give each or shared")
    seen: list[Site] = []

    def choose(sites: Sequence[Site]) -> Sequence[Site]:
        seen.extend(sites)
        found = {pattern: selected(pattern, sites) for pattern in patterns}
        missed = [pattern for pattern, sites in found.items() if not sites]
        if missed:
            raise nothing_measured(missed, seen, all_modules=True)
        return [site for sites in found.values() for site in sites]

    facts = measure(module, source, choose=choose if patterns else None, **options)
    if not facts.calls:
        reason = "; ".join(sorted({each.reason for each in facts.not_examined}))
        raise NothingExaminedError(
            "no layer's output can be drawn" + (f": {reason}" if reason else ""),
            hint="`netdoctor layers MODEL` lists what ran, with its shapes.",
        )
    return facts
