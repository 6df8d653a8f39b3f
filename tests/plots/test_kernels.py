"""Pictures of kernels: the right value at the right place, on the scale that is stated."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import netdoctor
from netdoctor.facts.kernels import KernelFacts, Kernels
from netdoctor.plots.kernels import colours, picture, pictures, scale
from netdoctor.plots.tiles import LEVELS, NOT_FINITE, grey_palette, palette


def kept(layer: nn.Module, **options: int) -> Kernels:
    facts = netdoctor.kernels(nn.Sequential(layer), **options).facts
    assert isinstance(facts, KernelFacts)
    return facts.kernels[0]


def drawn(kernels: Kernels) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    file = io.BytesIO()
    picture(kernels).write(file)
    return np.asarray(Image.open(file).convert("RGB"))


def shares(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], colour: object) -> int:
    return int((pixels == np.asarray(colour)).all(-1).sum())


def test_norms_are_over_the_input_channels() -> None:
    layer = nn.Conv2d(5, 4, 3)
    found = kept(layer)
    slow = np.sqrt((layer.weight.detach().double().numpy() ** 2).sum(1))
    np.testing.assert_allclose(found.values, slow, rtol=1e-5)
    assert (found.layout, found.normed, scale(found)[0]) == ("norms", True, 0)
    one = kept(layer, channel=2)
    np.testing.assert_array_equal(one.values, layer.weight.detach()[:, 2].numpy())
    assert (one.layout, one.channel) == ("channel", 2)
    assert scale(one)[0] == -scale(one)[1]


def test_three_channels_are_colours_about_grey() -> None:
    values = np.zeros((2, 2, 2, 3), np.float32)
    values[0, 0, 0] = (1, -1, 0.5)
    values[1, 1, 1, 0] = np.nan
    pixels = colours(values, 1.0)
    assert pixels[0, 0, 0].tolist() == [255, 0, 191]
    assert pixels[0, 1, 1].tolist() == [128, 128, 128]
    assert pixels[1, 1, 1].tolist() == palette()[NOT_FINITE].tolist()
    layer = nn.Conv2d(3, 2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(values).movedim(-1, 1))
    assert shares(drawn(kept(layer)), (255, 0, 191)) > 1000


def test_the_top_kernels_are_those_of_the_largest_norm() -> None:
    layer = nn.Conv2d(4, 30, 3)
    norms = layer.weight.detach().flatten(1).norm(dim=1).numpy()
    found = kept(layer, top=5)
    assert found.numbers.tolist() == np.argsort(-norms)[:5].tolist()
    assert kept(layer, max_kernels=7).numbers.tolist() == list(range(7))


LAYERS = (
    (nn.Conv1d(4, 6, 9), "rows"), (nn.Conv3d(2, 6, (3, 4, 4)), "slices"),
    (nn.Conv2d(8, 40, 1), "matrix"), (nn.Conv2d(6, 6, 3, groups=6), "kernels"),
    (nn.ConvTranspose2d(8, 12, 4, groups=2), "norms"), (nn.Conv1d(4, 6, 1), "matrix"),
)  # fmt: skip


@pytest.mark.parametrize(("layer", "layout"), LAYERS)
def test_every_kind_is_drawn_with_its_largest_value_brightest(
    layer: nn.Module, layout: str
) -> None:
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight.view(-1)[3] = 2.0
    found = kept(layer)
    assert found.layout == layout
    assert found.high == 2.0
    assert shares(drawn(found), grey_palette()[LEVELS - 1]) > 50


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_weights_of_nothing_else_can_be_drawn(value: float) -> None:
    for layer in (nn.Conv2d(3, 4, 3), nn.Conv2d(5, 4, 3), nn.Conv2d(5, 4, 1), nn.Conv3d(2, 3, 3)):
        with torch.no_grad():
            layer.weight.fill_(value)
        marked = shares(drawn(kept(layer)), palette()[NOT_FINITE])
        assert bool(marked) is (value != 0)


def test_there_is_a_picture_a_convolution_and_none_of_linear_layers() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    stems = [stem for stem, _ in pictures(netdoctor.kernels(model).facts)]
    assert stems == ["kernels-0"]
