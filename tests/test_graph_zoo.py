"""The graphs of known architectures: every call is there, and all of it is connected."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import pytest
import torch
from torch import nn
from torchvision.models import get_model

from netdoctor.facts.graph import GraphFacts, GraphNode
from netdoctor.facts.graph_folding import READABLE, folded
from netdoctor.facts.graph_health import health
from netdoctor.inputs.batches import Batch
from netdoctor.observe import Call, observe
from netdoctor.plots.graph_svg import svg
from netdoctor.probes.call_rows import is_torch_layer
from netdoctor.probes.graph import measure

BARE: dict[str, Any] = {"weights": None, "weights_backbone": None}
IMAGES = [
    "resnet18", "resnet50", "densenet121", "googlenet", "inception_v3", "vit_b_32", "swin_t",
    "mobilenet_v3_small", "efficientnet_b0", "shufflenet_v2_x0_5", "convnext_tiny", "maxvit_t",
    "squeezenet1_0", "vgg11", "regnet_y_400mf", "mnasnet0_5",
]  # fmt: skip


def check(model: nn.Module, batch: Batch, constants: Container[str] = ()) -> GraphFacts:
    """Measures a model's graph, and compares it with what an observation of its own saw.

    Args:
        model: the network.
        batch: what it takes.
        constants: the layers that are fed by constants alone.
    """
    model.eval()
    facts = measure(model, batch)
    names = {node.name for node in facts.nodes} | {scope.name for scope in facts.scopes}
    missing = []

    def on_call(call: Call) -> None:
        within = call.site.operation and is_torch_layer(call.module)
        if not within and str(call.site) not in names:
            missing.append(str(call.site))

    with observe(model, on_call, watch=("module", "operation")), torch.no_grad():
        model.eval()
        batch.call(model)
    parts = [name for name in missing if not any(is_part_of(name, node) for node in facts.calls)]
    assert not parts
    assert all(edge.source < edge.target for edge in facts.edges)
    outputs = {at for at, node in enumerate(facts.nodes) if node.kind == "output"}
    fed = {edge.target for edge in facts.edges}
    assert outputs <= fed
    inputs = [at for at, node in enumerate(facts.nodes) if node.kind == "input"]
    reached, grown = set(inputs), True
    while grown:
        more = {edge.target for edge in facts.edges if edge.source in reached} - reached
        grown, reached = bool(more), reached | more
    assert outputs <= reached
    unfed = {node.path for at, node in enumerate(facts.nodes) if at not in reached and is_fed(node)}
    assert all(path in constants for path in unfed)
    svg(facts, health([], facts))
    return facts


def is_fed(node: GraphNode) -> bool:
    """Whether something has to lead to it from an input."""
    return node.kind == "module" and node.parameters > 0


def is_part_of(name: str, path: str) -> bool:
    """Whether a call is of what runs inside of a layer of PyTorch's own."""
    return name.startswith(f"{path}/")


def of_images(name: str) -> tuple[nn.Module, Batch]:
    size = {"inception_v3": 96, "maxvit_t": 224, "vit_b_32": 224}.get(name, 64)
    options = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    model = get_model(name, weights=None, **options)
    return model, Batch((torch.randn(2, 3, size, size),), {}, None, 2)


@pytest.mark.parametrize("name", ["resnet18", "shufflenet_v2_x0_5"])
def test_a_few_image_networks(name: str) -> None:
    facts = check(*of_images(name))
    assert sum(1 for _ in folded(facts).rows()) <= READABLE


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The default weight initialization")
@pytest.mark.parametrize("name", IMAGES)
def test_image_networks(name: str) -> None:
    facts = check(*of_images(name))
    assert sum(1 for _ in folded(facts).rows()) <= READABLE


def test_resnet50_folds_its_repeated_blocks() -> None:
    facts = measure(*of_images("resnet50"))
    rows = [(row.title, row.times) for row in folded(facts).rows() if row.kind == "Bottleneck"]
    assert rows == [
        ("0", 1), ("1–2", 2), ("0", 1), ("1–3", 3), ("0", 1), ("1–5", 5), ("0", 1), ("1–2", 2),
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("fasterrcnn_mobilenet_v3_large_fpn", ([torch.rand(3, 96, 96)] * 2,)),
        ("retinanet_resnet50_fpn", ([torch.rand(3, 64, 64)] * 2,)),
        ("deeplabv3_mobilenet_v3_large", (torch.rand(2, 3, 96, 96),)),
        ("lraspp_mobilenet_v3_large", (torch.rand(2, 3, 96, 96),)),
        ("r3d_18", (torch.rand(2, 3, 4, 32, 32),)),
    ],
)
def test_other_tasks(name: str, args: tuple[Any, ...]) -> None:
    options = BARE if name != "r3d_18" else {"weights": None}
    check(get_model(name, **options), Batch(args, {}, None, 2))


@pytest.mark.slow
def test_an_iterated_network_is_drawn_by_its_iterations() -> None:
    frames = torch.rand(2, 2, 3, 128, 128)
    flow_at_first = {f"update_block.motion_encoder.convflow{n}.0" for n in (1, 2)}  # of zeros
    batch = Batch(tuple(frames), {}, None, 2)
    facts = check(get_model("raft_small", weights=None), batch, flow_at_first)
    boxes = [each for each in folded(facts).root.items if getattr(each, "times", 1) == 11]
    assert len(boxes) == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["convnext_atto", "mixer_s32_224", "efficientvit_b0"])
def test_timm(name: str) -> None:
    timm = pytest.importorskip("timm")
    check(timm.create_model(name), Batch((torch.randn(2, 3, 224, 224),), {}, None, 2))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_transformers(kind: str) -> None:
    transformers = pytest.importorskip("transformers")
    shared = {"vocab_size": 50, "bos_token_id": 0, "eos_token_id": 0}
    if kind == "bert":
        config = transformers.BertConfig(
            hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
            **shared,
        )  # fmt: skip
        model = transformers.BertForSequenceClassification(config)
    else:
        config = transformers.GPT2Config(n_embd=16, n_layer=3, n_head=2, n_positions=32, **shared)
        model = transformers.GPT2LMHeadModel(config)
    ids = torch.randint(0, 50, (2, 8))
    places = {f"bert.embeddings.{kind}_embeddings" for kind in ("position", "token_type")}
    facts = check(model, Batch((), {"input_ids": ids}, None, 2), {*places, "transformer.wpe"})
    assert any(getattr(box, "times", 1) == 3 for box in _boxes(folded(facts).root))


def _boxes(box: Any) -> list[Any]:
    return [box, *(one for each in getattr(box, "items", ()) for one in _boxes(each))]
