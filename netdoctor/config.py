"""Settings: defaults < YAML file < flags, merged into one frozen Config. No torch."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import msgspec

from netdoctor.errors import ConfigError, NetDoctorError, UsageError
from netdoctor.report import Severity

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
_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(Config)}
_PLAIN_WORDS = {
    "array": "a list", "object": "a mapping", "str": "a text", "int": "an integer",
    "float": "a number", "bool": "true or false", "null": "nothing", "enum value": "value",
}  # fmt: skip
_EXAMPLES = {
    "mean": "0.485,0.456,0.406", "std": "0.229,0.224,0.225", "crop": "224 or 224,256",
    "layers": "[layer1.*, fc]", "select": "[ACT, dead-layer]", "ignore": "[ACT002]",
    "model-arg": "{num_classes: 10}", "report": "{html: report.html}",
    "rules": "{ACT002: {threshold: 0.6}}",
}  # fmt: skip
_LISTS = frozenset({"mean", "std", "crop"})


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The merged config and, for each key, where its value came from: default, file or flag."""

    config: Config
    origins: Mapping[str, str]


def merge(flags: Mapping[str, Any], file: Path | None = None) -> Settings:
    """The settings of one run; a flag replaces the file's value, thresholds one by one.

    Args:
        flags: what was given on the command line, by option name without dashes in front;
            `rules` maps code or slug to thresholds.
        file: the YAML file of --config.

    Raises:
        ConfigError: the file is missing or malformed, or a key or value in it is wrong.
        UsageError: a flag's value is wrong.
    """
    in_file = _checked(read_file(file), _in_file(file)) if file else {}
    given = _checked(flags, _in_flags)
    values = {**in_file, **given}
    origins = {f"rules.{rule}.{name}": "file" for rule, name in _pairs(in_file.get("rules", {}))}
    origins |= {f"rules.{rule}.{name}": "flag" for rule, name in _pairs(given.get("rules", {}))}
    if "rules" in values:
        values["rules"] = _overlay(in_file.get("rules", {}), given.get("rules", {}))
    for key in _FIELDS:
        origins[key] = "flag" if key in given else "file" if key in in_file else "default"
    return Settings(
        Config(**{key.replace("-", "_"): value for key, value in values.items()}), origins
    )


def read_file(path: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds; an empty file is an empty mapping.

    Raises:
        ConfigError: missing, unreadable, not YAML, or not a mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"cannot read the config file {path}: {error.strerror or error}"
        raise ConfigError(message, hint="check the path given to --config") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(
            f"{path} is not valid YAML: {_yaml_problem(error)}",
            hint="write one `key: value` a line, as configs/default.yaml does",
        ) from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds a {type(content).__name__} where settings are expected",
            hint="write one `key: value` a line, as configs/default.yaml does",
        )
    return content


def _yaml_problem(error: Exception) -> str:
    """What is wrong with a YAML text, and where, on one line."""
    mark = getattr(error, "problem_mark", None)
    where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return f"{getattr(error, 'problem', None) or error}{where}"


def parse_assignments(texts: list[str], option: str) -> dict[str, Any]:
    """`key=value` texts as a mapping, the values read as YAML.

    Raises:
        UsageError: a text without `=`, or a value that is not YAML.
    """
    import yaml

    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {text!r} is not of the form key=value")
        try:
            values[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            message = f"the value of {option} {text!r} is not valid YAML"
            raise UsageError(message, hint="quote it, as in key='\"a: b\"'") from error
    return values


def parse_thresholds(texts: list[str]) -> dict[str, dict[str, Any]]:
    """`RULE.threshold=value` texts by rule and threshold.

    Raises:
        UsageError: a text of another form.
    """
    thresholds: dict[str, dict[str, Any]] = {}
    for key, value in parse_assignments(texts, "--set").items():
        rule, dot, name = key.partition(".")
        if not dot:
            message = f"--set {key}={value} names no threshold"
            raise UsageError(message, hint="write --set RULE.threshold=value")
        thresholds.setdefault(rule, {})[name] = value
    return thresholds


Blame = Callable[[str, str, str], NetDoctorError]
"""(key, what is wrong, hint) -> the error to raise: a flag's or a file's."""


def _in_file(path: Path) -> Blame:
    return lambda key, problem, hint: ConfigError(f"{path}: {key}: {problem}", hint=hint)


def _in_flags(key: str, problem: str, hint: str) -> NetDoctorError:
    return UsageError(problem if key == "rules" else f"--{key}: {problem}", hint=hint)


def _checked(values: Mapping[str, Any], blame: Blame) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _FIELDS:
            close = get_close_matches(str(key), _FIELDS, n=1)
            hint = f"did you mean {close[0]}?" if close else "`netdoctor config` lists every key"
            raise blame(str(key), "unknown key", hint)
        if key in FLAG_ONLY and blame is not _in_flags:
            hint = f"give --{key} on the command line, where whoever runs it sees it"
            raise blame(key, "a file cannot turn this on", hint)
        checked[key] = _convert(key, value, blame)
    _check_report_kinds(checked.get("report", {}), blame)
    _check_rules(checked, blame)
    return checked


def _convert(key: str, value: Any, blame: Blame) -> Any:
    if key in _LISTS and isinstance(value, str):
        value = [_number(part) for part in value.split(",")]
    if key == "crop" and isinstance(value, int | list):
        value = [value, value] if isinstance(value, int) else value * (2 if len(value) == 1 else 1)
    try:
        return msgspec.convert(value, _FIELDS[key].type)
    except msgspec.ValidationError as error:
        raise blame(key, _in_words(error, key, value), _hint(key, value)) from error


def _number(text: str) -> float | int | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _in_words(error: msgspec.ValidationError, key: str, value: Any) -> str:
    if value in ("", [""]):
        return "it is empty"
    problem = re.sub(r" - at `.*`$", "", str(error)).replace("`", "")
    if "matching regex" in problem:
        problem = "Expected auto, cpu, cuda, cuda:N or mps"
    default = _FIELDS[key].default
    if isinstance(default, Enum):
        problem = f"Expected {', '.join(each.value for each in type(default))}"
    for term, word in _PLAIN_WORDS.items():
        problem = re.sub(rf"\b{term}\b", word, problem)
    return f"{problem[:1].lower()}{problem[1:]}; it is {value!r}"


def _hint(key: str, value: Any) -> str:
    if value in ("", [""]):
        return "give it a value or leave it out; an unset shell variable is empty"
    if key in _EXAMPLES:
        return f"for example {_EXAMPLES[key]}"
    default = _FIELDS[key].default
    plain = default.value if isinstance(default, Enum) else default
    shown = isinstance(plain, str | int) and not isinstance(plain, bool)
    return f"the default is {plain}" if shown else ""


def _check_report_kinds(files: Mapping[str, str], blame: Blame) -> None:
    for kind in files:
        if kind not in REPORT_KINDS:
            close = get_close_matches(kind, REPORT_KINDS, n=1)
            known = f"the kinds are {', '.join(REPORT_KINDS)}"
            hint = f"did you mean {close[0]}? {known}" if close else known
            raise blame("report", f"unknown kind {kind!r}", hint)


def _check_rules(values: dict[str, Any], blame: Blame) -> None:
    if not {"rules", "select", "ignore"} & values.keys():
        return
    from netdoctor.rules.selection import check_names, check_thresholds

    for key in ("select", "ignore"):
        try:
            check_names(values.get(key, ()))
        except UsageError as error:
            raise blame(key, error.message, error.hint) from error
    try:
        values["rules"] = check_thresholds(values.get("rules", {}))
    except UsageError as error:
        raise blame("rules", error.message, error.hint) from error
    if not values["rules"]:
        del values["rules"]


def _pairs(thresholds: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(rule, name) for rule, values in thresholds.items() for name in values]


def _overlay(
    below: Mapping[str, Mapping[str, Any]], above: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    rules = sorted({*below, *above})
    return {rule: {**below.get(rule, {}), **above.get(rule, {})} for rule in rules}
