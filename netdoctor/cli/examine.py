"""From a request to a report: names checked before torch is imported, then inputs and work."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netdoctor.cli import layer_cache
from netdoctor.cli.command import Request
from netdoctor.cli.finish import check_out, known_findings
from netdoctor.cli.importing import uncollected
from netdoctor.cli.progress import Bar, progress_bar
from netdoctor.cli.streams import stdout_to_stderr
from netdoctor.config import Config, Settings
from netdoctor.report import Report
from netdoctor.rules import COMMAND_RULES
from netdoctor.rules.selection import select_rules
from netdoctor.settings.files import SettingsFile

if TYPE_CHECKING:
    from netdoctor.inputs.data import Data
    from netdoctor.inputs.model import LoadedModel

_ONLY_SHOWN = {
    "out",
    "no_plots",
    "save_arrays",
    "format",
    "quiet",
    "report",
    "baseline",
    "write_baseline",
    "history",
}


def examine(
    request: Request,
    examination: str,
    *,
    opened: Callable[[str, Config], tuple[Any, Data | None]] | None = None,
    checked: Callable[[str], None] | None = None,
    **options: Any,
) -> Report:
    """The report of a function of netdoctor's API on the model and data of a request.

    What user code prints meanwhile goes to stderr.

    Args:
        request: what the user asked for.
        examination: the function's name.
        opened: opens what the function is given; `open_inputs` where it is a model and data.
        checked: refuses early what `opened` could not open; `check_spec` by default.
        options: passed on to it.

    Raises:
        NetDoctorError: the model or data cannot be used; a misspelt name is told without torch.
    """
    config = request.config
    first = check if checked is None else functools.partial(check, checked=checked)
    with surroundings(request, first) as progress:
        import netdoctor

        with uncollected():
            function: Callable[..., Report] = getattr(netdoctor, examination)  # imports torch
        loaded, data = (opened or open_inputs)(request.model, config)
        rules = rule_options(config) if request.command in COMMAND_RULES else {}
        settings = {
            "batches": config.batches,
            "batch_size": config.batch_size,
            "layers": config.layers,
            "seed": config.seed,
            "progress": progress,
            "doing": None if progress is None else progress.doing,
        }
        taken = _taken(function, settings)
        report = function(loaded, data, **{**taken, **rules, **options})
    if not config.layers:
        layer_cache.remember(request.model, report)
    return report.replace(settings={**report.settings, **to_repeat(request.settings), **options})


@contextlib.contextmanager
def surroundings(request: Request, check: Callable[[Request], None]) -> Iterator[Bar | None]:
    """A block in which user code may print and parse; gives what to tell of the progress.

    Args:
        request: what the user asked for.
        check: what is looked at before anything heavy is imported.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(stdout_to_stderr())
        stack.enter_context(_arguments_hidden())
        stack.enter_context(_folder_kept())
        stack.enter_context(_importable(request.settings.file))
        check(request)
        yield stack.enter_context(progress_bar(request.command, quiet=request.config.quiet))


def _taken(function: Callable[..., Report], settings: dict[str, Any]) -> dict[str, Any]:
    """Those of the settings that the function has a parameter for."""
    parameters = inspect.signature(function).parameters.values()
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return settings
    names = {each.name for each in parameters}
    return {name: value for name, value in settings.items() if name in names}


@contextlib.contextmanager
def _arguments_hidden() -> Iterator[None]:
    """A block in which user code that parses the command line finds its own defaults."""
    before = sys.argv
    sys.argv = before[:1]
    try:
        yield
    finally:
        sys.argv = before


@contextlib.contextmanager
def _folder_kept() -> Iterator[None]:
    """A block in which user code may change the working directory: reports go where they would."""
    before = os.getcwd()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.chdir(before)


@contextlib.contextmanager
def _importable(file: SettingsFile | None) -> Iterator[None]:
    """A block in which modules beside the file with the settings can be imported, as from there.

    Behind everything else: what the working directory has comes first.
    """
    folder = str(file.folder) if file is not None and file.folder is not None else ""
    if not folder or folder in sys.path:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def check(request: Request, checked: Callable[[str], None] | None = None) -> None:
    """Everything that can be wrong with a request and be told without torch.

    Raises:
        NetDoctorError: a rule, folder or model that does not exist.
    """
    from netdoctor.inputs.spec import check_spec

    config = request.config
    (checked or check_spec)(request.model)  # first: a misspelt name need not wait for the rules
    if request.command in COMMAND_RULES:
        select_rules(request.command, config.select, config.ignore)
    check_out(config)
    known_findings(config, request.command)


def open_inputs(model: str, config: Config) -> tuple[LoadedModel, Data]:
    """The model and the data that the settings name, on the device."""
    from netdoctor.inputs.data import open_data

    loaded = open_model(model, config)
    data = open_data(
        config.data,
        loaded,
        batches=config.batches,
        batch_size=config.batch_size,
        workers=config.workers,
        seed=config.seed,
        input_shape=config.input_shape,
        mean=config.mean,
        std=config.std,
        resize=config.resize,
        crop=config.crop,
    )
    return loaded, data


def open_model(model: str, config: Config) -> LoadedModel:
    """The model that the settings name, on the device.

    A factory's random weights depend on the seed alone.
    """
    from netdoctor.inputs.spec import is_torchvision

    with uncollected():
        from netdoctor.inputs.loaders import seed_everything
        from netdoctor.inputs.model import load_model

        if is_torchvision(model):
            import torchvision.models  # noqa: F401  seconds, as torch

    seed_everything(config.seed)
    return load_model(
        model,
        weights=config.weights,
        model_args=config.model_arg,
        checkpoint=Path(config.checkpoint) if config.checkpoint else None,
        state_key=config.state_key,
        partial=config.partial,
        trust_checkpoint=config.trust_checkpoint,
        device=config.device,
    )


def rule_options(config: Config) -> dict[str, Any]:
    """Which rules apply and with which thresholds, as the API's functions take them."""
    return {"select": config.select, "ignore": config.ignore, "thresholds": config.rules}


def to_repeat(settings: Settings) -> dict[str, Any]:
    """What a file or flag changed and the result depends on, by name as in the Config."""
    changed = [
        key.replace("-", "_")
        for key, origin in settings.origins.items()
        if origin != "default" and key in settings.taken
    ]
    return {name: getattr(settings.config, name) for name in changed if name not in _ONLY_SHOWN}
