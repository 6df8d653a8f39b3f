"""Networks that people use, fresh and after some training: no alarm about their gradients."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

import netdoctor
from netdoctor.inputs.model import LoadedModel
from sample_models import shapes

TORCHVISION: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnet18 zero-init": {"zero_init_residual": True},
    "resnet50": {},
    "densenet121": {},
    "mobilenet_v2": {},
    "mobilenet_v3_small": {},
    "efficientnet_b0": {},
    "mnasnet0_5": {},
    "convnext_tiny": {},
    "vit_b_16": {"image_size": 48},
    "swin_t": {},
    "googlenet": {"init_weights": True},
    "squeezenet1_1": {},
    "vgg11": {},
    "vgg16_bn": {},
    "shufflenet_v2_x0_5": {},
    "regnet_y_400mf": {},
}
SIZES = {"vit_b_16": 48, "googlenet": 80}


def network(name: str) -> nn.Module:
    torch.manual_seed(0)
    model: nn.Module = models.get_model(
        name.split()[0], weights=None, num_classes=8, **TORCHVISION[name]
    )
    return model


@functools.cache
def pictures(size: int) -> list[tuple[Tensor, Tensor]]:
    drawn = shapes.Shapes(size=48, seed=3)
    images = torch.stack([drawn[index][0] for index in range(48)])
    labels = torch.tensor([drawn[index][1] for index in range(48)])
    return list(zip(F.interpolate(images, size=size).split(16), labels.split(16), strict=True))


def alarms(model: nn.Module, data: Any, fresh: bool | None) -> list[tuple[str, str, str]]:
    loaded = LoadedModel(model, type(model).__name__, torch.device("cpu"), fresh=fresh)
    report = netdoctor.gradflow(loaded, data, batches=2)
    return [
        (each.code, each.subject, each.message)
        for each in report.findings
        if each.severity.value != "info"
    ]


def train(model: nn.Module, step: Callable[[int], Tensor], steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    model.train()
    for number in range(steps):
        optimizer.zero_grad()
        step(number).backward()
        optimizer.step()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_networks_fresh_and_after_some_steps(name: str) -> None:
    model, data = network(name), pictures(SIZES.get(name, 64))
    assert alarms(model, data, True) == []

    def step(number: int) -> Tensor:
        images, labels = data[number % len(data)]
        output = model(images)
        return F.cross_entropy(output if isinstance(output, Tensor) else output.logits, labels)

    train(model, step, 6)
    assert alarms(model, data, False) == []


def tiny_bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=80, hidden_size=32, num_hidden_layers=3, num_attention_heads=4,
            intermediate_size=64, max_position_embeddings=32, num_labels=4,
        )
    )  # fmt: skip


def tiny_gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=80, n_embd=32, n_layer=3, n_head=4, n_positions=32)
    )


@pytest.mark.slow
@pytest.mark.parametrize("make", [tiny_bert, tiny_gpt2])
@pytest.mark.filterwarnings("ignore")
def test_transformers_fresh_and_after_some_steps(make: Callable[[], nn.Module]) -> None:
    source = torch.Generator().manual_seed(0)
    tokens = torch.randint(80, (3, 16, 12), generator=source)
    labels = [each[:, 0] % 4 if make is tiny_bert else each for each in tokens]
    data = [
        {"input_ids": each, "labels": target} for each, target in zip(tokens, labels, strict=True)
    ]
    model = make()
    assert alarms(model, data, True) == []
    train(model, lambda number: model(**data[number % 3]).loss, 10)
    assert alarms(model, data, False) == []
