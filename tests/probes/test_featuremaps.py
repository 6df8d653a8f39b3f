from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import netdoctor
from netdoctor.errors import NothingExaminedError, UsageError
from netdoctor.facts.featuremaps import FeatureMapFacts
from netdoctor.facts.site import Site
from netdoctor.probes.map_layout import Scene, layout_of, patch_grid
from netdoctor.probes.stages import selected


class Net(nn.Module):
    """Two stages; its one in-place ReLU overwrites what the convolutions gave."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.second = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 4)
        with torch.no_grad():
            self.first.weight[1], self.first.bias[1] = 0, -1  # dead behind the ReLU
            self.first.weight[2], self.first.bias[2] = 0, 0.5  # constant
            self.first.weight[4], self.first.bias[4] = self.first.weight[3], self.first.bias[3]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.relu(self.second(self.relu(self.first(x)))).mean((2, 3)))


def facts_of(model: nn.Module, data: Tensor, **options: object) -> FeatureMapFacts:
    facts: FeatureMapFacts = netdoctor.featuremaps(model, data, **options).facts
    return facts


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def test_the_table_agrees_with_the_plain_forward(net: Net) -> None:
    images = torch.randn(3, 3, 8, 8)
    row, *_ = netdoctor.featuremaps(net, images, layers=["relu#1"]).table("layers").rows
    with torch.no_grad():
        expected = net.first(images).relu()
    assert row["mean"] == pytest.approx(float(expected.mean()), rel=1e-5)
    assert row["std"] == pytest.approx(float(expected.std(correction=0)), rel=1e-5)
    assert row["sparsity"] == pytest.approx(float((expected.abs() < 0.01).float().mean()))
    assert (row["dead"], row["constant"], row["identical"]) == (1, 1, 1)


def test_an_in_place_relu_does_not_corrupt_what_was_kept(net: Net) -> None:
    images = torch.randn(2, 3, 8, 8)
    facts = facts_of(net, images, layers=["first"])
    with torch.no_grad():
        expected = net.first(images)
    for each in facts.maps:
        np.testing.assert_allclose(each.values, expected[each.sample].numpy(), atol=1e-6)
    assert facts.maps[0].values.min() < 0


def test_the_model_is_left_as_it_was(net: Net) -> None:
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    netdoctor.featuremaps(net, torch.randn(2, 3, 8, 8))
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_default_is_the_last_call_of_each_stage_and_is_named(net: Net) -> None:
    report = netdoctor.featuremaps(net, torch.randn(1, 3, 8, 8))
    assert [row["layer"] for row in report.table("layers").rows] == ["relu#1", "relu#2"]
    assert report.notes[-1] == "layers: the last of each stage: relu#1, relu#2"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", ["relu#1", "layer1#1", "layer2#1", "layer3#1", "layer4#1"]),
        ("convnext_tiny", [f"features.{at}#1" for at in (1, 3, 5, 7)]),
        ("vit_b_32", [f"encoder.layers.encoder_layer_{at}#1" for at in (2, 5, 8, 11)]),
    ],
)
def test_stages_of_known_networks(name: str, expected: list[str]) -> None:
    torchvision = pytest.importorskip("torchvision")
    side = 224 if name.startswith("vit") else 64
    model = torchvision.models.get_model(name, weights=None)
    facts = facts_of(model, torch.randn(1, 3, side, side))
    assert [str(call.site) for call in facts.calls] == expected


def test_only_the_most_active_maps(net: Net) -> None:
    images = torch.randn(1, 3, 8, 8)
    kept = facts_of(net, images, layers=["second"], top=3).maps[0]
    with torch.no_grad():
        level = net.second(net.first(images).relu())[0].abs().mean((1, 2))
    assert kept.channels.tolist() == level.argsort(descending=True)[:3].tolist()
    assert len(facts_of(net, images, layers=["second"], max_maps=5).maps[0].channels) == 5


def test_only_so_many_images(net: Net) -> None:
    facts = facts_of(net, torch.randn(9, 3, 8, 8), images=2)
    assert facts.samples == 2
    assert {each.sample for each in facts.maps} == {0, 1}


def test_nan_and_inf_are_counted(net: Net) -> None:
    images = torch.zeros(1, 3, 8, 8)
    images[0, 0, 0, 0], images[0, 1, 7, 7] = float("nan"), float("inf")
    row = netdoctor.featuremaps(nn.Sequential(nn.Identity()), images, layers=["0"]).table("layers")
    assert (row.rows[0]["nan"], row.rows[0]["inf"]) == (1, 1)


def test_a_wrong_name_suggests_near_misses(net: Net) -> None:
    with pytest.raises(NothingExaminedError, match="secnd") as caught:
        netdoctor.featuremaps(net, torch.randn(1, 3, 8, 8), layers=["first", "secnd"])
    assert "second" in caught.value.hint


@pytest.mark.parametrize("options", [{"top": 0}, {"images": 0}, {"scale": "all"}])
def test_impossible_options(net: Net, options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        netdoctor.featuremaps(net, torch.randn(1, 3, 8, 8), **options)


@pytest.mark.parametrize(
    ("tokens", "image", "patch", "expected"),
    [
        (197, (224, 224), (16, 16), (14, 14, 1)),
        (197, (224, 224), None, (14, 14, 1)),
        (261, (224, 224), (14, 14), (16, 16, 5)),
        (198, (224, 224), (16, 16), (14, 14, 2)),
        (73, (96, 192), (16, 16), (6, 12, 1)),
        (73, (96, 192), None, (6, 12, 1)),
        (49, (224, 224), (4, 4), (7, 7, 0)),
        (5, (224, 8), (4, 4), None),
    ],
)
def test_the_patch_grid_and_its_prefix_tokens(
    tokens: int,
    image: tuple[int, int],
    patch: tuple[int, int] | None,
    expected: tuple[int, int, int] | None,
) -> None:
    assert patch_grid(tokens, image, patch) == expected


@pytest.mark.parametrize(
    ("shape", "axis", "kind", "channels", "grid"),
    [
        ((2, 8, 5, 6), 1, "maps", 8, (5, 6)),
        ((2, 5, 6, 8), 3, "maps", 8, (5, 6)),
        ((2, 8, 5, 6), None, "maps", 8, (5, 6)),
        ((2, 8, 1, 1), 1, "vector", 8, (1, 1)),
        ((2, 8, 50), 1, "series", 8, (50,)),
        ((2, 8, 4, 5, 6), 1, "volume", 8, (4, 5, 6)),
        ((2, 8), 1, "vector", 8, ()),
    ],
)
def test_layouts(
    shape: tuple[int, ...], axis: int | None, kind: str, channels: int, grid: tuple[int, ...]
) -> None:
    layout = layout_of(shape, axis, Scene())
    assert layout is not None
    assert (layout.kind, layout.channels) == (kind, channels)
    assert layout.grid == (() if kind == "vector" else grid)


class Tokens(nn.Module):
    """Patches of 8 pixels, a class token and two registers before them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 8, stride=8)
        self.block = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.stem(x).flatten(2).transpose(1, 2)
        first = patches.new_tensor([7.0, 8.0, 9.0]).view(1, 3, 1).expand(len(x), 3, 4)
        return self.block(torch.cat([first, patches], 1))


def test_tokens_become_maps_and_the_prefix_is_told_apart() -> None:
    model, images = Tokens().eval(), torch.randn(1, 3, 32, 48)
    kept = facts_of(model, images, layers=["block"]).maps[0]
    with torch.no_grad():
        expected = model(images)[0].T
    assert (kept.layout.grid, kept.layout.prefix) == ((4, 6), 3)
    np.testing.assert_allclose(kept.prefix, expected[:, :3].numpy(), atol=1e-6)
    np.testing.assert_allclose(kept.values, expected[:, 3:].reshape(4, 4, 6).numpy(), atol=1e-6)


def test_a_star_stays_within_one_part_of_a_path() -> None:
    sites = [Site("layer1"), Site("layer1.0"), Site("layer1.0", "relu"), Site("layer2")]
    assert selected("layer*", sites) == [sites[0], sites[3]]
    assert selected("layer1.0", sites) == [sites[1]]
    assert selected("layer1.*", sites) == [sites[1]]
    assert selected("*relu*", sites) == [sites[2]]
    assert selected("other", sites) == []
