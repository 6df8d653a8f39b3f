"""What timm and Hugging Face models say about their own input."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from netdoctor.inputs.images import IMAGENET, Preprocessing


@dataclasses.dataclass(frozen=True, slots=True)
class ModelConfig:
    """The input of one sample and its preprocessing, where the model says so."""

    preprocessing: Preprocessing | None = None
    input_shapes: tuple[tuple[int, ...], ...] = ()
    class_names: tuple[str, ...] = ()


def own_config(module: nn.Module) -> ModelConfig:
    """What the model's own configuration says; empty where it has none."""
    timm = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    if isinstance(timm, Mapping) and "mean" in timm and len(timm.get("input_size", ())) == 3:
        return _timm(module, timm)
    config = getattr(module, "config", None)
    if hasattr(config, "num_channels") and hasattr(config, "to_dict"):
        return _hugging_face(config)
    return ModelConfig()


def _timm(module: nn.Module, config: Mapping[str, Any]) -> ModelConfig:
    channels, height, width = config["input_size"]
    fixed = getattr(getattr(module, "patch_embed", None), "img_size", None)
    if isinstance(fixed, (tuple, list)) and len(fixed) == 2:
        height, width = fixed
    channels = _first_channels(module, config.get("first_conv")) or channels
    preprocessing = Preprocessing(
        tuple(config["mean"]),
        tuple(config["std"]),
        int(min(height, width) / (config.get("crop_pct") or 1.0)),
        (height, width),
        f"timm config of {config.get('architecture') or type(module).__name__}",
        config.get("interpolation") or "bilinear",
    )
    return ModelConfig(preprocessing.for_channels(channels), ((channels, height, width),))


def _first_channels(module: nn.Module, path: Any) -> int | None:
    name = path[0] if isinstance(path, (tuple, list)) and path else path
    try:
        layer = module.get_submodule(name) if isinstance(name, str) else None
    except AttributeError:
        return None
    channels = getattr(layer, "in_channels", None)
    return channels if isinstance(channels, int) else None


def _hugging_face(config: Any) -> ModelConfig:
    name = type(config).__name__
    size, channels = getattr(config, "image_size", None) or 224, config.num_channels
    height, width = (size, size) if isinstance(size, int) else tuple(size)
    processor = _processor(getattr(config, "_name_or_path", ""))
    mean, std = processor.get("image_mean"), processor.get("image_std")
    said = "" if mean and std else "; mean and std are ImageNet's, which it does not give"
    preprocessing = dataclasses.replace(
        IMAGENET,
        mean=tuple(mean) if mean and std else IMAGENET.mean,
        std=tuple(std) if mean and std else IMAGENET.std,
        resize=min(height, width),
        crop=(height, width),
        source=f"Hugging Face {name}{said}",
    )
    labels = tuple((getattr(config, "id2label", None) or {}).values())
    generic = all(str(label).startswith("LABEL_") for label in labels)
    return ModelConfig(
        preprocessing.for_channels(channels),
        ((channels, height, width),),
        () if generic else tuple(map(str, labels)),
    )


def _processor(folder: str) -> Mapping[str, Any]:
    """The preprocessor's settings, where the model was loaded from a folder that holds them."""
    try:
        found = json.loads((Path(folder) / "preprocessor_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}
