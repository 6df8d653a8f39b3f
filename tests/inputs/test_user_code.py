from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from netdoctor.errors import DataError, ModelError
from netdoctor.inputs.user_code import call_user, describe, guarded, import_object, near_paths


def found(spec: str) -> object:
    return import_object(spec, what="model", error=ModelError)


def test_a_file_is_imported_once_under_its_real_name(tmp_path: Path) -> None:
    path = tmp_path / "users_net_one.py"
    path.write_text("class Box:\n    value = 3\n")
    assert found(f"{path}:Box.value") == 3
    assert found(f"{path}:Box") is sys.modules["users_net_one"].Box


def test_a_file_in_a_package_keeps_its_dotted_name_and_relative_imports(tmp_path: Path) -> None:
    package = tmp_path / "users_package" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "users_package" / "__init__.py").touch()
    (package / "__init__.py").touch()
    (package / "sizes.py").write_text("WIDTH = 7\n")
    (package / "net.py").write_text("from .sizes import WIDTH\n")
    assert found(f"{package / 'net.py'}:WIDTH") == 7
    assert "users_package.inner.net" in sys.modules


def test_a_file_whose_name_is_taken_is_still_imported(tmp_path: Path) -> None:
    import json

    (tmp_path / "json.py").write_text("make = 'mine'\n")
    assert found(f"{tmp_path / 'json.py'}:make") == "mine"
    assert sys.modules["json"] is json


def test_a_module_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "users_net_two.py").write_text("answer = 42\n")
    assert found("users_net_two:answer") == 42


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ("{0}/users_nte.py:make", "no file", "users_net.py"),
        ("{0}/users_net.py:mkae", "users_net has no mkae", "make"),
        ("{0}/users_net.py:zzz", "users_net has no zzz", "defines make, Other"),
        ("{0}/users_net.py", "does not say which", "users_net.py:make"),
        ("{0}/users_net:make", "does not end in .py", "users_net.py:make"),
        ("{0}/nowhere:make", "does not end in .py", "path/to/file.py"),
        (":make", "which module or file", "path/to/file.py:make"),
        ("https://example.com/net.py", "web address", "Download it"),
        ("qqzzxx:make", "no module qqzzxx", "path/to/file.py"),
        ("jsn:loads", "no module jsn", "json"),
        ("json.decodr:loads", "no module json.decodr", "json.decoder"),
        ("json:lods", "json has no lods", "loads"),
    ],
)
def test_near_misses(tmp_path: Path, spec: str, message: str, hint: str) -> None:
    (tmp_path / "users_net.py").write_text("def make(): ...\nclass Other: ...\n")
    with pytest.raises(ModelError) as caught:
        found(spec.format(tmp_path))
    assert message in caught.value.message
    assert hint in caught.value.hint
    sys.modules.pop("users_net", None)


@pytest.mark.parametrize(
    ("code", "text", "line"),
    [
        ("x = 1\ny = x / 0\n", "ZeroDivisionError: division by zero", 2),
        ("import nonexistent_thing\n", "ModuleNotFoundError", 1),
        ("x = (\n", "SyntaxError", 1),
        ("import sys\n\nsys.exit(3)\n", r"sys.exit\(3\)", 3),
        ("import json\n\n\njson.loads('{')\n", "JSONDecodeError", 4),
    ],
)
def test_an_import_that_raises_shows_the_users_own_line(
    tmp_path: Path, code: str, text: str, line: int
) -> None:
    path = tmp_path / "users_broken_net.py"
    path.write_text(code)
    with pytest.raises(ModelError, match=text) as caught:
        found(f"{path}:make")
    assert f"{path}:{line}" in caught.value.message
    assert "users_broken_net" not in sys.modules


def test_what_a_call_raises_becomes_the_error_asked_for() -> None:
    def fails(number: int, *, more: int) -> None:
        raise ValueError(f"{number} {more}")

    with pytest.raises(DataError, match=r"my:fails raised ValueError: 1 2 \(at .*test_user_code"):
        call_user(fails, 1, more=2, spec="my:fails", error=DataError)
    assert call_user(max, 1, 2, spec="max", error=DataError) == 2


@pytest.mark.parametrize("exception", [KeyboardInterrupt(), MemoryError(), ModelError("own")])
def test_interrupts_memory_and_own_errors_pass(exception: BaseException) -> None:
    with pytest.raises(type(exception)) as caught, guarded("it", DataError):
        raise exception
    assert caught.value is exception


def test_a_path_with_a_missing_folder_suggests_the_folder(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert str(tmp_path / "images") in near_paths(tmp_path / "imags" / "a.png")


def test_torch_is_not_imported() -> None:
    code = "import sys, netdoctor.inputs.user_code; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("import qqzzxx_not_here", "Install qqzzxx_not_here"),
        ("raise SystemExit", "__main__"),
        ("1 / 0", "Fix the error there"),
    ],
)
def test_the_hint_fits_what_an_import_raised(tmp_path: Path, source: str, hint: str) -> None:
    (tmp_path / "users_fault.py").write_text(f"{source}\n")
    with pytest.raises(ModelError) as caught:
        found(f"{tmp_path}/users_fault.py:make")
    assert hint in caught.value.hint


class _MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_an_exception_without_a_text_and_one_with_a_very_long_one() -> None:
    assert "_MuteError: (its text cannot be had: RuntimeError)" in describe(_MuteError())
    assert len(describe(ValueError("x" * 100_000))) < 3000
