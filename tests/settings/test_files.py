"""Which file counts, what its paths are relative to, and what is no file of settings."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from netdoctor.config import merge
from netdoctor.errors import ConfigError
from netdoctor.settings import files
from netdoctor.settings.files import MOST_BYTES, find_file, read_file, read_found

TABLE = "[tool.netdoctor]\nbatches = 4\n"
OTHER = "[tool.ruff]\nline-length = 100\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder a/b/c, the innermost one the working directory."""
    inner = tmp_path / "a" / "b" / "c"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    return tmp_path / "a"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["netdoctor.yaml", "netdoctor.yml", "pyproject.toml"])
def test_the_nearest_file_counts(tree: Path, name: str) -> None:
    assert find_file() is None
    outer = write(tree / "netdoctor.yaml", "batches: 4\n")
    assert find_file() == outer
    nearer = write(tree / "b" / name, TABLE if name.endswith("toml") else "batches: 5\n")
    assert find_file() == nearer
    assert find_file(tree) == outer


def test_the_order_in_one_folder(tree: Path) -> None:
    for name in ("pyproject.toml", "netdoctor.yml", "netdoctor.yaml"):
        nearest = write(tree / name, TABLE if name.endswith("toml") else "batches: 5\n")
        assert find_file() == nearest


@pytest.mark.parametrize(
    "text",
    [
        OTHER,
        '[project]\ndependencies = ["torch-netdoctor"]\n',
        "# [tool.netdoctor]\n[tool.other]\nnetdoctor = 1\n",
        "tool = 3 # netdoctor\n",
        "[tool.ruff\n",
        'broken = "netdoctor\n',
    ],
)
def test_a_pyproject_without_the_table_does_not_count(tree: Path, text: str) -> None:
    write(tree / "b" / "pyproject.toml", text)
    assert find_file() is None
    outer = write(tree / "pyproject.toml", OTHER + TABLE)
    assert find_file() == outer
    assert read_found(outer).values == {"batches": 4}


def test_an_empty_table_counts(tree: Path) -> None:
    write(tree / "pyproject.toml", TABLE)
    nearer = write(tree / "b" / "pyproject.toml", "[tool.netdoctor]\n")
    assert find_file() == nearer
    assert merge({}, read_found(nearer)).config.batches == 10


def test_a_repository_does_not_end_the_search(tree: Path) -> None:
    (tree / "b" / ".git").mkdir()
    assert find_file() is None
    outer = write(tree / "netdoctor.yaml", "")
    assert find_file() == outer


def test_a_working_directory_that_was_removed(tree: Path) -> None:
    (tree / "b" / "c").rmdir()
    assert find_file() is None


def test_looking_is_quick(tree: Path) -> None:
    write(tree / "pyproject.toml", OTHER * 200)
    deep = tree.joinpath(*["d"] * 20)
    deep.mkdir(parents=True)
    start = time.perf_counter()
    for _ in range(20):
        assert find_file(deep) is None
    assert (time.perf_counter() - start) / 20 < 0.005


def test_paths_in_a_file_that_was_found_start_at_its_folder(tree: Path) -> None:
    (tree / "data").mkdir()
    write(
        tree / "netdoctor.yaml",
        "data: photos\nout: pics\ncheckpoint: ~/a.pt\nbaseline: /b.json\nhistory: ../h.jsonl\n"
        "loss: losses.py:make\n",
    )
    file = read_found(tree / "netdoctor.yaml")
    config = merge({}, file).config
    assert config.data == str(tree / "photos")
    assert config.out == str(tree / "pics")
    assert (config.checkpoint, config.baseline) == ("~/a.pt", "/b.json")
    assert config.history == str(tree / ".." / "h.jsonl")
    assert config.loss == f"{tree}/losses.py:make"
    assert merge({"out": "x"}, file).config.out == "x"


@pytest.mark.parametrize(
    ("key", "value", "seen"),
    [
        ("data", "random", "random"),
        ("data", "my_module:loader", "my_module:loader"),
        ("data", "lib/my.py:loader", "{}/lib/my.py:loader"),
        ("data", "torchvision:MNIST?root=d&train=no", "torchvision:MNIST?root={}/d&train=no"),
        ("data", "torchvision:MNIST?train=no&root=/d", "torchvision:MNIST?train=no&root=/d"),
        ("loss", "mse", "mse"),
        ("loss", "losses:make", "losses:make"),
        ("weights", "DEFAULT", "DEFAULT"),
    ],
)  # fmt: skip
def test_what_is_no_path_stays(tree: Path, key: str, value: str, seen: str) -> None:
    path = write(tree / "netdoctor.yaml", f"{key}: {value}\n")
    config = merge({}, read_found(path)).config
    assert getattr(config, key) == seen.format(tree)


def test_paths_in_a_file_of_config_or_of_the_working_directory_stay(tree: Path) -> None:
    path = write(tree / "netdoctor.yaml", "out: pics\n")
    assert merge({}, path).config.out == "pics"
    here = write(tree / "b" / "c" / "netdoctor.yaml", "out: pics\n")
    assert merge({}, read_found(here)).config.out == "pics"


def test_toml_has_the_same_keys(tree: Path) -> None:
    toml = (
        'fail-on = "warning"\nmean = [0.5, 0.5, 0.5]\nrules.ACT002.threshold = 0.6\n'
        '[commands.gradcam]\nmethod = "layercam"\n'
    )
    config = merge({}, write(tree / "own.toml", toml), commands=_gradcam).config
    assert config.fail_on.value == "warning"
    assert config.mean == (0.5, 0.5, 0.5)
    assert config.rules == {"ACT002": {"threshold": 0.6}}
    path = write(tree / "pyproject.toml", OTHER + "[tool.netdoctor]\nbacthes = 3\n")
    with pytest.raises(ConfigError, match=r"pyproject\.toml: bacthes: unknown key") as caught:
        merge({}, path)
    assert "batches" in caught.value.hint


def _gradcam() -> Any:
    from netdoctor.cli.app import make_app

    return make_app("").command_keys


def bomb() -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]")
    return "\n".join(lines)


HOSTILE = {
    "aliases": (bomb().encode(), "anchors and aliases (&name, *name) are not allowed"),
    "recursive": (b"data: &a [*a]\n", "anchors and aliases"),
    "merge": (b"a: &b {seed: 1}\n<<: *b\n", "anchors and aliases"),
    "deep": (b"a: " + b"[" * 50_000, "nested too deeply"),
    "large": (b"# " + b"x" * MOST_BYTES, "larger than 256 KiB"),
    "nul": (b"seed: 1\0\n", "special characters are not allowed"),
    "latin": ("out: Prüfung\n".encode("latin-1"), "not text in UTF-8: byte 7 is 0xfc"),
    "utf16": ("seed: 1\n".encode("utf-16"), "not text in UTF-8: byte 0 is 0xff"),
    "binary": (bytes(range(256)), "not text in UTF-8"),
    "tab": (b"commands:\n\tgradcam: {}\n", "line 2"),
    "two": (b"seed: 1\n---\nseed: 2\n", "line 2"),
    "tag": (b"seed: !int 1\n", "could not determine a constructor for the tag"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_one_message(tmp_path: Path, kind: str) -> None:
    content, message = HOSTILE[kind]
    path = tmp_path / "netdoctor.yaml"
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(ConfigError) as caught:
        read_found(path)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 400
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("text", ["a = ", "a = 1\na = 2\n", "a = " + "[" * 50_000, "a = 1e"])
def test_broken_toml_is_one_message(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is not valid TOML") as caught:
        read_file(write(tmp_path / "own.toml", text))
    assert len(caught.value.message) < 400


def test_a_pyproject_of_config_needs_the_table(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no table \[tool\.netdoctor\]"):
        read_file(write(tmp_path / "pyproject.toml", OTHER))


def test_an_endless_file_is_not_read_to_its_end() -> None:
    with pytest.raises(ConfigError, match="larger than 256 KiB"):
        read_file(Path("/dev/zero"))


def test_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "netdoctor.yaml"
    path.write_bytes(b"\xef\xbb\xbfseed: 3\n")
    assert read_file(path).values == {"seed": 3}


def test_what_cannot_be_read_is_one_message(tree: Path) -> None:
    path = tree / "netdoctor.yaml"
    path.mkdir()
    assert find_file() == path
    with pytest.raises(ConfigError, match=r"cannot read the config file .*Is a directory"):
        read_found(path)
    path.rmdir()
    path.symlink_to("nowhere.yaml")
    assert find_file() == path
    with pytest.raises(ConfigError, match=r"a link to nowhere\.yaml, which does not exist"):
        read_found(path)
    path.unlink()
    path.symlink_to("netdoctor.yaml")
    with pytest.raises(ConfigError, match="cannot read the config file"):
        read_found(path)


def test_a_pipe_that_was_found_is_refused_at_once(tree: Path) -> None:
    os.mkfifo(tree / "netdoctor.yaml")
    with pytest.raises(ConfigError, match="neither a file nor a link to one"):
        read_found(tree / "netdoctor.yaml")


def test_a_file_without_permission_is_one_message(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tree / "netdoctor.yaml", "seed: 1\n")

    def refused(*_: Any) -> Any:  # root, as whom tests may run, is never refused
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(ConfigError, match=r"netdoctor\.yaml: Permission denied"):
        read_found(path)


def test_somebody_elses_file_in_a_folder_of_all_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tree / "netdoctor.yaml", "data: evil.py:run\n")
    monkeypatch.setattr(files.os, "getuid", lambda: os.stat(path).st_uid + 1)
    monkeypatch.setattr(files, "_ROOT", -1)
    assert read_found(path).values
    tree.chmod(0o777 | stat.S_ISVTX)
    with pytest.raises(ConfigError, match="belongs to another user") as caught:
        read_found(path)
    assert "--no-config" in caught.value.hint
    assert read_file(path).values
