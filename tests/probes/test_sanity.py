"""Maps that follow the weights pass the randomisation test; a map of the image's edges does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor, nn

from netdoctor.facts.faithfulness import Sanity, SanityFacts
from netdoctor.probes.sanity import layers_by_call, randomised, rank_correlation, sanity
from netdoctor.report import Finding
from netdoctor.rules.core import judge
from netdoctor.rules.sanity import weight_insensitive_heatmap  # noqa: F401  registers it
from netdoctor.rules.selection import find_rule
from sample_models import networks
from sample_models.shapes import test_set as drawings
from tests.observe.state import fingerprint

IMAGES = torch.stack([drawings()[place][0] for place in range(6)])


def gradcam(network: nn.Module, layer: str) -> Callable[[], Tensor]:
    """The raw maps of the predicted classes, negative values kept."""
    with torch.no_grad():
        targets = network(IMAGES).argmax(1)

    def maps() -> Tensor:
        kept: list[Tensor] = []
        module = network.get_submodule(layer)
        handle = module.register_forward_hook(lambda m, i, output: kept.append(output))
        try:
            with torch.enable_grad():
                score = network(IMAGES).gather(1, targets[:, None]).sum()
        finally:
            handle.remove()
        (gradient,) = torch.autograd.grad(score, kept[0])
        return (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1).detach()

    return maps


def edges() -> Tensor:
    """What an edge detector says of the images, at 12×12."""
    grey = IMAGES.mean(1, keepdim=True)
    x, y = grey.diff(dim=3)[:, :, 1:], grey.diff(dim=2)[..., 1:]
    return F.adaptive_avg_pool2d(x.abs() + y.abs(), 12)[:, 0]


def findings(test: Sanity, *, fresh: bool | None = False) -> tuple[Finding, ...]:
    facts = SanityFacts("gradcam", "features", test, fresh)
    return judge(facts, [find_rule("CAM002")]).findings


@pytest.mark.parametrize(
    ("name", "layer"),
    [("healthy", "down2.1"), ("healthy", "block2"), ("healthy_convnext", "stage2")],
)
def test_the_maps_of_a_trained_network_follow_its_weights(name: str, layer: str) -> None:
    network = getattr(networks, name)()
    test = sanity(network, gradcam(network, layer))
    assert test.final < 0.5
    assert test.correlations[0] < 1
    assert (test.images, test.draws, len(test.steps)) == (6, 3, 5)
    assert test.steps[-1].startswith("stem")
    assert findings(test) == ()


def test_edges_do_not_follow_the_weights() -> None:
    network = networks.healthy()
    test = sanity(network, lambda: (network(IMAGES), edges())[1])
    assert test.correlations == pytest.approx((1.0,) * 5)
    assert test.error == pytest.approx(0)
    (finding,) = findings(test)
    assert finding.rule == "weight-insensitive-heatmap"
    assert "1.00 ± 0.00" in finding.message
    assert findings(test, fresh=True) == ()


def test_a_method_that_reads_activations_alone_sees_only_the_layers_below() -> None:
    network = networks.healthy()

    def energy() -> Tensor:
        kept: list[Tensor] = []
        handle = network.block2.register_forward_hook(lambda m, i, output: kept.append(output))
        with torch.no_grad():
            network(IMAGES)
        handle.remove()
        return kept[0].square().sum(1)

    test = sanity(network, energy, groups=99)
    assert test.steps[0] == "head"
    assert test.correlations[0] == pytest.approx(1)
    assert test.final < 0.7


def test_blank_maps_are_said_and_maps_that_turn_blank_are_not_alike() -> None:
    network = networks.healthy()
    assert sanity(network, lambda: torch.zeros(2, 6, 6)).reason == "the maps are blank"
    maps = iter([edges()] + [torch.full((6, 12, 12), torch.nan)] * 7)
    assert sanity(network, lambda: next(maps)).final == 0
    assert sanity(nn.ReLU(), edges).reason == "the model has no parameters"


def test_the_model_is_as_found_also_after_an_exception() -> None:
    network = networks.healthy().train()
    before = fingerprint(network)
    passes = 0

    def maps() -> Tensor:
        nonlocal passes
        passes += 1
        if passes == 4:
            raise ValueError("no map")
        network(IMAGES)
        return edges()

    with pytest.raises(ValueError, match="no map"):
        sanity(network, maps)
    assert passes == 4
    assert fingerprint(network) == before


def test_layer_after_layer_is_made_random_from_the_last() -> None:
    network = networks.healthy()
    before = {name: each.clone() for name, each in network.named_parameters()}

    def changed() -> set[str]:
        return {
            n.rpartition(".")[0] for n, p in network.named_parameters() if not p.equal(before[n])
        }

    order = layers_by_call(network, [])
    with randomised(network, order, groups=len(order)) as steps:
        for number, lowest in enumerate(steps, 1):
            assert lowest == order[-number]
            assert changed() == set(order[-number:])
        statistics = network.stem[1].running_mean
        network(IMAGES)
        assert network.stem[1].running_mean is not statistics
    assert changed() == set()


def test_norm_layers_normalise_what_they_are_given() -> None:
    network = networks.healthy_functional()
    found: list[Tensor] = []
    with randomised(network) as steps:
        list(steps)
        for norm in network.norms:
            norm.register_forward_hook(lambda m, i, output: found.append(output.detach()))
        network(IMAGES)
    for each in found:
        torch.testing.assert_close(
            each.mean((0, 2, 3)), torch.zeros(each.shape[1]), atol=1e-4, rtol=0
        )
        assert each.std((0, 2, 3)).mean() == pytest.approx(1, abs=0.01)
    assert len(found) == 4


def test_the_signal_keeps_its_size_in_a_deep_network_without_norm_layers() -> None:
    layers = [part for _ in range(30) for part in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU())]
    network = nn.Sequential(*layers)
    x = torch.randn(4, 16, 8, 8)
    with randomised(network) as steps, torch.no_grad():
        list(steps)
        assert 1e-3 < network(x).std() < 1e3


def test_shared_weights_are_drawn_once_and_the_order_is_that_of_the_calls() -> None:
    class Reversed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.body = nn.Linear(4, 4), nn.Linear(4, 4)
            self.tied = nn.Linear(4, 4)
            self.tied.weight = self.body.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.tied(self.body(x)))

    network = Reversed()
    assert layers_by_call(network, ["body", "tied", "head", ""]) == ["body", "tied", "head"]
    with randomised(network, ["body", "tied", "head"], groups=3) as steps:
        assert [next(steps), next(steps)] == ["head", "tied"]
        drawn = network.tied.weight.clone()
        assert next(steps) == "body"
        assert network.body.weight.equal(drawn)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_rank_correlation_is_scipys(levels: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, levels, (2, 7, 7)).astype(float)
        second += rng.integers(-2, 3) * first
        expected = spearmanr(first.ravel(), second.ravel()).statistic
        assert rank_correlation(first, second) == pytest.approx(abs(expected), abs=1e-12)
    assert rank_correlation(np.ones((3, 3)), rng.random((3, 3))) == 0
