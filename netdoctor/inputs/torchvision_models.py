"""torchvision's models by name, built offline, with the input that they expect."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
import warnings
from collections.abc import Callable, Mapping
from typing import Any, Literal

from torch import nn

from netdoctor.errors import ModelError
from netdoctor.inputs.images import Preprocessing
from netdoctor.inputs.user_code import call_user, near_misses

_FRAMES = 16
_DETECTION_SIZE = 320
_SEGMENTATION_SIZE = 256
_FLOW_SIZE = 128


@dataclasses.dataclass(frozen=True, slots=True)
class TorchvisionModel:
    """A built model and what its input looks like; the fields are those of `LoadedModel`."""

    module: nn.Module
    pretrained: bool
    preprocessing: Preprocessing
    input_shapes: tuple[tuple[int, ...], ...]
    input_style: Literal["batch", "images"]
    class_names: tuple[str, ...]
    notes: tuple[str, ...]


def build_torchvision(
    name: str, weights: str | None, model_args: Mapping[str, Any]
) -> TorchvisionModel:
    """The torchvision model of that name, without weights unless they are asked for.

    Args:
        name: one of `torchvision.models.list_models()`.
        weights: `DEFAULT` or the name of an entry of the model's weights, which are downloaded
            unless they are in the cache.
        model_args: further arguments of the builder.

    Raises:
        ModelError: unknown weights, a failed download, or arguments that the builder refuses.
    """
    from torchvision import models

    builder = models.get_model_builder(name)
    model_args = dict(model_args)
    legacy = "DEFAULT" if model_args.pop("pretrained", False) else None
    chosen = _entry(name, builder, weights or model_args.get("weights") or legacy)
    described = chosen or _default(builder)
    arguments = _arguments(builder, chosen, model_args)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = _build(name, builder, arguments, chosen)
    family = builder.__module__.removeprefix("torchvision.models.").partition(".")[0]
    of_default = "" if chosen else ", of its default weights"
    source = f"torchvision {type(described).__name__}.{described.name}{of_default}"
    preprocessing = _preprocessing(described.transforms(), source)
    own_head = "num_classes" in model_args
    return TorchvisionModel(
        module=module,
        pretrained=chosen is not None or bool(arguments.get("weights_backbone")),
        preprocessing=preprocessing,
        input_shapes=_input_shapes(module, family, preprocessing),
        input_style="images" if family == "detection" else "batch",
        class_names=() if own_head else tuple(described.meta.get("categories") or ()),
        notes=(f"weights: {source}",) if chosen else (),
    )


def _entries(builder: Callable[..., nn.Module]) -> list[Any]:
    """All weights of the model, those of its quantised form first."""
    annotation = inspect.signature(builder).parameters["weights"].annotation
    kinds = [kind for kind in (annotation, *typing.get_args(annotation)) if hasattr(kind, "verify")]
    return [entry for kind in kinds for entry in kind]


def _default(builder: Callable[..., nn.Module]) -> Any:
    return type(_entries(builder)[0])["DEFAULT"]


def _entry(name: str, builder: Callable[..., nn.Module], wanted: Any) -> Any:
    if wanted is None:
        return None
    entries = _entries(builder)
    if wanted == "DEFAULT":
        return _default(builder)
    named = {entry.name: entry for entry in reversed(entries)}
    named |= {f"{type(entry).__name__}.{entry.name}": entry for entry in entries}
    if wanted in named:
        return named[wanted]
    known = [entry.name for entry in entries]
    raise ModelError(
        f"{name} has no weights {wanted!r}; torchvision knows {', '.join(known)}.",
        hint=near_misses(str(wanted).upper(), known) or "--weights DEFAULT takes the best ones.",
    )


def _arguments(
    builder: Callable[..., nn.Module], chosen: Any, model_args: Mapping[str, Any]
) -> dict[str, Any]:
    accepted = inspect.signature(builder).parameters
    arguments: dict[str, Any] = {"weights": chosen, "progress": sys.stderr.isatty()}
    if "weights_backbone" in accepted:
        arguments["weights_backbone"] = None
    if chosen is not None and "quantize" in accepted and "Quantized" in type(chosen).__name__:
        arguments["quantize"] = True
    if chosen is None and builder.__module__.endswith((".googlenet", ".inception")):
        arguments["init_weights"] = True
    arguments.update(model_args)
    arguments["weights"] = chosen
    return arguments


def _build(
    name: str, builder: Callable[..., nn.Module], arguments: Mapping[str, Any], chosen: Any
) -> nn.Module:
    try:
        module = call_user(builder, spec=name, error=ModelError, **arguments)
    except ModelError as error:
        cause = error.__cause__
        if chosen is not None and isinstance(cause, OSError):
            raise ModelError(
                f"The weights {chosen.name} of {name} could not be downloaded: {cause}.",
                hint=f"Fetch {chosen.url} where there is a network, then pass it as --checkpoint.",
            ) from error
        raise ModelError(
            error.message, hint="Check --model-arg against torchvision's builder."
        ) from error
    assert isinstance(module, nn.Module)
    return module


def _preprocessing(transforms: Any, source: str) -> Preprocessing:
    kind = type(transforms).__name__
    if kind == "ObjectDetection":
        source = f"{source}; the detector normalises by itself"
        return Preprocessing((0.0,) * 3, (1.0,) * 3, None, None, source)
    if kind == "OpticalFlow":
        return Preprocessing((0.5,) * 3, (0.5,) * 3, None, None, source)
    crop = getattr(transforms, "crop_size", None)
    resize = transforms.resize_size
    return Preprocessing(
        tuple(transforms.mean),
        tuple(transforms.std),
        min(resize) if resize else None,
        (crop[0], crop[-1]) if crop else None,
        source,
        transforms.interpolation.value,
    )


def _input_shapes(
    module: nn.Module, family: str, preprocessing: Preprocessing
) -> tuple[tuple[int, ...], ...]:
    fixed = getattr(module, "image_size", None)
    height, width = preprocessing.crop or (_SEGMENTATION_SIZE, _SEGMENTATION_SIZE)
    if family == "detection":
        return ((3, _DETECTION_SIZE, _DETECTION_SIZE),)
    if family == "optical_flow":
        return ((3, _FLOW_SIZE, _FLOW_SIZE),) * 2
    if family == "video":
        return ((3, _FRAMES, height, width),)
    if isinstance(fixed, int):
        return ((3, fixed, fixed),)
    return ((3, height, width),)
