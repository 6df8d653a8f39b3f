"""Every torchvision model: a table or a sentence, and no alarm on any of them as it is built."""

from __future__ import annotations

import json

import pytest
import torch

import netdoctor
from netdoctor.cli.run import run
from netdoctor.inputs.data import open_data
from netdoctor.inputs.model import load_model
from netdoctor.inputs.torchvision_names import torchvision_names

FAMILIES = [
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_v2_s", "googlenet",
    "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small",
    "quantized_resnet18", "regnet_x_400mf", "regnet_y_400mf", "resnet18", "resnet50",
    "resnext50_32x4d", "shufflenet_v2_x0_5", "squeezenet1_0", "squeezenet1_1", "swin_t",
    "swin_v2_t", "vgg11", "vgg11_bn", "vit_b_32", "wide_resnet50_2",
]  # fmt: skip
SIZES = {"inception_v3": 96, "maxvit_t": 224, "vit_b_32": 224}
CALLS = {"googlenet": 57, "inception_v3": 94, "resnet18": 17}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", torchvision_names())
def test_every_model_gives_a_table_or_says_what_it_needs(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"deadneurons {name} --batches 1 --batch-size 1 --no-plots --format json"
    code = run(command.split())
    document = json.loads(capsys.readouterr().out)
    if code == 2:
        assert document["error"]["message"]
        assert document["error"]["hint"]
        assert "bug" not in document["error"]["message"]
    else:
        assert code == 0
        assert document["tables"]["layers"]
        assert document["findings"] == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", FAMILIES)
def test_no_fresh_network_raises_an_alarm_even_if_its_freshness_is_unknown(name: str) -> None:
    loaded = load_model(name, device="cpu")
    size = SIZES.get(name, 64)
    data = open_data(None, loaded, batches=3, batch_size=32, seed=1, input_shape=f"3,{size},{size}")
    torch.manual_seed(0)
    for model in (loaded, loaded.module):  # known to be fresh, and a module that nobody knows
        for source in (data, [batch.args[0] for batch in data]):  # random input, and "real" input
            report = netdoctor.deadneurons(model, source, batches=3)
            assert [(each.code, each.subject) for each in report.findings] == []


@pytest.mark.parametrize("name", CALLS)
def test_the_relu_calls_of_known_networks_are_counted(name: str) -> None:
    loaded = load_model(name, device="cpu")
    data = open_data(None, loaded, batches=1, batch_size=1, input_shape="3,96,96")
    rows = netdoctor.deadneurons(loaded, data, batches=1).table("layers").rows
    assert len(rows) == CALLS[name]
    assert len({row["layer"] for row in rows}) == CALLS[name]
    assert {row["kind"] for row in rows} == {"relu"}
