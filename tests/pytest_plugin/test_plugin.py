"""The plugin as pytest finds it, in a pytest of its own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def installed(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution with the entry points that pyproject.toml declares."""
    declared = re.search(
        r"^\[project\.entry-points\.pytest11\]\n(.*?)\n\n", (ROOT / "pyproject.toml").read_text(),
        re.MULTILINE | re.DOTALL,
    )  # fmt: skip
    assert declared
    entry_points = declared[1].replace('"', "")
    package = pytester.mkdir("site") / "under_test-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: under-test\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[pytest11]\n{entry_points}\n")
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}:{ROOT}")
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", raising=False)


def test_sick_healthy_and_expected_to_fail(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from tests.pytest_plugin.nets import healthy, loader, sick

        def test_healthy(assert_healthy):
            assert assert_healthy(healthy(), loader()).ran

        def test_sick(assert_healthy):
            assert_healthy(sick(), loader(), select=["ACT"])

        @pytest.mark.xfail(raises=AssertionError, strict=True)
        def test_known_to_be_sick(assert_healthy):
            assert_healthy(sick(), loader(), select=["ACT"])
        """
    )
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=1, failed=1, xfailed=1)
    result.stdout.fnmatch_lines(
        [
            ">*assert_healthy(sick(), loader(), select=*",
            "E*AssertionError: sick: 1 error*",
            "E*error ACT001 dead-layer: 2#1",
            "E*32 of 32 units never fire*",
            "E*what to do: *",
        ]
    )
    result.stdout.no_fnmatch_line("*netdoctor/testing.py*")


def test_nothing_heavy_is_imported_before_a_test_asks(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_light():
            assert "netdoctor.pytest_plugin" in sys.modules
            heavy = {"torch", "numpy", "matplotlib", "rich", "typer", "yaml", "msgspec"}
            assert not heavy & set(sys.modules)
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_it_can_be_turned_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(assert_healthy): ...")
    result = pytester.runpytest_subprocess("-p", "no:netdoctor")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*fixture 'assert_healthy' not found*"])


def test_it_is_listed_with_what_it_does(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_subprocess("--fixtures")
    result.stdout.fnmatch_lines(["assert_healthy*", "*`netdoctor.assert_healthy`*"])


def test_a_fixture_of_the_users_own_comes_first(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def assert_healthy():
            return 3

        def test_it(assert_healthy):
            assert assert_healthy == 3
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
