"""Networks that can learn eight samples, networks that cannot, and what is left behind."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from netdoctor.errors import ModelError
from netdoctor.facts.overfit import OverfitFacts
from netdoctor.inputs.batches import as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.descent import Limits, suggested_rate
from netdoctor.probes.overfit import measure
from netdoctor.probes.trainee import Trainee
from netdoctor.rules import rules_of
from netdoctor.rules.core import judge
from sample_models import networks, shapes
from tests.healthy import HEALTHY, Healthy
from tests.observe.state import fingerprint


def seeded(make: Callable[[], Any], seed: int = 0) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def trained_on(model: nn.Module, raw: Any, loss: str | None = None, **options: Any) -> OverfitFacts:
    return measure(model, [as_batch(raw, model)], Objective(loss, seed=0), **options)


def findings(facts: OverfitFacts) -> list[str]:
    return [each.code for each in judge(facts, rules_of("overfit")).findings]


def vectors() -> tuple[Tensor, Tensor]:
    x = seeded(lambda: torch.randn(8, 16))
    return x, torch.arange(8) % 4


def mlp(*extra: nn.Module, width: int = 32, out: int = 4) -> nn.Sequential:
    return seeded(
        lambda: nn.Sequential(nn.Linear(16, width), nn.ReLU(), *extra, nn.Linear(width, out))
    )


def pictures(count: int = 8) -> tuple[Tensor, Tensor]:
    items = [shapes.Shapes(size=32)[index] for index in range(count)]
    return torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items])


class Wrapped(nn.Module):
    """A network, and a function of it and its input that is called in its place."""

    def __init__(self, inner: nn.Module, forward: Callable[[nn.Module, Tensor], Any]) -> None:
        super().__init__()
        self.inner = inner
        self.function = forward

    def forward(self, x: Tensor) -> Any:
        return self.function(self.inner, x)


class OwnLoss(nn.Module):
    """A network that computes its loss itself."""

    def __init__(self, inner: nn.Module, loss: Callable[[Any, Any], Tensor]) -> None:
        super().__init__()
        self.inner, self.loss = inner, loss

    def forward(self, x: Tensor, labels: Any) -> dict[str, Tensor]:
        output = self.inner(x)
        named = output if isinstance(output, dict) else {"logits": output}
        return {**named, "loss": self.loss(output, labels)}


@pytest.mark.slow
@pytest.mark.parametrize("healthy", HEALTHY, ids=[each.name for each in HEALTHY])
@pytest.mark.parametrize(
    "trained", [pytest.param(False, id="fresh"), pytest.param(True, id="trained")]
)
def test_healthy_networks_learn(healthy: Healthy, trained: bool) -> None:
    model = healthy.trained() if trained else healthy.fresh()
    (inputs, target), = healthy.batches(1, 16, 0)  # fmt: skip
    if healthy.name == "detector":
        raw: Any = {"x": inputs, "labels": target}
        facts = trained_on(OwnLoss(model, healthy.loss), raw, fresh=not trained)
    else:
        facts = trained_on(model, (inputs, target), fresh=not trained)
    assert facts.verdict() == "learnt"
    assert facts.samples == 8
    assert findings(facts) == []


@pytest.mark.parametrize("name", ["", "_functional", "_convnext", "_tanh"])
@pytest.mark.parametrize("trained", [False, True])
def test_the_healthy_samples_learn(name: str, trained: bool) -> None:
    model = seeded(lambda: getattr(networks, f"healthy{name}")(trained=trained))
    facts = trained_on(model, pictures())
    assert facts.verdict() == "learnt"
    assert findings(facts) == []


SICK: dict[str, Callable[[], nn.Module]] = {
    "softmax": lambda: mlp().append(nn.Softmax(1)),
    "detached": lambda: Wrapped(mlp(), lambda inner, x: inner(x).detach()),
    "no-grad": lambda: Wrapped(mlp(), torch.no_grad()(lambda inner, x: inner(x))),
    "argmax": lambda: Wrapped(mlp(), lambda inner, x: F.one_hot(inner(x).argmax(1), 4).float()),
    "relu-on-logits": lambda: mlp().append(nn.ReLU()),
    "ignores-its-input": lambda: Wrapped(mlp(), lambda inner, x: inner(x * 0)),
    "twenty-sigmoids": lambda: seeded(
        lambda: nn.Sequential(
            *(layer for _ in range(20) for layer in (nn.Linear(16, 16), nn.Sigmoid())),
            nn.Linear(16, 4),
        )
    ),
}


def all_zero() -> nn.Module:
    model = mlp()
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    return model


def dead() -> nn.Module:
    model = mlp()
    nn.init.constant_(model[0].bias, -100)
    return model


@pytest.mark.parametrize("make", [*SICK.values(), all_zero, dead], ids=[*SICK, "zero", "dead"])
def test_networks_that_cannot_learn_are_found(make: Callable[[], nn.Module]) -> None:
    facts = trained_on(make(), vectors())
    assert facts.verdict() == "stuck"
    assert findings(facts) == ["MOD005"]
    assert facts.seconds < 30


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sick_bias", "sick_functional", "sick_dead_layer"])
def test_dead_samples_are_stuck_at_an_output_that_ignores_its_input(name: str) -> None:
    facts = trained_on(getattr(networks, name)(), pictures())
    assert findings(facts) == ["MOD005"]
    assert facts.output_varies is False
    assert facts.best == pytest.approx(facts.ignorant, rel=1e-3)
    idle = {each.name for each in facts.gradients if not each.learns}
    assert any("conv1.weight" in name for name in idle)
    assert "head.bias" not in idle


@pytest.mark.parametrize("trained", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_softmax_before_the_cross_entropy_stops_at_its_own_floor(trained: bool) -> None:
    facts = trained_on(seeded(lambda: networks.sick_softmax(trained=trained)), pictures())
    assert findings(facts) == ["MOD005"]
    lowest = -np.log(np.e / (np.e + 7))  # all eight softmax outputs right with certainty
    assert facts.best >= lowest - 1e-3


def test_nan_weights_are_not_trained() -> None:
    facts = trained_on(networks.sick_nan(), pictures())
    assert facts.verdict() == "non-finite"
    assert findings(facts) == ["MOD005"]
    assert facts.attempts[0].steps == 0


def test_gradients_that_are_nan_from_the_first_step_are_named() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.gate = nn.Linear(16, 4), nn.Linear(16, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x) + (self.gate(x) * 0).abs().sqrt()

    facts = trained_on(seeded(Root), vectors())
    assert facts.verdict() == "non-finite"
    bad = {each.name for each in facts.gradients if each.start == "non-finite"}
    assert bad == {"gate.weight", "gate.bias"}
    finding, = judge(facts, rules_of("overfit")).findings  # fmt: skip
    assert "gate.weight" in finding.message


def test_a_network_that_blows_up_at_every_rate_diverges() -> None:
    def steep(output: Tensor, _: Tensor) -> Tensor:
        return output.sum() * 0 + 1 + explosion(output)

    class Push(torch.autograd.Function):
        """|x|, with the gradient's sign the wrong way round."""

        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x.square().mean()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            return -1e4 * gradient.expand(8, 4)

    def explosion(output: Tensor) -> Tensor:
        return Push.apply(output)  # type: ignore[no-untyped-call, no-any-return]

    x, labels = vectors()
    facts = trained_on(
        OwnLoss(mlp(), steep), {"x": x, "labels": labels}, fresh=True, optimizer="sgd"
    )
    assert facts.verdict() in ("diverged", "non-finite")
    assert findings(facts) == ["MOD005"]


def test_a_frozen_network_is_said_to_be_frozen() -> None:
    facts = trained_on(mlp().requires_grad_(False), vectors())
    assert (facts.trainable, facts.attempts) == (0, ())
    finding, = judge(facts, rules_of("overfit")).findings  # fmt: skip
    assert "frozen" in finding.message
    half = mlp()
    half[0].requires_grad_(False)
    learnt = trained_on(half, vectors())
    assert learnt.verdict() == "learnt"
    assert learnt.trainable == 32 * 4 + 4


class FunctionalDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(16, 64), nn.Linear(64, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.b(F.dropout(input=F.dropout(self.a(x).relu(), 0.9, self.training), p=0.9))


class AttentionDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(4, 16), nn.Linear(16, 4)
        self.attention = nn.MultiheadAttention(16, 2, dropout=0.9, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x.view(len(x), 4, 4))
        x = x + self.attention(x, x, x)[0]
        return self.b((x + F.scaled_dot_product_attention(x, x, x, dropout_p=0.9)).mean(1))


class RecurrentDropout(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(4, 16, 2, batch_first=True, dropout=0.9)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x.view(len(x), 4, 4))[0][:, -1])


class Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x + 0.1 * torch.randn_like(x))


@pytest.mark.parametrize(
    "make",
    [
        lambda: mlp(nn.Dropout(0.9)), lambda: mlp(nn.AlphaDropout(0.9)), FunctionalDropout,
        AttentionDropout, RecurrentDropout, Noise,
    ],
    ids=["module", "alpha", "functional", "attention", "lstm", "noise"],
)  # fmt: skip
def test_nothing_random_is_left_and_dropout_does_not_hinder(make: Callable[[], nn.Module]) -> None:
    model = seeded(make)
    trainee = Trainee(model, as_batch(vectors()), Objective(), seed=0)
    assert trainee.loss().item() == trainee.loss().item()
    if not isinstance(model, Noise):
        model.eval()
        assert trainee.loss().item() == pytest.approx(
            F.cross_entropy(model(vectors()[0]), vectors()[1]).item()
        ) or isinstance(model, (FunctionalDropout, AttentionDropout))
    facts = trained_on(seeded(make), vectors())
    assert facts.verdict() == "learnt"


@pytest.mark.parametrize(
    ("target", "out"),
    [
        (1e3 * torch.linspace(-1, 1, 8)[:, None], 1),
        (1e3 + torch.linspace(-1, 1, 8), 1),
        (torch.eye(8)[:, :5], 5),
        (torch.full((8,), 3), 4),
        (torch.linspace(0, 1, 32).view(8, 4).softmax(1), 4),
    ],
    ids=["large-targets", "offset", "multi-label", "one-label", "soft-labels"],
)
def test_every_kind_of_target_is_learnt(target: Tensor, out: int) -> None:
    facts = trained_on(mlp(width=64, out=out), (vectors()[0], target))
    assert facts.verdict() == "learnt"
    assert findings(facts) == []
    assert facts.floor is not None
    assert facts.one_target == bool((target == target[0]).all())


def test_dense_targets_are_learnt() -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 1))
    )
    x = seeded(lambda: torch.randn(8, 3, 8, 8))
    facts = trained_on(model, (x, x.argmax(1)))
    assert (facts.verdict(), facts.target_values) == ("learnt", 8 * 64)


def test_label_noise_raises_the_floor_and_is_no_fault() -> None:
    x = vectors()[0][:4].repeat(2, 1)
    clean = trained_on(mlp(), (x, torch.arange(4).repeat(2)))
    assert (clean.verdict(), clean.conflicting, clean.floor) == ("learnt", 0, 0.0)
    noisy = trained_on(mlp(), (x, torch.tensor([0, 1, 2, 3, 0, 1, 3, 3])))
    assert (noisy.verdict(), noisy.conflicting) == ("learnt", 2)
    assert noisy.floor == pytest.approx(np.log(2) / 4)
    assert noisy.best >= np.log(2) / 4
    hopeless = trained_on(mlp(), (x[:1].repeat(8, 1), torch.arange(8) % 4))
    assert hopeless.verdict() == "label noise"
    assert findings(noisy) == findings(hopeless) == []


def test_a_loss_of_the_models_own_has_the_floor_of_what_it_calls() -> None:
    x, labels = vectors()

    def smoothed(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target, label_smoothing=0.1)

    facts = trained_on(OwnLoss(mlp(), smoothed), {"x": x, "labels": labels})
    share = 1 - 0.1 + 0.1 / 4
    assert facts.floor == pytest.approx(-share * np.log(share) - 0.075 * np.log(0.025))
    assert facts.verdict() == "learnt"

    def mixed(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target) + 0.001 * output.square().mean()

    facts = trained_on(OwnLoss(mlp(), mixed), {"x": x, "labels": labels})
    assert facts.floor is None
    assert facts.verdict() == "learnt"
    constant = trained_on(
        OwnLoss(mlp(), lambda output, _: output.sum() * 0 + 2), {"x": x, "labels": labels}
    )
    assert findings(constant) == ["MOD005"]


def test_without_targets_random_ones_are_learnt_or_excused() -> None:
    facts = trained_on(mlp(), vectors()[0])
    assert facts.random_targets
    assert facts.verdict() == "learnt"
    bounded = trained_on(mlp().append(nn.Sigmoid()), vectors()[0])
    assert bounded.verdict() == "learnt in part"
    assert findings(bounded) == []
    assert findings(trained_on(SICK["detached"](), vectors()[0])) == ["MOD005"]


def test_a_small_linear_model_need_not_memorise() -> None:
    x, noise = seeded(lambda: (torch.randn(8, 3), torch.randn(8, 1)), seed=1)
    facts = trained_on(seeded(lambda: nn.Linear(3, 1)), (x, noise))
    columns = torch.cat([x, torch.ones(8, 1)], 1)
    rest = noise - columns @ torch.linalg.lstsq(columns, noise).solution
    assert facts.best == pytest.approx(float(rest.square().mean()), rel=0.05)
    assert facts.verdict() == "learnt in part"
    assert findings(facts) == []


def test_limits_of_steps_and_time_are_kept_and_prove_nothing() -> None:
    slow = trained_on(seeded(lambda: networks.sick_sigmoids(trained=False)), pictures(), steps=30)
    assert {each.end for each in slow.attempts} <= {"steps"}
    assert all(each.steps == 30 for each in slow.attempts)
    assert slow.verdict() == "learnt too slowly"
    assert findings(slow) == []
    hurried = trained_on(seeded(networks.sick_sigmoids), pictures(), time_limit=0.3)
    assert hurried.attempts[-1].end == "time"
    assert hurried.seconds < 5
    assert findings(hurried) == []


def test_one_sample_uses_the_stored_statistics_of_norm_layers() -> None:
    model = mlp(nn.BatchNorm1d(32))
    x, labels = vectors()
    facts = trained_on(model, (x[:1], labels[:1]))
    assert (facts.norms, facts.samples, facts.output_varies) == ("stored", 1, None)
    assert facts.verdict() == "learnt"
    assert trained_on(model, (x, labels)).norms == "batch"


class Uncopyable(nn.Module):
    """Holds a lock, which cannot be copied, and counts its calls in a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.lock = mlp(nn.BatchNorm1d(32), nn.Dropout(0.5)), threading.Lock()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.inner(x)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("make", [lambda: mlp(nn.BatchNorm1d(32), nn.Dropout(0.5)), Uncopyable])
def test_the_model_is_left_bit_for_bit(make: Callable[[], nn.Module], optimizer: Any) -> None:
    model = make().eval()
    model(vectors()[0]).sum().backward()
    before = fingerprint(model)
    facts = trained_on(model, vectors(), optimizer=optimizer)
    assert facts.attempts[-1].steps > 0
    assert fingerprint(model) == before


@pytest.mark.parametrize("make", [lambda: mlp(nn.BatchNorm1d(32)), Uncopyable])
def test_the_model_is_left_bit_for_bit_after_an_exception(make: Callable[[], nn.Module]) -> None:
    model = make().eval()
    calls = []

    def interrupt(*_: Any) -> None:
        calls.append(1)
        if len(calls) > 5:
            raise RuntimeError("the sixth call")

    model.register_forward_hook(interrupt)
    before = fingerprint(model)
    with pytest.raises(ModelError, match="the sixth call"):
        trained_on(model, vectors())
    assert fingerprint(model) == before


def test_the_same_seed_gives_the_same_curve() -> None:
    one, other = (trained_on(Noise(), vectors(), seed=3) for _ in range(2))
    assert np.array_equal(one.attempts[0].losses, other.attempts[0].losses)


def test_the_curve_is_that_of_plain_training() -> None:
    facts = trained_on(mlp(), vectors())
    attempt = facts.attempts[-1]
    model, (x, labels) = mlp(), vectors()
    optimizer = torch.optim.Adam(model.parameters(), attempt.rate)
    for seen in attempt.losses:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), labels)
        assert loss.item() == pytest.approx(seen, rel=1e-4)
        loss.backward()
        optimizer.step()


def test_the_suggested_rate_descends() -> None:
    for scale in (1e-2, 1.0, 1e2):
        model = mlp()
        with torch.no_grad():
            model[0].weight.mul_(1 / scale)
        x, labels = vectors()
        trainee = Trainee(model, as_batch((x * scale, labels)), Objective(), seed=0)
        trainee.remember()
        start = trainee.loss().item()
        rate = suggested_rate(trainee, "adam", Limits(100, float("inf"), 60.0, 0.0, start))
        trainee.restart()
        optimizer = torch.optim.Adam(model.parameters(), rate)
        for _ in range(30):
            trainee.backward(trainee.loss())
            optimizer.step()
        assert trainee.loss().item() < start / 2


LABELS = torch.arange(8) % 4


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        (lambda: nn.Sequential(nn.EmbeddingBag(50, 16, sparse=True), nn.Linear(16, 4)),
         torch.arange(40).view(8, 5)),
        (lambda: nn.Sequential(nn.LazyLinear(32), nn.ReLU(), nn.Linear(32, 4)), vectors()[0]),
        (lambda: nn.Linear(16, 4).bfloat16(), vectors()[0].bfloat16()),
        (RecurrentDropout, vectors()[0]),
    ],
    ids=["sparse-gradients", "lazy", "bfloat16", "lstm"],
)  # fmt: skip
def test_unusual_parameters_learn(make: Callable[[], nn.Module], inputs: Tensor) -> None:
    facts = trained_on(seeded(make), (inputs, LABELS))
    assert facts.verdict() == "learnt"


def test_compiled_parts_run_eagerly_and_stay_compiled() -> None:
    inner = nn.Sequential(nn.Linear(32, 32), nn.ReLU())
    model = nn.Sequential(nn.Linear(16, 32), torch.compile(inner), nn.Linear(32, 4))
    data, before = vectors(), fingerprint(model)
    assert trained_on(model, data).verdict() == "learnt"
    assert fingerprint(model) == before


def tokens() -> Tensor:
    return seeded(lambda: torch.randint(100, (8, 12)))


@pytest.mark.slow
@pytest.mark.parametrize("same_start", [False, True])
def test_tiny_transformers_learn_by_their_own_loss(same_start: bool) -> None:
    import transformers

    sizes = {"vocab_size": 100, "bos_token_id": 0, "eos_token_id": 0}
    gpt = transformers.GPT2Config(n_positions=32, n_embd=32, n_layer=2, n_head=2, **sizes)
    bert = transformers.BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=32, num_labels=3,
    )  # fmt: skip
    ids = tokens()
    if same_start:  # the second token cannot be told from the first: a floor that nobody knows
        ids[:, 0] = 1
    for make, labels in (
        (lambda: transformers.GPT2LMHeadModel(gpt), ids),
        (lambda: transformers.BertForMaskedLM(bert), ids),
        (lambda: transformers.BertForSequenceClassification(bert), torch.arange(8) % 3),
    ):
        facts = trained_on(seeded(make), {"input_ids": ids, "labels": labels})
        assert (facts.verdict(), facts.loss, facts.floor) == ("learnt", "own", 0.0)
        assert findings(facts) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121"])
def test_torchvision_networks_learn(name: str) -> None:
    from torchvision import models

    model = seeded(lambda: models.get_model(name))
    x, labels = seeded(lambda: (torch.randn(8, 3, 64, 64), torch.randint(1000, (8,))))
    facts = trained_on(model, (x, labels))
    assert facts.verdict() == "learnt"
    assert findings(facts) == []
