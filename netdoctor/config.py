"""Settings: defaults < file < flags, merged into one frozen Config. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from netdoctor.errors import ConfigError, NetDoctorError, UsageError
from netdoctor.report import Severity
from netdoctor.settings.files import SettingsFile, read_file
from netdoctor.settings.values import (
    Blame,
    Key,
    Kind,
    Place,
    brief,
    convert,
    near_miss,
    rebased,
    spelled_out,
)

_MOST = 2**31 - 1
Positive = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
NotNegative = Annotated[int, msgspec.Meta(ge=0, le=_MOST)]
Workers = Annotated[int, msgspec.Meta(ge=0, le=1024)]
Text = Annotated[str, msgspec.Meta(min_length=1)]
Device = Annotated[str, msgspec.Meta(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")]


class FailOn(str, Enum):
    """The least severity of a finding that makes the exit code 1."""

    ERROR = "error"
    WARNING = "warning"
    NEVER = "never"

    @property
    def severity(self) -> Severity | None:
        """What `Report.exit_code` takes; None for never."""
        return None if self is FailOn.NEVER else Severity(self.value)


class Format(str, Enum):
    """How the report is written to stdout."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    JUNIT = "junit"


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Every setting that a file or a flag may give; a key is the long option's name."""

    weights: Text | None = None
    model_arg: dict[str, Any] = {}
    checkpoint: Text | None = None
    state_key: Text | None = None
    partial: bool = False
    trust_checkpoint: bool = False
    data: Text | None = None
    batches: Positive = 10
    batch_size: Positive = 32
    workers: Workers = 0
    input_shape: Text | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    resize: Positive | None = None
    crop: tuple[Positive, Positive] | None = None
    loss: Text | None = None
    device: Device = "auto"
    seed: NotNegative = 0
    layers: tuple[Text, ...] = ()
    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    fail_on: FailOn = FailOn.ERROR
    out: Text = "netdoctor-out"
    no_plots: bool = False
    save_arrays: bool = False
    format: Format = Format.TEXT
    quiet: bool = False
    report: dict[str, Text] = {}
    baseline: Text | None = None
    write_baseline: Text | None = None
    history: Text | None = None
    rules: dict[str, dict[str, Any]] = {}


FLAG_ONLY = frozenset({"trust-checkpoint"})
REPORT_KINDS = ("html", "json", "junit", "github", "text")
_EXAMPLES = {
    "mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225", "crop": "224 or 224,256",
    "layers": "[layer1.*, fc]", "select": "[ACT, dead-layer]", "ignore": "[ACT002]",
    "model-arg": "{num_classes: 10}", "rules": "{ACT002: {threshold: 0.6}}",
    "device": "auto, cpu, cuda, cuda:N or mps", "report": "{html: report.html}",
}  # fmt: skip
_KINDS: dict[str, Kind] = {
    "checkpoint": "path", "baseline": "path", "write-baseline": "path", "history": "path",
    "out": "path", "report": "path", "data": "data", "loss": "code",
}  # fmt: skip
KEYS = {
    field.encode_name: Key(
        field.type,
        getattr(Config(), field.name),
        _EXAMPLES.get(field.encode_name, ""),
        _KINDS.get(field.encode_name, "value"),
    )
    for field in msgspec.structs.fields(Config)
}
"""The settings that commands share, by the long option's name."""


@dataclasses.dataclass(frozen=True, slots=True)
class CommandKeys:
    """What `commands.NAME` of a file may hold.

    Attributes:
        shared: those of `KEYS` that the command takes.
        own: the options that it alone has.
    """

    shared: frozenset[str]
    own: Mapping[str, Key]

    @property
    def all(self) -> dict[str, Key]:
        """Both; an option of its own hides a shared one of that name."""
        return {**{name: KEYS[name] for name in KEYS if name in self.shared}, **self.own}


Commands = Callable[[], Mapping[str, CommandKeys]]
"""Gives the keys of every command, by name; asked only where a file speaks of one."""

Values = dict[str, Any]


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The merged config, and for each key where its value came from.

    Attributes:
        config: the merged values of the shared keys.
        origins: by key, and for thresholds by `rules.CODE.name`: default, file or flag.
        own: what the file says of options that only the command has, by their long names.
        file: the file that was read; None without one.
        sections: what its `commands` says, by command.
        taken: the shared keys that the command takes; a file may speak of others too.
    """

    config: Config
    origins: Mapping[str, str]
    own: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    file: SettingsFile | None = None
    sections: Mapping[str, Values] = dataclasses.field(default_factory=dict)
    taken: frozenset[str] = frozenset(KEYS)


def merge(
    flags: Mapping[str, Any],
    file: SettingsFile | Path | None = None,
    *,
    command: str = "",
    commands: Commands = dict,
) -> Settings:
    """The settings of one run: default < file < the file's `commands.NAME` < flag.

    What is above replaces what is below; thresholds do so one by one.

    Args:
        flags: what was given on the command line, by option name without dashes in front;
            `rules` maps code or slug to thresholds.
        file: the file that was found, or the path of --config.
        command: the command that runs.
        commands: gives the keys that a file may set for each command.

    Raises:
        ConfigError: the file is missing or malformed, or a key or value in it is wrong.
        UsageError: a flag's value is wrong.
    """
    file = read_file(file) if isinstance(file, Path) else file
    in_file, sections = _read(file, commands) if file else ({}, {})
    section = sections.get(command, {})
    keys = (commands() if file else {}).get(command, CommandKeys(frozenset(KEYS), {}))
    own = {key: section[key] for key in section if key in keys.own}
    layers = [
        ("file", in_file),
        ("file", {key: value for key, value in section.items() if key not in own}),
        ("flag", _checked(flags, KEYS, (), _in_flags, commands)),
    ]
    values: Values = {}
    origins = dict.fromkeys(KEYS, "default")
    for origin, layer in layers:
        rules = _overlay(values.get("rules", {}), layer.get("rules", {}))
        values |= {**layer, "rules": rules}
        origins |= dict.fromkeys(layer, origin)
        for rule, thresholds in layer.get("rules", {}).items():
            origins |= {f"rules.{rule}.{name}": origin for name in thresholds}
    config = Config(**{key.replace("-", "_"): value for key, value in values.items()})
    return Settings(config, origins, own, file, sections, keys.shared)


def _read(file: SettingsFile, commands: Commands) -> tuple[Values, dict[str, Values]]:
    """What a file says of all commands, and of each: checked, its paths seen from its folder."""
    blame = _in_file(file)
    top = {key: value for key, value in file.values.items() if key != "commands"}
    values = seen_from_here(_checked(top, KEYS, (), blame, commands), KEYS, file)
    sections = file.values.get("commands", {})
    if not isinstance(sections, dict):
        problem = f"expected a mapping; it is {brief(sections)}"
        raise blame(("commands",), problem, "for example {gradcam: {method: layercam}}")
    checked = {}
    for name, section in sections.items():
        place = ("commands", str(name))
        if name not in commands():
            hint = near_miss(str(name), commands(), otherwise="`netdoctor --help` lists them")
            raise blame(place, "there is no such command that takes settings", hint)
        if not isinstance(section, dict):
            hint = f"`netdoctor config {name}` lists its keys"
            raise blame(place, f"expected a mapping; it is {brief(section)}", hint)
        keys = commands()[name].all
        checked[name] = seen_from_here(_checked(section, keys, place, blame, commands), keys, file)
    return values, checked


def seen_from_here(values: Values, keys: Mapping[str, Key], file: SettingsFile) -> Values:
    """The values of a file, those that name files as seen from the working directory."""
    if file.folder is None:
        return values
    return {key: rebased(value, keys[key].kind, file.folder) for key, value in values.items()}


def _in_file(file: SettingsFile) -> Blame:
    def blame(place: Place, problem: str, hint: str) -> NetDoctorError:
        name = ".".join(each if each.isprintable() else repr(each) for each in place)
        return ConfigError(f"{file.at(*place)}: {name:.200}: {problem}", hint=hint)

    return blame


def _in_flags(place: Place, problem: str, hint: str) -> NetDoctorError:
    return UsageError(problem if place[0] == "rules" else f"--{place[0]}: {problem}", hint=hint)


def _checked(
    values: Mapping[str, Any],
    keys: Mapping[str, Key],
    place: Place,
    blame: Blame,
    commands: Commands,
) -> Values:
    checked: Values = {}
    for key, value in values.items():
        here = (*place, str(key))
        if key in FLAG_ONLY and blame is not _in_flags:
            hint = f"give --{key} on the command line, where whoever runs it sees it"
            raise blame(here, "a file cannot turn this on", hint)
        if key not in keys:
            raise blame(here, "unknown key", _known(str(key), keys, place, commands))
        checked[key] = convert(here, keys[key], spelled_out(key, value), blame)
    _check_report_kinds(checked, place, blame)
    _check_rules(checked, place, blame)
    return checked


def _known(key: str, keys: Mapping[str, Key], place: Place, commands: Commands) -> str:
    """What an unknown key may have been meant to be."""
    if not place:
        owners = [name for name, each in commands().items() if key in each.own]
        if owners:
            return f"it is an option of {owners[0]}: write it as commands.{owners[0]}.{key}"
    listing = f"`{' '.join(['netdoctor config', *place[1:]])}` lists every key"
    return listing if key in KEYS else near_miss(key, keys, otherwise=listing)


def _check_report_kinds(values: Values, place: Place, blame: Blame) -> None:
    for kind in values.get("report", {}):
        if kind not in REPORT_KINDS:
            known = f"the kinds are {', '.join(REPORT_KINDS)}"
            hint = near_miss(kind, REPORT_KINDS, otherwise=known)
            raise blame((*place, "report"), f"unknown kind {kind!r}", hint)


def _check_rules(values: Values, place: Place, blame: Blame) -> None:
    if not {"rules", "select", "ignore"} & values.keys():
        return
    from netdoctor.rules.selection import check_names, check_thresholds

    for key in ("select", "ignore"):
        try:
            check_names(values.get(key, ()))
        except UsageError as error:
            raise blame((*place, key), error.message, error.hint) from error
    checked: Values = {}
    for rule, name, threshold in _thresholds(values.get("rules", {})):
        try:
            checked = _overlay(checked, check_thresholds({rule: threshold}))
        except UsageError as error:
            raise blame((*place, "rules", rule, *name), error.message, error.hint) from error
    values.pop("rules", None)
    if checked:
        values["rules"] = checked


def _thresholds(rules: Mapping[str, Values]) -> list[tuple[str, tuple[str, ...], Values]]:
    """Rule, place in it, and threshold, one by one; a rule without any is still to be checked."""
    named = [(rule, (name,), {name: each}) for rule in rules for name, each in rules[rule].items()]
    return [*((rule, (), {}) for rule in rules), *named]


def _overlay(below: Mapping[str, Values], above: Mapping[str, Values]) -> dict[str, Values]:
    rules = sorted({*below, *above})
    return {rule: {**below.get(rule, {}), **above.get(rule, {})} for rule in rules}
