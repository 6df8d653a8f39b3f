"""Pictures and arrays are written whole or not at all, under names that are safe."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from netdoctor.errors import NetDoctorError
from netdoctor.plots.save import safe_name, save_figures, write_whole
from netdoctor.plots.style import new_figure, write


def picture() -> Figure:
    figure = new_figure(2, 1)
    write(figure, 0.2, 0.5, "text")
    return figure


def test_pictures_and_their_arrays_lie_side_by_side(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    numbers = {"file": np.arange(3), "a/../b#1": np.eye(2), "/relu#2": np.array([np.nan])}
    written = save_figures([("one", picture()), ("two", picture())], out, arrays={"one": numbers})
    assert written == [str(out / name) for name in ("one.png", "two.png", "one.npz")]
    assert sorted(os.listdir(out)) == ["one.npz", "one.png", "two.png"]
    with Image.open(out / "one.png") as image:
        assert image.size == (220, 110)
    with np.load(out / "one.npz") as loaded:
        assert set(loaded) == set(numbers)
        for key, array in numbers.items():
            np.testing.assert_array_equal(loaded[key], array)


def test_an_earlier_picture_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "one.png").write_text("old")
    save_figures([("one", picture())], tmp_path)
    with Image.open(tmp_path / "one.png") as image:
        image.verify()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError, SystemExit])
def test_what_is_interrupted_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "one.png"
    target.write_text("old")

    def half(file: IO[bytes]) -> None:
        file.write(b"half a picture")
        raise stop

    with pytest.raises(stop):
        write_whole(target, half)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["one.png"]


def test_files_have_the_permissions_of_any_other_new_file(tmp_path: Path) -> None:
    (tmp_path / "other").touch()
    save_figures([("one", picture())], tmp_path)
    assert (tmp_path / "one.png").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_folder_that_cannot_be_made_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(NetDoctorError, match="taken") as caught:
        save_figures([("one", picture())], tmp_path / "taken")
    assert "--out" in caught.value.hint


def test_equal_stems_get_files_of_their_own(tmp_path: Path) -> None:
    written = save_figures([("A", picture()), ("a", picture())], tmp_path)
    assert len({path.lower() for path in written}) == 2
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("layer1.0.relu#2", "layer1.0.relu-2"),
        ("Conv2d_1a_3x3/relu#1", "Conv2d_1a_3x3-relu-1"),
        ("/relu#1", "relu-1"),
    ],
)
def test_ordinary_names_stay_readable(text: str, name: str) -> None:
    assert safe_name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "[red]x/../y",
        "",
        "..",
        "../../etc/passwd",
        "a" * 300,
        "层",
        "x\n\0y",
        ".hidden",
        "-rf",
        "$x^2$",
    ],
)
def test_every_name_is_one_short_plain_file_name(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name) <= 100
    assert name.isascii()
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert not name.startswith((".", "-"))
    assert ".." not in name


def test_different_odd_names_stay_different() -> None:
    names = {safe_name(text) for text in ("[red]x", "(red)x", "层", "块", "a" * 200, "a" * 201)}
    assert len(names) == 6


def test_no_warning_about_glyphs_reaches_the_user(tmp_path: Path) -> None:
    figure = new_figure(2, 1)
    figure.text(0, 0, "层 \U0001f680")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        save_figures([("one", figure)], tmp_path)
    assert not seen
