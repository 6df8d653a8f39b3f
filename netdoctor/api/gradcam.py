"""`netdoctor.gradcam`: where the network looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast, get_args

from torch import nn

from netdoctor.api.common import (
    Progress,
    Thresholds,
    data_notes,
    freshness,
    loaded_from,
    nothing_measured,
)
from netdoctor.errors import ModelError, NothingExaminedError, UsageError
from netdoctor.facts import gradcam_tables as tables
from netdoctor.facts.gradcam import GradCamFacts, Layer, Method
from netdoctor.inputs.class_names import IMAGENET, imagenet_names, read_names
from netdoctor.inputs.data import Data, data_from
from netdoctor.inputs.model import LoadedModel
from netdoctor.probes import cam_layers
from netdoctor.probes import gradcam as probe
from netdoctor.probes.cam_maps import Plan
from netdoctor.probes.cam_reach import reaching
from netdoctor.probes.cam_targets import Head, head_of, wish_of
from netdoctor.probes.scouting import Scouted, scouted
from netdoctor.report import Report
from netdoctor.rules.core import judge
from netdoctor.rules.selection import select_rules

METHODS: tuple[str, ...] = get_args(Method)
_ENOUGH = 2**31 - 1


def gradcam(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    method: str = "gradcam",
    target: str | int = "predicted",
    layer: Sequence[str] | str = (),
    class_names: Sequence[str] | str | Path | None = None,
    images: int | None = 32,
    batch_size: int = 32,
    device: str | None = None,
    seed: int = 0,
    layers: Sequence[str] = (),
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Report:
    """Where the network looks: a heat map an image, for the predicted or another class.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: images or other samples; None for random input.
        method: `gradcam`, `gradcam++`, `hirescam`, `layercam`, `eigencam`, `scorecam` or
            `ablationcam`.
        target: `predicted`, the index or name of a class, or `positive` or `negative` for a
            single logit.
        layer: names of the calls whose output is looked at; empty for the last with a map.
        class_names: by index, or a file of them; None for those of the weights, or ImageNet's
            where there are 1000 classes.
        images: how many samples to look at; None for all.
        batch_size: for what does not come in batches.
        device: where to run, `cpu`, `cuda:1`; None for where the model is.
        seed: of random input and of the choice of samples.
        layers: more names of layers.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (images done, images in all).

    Returns:
        A report with the findings of CAM, the tables `predictions` and `maps`, and `predictions`
        for the summary; its facts hold the maps, `facts.arrays()` all of them.

    Raises:
        NetDoctorError: the model, data, layer or target cannot be used.
    """
    rules = select_rules("gradcam", select, ignore)
    if method not in METHODS:
        raise UsageError(f"method is {method!r}", hint=f"give {', '.join(METHODS)}")
    if images is not None and images < 1:
        raise UsageError(f"images is {images}", hint="give 1 or more")
    names = read_names(Path(class_names)) if isinstance(class_names, (str, Path)) else class_names
    loaded = loaded_from(model, device)
    source = _source(data, loaded, images, seed)
    seen = scouted(loaded.module, source)
    head = _head(loaded, seen)
    known, name_notes = _names(names, loaded, head)
    wish = wish_of(str(target), head, known)
    asked = [*([layer] if isinstance(layer, str) else layer), *layers]
    chosen, layer_notes = _layers(asked, loaded, seen, head)
    facts = probe.measure(
        loaded.module, source, Plan(head, chosen, cast(Method, method), wish, known),
        images=images, batch_size=batch_size, seed=seed, fresh=_untrained(loaded),
        progress=None if progress is None else lambda done: progress(done, images or done),
    )  # fmt: skip
    judgement = judge(facts, rules, thresholds)
    notes = [*cam_layers.described(chosen), *layer_notes, _told(head, facts), *name_notes]
    return Report(
        command="gradcam",
        subject=loaded.name,
        device=facts.device,
        facts=facts,
        tables=[tables.predictions(facts), tables.maps(facts)],
        findings=judgement.findings,
        ran=judgement.ran,
        skipped=judgement.skipped,
        notes=(*loaded.notes, *data_notes(source), *notes),
        summary={"predictions": tables.summary(facts)},
        settings={
            "seed": seed, "samples": len(facts.images), "data": source.description,
            "synthetic": facts.synthetic, "images": images, "method": method,
            "target": target, "layer": [str(each.site) for each in chosen],
        },
    )  # fmt: skip


def _untrained(loaded: LoadedModel) -> bool | None:
    """Whether the weights are untrained: as loaded, else by norms that never saw a batch."""
    known = freshness(loaded)
    counts = [
        each.num_batches_tracked
        for each in loaded.module.modules()
        if isinstance(each, nn.modules.batchnorm._BatchNorm)
    ]
    if known is None and counts:
        return all(each is not None and not bool(each.any()) for each in counts) or None
    return known


def _source(data: Any, loaded: LoadedModel, images: int | None, seed: int) -> Data:
    source = data_from(data, loaded, batches=images or _ENOUGH, batch_size=1, seed=seed)
    if source.synthetic and images is None:
        raise UsageError("all images of random input are without end", hint="give a number")
    return source


def _head(loaded: LoadedModel, seen: Scouted) -> Head:
    if seen.batch is None:
        raise NothingExaminedError("the data gave no image", hint="Check --data.")
    if loaded.input_style == "images":
        raise ModelError(
            f"{loaded.name} is a detector: its output is boxes, and no one number for each class.",
            hint="Wrap it in a module whose forward returns the scores (N, boxes) to explain.",
        )
    return head_of(seen.output, seen.batch.size, seen.last_activation)


def _names(
    given: Sequence[str] | None, loaded: LoadedModel, head: Head
) -> tuple[Sequence[str], list[str]]:
    """The class names, and a line for the report where they are assumed."""
    if given is not None:
        if len(given) != head.classes:
            raise UsageError(
                f"there are {len(given)} class names and {head.classes} classes",
                hint="Give one name a class, in the order of the output.",
            )
        return given, []
    if len(loaded.class_names) == head.classes:
        return loaded.class_names, []
    if head.classes == IMAGENET and head.kind == "classes" and imagenet_names():
        return imagenet_names(), [
            "class names: assumed to be ImageNet's, for there are 1000 classes (--class-names)"
        ]
    return (), []


def _layers(
    names: Sequence[str], loaded: LoadedModel, seen: Scouted, head: Head
) -> tuple[list[Layer], list[str]]:
    if not names:
        reach = reaching(loaded.module, seen, head)
        return [cam_layers.default_layer(seen.calls, seen.scene.image, head.kind, reach)], []
    return cam_layers.named_layers(
        names,
        seen.calls,
        lambda missed, sites: nothing_measured(missed, sites, all_modules=True, option="--layer"),
    )


def _told(head: Head, facts: GradCamFacts) -> str:
    """What was explained, in one line."""
    if head.kind == "one logit":
        return (
            f"target: {head.part} is one logit; its negative side is explained with the sign turned"
        )
    if head.kind == "segmentation":
        return (
            f"target: the mean of {head.part} for the class over the pixels where it is predicted; "
            "predicted is the class with the most pixels, class 0 taken as the background"
        )
    numbers = "probability" if head.scale == "probabilities" else "logit"
    return f"target: the {numbers} of the class in {head.part}, of {facts.classes}"
