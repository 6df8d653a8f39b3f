"""The options that commands share, each written once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from netdoctor.config import Config, FailOn, Format

Options = Mapping[str, Any]
"""Parameter name -> annotated type."""


def _option(panel: str, *names: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


def _text(panel: str, *names: str, help: str, metavar: str) -> Any:
    return Annotated[str | None, _option(panel, *names, help=help, metavar=metavar)]


def _texts(panel: str, *names: str, help: str, metavar: str) -> Any:
    return Annotated[
        list[str], _option(panel, *names, help=help, metavar=metavar, show_default=False)
    ]


def _count(panel: str, *names: str, help: str, least: int = 1) -> Any:
    return Annotated[int, _option(panel, *names, help=help, metavar="N", min=least)]


def _flag(panel: str, *names: str, help: str) -> Any:
    return Annotated[bool, _option(panel, *names, help=help, metavar="", show_default=False)]


_MODEL = "Model"
MODEL: Options = {
    "model": Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A torchvision name (resnet18), package.module:factory, or file.py:factory.",
        ),
    ],
    "weights": _text(
        _MODEL, "--weights", metavar="NAME",
        help="Pretrained torchvision weights: DEFAULT or a member's name.",
    ),
    "model_arg": _texts(
        _MODEL, "--model-arg", metavar="KEY=VALUE",
        help="Argument for the factory, its value read as YAML. Repeatable.",
    ),
    "checkpoint": _text(
        _MODEL, "--checkpoint", metavar="FILE",
        help="Weights to load: .safetensors, .pt, .pth, .ckpt, .bin or a sharded index.",
    ),
    "state_key": _text(
        _MODEL, "--state-key", metavar="KEY",
        help="Which state dict, when the checkpoint holds several (ema, model, ...).",
    ),
    "partial": _flag(
        _MODEL, "--partial",
        help="Go on when only a part of the tensors fits; the report says which.",
    ),
    "trust_checkpoint": _flag(
        _MODEL, "--trust-checkpoint",
        help="Let the checkpoint run its code. Only for files you made yourself.",
    ),
}  # fmt: skip

_DATA = "Data"
DATA: Options = {
    "data": _text(
        _DATA, "--data", metavar="SPEC",
        help="Image, folder, ImageFolder tree, .npz, torchvision:NAME?root=DIR, "
        "module:factory, or random (the default).",
    ),
    "batches": _count(_DATA, "--batches", help="How many batches to look at."),
    "batch_size": _count(_DATA, "--batch-size", help="Samples a batch; a loader keeps its own."),
    "workers": _count(_DATA, "--workers", help="Loader processes.", least=0),
    "input_shape": _text(
        _DATA, "--input-shape", metavar="SHAPE",
        help="Shape of one random input, without the batch: 3,224,224.",
    ),
    "mean": _text(_DATA, "--mean", metavar="LIST", help="Normalise images with it: 0.5,0.5,0.5."),
    "std": _text(_DATA, "--std", metavar="LIST", help="The same, the standard deviation."),
    "resize": Annotated[
        int | None,
        _option(_DATA, "--resize", metavar="PIXELS", min=1, help="Short side of images."),
    ],
    "crop": _text(_DATA, "--crop", metavar="PIXELS", help="Centre crop: 224, or height,width."),
}  # fmt: skip

LOSS: Options = {
    "loss": _text(
        _DATA, "--loss", metavar="LOSS",
        help="cross-entropy, bce (with logits), mse, or module:factory; else chosen from the data.",
    ),
}  # fmt: skip

_RUN = "Run"
RUN: Options = {
    "device": Annotated[
        str, _option(_RUN, "--device", metavar="DEVICE", help="auto, cpu, cuda, cuda:N or mps.")
    ],
    "seed": _count(_RUN, "--seed", help="For random input and user code.", least=0),
    "layers": _texts(
        _RUN, "--layers", metavar="PATTERN",
        help="Only these: a name or shell pattern; `netdoctor layers` lists them. Repeatable.",
    ),
}  # fmt: skip

_RULES = "Rules"
RULES: Options = {
    "select": _texts(
        _RULES, "--select", metavar="RULE", help="Only these codes, slugs or families. Repeatable."
    ),
    "ignore": _texts(_RULES, "--ignore", metavar="RULE", help="All but these. Repeatable."),
    "set": _texts(
        _RULES, "--set", metavar="RULE.KEY=VALUE",
        help="Change a threshold: ACT002.threshold=0.6. Repeatable.",
    ),
    "fail_on": Annotated[
        FailOn, _option(_RULES, "--fail-on", help="The severity from which the exit code is 1.")
    ],
    "baseline": _text(
        _RULES, "--baseline", metavar="FILE", help="Count only what is new or worse than in it."
    ),
    "write_baseline": _text(
        _RULES, "--write-baseline", metavar="FILE", help="Keep the findings as known ones."
    ),
    "history": _text(
        _RULES, "--history", metavar="FILE",
        help="Append a line on this run; `netdoctor history FILE` shows the trend.",
    ),
}  # fmt: skip

_PICTURES = "Pictures"
PICTURES: Options = {
    "out": Annotated[str, _option(_PICTURES, "--out", metavar="DIR", help="Where files go.")],
    "no_plots": _flag(_PICTURES, "--no-plots", help="Write no pictures."),
    "save_arrays": _flag(
        _PICTURES, "--save-arrays", help="Also the numbers behind each picture, as .npz."
    ),
}

_REPORT = "Report"
REPORT: Options = {
    "format": Annotated[Format, _option(_REPORT, "--format", help="What goes to stdout.")],
    "report": _texts(
        _REPORT, "--report", metavar="KIND=FILE",
        help="Also to files: html=a.html,junit=b.xml; html, json, junit, github, text. Repeatable.",
    ),
    "quiet": _flag(
        _REPORT, "--quiet", help="Only the findings at or above --fail-on, and no progress."
    ),
    "config": Annotated[
        Path | None,
        _option(
            _REPORT, "--config", metavar="FILE",
            help="Settings from here, not from the nearest netdoctor.yaml or pyproject.toml.",
        ),
    ],
    "no_config": _flag(_REPORT, "--no-config", help="Take no settings from any file."),
    "traceback": _flag(_REPORT, "--traceback", help="Show the traceback of an error."),
}  # fmt: skip

_EMPTY: dict[str, Any] = {"set": [], "config": None, "no_config": False, "traceback": False}


def default(name: str) -> Any:
    """What an option is when neither a file nor a flag gives it: the Config's default."""
    if name in _EMPTY:
        return _EMPTY[name]
    value = getattr(_DEFAULTS, name)
    return list(value) if isinstance(value, tuple | dict) else value


_DEFAULTS = msgspec.convert({}, Config)
