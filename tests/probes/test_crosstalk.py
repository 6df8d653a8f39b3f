"""What mixes the samples of a batch is found and named, and what only seems to is left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.facts.wiring import Crosstalk
from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.probes.wiring import measure
from tests.observe.state import fingerprint
from tests.probes.tried import Between, found, noise, seeded, skipped


def wrong_view(x: Tensor) -> Tensor:
    return x.reshape(x.shape[1], x.shape[0]).t().contiguous()


MIXING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "wrong view": (lambda: Between(wrong_view), "/reshape#1"),
    "softmax over the batch": (lambda: Between(lambda x: x.softmax(0)), "/softmax#1"),
    "softmax module": (lambda: Between(nn.Softmax(dim=0)), "between#1"),
    "batch statistics": (
        lambda: Between(nn.BatchNorm1d(16, track_running_stats=False)), "between#1"
    ),
    "mean over the batch": (lambda: Between(lambda x: x - x.mean(0)), "/sub#1"),
    "standardised batch": (lambda: Between(lambda x: (x - x.mean()) / x.std()), "/sub#1"),
    "norm over the batch": (lambda: Between(lambda x: F.normalize(x, dim=0)), "/normalize#1"),
    "cumulative sum": (lambda: Between(lambda x: x.cumsum(0)), "/cumsum#1"),
    "roll": (lambda: Between(lambda x: x + 0.1 * x.roll(1, 0)), "/roll#1"),
    "maximum of the batch": (lambda: Between(lambda x: x / x.abs().max()), "/div#1"),
}  # fmt: skip


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("size", [2, 5, 32])
def test_what_mixes_the_samples_is_found_and_named(name: str, size: int) -> None:
    factory, site = MIXING[name]
    (finding,) = found(seeded(factory), noise(10, size=size), fresh=None)
    assert finding == ("MOD003", site)


class StuckNorm(nn.BatchNorm1d):
    """Batch norm that never leaves training mode."""

    def train(self, mode: bool = True) -> StuckNorm:
        return super().train(True)


def test_batch_norm_that_stays_in_training_mode_is_named_and_left_as_it_was() -> None:
    model = seeded(lambda: Between(StuckNorm(16)))
    before = fingerprint(model)
    assert ("MOD003", "between#1") in found(model, noise(10))
    assert fingerprint(model) == before


class Sequences(nn.Module):
    """A recurrent or attention layer over (N, T, C), and a head for each position or the last."""

    def __init__(self, layer: nn.Module, *, last: bool) -> None:
        super().__init__()
        self.layer, self.head, self.last = layer, nn.Linear(16, 3), last

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        x = x[0] if isinstance(x, tuple) else x
        return self.head(x[:, -1] if self.last else x)


def encoder(batch_first: bool) -> nn.Module:
    return nn.TransformerEncoderLayer(16, 2, 32, batch_first=batch_first)


@pytest.mark.parametrize("layer", [lambda: nn.LSTM(16, 16), lambda: encoder(False)])
def test_a_forgotten_batch_first_is_found_where_it_shows(layer: Callable[[], nn.Module]) -> None:
    model = seeded(lambda: Sequences(layer(), last=True))
    assert [code for code, _ in found(model, noise(7, 16))] == ["MOD003"]
    labelled = [as_batch((each.args[0], torch.zeros(32).long())) for each in noise(7, 16)]
    model = seeded(lambda: Sequences(layer(), last=False))
    assert [code for code, _ in found(model, labelled)] == ["MOD003"]


@pytest.mark.parametrize("layer", [lambda: nn.LSTM(16, 16), lambda: encoder(False)])
def test_data_that_have_time_first_are_skipped(layer: Callable[[], nn.Module]) -> None:
    model = seeded(lambda: Sequences(layer(), last=False))
    assert "second axis" in skipped(model, noise(7, 16), "batch-crosstalk")
    for_each = [as_batch((each.args[0], torch.zeros(32, 7).long())) for each in noise(7, 16)]
    assert "second axis" in skipped(model, for_each, "batch-crosstalk")


class Pairs(nn.Module):
    """Similarities of all samples with each other, as CLIP has them, and perhaps more."""

    def __init__(self, *, alone: bool) -> None:
        super().__init__()
        self.fc, self.alone = nn.Linear(10, 8), alone

    def forward(self, x: Tensor) -> Any:
        features = F.normalize(self.fc(x), dim=1)
        pairs = features @ features.T
        return pairs if self.alone else {"logits_per_pair": pairs, "embeds": features}


class Variational(nn.Module):
    """Draws a code in evaluation too."""

    def __init__(self, source: torch.Generator | None = None) -> None:
        super().__init__()
        self.fc, self.head, self.source = nn.Linear(10, 8), nn.Linear(4, 10), source

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.fc(x).chunk(2, 1)
        drawn = torch.randn(mean.shape, generator=self.source)
        return self.head(mean + spread.exp() * drawn)


class Graph(nn.Module):
    """Each node takes the mean of its neighbours."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 4)

    def forward(self, x: Tensor, edges: Tensor) -> Tensor:
        return self.fc(x.index_add(0, edges[1], x[edges[0]]))


def test_similarities_of_all_pairs_are_no_crosstalk() -> None:
    assert "pairs" in skipped(seeded(lambda: Pairs(alone=True)), noise(10), "batch-crosstalk")
    assert found(seeded(lambda: Pairs(alone=False)), noise(10)) == []


@pytest.mark.parametrize("size", [32, 4])
def test_an_output_as_wide_as_the_batch_is_not_taken_for_pairs(size: int) -> None:
    model = seeded(lambda: Between(lambda x: x.softmax(0)))  # 4 classes
    assert found(model, noise(10, size=size)) == [("MOD003", "/softmax#1")]


def test_random_output_is_left_alone() -> None:
    assert found(seeded(Variational), noise(10)) == []
    own = seeded(lambda: Variational(torch.Generator().manual_seed(0)))
    assert "random" in skipped(own, noise(10), "batch-crosstalk")


def test_related_samples_are_skipped() -> None:
    edges = torch.randint(32, (2, 60), generator=torch.Generator().manual_seed(0))
    x = noise(10)[0].args[0]
    batch = Batch((x, edges), {}, None, 32)
    assert "index the samples" in skipped(seeded(Graph), [batch], "batch-crosstalk")
    square = Batch((x, torch.ones(32, 32)), {}, None, 32)
    assert "(N, N)" in skipped(seeded(Graph), [square], "batch-crosstalk")


@pytest.mark.parametrize("rule", ["batch-crosstalk", "input-insensitive"])
def test_batches_without_different_samples_are_skipped(rule: str) -> None:
    model = seeded(lambda: Between(nn.ReLU()))
    assert "one sample" in skipped(model, noise(10, size=1), rule)
    same = [as_batch(torch.ones(8, 10))]
    assert "identical" in skipped(model, same, rule)
    assert "no batch" in skipped(model, [], rule)
    nothing = as_batch(torch.full((8, 10), torch.nan))
    nothing.args[0][:, 0] = torch.arange(8)
    assert "not finite" in skipped(model, [nothing], rule)


class Detects(nn.Module):
    """Takes a list of images and returns a list of boxes."""

    def forward(self, images: list[Tensor]) -> list[dict[str, Tensor]]:
        return [{"boxes": each.mean((1, 2))[None]} for each in images]


def test_lists_of_images_and_pooled_outputs_are_skipped() -> None:
    images = Batch(([torch.rand(3, 8, 8 + n) for n in range(4)],), {}, None, 4)
    for rule in ("batch-crosstalk", "input-insensitive"):
        assert "one row a sample" in skipped(Detects(), [images], rule)
    pooled = seeded(lambda: Between(lambda x: x.mean(0)))
    assert "one row a sample" in skipped(pooled, noise(10), "batch-crosstalk")


def test_rows_of_nan_do_not_hide_or_make_crosstalk() -> None:
    batches = noise(10)
    batches[0].args[0][::2][1] = torch.nan
    assert found(seeded(lambda: Between(nn.ReLU())), batches) == []


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_are_no_crosstalk(dtype: torch.dtype) -> None:
    batches = [as_batch(each.args[0].to(dtype)) for each in noise(10)]
    assert found(seeded(lambda: Between(nn.GELU())).to(dtype), batches) == []
    sick = seeded(lambda: Between(lambda x: x - x.mean(0))).to(dtype)
    assert found(sick, batches) == [("MOD003", "/sub#1")]


class Autocast(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return self.inner(x).float()


def test_autocast_is_no_crosstalk() -> None:
    assert found(seeded(lambda: Autocast(Between(nn.GELU()))), noise(10)) == []


@pytest.mark.filterwarnings("ignore")
def test_quantised_networks_are_skipped() -> None:
    model = seeded(lambda: Between(nn.ReLU()))
    model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear})
    assert "quantised" in skipped(model, noise(10), "batch-crosstalk")


class OnlyOf32(nn.Module):
    """Has its batch size written into the code, and mixes the samples or not."""

    def __init__(self, sick: bool) -> None:
        super().__init__()
        self.fc, self.sick = nn.Linear(10, 4), sick

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x).view(32, 4)
        return x - x.mean(0) if self.sick else x


def test_a_batch_size_in_the_code_is_kept() -> None:
    assert found(seeded(lambda: OnlyOf32(True)), noise(10)) == [("MOD003", "/sub#1")]
    assert found(seeded(lambda: OnlyOf32(False)), noise(10)) == []


class Interrupts(nn.Module):
    """Works once, and then raises."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.fc, self.error = nn.Linear(10, 4), error

    def forward(self, x: Tensor) -> Tensor:
        raise self.error


def test_a_model_that_raises_is_a_reason_and_an_interrupt_is_not() -> None:
    model = seeded(lambda: Interrupts(RuntimeError("not today")))
    assert "not today" in skipped(model, noise(10), "batch-crosstalk")
    for error in (KeyboardInterrupt(), MemoryError()):
        with pytest.raises(type(error)):
            measure(Interrupts(error), noise(10))


class NormalisesInPlace(nn.Module):
    """Writes to the input that it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.sub_(0.5).div_(0.1))


def test_a_model_that_writes_to_its_input_is_healthy_and_leaves_ours_alone() -> None:
    batches = noise(10)
    given = [each.args[0].clone() for each in batches]
    facts = measure(seeded(NormalisesInPlace), batches)
    assert isinstance(facts.crosstalk, Crosstalk)
    assert facts.crosstalk.difference == 0
    assert all(torch.equal(a, b.args[0]) for a, b in zip(given, batches, strict=True))


def test_the_difference_is_that_of_two_forward_passes() -> None:
    model, (batch,) = seeded(lambda: Between(lambda x: x - x.mean(0))), noise(10, size=13, count=1)
    x = batch.args[0]
    rows = torch.arange(13)
    changes = []
    with torch.no_grad():
        before = model(x)
        for source, kept in (
            (rows - rows % 2, rows[::2]),
            ((rows + 1 - rows % 2) % 13, rows[1::2]),
        ):
            change = (model(x[source]) - before)[kept].abs().max()
            changes.append(float(change / before[kept].std(correction=0)))
    measured = measure(model, [batch]).crosstalk
    assert isinstance(measured, Crosstalk)
    assert measured.difference == pytest.approx(max(changes), rel=1e-4)
    assert measured.noise == 0
