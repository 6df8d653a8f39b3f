"""`key=value` texts of the command line, their values read as YAML."""

from __future__ import annotations

from typing import Any

from netdoctor.errors import UsageError


def parse_assignments(texts: list[str], option: str) -> dict[str, Any]:
    """`key=value` texts as a mapping, the values read as YAML.

    Raises:
        UsageError: a text without `=`, or a value that is not YAML.
    """
    import yaml

    from netdoctor.settings.yaml_text import parse

    values: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} {text!r} is not of the form key=value")
        try:
            values[key.strip()] = parse(value).content
        except (yaml.YAMLError, RecursionError, ValueError) as error:
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
