from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import transformers
from torch import Tensor, nn

from netdoctor.errors import ModelError, UsageError
from netdoctor.inputs.data import data_from, open_data
from netdoctor.inputs.synthetic import plan_inputs
from tests.inputs.stand_in import loaded


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 5, batch_first=True)
        self.head = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.lstm(x)[0][:, -1])


class Cifar(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.head = nn.Linear(4 * (size - 2) ** 2, 10)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.conv(x).flatten(1))


class Mnist(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Any:
        _, _, _, _ = x.shape
        return self.head(x.flatten(1))


class ImageAndTokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.words = nn.Embedding(11, 4)

    def forward(self, image: Tensor, words: Tensor) -> Any:
        return self.conv(image).mean((2, 3)) + self.words(words).mean(1)


class ByHand(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(7, 3))

    def forward(self, x: Tensor) -> Any:
        return x @ self.weight


HAND_WRITTEN: dict[str, Callable[[], nn.Module]] = {
    "(9,)": lambda: nn.Sequential(nn.Linear(9, 4), nn.ReLU(), nn.Linear(4, 2)),
    "(16, 6)": Recurrent,
    "(2, 256)": lambda: nn.Sequential(nn.Conv1d(2, 3, 5), nn.ReLU()),
    "(2, 64)": lambda: nn.Sequential(nn.Conv1d(2, 1, 1), nn.Flatten(), nn.Linear(64, 2)),
    "(1, 16, 112, 112)": lambda: nn.Conv3d(1, 2, 3, stride=9),
    "(3, 32, 32)": lambda: Cifar(32),
    "(3, 64, 64)": lambda: Cifar(64),
    "(3, 224, 224)": lambda: nn.Sequential(nn.Conv2d(3, 2, 7, stride=2), nn.ReLU()),
    "(1, 28, 28)": Mnist,
    "(16,)": lambda: nn.Sequential(nn.Embedding(12, 4), nn.Linear(4, 12)),
    "(7,)": ByHand,
}


@pytest.mark.parametrize("shape", HAND_WRITTEN)
def test_the_shape_is_inferred_from_the_first_layers(shape: str) -> None:
    model = loaded(HAND_WRITTEN[shape]())
    data = open_data(None, model, batches=2, batch_size=3)
    batches = list(data)
    assert data.synthetic
    assert len(batches) == 2
    for batch in batches:
        assert str(tuple(batch.args[0].shape[1:])) == shape
        assert batch.size == len(batch.args[0]) == 3
        batch.call(model.module.eval())


def test_two_inputs_of_different_kinds() -> None:
    model = loaded(ImageAndTokens())
    batch = next(iter(open_data(None, model, batch_size=2)))
    assert batch.args[0].is_floating_point()
    assert batch.args[1].dtype == torch.long
    assert batch.call(model.module).shape == (2, 4)


def tiny(kind: str) -> nn.Module:
    small = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    image = {**small, "intermediate_size": 8, "image_size": 32, "patch_size": 8}
    t = transformers
    match kind:
        case "bert":
            return t.BertModel(t.BertConfig(vocab_size=30, intermediate_size=8, **small))
        case "gpt2":
            return t.GPT2LMHeadModel(t.GPT2Config(vocab_size=30, n_embd=8, n_layer=1, n_head=2))
        case "t5":
            config = t.T5Config(
                vocab_size=30, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2,
                decoder_start_token_id=0,
            )  # fmt: skip
            return t.T5ForConditionalGeneration(config)
        case "vit":
            return t.ViTModel(t.ViTConfig(**image))
        case "clip":
            text = {**small, "vocab_size": 30, "intermediate_size": 8, "eos_token_id": 29}
            return t.CLIPModel(t.CLIPConfig(text_config=text, vision_config=image))
        case _:
            config = t.WhisperConfig(
                vocab_size=30, d_model=8, encoder_layers=1, decoder_layers=1, num_mel_bins=8,
                encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=8,
                decoder_ffn_dim=8, max_source_positions=10, pad_token_id=0, bos_token_id=1,
                eos_token_id=2, decoder_start_token_id=1, suppress_tokens=None,
            )  # fmt: skip
            return t.WhisperModel(config)


@pytest.mark.parametrize(
    ("kind", "keywords"),
    [
        ("bert", {"input_ids"}),
        ("gpt2", {"input_ids"}),
        ("t5", {"input_ids", "decoder_input_ids"}),
        ("vit", {"pixel_values"}),
        ("clip", {"input_ids", "pixel_values"}),
        ("whisper", {"input_features", "decoder_input_ids"}),
    ],
)
def test_transformers_get_what_their_configuration_says(kind: str, keywords: set[str]) -> None:
    model = loaded(tiny(kind))
    batch = next(iter(open_data(None, model, batch_size=2)))
    assert set(batch.kwargs) == keywords
    batch.call(model.module.eval())


@pytest.mark.parametrize("name", ["test_vit", "test_resnet"])
def test_timm_models_get_what_their_configuration_says(name: str) -> None:
    model = loaded(timm.create_model(name))
    plan = plan_inputs(model)
    assert plan.args[0].shape == tuple(model.module.pretrained_cfg["input_size"])
    assert "timm" in plan.source


def test_the_models_known_shapes_come_first() -> None:
    flow = loaded(input_shapes=((3, 8, 9), (3, 8, 9)))
    batch = next(iter(open_data("random", flow, batch_size=4)))
    assert [tuple(each.shape) for each in batch.args] == [(4, 3, 8, 9)] * 2


def test_detectors_get_a_list_of_images() -> None:
    model = loaded(input_shapes=((3, 8, 9),), input_style="images")
    batch = next(iter(open_data(None, model, batch_size=4)))
    assert [tuple(each.shape) for each in batch.args[0]] == [(3, 8, 9)] * 4
    assert batch.size == 4


def test_the_input_shape_of_the_user() -> None:
    model = loaded(ImageAndTokens())
    batch = next(iter(open_data(None, model, input_shape="1, 8,9; 5:long", batch_size=64)))
    image, words = batch.args
    assert image.shape == (64, 1, 8, 9)
    assert words.shape == (64, 5)
    assert set(words.flatten().tolist()) == set(range(11))


@pytest.mark.parametrize("text", ["", "3x224", "3,-1", "3,0", "3,4:int", "3;;4", "2x3x32", "a"])
def test_a_malformed_shape(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_data(None, loaded(), input_shape=text)
    assert "3,224,224" in caught.value.hint


def test_the_same_seed_gives_the_same_numbers_and_leaves_the_global_state() -> None:
    model = loaded(Cifar(32))
    before = torch.get_rng_state()
    data, other = data_from(None, model, seed=1), data_from(None, model, seed=2)
    first = [batch.args[0] for batch in data]
    assert all(torch.equal(a, b.args[0]) for a, b in zip(first, data, strict=True))
    assert not torch.equal(first[0], next(iter(other)).args[0])
    assert not torch.equal(first[0], first[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert abs(float(first[0].mean())) < 0.02
    assert abs(float(first[0].std()) - 1) < 0.02


def test_trying_leaves_the_model_as_it_was() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()).train()
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    open_data(None, loaded(module))
    assert module.training
    assert all(each.training for each in module)
    assert all(torch.equal(state[name], each) for name, each in module.state_dict().items())


def test_the_numbers_have_the_models_type() -> None:
    batch = next(iter(open_data(None, loaded(nn.Linear(3, 2).to(torch.bfloat16)))))
    assert batch.args[0].dtype == torch.bfloat16


def test_a_model_that_always_raises_shows_its_own_error() -> None:
    class Never(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            raise RuntimeError("needs a graph")

    with pytest.raises(ModelError, match=r"needs a graph \(at .*test_synthetic") as caught:
        open_data(None, loaded(Never(3, 2)))
    assert "--input-shape" in caught.value.hint
    assert "--data" in caught.value.hint


def test_the_note_says_synthetic_and_the_shape() -> None:
    (note,) = open_data(None, loaded(Cifar(32))).notes
    assert "synthetic" in note
    assert "3×32×32" in note
    assert "--data" in note


def test_a_lazy_model_is_not_given_its_size_by_a_guess() -> None:
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    with pytest.raises(ModelError, match="lazy layers") as caught:
        plan_inputs(loaded(net))
    assert "--input-shape" in caught.value.hint
    assert plan_inputs(loaded(net), "3,8,8").args[0].shape == (3, 8, 8)


def test_an_input_by_keyword_only_is_given_by_keyword() -> None:
    class KeywordOnly(nn.Linear):
        def forward(self, *, x: Tensor) -> Tensor:
            return super().forward(x)

    for shape in (None, "5"):
        plan = plan_inputs(loaded(KeywordOnly(5, 2)), shape)
        assert plan.args == ()
        assert plan.kwargs["x"].shape == (5,)


def test_a_linear_layer_of_another_make_tells_its_size() -> None:
    class Packed(nn.Module):
        in_features, out_features = 6, 2

        def __init__(self) -> None:
            super().__init__()
            self.packed = nn.ParameterDict()

        def forward(self, x: Tensor) -> Tensor:
            return x.reshape(-1, 6)[:, :2]

    assert plan_inputs(loaded(Packed())).args[0].shape == (6,)


def test_an_error_that_no_shape_changes_is_told_as_such() -> None:
    class Never(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            raise RuntimeError("needs a graph")

    with pytest.raises(ModelError, match=r"the same for each of \d+ random inputs") as caught:
        plan_inputs(loaded(Never(3, 2)))
    assert "hardly the reason" in caught.value.hint


def test_without_layers_the_shape_is_called_a_guess() -> None:
    assert plan_inputs(loaded(nn.ReLU())).source == "a guess"
