"""`netdoctor env`."""

from __future__ import annotations

import platform
from importlib import metadata

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import show
from netdoctor.cli.options import REPORT
from netdoctor.cli.streams import stdout_to_stderr
from netdoctor.report import Column, Report, Table
from netdoctor.version import __version__

_NEEDED = ("torch", "torchvision", "numpy", "matplotlib", "typer", "rich", "safetensors")
_EXTRAS = ("tensorboard", "timm", "transformers")


def env(request: Request) -> int:
    """Versions, devices, optional packages: what to paste into a bug report."""
    with stdout_to_stderr():
        devices = _devices()
    rows = [
        {"what": "netdoctor", "value": __version__},
        {"what": "python", "value": platform.python_version()},
        {"what": "platform", "value": platform.platform()},
        *({"what": name, "value": _version(name)} for name in (*_NEEDED, *_EXTRAS)),
        {"what": "devices", "value": ", ".join(devices)},
    ]
    columns = [Column("what", "what", "name"), Column("value", "version")]
    return show(Report("env", "", tables=[Table("env", "", columns, rows)]), request.config)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> list[str]:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    cuda = [f"cuda:{index} ({name})" for index, name in enumerate(names)]
    return ["cpu", *cuda, *(["mps"] if torch.backends.mps.is_available() else [])]


def register(app: App) -> None:
    """Adds the command."""
    command(app, "env", REPORT, panel="Look up", looks_for_file=False)(env)
