"""The range test against a bare training loop, on small networks and odd loaders."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import netdoctor
from netdoctor.errors import DataError, ModelError, NetDoctorError, UsageError
from netdoctor.facts.lrfind import LrFindFacts
from netdoctor.inputs.batches import as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.chance import chance_loss
from netdoctor.probes.lrfind import measure
from tests import healthy
from tests.observe.state import fingerprint

Pair = tuple[Tensor, Tensor]
RATES = np.geomspace(1e-7, 10, 100)


def batches(count: int = 40, size: int = 32, seed: int = 0) -> list[Pair]:
    return healthy.vectors(count, size, seed)


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    norm = (nn.Linear(16, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
    return nn.Sequential(*norm, nn.Linear(32, 4)).eval()


def lrfind(model: nn.Module, data: Any = None, **options: Any) -> Any:
    return netdoctor.lrfind(model, batches() if data is None else data, **options)


def bare_loop(
    model: nn.Module, given: list[Pair], rates: Any, make: Callable[..., torch.optim.Optimizer]
) -> list[float]:
    """The range test as anybody would write it, on a copy."""
    model = copy.deepcopy(model).train()
    optimizer, losses = make(model.parameters()), []
    torch.manual_seed(0)
    for (inputs, target), rate in zip(given, rates, strict=False):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), target)
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
    return losses


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("sgd", lambda weights: torch.optim.SGD(weights, 1.0, momentum=0.9)),
        ("adam", lambda weights: torch.optim.Adam(weights, 1.0)),
        ("adamw", lambda weights: torch.optim.AdamW(weights, 1.0)),
    ],
)
def test_the_losses_are_those_of_a_bare_training_loop(name: Any, make: Any) -> None:
    model, given, rates = network(), batches(60), np.geomspace(1e-5, 0.1, 60)

    def one_pass(number: int) -> Iterator[Any]:
        return map(as_batch, given)

    facts = measure(model, one_pass, Objective(), rates, optimizer=name, repeats=1)
    assert facts.sweeps[0].losses.tolist() == bare_loop(model, given, rates, make)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_everything_is_as_before_bit_for_bit(optimizer: Any) -> None:
    model = network()
    model[0].weight.grad = torch.ones_like(model[0].weight)
    model[4].bias.requires_grad_(False)
    before = fingerprint(model)
    facts: LrFindFacts = lrfind(model, optimizer=optimizer).facts
    assert facts.reading.start > 1.3 * facts.reading.lowest  # it was trained in between
    assert fingerprint(model) == before


def test_everything_is_as_before_when_the_model_or_the_data_raise() -> None:
    class Failing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.calls = network(), 0

        def forward(self, x: Tensor) -> Tensor:
            self.calls += 1
            if self.calls == 30:
                raise RuntimeError("no more")
            return self.inner(x)

    model = Failing()
    before = fingerprint(model)
    with pytest.raises(ModelError, match="no more"):
        lrfind(model)
    assert fingerprint(model) == before

    def broken() -> Iterator[Pair]:
        yield from batches(20)
        raise OSError("disk")

    class Broken:
        def __iter__(self) -> Iterator[Pair]:
            return broken()

    with pytest.raises(DataError, match="disk"):
        lrfind(model.inner, Broken())
    assert fingerprint(model) == before


def test_it_runs_in_training_mode_from_the_same_weights_with_other_batches_each_time() -> None:
    model = network()
    facts = lrfind(model, repeats=3).facts
    first = [sweep.losses[0] for sweep in facts.sweeps]
    assert len(set(first)) == 3
    assert max(first) - min(first) < 0.5  # nothing of an earlier repeat is left
    losses = [sweep.losses for sweep in facts.sweeps]
    assert not np.allclose(losses[0][:50], losses[1][:50])
    evaluated = F.cross_entropy(model(batches(1)[0][0]), batches(1)[0][1])
    assert facts.sweeps[0].losses[0] != evaluated.item()


def test_the_same_seed_gives_the_same_losses_and_another_one_others() -> None:
    def losses(seed: int) -> list[list[float]]:
        return [sweep.losses.tolist() for sweep in lrfind(network(), seed=seed).facts.sweeps]

    assert losses(0) == losses(0) != losses(1)


def test_accumulated_batches_make_the_step_of_one_large_batch() -> None:
    model = nn.Linear(16, 4)
    large = batches(50, 64)
    halves = [(x[i : i + 32], y[i : i + 32]) for x, y in large for i in (0, 32)]

    def run(given: list[Pair], accumulate: int) -> Any:
        def one_pass(number: int) -> Iterator[Any]:
            return map(as_batch, given)

        rates = np.geomspace(1e-4, 0.1, 50)
        facts = measure(model, one_pass, Objective(), rates, repeats=1, accumulate=accumulate)
        return facts.sweeps[0].losses

    np.testing.assert_allclose(run(halves, 2), run(large, 1), rtol=1e-4)


class Endless:
    """Batches without end and without a length."""

    def __iter__(self) -> Iterator[Pair]:
        seed = 0
        while True:
            yield from batches(5, seed=seed)
            seed += 1

    def __len__(self) -> int:
        raise AssertionError("nobody may ask how long it is")


class Stream(IterableDataset[Pair]):
    def __iter__(self) -> Iterator[Pair]:
        return iter([(x[0], y[0]) for x, y in batches(200, 1)])


def data_set() -> TensorDataset:
    inputs, labels = zip(*batches(7, 30), strict=True)
    return TensorDataset(torch.cat(inputs), torch.cat(labels))


@pytest.mark.parametrize(
    ("data", "cycled"),
    [
        (Endless(), 0),
        (batches(7), 14),
        (batches(1), 99),
        (DataLoader(data_set(), 30), 14),
        (DataLoader(data_set(), 30, shuffle=True), 14),
        (data_set(), 16),
        (DataLoader(Stream(), 20), 9),
    ],
    ids=["endless", "short", "one", "in-order", "shuffled", "data-set", "stream"],
)
def test_a_loader_of_any_length_lasts_and_the_end_is_no_divergence(data: Any, cycled: int) -> None:
    report = lrfind(network(), data, repeats=1, end_lr=0.01)
    (sweep,) = report.facts.sweeps
    assert (sweep.stop, len(sweep.losses), sweep.cycled) == ("reached the end", 100, cycled)
    assert report.facts.reading.suggestion is not None
    again = f"; loader exhausted and cycled {cycled} times" if cycled else ""
    assert report.table("repeats").rows[0]["reason"] == f"reached the end{again}"


def test_an_endless_generator_object_works() -> None:
    assert lrfind(network(), iter(Endless()), repeats=1).facts.sweeps[0].cycled == 0


def test_passes_over_a_data_set_or_a_fixed_order_differ_but_hold_the_same() -> None:
    for data in (data_set(), DataLoader(data_set(), 30), batches(7, 30)):
        loaded = netdoctor.api.common.loaded_from(network(), None)
        source = netdoctor.inputs.data.data_from(data, loaded, batch_size=30)
        passes = [torch.cat([b.args[0] for b in source.training_pass(n)]) for n in range(2)]
        assert not torch.equal(*passes)
        assert torch.equal(*(each.sort(0).values for each in passes))


def test_a_loader_that_fixes_its_order_is_left_as_it_was() -> None:
    generator = torch.Generator().manual_seed(3)
    loader = DataLoader(data_set(), 30, shuffle=True, generator=generator)
    before = generator.get_state()
    lrfind(network(), loader)
    assert torch.equal(generator.get_state(), before)


def test_a_healthy_network_gets_a_rate_that_trains() -> None:
    model = network()
    report = lrfind(model)
    assert report.findings == ()
    suggestion = report.extra["suggestion"]
    assert 1e-3 < suggestion < 0.5
    assert report.extra["suggestion_reason"] is None
    low, high = report.extra["suggestion_band"]
    assert low <= suggestion <= high
    optimizer = torch.optim.SGD(model.parameters(), suggestion, momentum=0.9)
    model.train()
    for inputs, target in batches(100, seed=5):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.8 * math.log(4)


class Detached(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).detach()


class Reversed(Detached):
    """Sure of one class, and with a gradient of the wrong sign."""

    def forward(self, x: Tensor) -> Tensor:
        output = self.layer(x)
        return 2 * output.detach() - output + torch.tensor([12.0, 0, 0, 0])


def frozen() -> nn.Module:
    return network().requires_grad_(False)


def converged() -> nn.Module:
    """As good as the overlapping classes allow."""
    return healthy.healthy("mlp-relu").trained(600)


def sure() -> nn.Module:
    """On data without overlap, of which it is sure."""
    return healthy.healthy("mlp-relu").trained(600)


def scaled_away() -> nn.Module:
    model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 4))
    with torch.no_grad():
        model[0].weight.mul_(0).add_(float("nan"))
    return model


def easy() -> list[Pair]:
    """Corners so far apart that a trained network is sure of each sample."""
    return [(x + 6 * F.one_hot(y, 16), y) for x, y in batches()]


@pytest.mark.parametrize(
    ("make", "codes", "reason"),
    [
        (frozen, [], "frozen"),
        (converged, [], "beyond the noise"),
        (sure, [], "it has converged"),
        (Detached, ["LRF001"], "no gradient"),
        (Reversed, ["LRF001"], "beyond the noise"),
        (scaled_away, ["LRF002"], "not finite"),
    ],
)
def test_nothing_learnt_suggests_nothing(make: Any, codes: list[str], reason: str) -> None:
    data = easy() if make is sure else batches(200)
    report = lrfind(make(), data)
    assert [finding.code for finding in report.findings] == codes
    assert report.extra["suggestion"] is None
    assert reason in report.extra["suggestion_reason"]


def test_random_labels_are_no_signal_and_no_error() -> None:
    noise = torch.Generator().manual_seed(0)
    data = [(x, torch.randint(4, y.shape, generator=noise)) for x, y in batches(300)]
    report = lrfind(nn.Linear(16, 4), data)
    start = report.facts.reading.start
    assert report.findings == ()
    assert report.extra["suggestion"] is None or start > 1.05 * math.log(4)


def test_without_targets_they_are_made_up_and_said_to_be() -> None:
    report = netdoctor.lrfind(network())
    assert any("seeded random numbers, for the batches have none" in each for each in report.notes)
    assert report.facts.chance is None
    assert not report.findings


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start_lr": 1.0, "end_lr": 0.1}, "go from 1 to 0.1"),
        ({"start_lr": 0.0}, "go from 0"),
        ({"start_lr": math.nan}, "go from nan"),
        ({"end_lr": math.inf}, "to inf"),
        ({"steps": 1}, "steps is 1"),
        ({"repeats": 0}, "repeats is 0"),
        ({"accumulate": 0}, "accumulate is 0"),
        ({"momentum": 1.0}, "momentum is 1"),
        ({"optimizer": "lion"}, "optimizer is 'lion'"),
    ],
)
def test_wrong_options_are_told_before_any_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        lrfind(network(), **options)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (network(), [], "empty"),
        (network(), batches(5, 1), "batch norm cannot train on one"),
        (nn.LazyLinear(4), batches(), "lazy"),
    ],
)
def test_what_cannot_be_trained_is_one_clear_error(
    model: nn.Module, data: Any, message: str
) -> None:
    with pytest.raises(NetDoctorError, match=message) as caught:
        lrfind(model, data)
    assert caught.value.hint


def test_a_refused_target_is_a_finding_and_no_suggestion() -> None:
    report = lrfind(network(), [(torch.zeros(4, 16), torch.full((4,), 9))])
    assert [each.code for each in report.findings] == ["DAT004"]
    assert report.extra["suggestion"] is None
    assert "refuses the target" in report.extra["suggestion_reason"]


class InPlace(nn.Module):
    """Overwrites what its own backward pass needs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        output = self.layer(x).sigmoid()
        return output * output.add_(1.0)


@pytest.mark.parametrize(
    ("model", "optimizer", "message"),
    [
        (InPlace(), "sgd", "Training the model raised RuntimeError: .*inplace"),
        (nn.Sequential(nn.EmbeddingBag(9, 4, sparse=True)), "adam", "sparse"),
    ],
)
def test_what_raises_in_the_backward_pass_or_the_step_is_a_models_error(
    model: nn.Module, optimizer: Any, message: str
) -> None:
    before = fingerprint(model)
    data = batches() if isinstance(model, InPlace) else tokens()
    with pytest.raises(ModelError, match=message):
        lrfind(model, data, optimizer=optimizer)
    assert fingerprint(model) == before


def tokens() -> list[Pair]:
    source = torch.Generator().manual_seed(0)
    inputs = [torch.randint(9, (32, 5), generator=source) for _ in range(20)]
    return [(each, each[:, 0] % 4) for each in inputs]


def test_sparse_gradients_count_as_gradients() -> None:
    facts = lrfind(nn.EmbeddingBag(9, 4, sparse=True), tokens(), momentum=0.0).facts
    assert facts.moving


def test_three_steps_are_too_few_and_that_is_all() -> None:
    report = lrfind(network(), steps=3)
    assert (report.findings, report.extra["suggestion"]) == ((), None)
    assert report.extra["suggestion_reason"] == "only 3 usable points: 20 are needed"


@pytest.mark.parametrize("entry", healthy.HEALTHY, ids=[each.name for each in healthy.HEALTHY])
def test_healthy_networks_raise_no_alarm(entry: healthy.Healthy) -> None:
    if entry.name == "detector":
        pytest.skip("its loss takes two outputs and is not one that `lrfind` is given here")
    loss = "mse" if entry.loss is F.mse_loss else None
    report = netdoctor.lrfind(entry.fresh(), entry.batches(20, 32, 0), repeats=1, loss=loss)
    assert report.findings == ()


def test_the_constant_answers_loss_by_hand() -> None:
    labels = [torch.tensor([0, 0, 1, 2])]
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert chance_loss("cross-entropy", labels) == pytest.approx(entropy)
    shares = [torch.tensor([[0.5, 0.25, 0.25]])]
    assert chance_loss("cross-entropy", shares) == pytest.approx(entropy)
    assert chance_loss("bce", [torch.tensor([1.0, 0, 0, 0])]) == pytest.approx(0.562335, abs=1e-6)
    assert chance_loss("mse", [torch.tensor([1.0, 3.0])]) == pytest.approx(1.0)
    assert chance_loss("own", labels) is None
    assert chance_loss("mse", [None]) is None
