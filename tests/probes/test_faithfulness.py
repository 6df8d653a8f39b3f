"""Insertion, deletion and ROAD against slow versions, and on a score whose right map is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pytorch_grad_cam.metrics.road import NoisyLinearImputer, ROADCombined
from torch import Tensor, nn

from netdoctor.facts.faithfulness import Faithfulness, mean_faithfulness
from netdoctor.probes.faithfulness import blur, faithfulness, road
from netdoctor.probes.imputation import linear_imputation

SIZE, CELLS = 32, 8
BOX = (slice(8, 16), slice(16, 28))  # rows and columns of pixels; whole cells of 4 pixels

of_grad_cam = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")


def picture(seed: int = 0) -> Tensor:
    """(3, 32, 32) stripes in the box on a ground of noise."""
    image = 0.1 * torch.randn(3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    image[(slice(None), *BOX)] += torch.tensor([2.0, -2.0]).repeat_interleave(2).repeat(3)
    return image


def stripes(images: Tensor) -> Tensor:
    """The contrast in the box, within [0, 1]."""
    box = images[(slice(None), slice(None), *BOX)]
    return box.std((1, 2, 3)) / 2.1


def heat(seed: int = 1) -> Tensor:
    """(8, 8) hottest in the box, without ties."""
    cells = torch.rand(CELLS, CELLS, generator=torch.Generator().manual_seed(seed)) * 0.1
    cells[2:4, 4:7] += 1
    return cells


def test_the_right_map_beats_random_orders_and_its_opposite_does_not() -> None:
    right = faithfulness(stripes, picture(), heat())
    wrong = faithfulness(stripes, picture(), -heat())
    assert right.better_than_random
    assert right.gap > 0.6 > right.random_gap + 2 * right.random_error
    assert wrong.better_than_random is False
    assert wrong.gap == pytest.approx(-right.gap, abs=0.1)
    assert right.road > 0.1 > -0.1 > wrong.road
    assert right.orders == 10
    assert right.reason == ""


@pytest.mark.parametrize("shape", [(8, 8), (5, 7)])
def test_the_areas_are_those_of_a_loop_over_the_cells(shape: tuple[int, int]) -> None:
    image, cells = picture(), torch.rand(shape, generator=torch.Generator().manual_seed(2))
    found = faithfulness(stripes, image, cells, steps=4, batch_size=3)
    soft = blur(image)
    order = sorted(np.ndindex(shape), key=lambda place: -float(cells[place]))
    number = len(order)
    counts = [0, *(round(number * step / 4) for step in (1, 2, 3)), number]
    inserted, deleted = [], []
    for count in counts:
        into, out_of = soft.clone(), image.clone()
        for y in range(SIZE):
            for x in range(SIZE):
                if (y * shape[0] // SIZE, x * shape[1] // SIZE) in order[:count]:
                    into[:, y, x] = image[:, y, x]
                    out_of[:, y, x] = soft[:, y, x]
        inserted.append(float(stripes(into[None])))
        deleted.append(float(stripes(out_of[None])))
    shares = np.array(counts) / number
    assert found.insertion == pytest.approx(np.trapezoid(inserted, shares), abs=1e-6)
    assert found.deletion == pytest.approx(np.trapezoid(deleted, shares), abs=1e-6)


def test_the_result_depends_on_the_seed_alone() -> None:
    first, second, other = (
        faithfulness(stripes, picture(), heat(), seed=seed, batch_size=size)
        for seed, size in ((0, 16), (0, 5), (1, 16))
    )
    assert first.random_gap == pytest.approx(second.random_gap, abs=1e-6)
    assert first.road == pytest.approx(second.road, abs=1e-6)
    assert first.random_gap != other.random_gap


def test_hot_or_cold_blocks_of_equal_heat_are_ordered_at_random() -> None:
    flat = torch.zeros(CELLS, CELLS)
    flat[0, 0] = 1
    gaps = [faithfulness(stripes, picture(), flat, seed=seed, orders=2).gap for seed in range(8)]
    assert len(set(gaps)) == 8
    assert abs(np.mean(gaps)) < 0.3
    rolled = torch.zeros(CELLS, CELLS)
    rolled[0, 0] = 1e-3
    again = faithfulness(stripes, picture(), rolled, seed=0, orders=2).gap
    assert again == gaps[0]


def test_random_maps_are_seldom_better_than_random() -> None:
    passed = [
        faithfulness(stripes, picture(seed), torch.rand(CELLS, CELLS)).better_than_random
        for seed in range(20)
    ]
    assert sum(map(bool, passed)) <= 4


def test_no_more_forward_passes_than_said() -> None:
    seen: list[int] = []

    def score(images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        seen.append(len(images))
        return stripes(images)

    faithfulness(score, picture(), heat())
    assert sum(seen) == 100
    assert max(seen) == 16


@pytest.mark.parametrize(
    ("cells", "scale", "reason"),
    [
        (torch.zeros(7, 7), 1.0, "the map is blank"),
        (torch.full((7, 7), torch.nan), 1.0, "the map is not finite"),
        (torch.ones(1, 1), 1.0, "a map of one cell has no order"),
        (heat(), 0.1, "the score is 0.0"),
        (heat(), torch.nan, "the score is not finite"),
    ],
)
def test_what_cannot_be_measured_is_said(cells: Tensor, scale: float, reason: str) -> None:
    found = faithfulness(lambda images: stripes(images) * scale, picture(), cells)
    assert found.reason.startswith(reason)
    assert found.better_than_random is None
    assert math.isnan(found.insertion)


def test_a_score_that_survives_the_blur_is_not_measured() -> None:
    found = faithfulness(lambda images: torch.full((len(images),), 0.8), picture(), heat())
    assert found.reason == "a blurred image scores 0.8, the image itself 0.8"


@of_grad_cam
@pytest.mark.parametrize("size", [(48, 48), (37, 61), (9, 2)])
@pytest.mark.parametrize("left", [0.9, 0.5, 0.1])
def test_imputed_pixels_are_those_of_a_direct_solution(size: tuple[int, int], left: float) -> None:
    rng = torch.Generator().manual_seed(3)
    images = torch.randn(2, 3, *size, generator=rng)
    rough = F.interpolate(torch.rand(2, 1, 4, 4, generator=rng), size, mode="bilinear")[:, 0]
    known = rough < rough.flatten(1).quantile(left, 1).view(2, 1, 1)
    filled = linear_imputation(images, known)
    for image, mask, found in zip(images, known, filled, strict=True):
        expected = NoisyLinearImputer(noise=0)(image, mask.float())
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


def test_nothing_known_leaves_the_image() -> None:
    images = torch.randn(1, 3, 12, 12)
    known = torch.zeros(1, 12, 12, dtype=torch.bool)
    assert torch.equal(linear_imputation(images, known), images)
    assert torch.equal(linear_imputation(images, ~known), images)


@of_grad_cam
def test_road_is_that_of_grad_cam() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 5, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(128, 4),
    ).eval()  # fmt: skip
    image, cells = picture(), torch.rand(CELLS, CELLS)
    large = F.interpolate(cells[None, None], (SIZE, SIZE), mode="bilinear")[0].numpy()
    with torch.no_grad():
        expected = ROADCombined([10, 30, 50, 70, 90])(
            image[None], large, [lambda output: output[1]], net
        )
        spread = float(net(picture()[None]).std())
    found = road(lambda images: net(images)[:, 1], image, cells)
    assert found == pytest.approx(float(expected[0]), abs=0.01 * spread)


def test_the_mean_over_images_adds_up_errors_of_independent_images() -> None:
    one = Faithfulness(0.6, 0.2, 0.02, 0.3, 0.2, 10)
    other = Faithfulness(0.8, 0.2, -0.02, 0.4, 0.4, 10)
    missing = Faithfulness(math.nan, math.nan, math.nan, math.nan, math.nan, 0, "the map is blank")
    mean = mean_faithfulness([one, missing, other])
    assert (mean.insertion, mean.deletion, mean.road) == pytest.approx((0.7, 0.2, 0.3))
    assert mean.random_gap == pytest.approx(0)
    assert mean.random_error == pytest.approx(0.25)
    assert not mean.better_than_random
    assert mean_faithfulness([missing]).reason == "the map is blank"
    assert mean_faithfulness([]).reason == "no image"
