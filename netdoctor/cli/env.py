"""`netdoctor env`."""

from __future__ import annotations

import platform

from netdoctor.cli.command import App, Request, command
from netdoctor.cli.finish import show
from netdoctor.cli.options import REPORT
from netdoctor.cli.streams import stdout_to_stderr
from netdoctor.errors import NetDoctorError
from netdoctor.report import Column, Report, Table
from netdoctor.version import __version__

_NEEDED = (
    "torch", "torchvision", "numpy", "matplotlib", "pillow", "safetensors", "typer", "rich",
    "pyyaml", "msgspec",
)  # fmt: skip
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
        {"what": "devices", "value": devices},
        {"what": "settings", "value": _settings()},
    ]
    columns = [Column("what", "what", "name"), Column("value", "value")]
    return show(Report("env", "", tables=[Table("env", "", columns, rows)]), request.config)


def _settings() -> str:
    """The file with settings that a command would read here."""
    from netdoctor.settings.files import find_file

    try:
        found = find_file()
    except NetDoctorError as error:
        return error.message
    return "no file" if found is None else str(found)


def _version(package: str) -> str:
    from importlib import metadata  # ten milliseconds of every command's start

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _devices() -> str:
    """What torch sees, with the CUDA it is built for and its threads; or why it does not import."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return f"torch cannot be imported: {error}"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    cuda = [f"cuda:{index} ({name}, CUDA {torch.version.cuda})" for index, name in enumerate(names)]
    cpu = f"cpu ({torch.get_num_threads()} threads)"
    return ", ".join([cpu, *cuda, *(["mps"] if torch.backends.mps.is_available() else [])])


def register(app: App) -> None:
    """Adds the command."""
    command(app, "env", REPORT, panel="Look up", looks_for_file=False)(env)
