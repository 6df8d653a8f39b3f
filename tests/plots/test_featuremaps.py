"""Reads the PNG back: each tile's colours are its map's values."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from netdoctor.facts.activations import Moments
from netdoctor.facts.featuremaps import FeatureMapFacts, InputImage, Layout, MapFacts, Maps
from netdoctor.facts.site import Site
from netdoctor.plots import tiles
from netdoctor.plots.featuremaps import pictures
from netdoctor.plots.save import save_figures

MOMENTS = Moments(0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)


def facts_of(
    values: np.ndarray[Any, Any],
    kind: Any = "maps",
    *,
    total: int | None = None,
    prefix: np.ndarray[Any, Any] | None = None,
    scale: Any = "each",
    pixels: np.ndarray[Any, Any] | None = None,
) -> FeatureMapFacts:
    values = values.astype(np.float32)
    count = total or len(values)
    grid = values.shape[1:]
    layout = Layout(kind, count, grid, 0 if prefix is None else prefix.shape[1])
    site = Site("block.act")
    finite = values[np.isfinite(values)]
    maps = Maps(
        site, 0, layout, values, np.arange(len(values)),
        np.zeros((len(values), 0)) if prefix is None else prefix,
        float(finite.min()), float(finite.max()),
    )  # fmt: skip
    call = MapFacts(site, "relu", (1, count, *grid), "float32", layout, MOMENTS, 0, 0, 0)
    return FeatureMapFacts(
        [call], [maps], [InputImage("cat.png", pixels)], scale, False, 1, False, "cpu", 0
    )


def read_back(facts: FeatureMapFacts) -> np.ndarray[Any, Any]:
    (_, picture), *_ = pictures(facts)
    file = io.BytesIO()
    picture.write(file)
    with Image.open(file) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        return np.array(image)


def holds(picture: np.ndarray[Any, Any], tile: np.ndarray[Any, Any]) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(picture, tile.shape)
    starts = np.argwhere(windows[:, :, 0, 0] == tile[0, 0])
    return any(np.array_equal(windows[y, x], tile) for y, x in starts)


def test_levels_run_from_each_maps_minimum_to_its_maximum() -> None:
    maps = np.array([[[0.0, 1.0], [2.0, 4.0]], [[-8.0, 0.0], [4.0, 8.0]]])
    expected = np.floor(np.array([[[0, 0.25], [0.5, 1]], [[0, 0.5], [0.75, 1]]]) * 159.999)
    np.testing.assert_array_equal(tiles.levels_of(maps), expected)
    shared = tiles.levels_of(maps, -8.0, 8.0)
    np.testing.assert_array_equal(shared[0], np.floor((maps[0] + 8) / 16 * 159.999))


def test_constant_and_non_finite_values_have_colours_of_their_own() -> None:
    maps = np.array([[[3.0, 3.0]], [[np.nan, 1.0]], [[-np.inf, np.inf]], [[0.0, 1e38]]])
    levels = tiles.levels_of(maps.astype(np.float32))
    assert levels[0].tolist() == [[tiles.FLAT, tiles.FLAT]]
    assert levels[1, 0, 0] == tiles.NOT_FINITE
    assert levels[2].tolist() == [[tiles.NOT_FINITE] * 2]
    assert levels[3].tolist() == [[0, tiles.LEVELS - 1]]
    assert tiles.levels_of(np.array([[[-3e38, 3e38]]], np.float32)).tolist() == [[[0, 159]]]


def test_the_palette_is_viridis() -> None:
    colormaps = pytest.importorskip("matplotlib").colormaps
    expected = colormaps["viridis"](np.linspace(0, 1, tiles.LEVELS))[:, :3] * 255
    assert np.abs(tiles.palette()[: tiles.LEVELS] - expected).max() <= 3.5


@pytest.mark.parametrize("scale", ["each", "shared"])
def test_every_tile_is_in_the_picture(scale: str) -> None:
    maps = np.random.default_rng(0).normal(size=(9, 6, 8))
    picture = read_back(facts_of(maps, scale=scale))
    limits = (maps.min(), maps.max()) if scale == "shared" else ()
    for each in tiles.levels_of(maps.astype(np.float32), *limits):
        assert holds(picture, each.repeat(20, 0).repeat(20, 1))


def test_the_input_stands_beside_them() -> None:
    pixels = np.full((24, 24, 3), (200, 30, 40), np.uint8)
    (_, picture), *_ = pictures(facts_of(np.random.rand(4, 7, 7), pixels=pixels))
    shown = picture.colours[picture.indices].astype(int)
    assert (np.abs(shown - (200, 30, 40)).max(2) <= 6).sum() >= 24 * 24


def test_prefix_tokens_stand_above_their_map_in_its_colours() -> None:
    maps = np.array([[[0.0, 1.0], [2.0, 4.0]]])
    picture = read_back(facts_of(maps, "tokens", prefix=np.array([[4.0, 0.0]])))
    mark = np.full((tiles.MARK, tiles.MARK), tiles.LEVELS - 1)
    assert holds(picture, np.hstack([mark, np.full((tiles.MARK, 1), tiles.BACKGROUND), mark * 0]))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("series", (40, 300)), ("series", (3, 5000)), ("volume", (6, 5, 9, 7)), ("vector", (1000,)),
     ("vector", (3,)), ("maps", (64, 300, 400)), ("maps", (1, 2000, 3)), ("tokens", (384, 14, 14)),
     ("maps", (512, 7, 7))],
)  # fmt: skip
def test_every_layout_makes_a_picture_of_bounded_size(kind: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape)
    picture = read_back(facts_of(values, kind))
    assert 100 < picture.shape[1] < 4000
    assert picture.size < 12e6
    assert len(np.unique(picture[picture < tiles.LEVELS])) > 3


def test_the_numbers_of_the_channels_are_readable() -> None:
    levels = np.zeros((12, 30, 30), np.uint8)
    sheet = tiles.tiled(levels, np.arange(12), tiles.Cells((1, 1), 12))
    width = sheet.shape[1] // 12
    labels = [sheet[: tiles.LABEL_HEIGHT, at * width : (at + 1) * width] for at in range(12)]
    assert all((each != tiles.BACKGROUND).any() for each in labels)
    assert len({each.tobytes() for each in labels}) == 12


def test_large_maps_are_averaged_and_keep_their_nan() -> None:
    maps = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
    np.testing.assert_allclose(tiles.shrunk(maps, 4)[0, 0, 0], (0 + 1 + 8 + 9) / 4)
    maps[0, 3, 3] = np.nan
    assert np.isnan(tiles.shrunk(maps, 4)).sum() == 1


def test_files_are_named_after_the_call_and_written_whole(tmp_path: Path) -> None:
    facts = facts_of(np.random.rand(4, 7, 7))
    files = save_figures(pictures(facts), tmp_path, arrays={"featuremaps": facts.arrays()})
    assert [Path(each).name for each in files] == ["featuremaps-block.act-1.png", "featuremaps.npz"]
    with np.load(tmp_path / "featuremaps.npz") as arrays:
        np.testing.assert_array_equal(arrays["block.act#1.0.maps"], facts.maps[0].values)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted(
        Path(each).name for each in files
    )


def test_drawing_and_saving_import_neither_matplotlib_nor_torch() -> None:
    code = """
import sys, tempfile
from pathlib import Path
from tests.benchmarks.feature_maps import made_up
from netdoctor.plots.featuremaps import pictures
from netdoctor.plots.save import save_figures
save_figures(pictures(made_up(8, 7)), Path(tempfile.mkdtemp()))
print([each for each in ("matplotlib", "torch") if each in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
