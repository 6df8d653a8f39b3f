"""Every function and type of the Python API says what it takes, gives and raises."""

from __future__ import annotations

import inspect
import re
from typing import Any, get_type_hints

import pytest

import netdoctor
from netdoctor.report import Report

FUNCTIONS = [name for name in netdoctor.__all__ if name in netdoctor._API]


def section(documentation: str, name: str) -> str:
    """The text below a heading of a docstring, up to the next one."""
    found = re.search(rf"^{name}:\n(.*?)(?=^\S|\Z)", documentation, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""


def test_all_names_every_function_and_type() -> None:
    assert set(netdoctor.__all__) == {*netdoctor._API, *netdoctor._ELSEWHERE, "__version__"}
    assert dir(netdoctor) == sorted(netdoctor.__all__)
    for name in netdoctor.__all__:
        assert getattr(netdoctor, name) is not None


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_documents_what_it_takes_gives_and_raises(name: str) -> None:
    function = getattr(netdoctor, name)
    documentation = inspect.getdoc(function) or ""
    assert documentation.partition("\n")[0].endswith((".", "?")), documentation
    described = section(documentation, "Args")
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^ +{parameter}: \S", described, re.MULTILINE), parameter
    told = re.findall(r"^    (\w+): ", described, re.MULTILINE)
    assert told == list(inspect.signature(function).parameters)
    assert section(documentation, "Returns").strip()
    assert "Error: " in section(documentation, "Raises")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_typed_and_returns_a_report(name: str) -> None:
    function = getattr(netdoctor, name)
    parameters = inspect.signature(function).parameters.values()
    assert [each.name for each in parameters if each.annotation is each.empty] == []
    assert get_type_hints(function)["return"] is Report


@pytest.mark.parametrize("name", netdoctor._ELSEWHERE)
def test_a_type_and_its_public_methods_are_documented(name: str) -> None:
    kind: Any = getattr(netdoctor, name)
    assert inspect.getdoc(kind)
    for attribute, value in vars(kind).items():
        if inspect.isfunction(value) and not attribute.startswith("_"):
            assert inspect.getdoc(value), attribute
            hints = get_type_hints(value)
            assert set(inspect.signature(value).parameters) - {"self"} | {"return"} == set(hints)
