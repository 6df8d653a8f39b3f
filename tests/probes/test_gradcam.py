from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision import models

import netdoctor
from netdoctor.errors import ModelError, NetDoctorError, NothingExaminedError, UsageError
from netdoctor.facts.gradcam import Explained, GradCamFacts
from netdoctor.inputs.batches import Batch
from netdoctor.probes.cam_maps import scorer
from netdoctor.probes.cam_pass import plain_batch, tapped
from netdoctor.probes.cam_targets import Wish, aimed, head_of
from netdoctor.report import Report
from tests.observe.state import fingerprint

IMAGES = torch.randn(3, 3, 16, 24, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """Two stages and a head; `between` is what stands between the features and the head."""

    def __init__(self, outputs: int = 4, between: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Conv2d(3, 6, 3, 2, 1)
        self.second = nn.Conv2d(6, 8, 3, 2, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(8, outputs)
        self.between = between

    def forward(self, x: Tensor) -> Any:
        x = self.relu(self.second(self.relu(self.first(x))))
        return self.fc(self.between(x).mean((2, 3)))


def explained(model: nn.Module, data: Any = IMAGES, **options: Any) -> GradCamFacts:
    report: Report = netdoctor.gradcam(model, data, **options)
    assert isinstance(report.facts, GradCamFacts)
    return report.facts


def refused(model: nn.Module, data: Any = IMAGES, **options: Any) -> NetDoctorError:
    with pytest.raises(NetDoctorError) as caught:
        netdoctor.gradcam(model, data, **options)
    return caught.value


def only(facts: GradCamFacts) -> Explained:
    assert len(facts.images) == 1
    return facts.images[0]


def by_hand(activation: Tensor, head: Callable[[Tensor], Tensor]) -> np.ndarray[Any, Any]:
    """Grad-CAM's map (h, w) of an activation (1, C, h, w) for the scalar that the head makes."""
    leaf = activation.detach().clone().requires_grad_()
    (slope,) = torch.autograd.grad(head(leaf), leaf)
    map_ = (slope.mean((2, 3), keepdim=True) * leaf).sum(1).clamp(min=0)[0]
    return map_.detach().numpy()


def test_the_activation_is_read_before_an_in_place_step_overwrites_it() -> None:
    network = Net()
    facts = explained(network, layer="second")
    for number, image in enumerate(IMAGES):
        with torch.no_grad():
            given = network.second(network.first(image[None]).relu())
        top = facts.images[number].target.index
        expected = by_hand(given, lambda x, top=top: network.fc(x.relu().mean((2, 3)))[0, top])
        found = facts.images[number].maps[0].values
        np.testing.assert_allclose(found, expected, atol=1e-6)
        assert (given < 0).any()


def test_a_densenets_layer_before_its_in_place_relu() -> None:
    torch.manual_seed(0)
    network = models.DenseNet(4, (1, 1), 8, num_classes=5).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        given = network.features(image)
    found = only(explained(network, image, layer="features"))

    def head(x: Tensor) -> Tensor:
        return network.classifier(F.relu(x).mean((2, 3)))[0, found.target.index]

    np.testing.assert_allclose(found.maps[0].values, by_hand(given, head), atol=1e-6)


def test_a_call_of_a_reused_module() -> None:
    network = Net()
    report = netdoctor.gradcam(network, IMAGES, layer="relu#1")
    assert report.facts.images[0].maps[0].values.shape == (8, 12)
    last = netdoctor.gradcam(network, IMAGES, layer="relu")
    assert [str(each.site) for each in last.facts.layers] == ["relu#2"]
    assert any("called 2 times" in note and "relu#2" in note for note in last.notes)
    default = explained(network)
    assert str(default.layers[0].site) == "relu#2"
    np.testing.assert_array_equal(
        default.images[1].maps[0].values, last.facts.images[1].maps[0].values
    )


@pytest.mark.parametrize(
    ("build", "size", "layer"),
    [
        (lambda: models.resnet18(num_classes=3), (64, 64), "layer4#1"),
        (lambda: models.googlenet(num_classes=3, init_weights=False, aux_logits=False), (64, 96),
         "inception5b#1"),
        (lambda: models.mobilenet_v3_small(num_classes=3), (64, 64), "features#1"),
        (lambda: models.vgg11(num_classes=3), (64, 64), "features#1"),
        (lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3), (32, 32),
         "encoder.layers.encoder_layer_1.ln_1#1"),
        (lambda: models.SwinTransformer([4, 4], 16, [1, 1], [2, 2], [4, 4], num_classes=3),
         (32, 64), "norm#1"),
        (lambda: models.DenseNet(4, (1, 1), 8, num_classes=5), (64, 64), "/relu#1"),
    ],
)  # fmt: skip
def test_the_default_layer(
    build: Callable[[], nn.Module], size: tuple[int, int], layer: str
) -> None:
    report = netdoctor.gradcam(build(), torch.randn(1, 3, *size))
    assert [str(each.site) for each in report.facts.layers] == [layer]
    assert any(note.startswith(f"layer: {layer}") for note in report.notes)
    height, width = report.facts.images[0].maps[0].values.shape
    assert height / width == pytest.approx(size[0] / size[1])


def test_the_class_token_is_left_out_and_said() -> None:
    network = models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=3)
    report = netdoctor.gradcam(network, torch.randn(1, 3, 32, 32))
    layout = report.facts.layers[0].layout
    assert (layout.grid, layout.prefix) == ((4, 4), 1)
    assert any("1 class or register token" in note for note in report.notes)
    # A head of zeros, as torchvision makes it: nothing to see, and no alarm for it.
    assert report.facts.images[0].maps[0].blank == "no gradient"
    assert report.findings == ()
    assert report.skipped[0].rule == "blank-heatmap"


class Segmenter(nn.Module):
    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.deep = nn.Conv2d(8, 16, 3, 2, 1)
        self.up = nn.Conv2d(16, classes, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        deep = self.deep(self.stem(x).relu()).relu()
        return {"out": F.interpolate(self.up(deep), x.shape[-2:]), "aux": x}


def test_a_segmentation_is_explained_over_its_predicted_mask() -> None:
    network = Segmenter()
    image = IMAGES[:1]
    report = netdoctor.gradcam(network, image)
    found = only(report.facts)
    assert str(report.facts.layers[0].site) == "/relu#2"
    with torch.no_grad():
        out = network(image)["out"]
    chosen = out.argmax(1)[0]
    counts = torch.bincount(chosen.flatten(), minlength=3)
    expected = int(counts[1:].argmax()) + 1 if counts[1:].any() else 0
    assert found.target.index == found.top[0].index == expected
    mask = chosen == expected
    assert found.target.pixels == int(mask.sum())
    assert found.target.value == pytest.approx(float(out[0, expected][mask].mean()), rel=1e-5)

    given = network.deep(network.stem(image).relu())

    def head(x: Tensor) -> Tensor:
        out = F.interpolate(network.up(x.relu()), image.shape[-2:])
        return out[0, expected][mask].mean()

    at = only(explained(network, image, layer="deep"))
    np.testing.assert_allclose(at.maps[0].values, by_hand(given, head), atol=1e-6)
    assert any("pixels where it is predicted" in note for note in report.notes)


@pytest.mark.parametrize("bias", [-50.0, 50.0])
def test_a_single_logit_is_explained_for_its_side(bias: float) -> None:
    network = Net(outputs=1)
    nn.init.constant_(network.fc.bias, bias)
    found = only(explained(network, IMAGES[:1], layer="second"))
    side = "positive" if bias > 0 else "negative"
    assert (found.target.kind, found.target.name, found.top[0].index) == (side, side, bias > 0)
    assert found.top[0].score == pytest.approx(1.0)
    with torch.no_grad():
        given = network.second(network.first(IMAGES[:1]).relu())
    sign = 1 if bias > 0 else -1
    expected = by_hand(given, lambda x: sign * network.fc(x.relu().mean((2, 3))).sum())
    np.testing.assert_allclose(found.maps[0].values, expected, atol=1e-6)
    other = only(
        explained(
            network, IMAGES[:1], layer="second", target="negative" if bias > 0 else "positive"
        )
    )
    assert other.target.index == (0 if bias > 0 else 1)
    assert not np.allclose(other.maps[0].values, found.maps[0].values)


def test_probabilities_are_not_softmaxed_again() -> None:
    network = Net()
    whole = nn.Sequential(network, nn.Softmax(1))
    expected = network(IMAGES).softmax(1).amax(1)
    scores = [each.top[0].score for each in explained(whole).images]
    np.testing.assert_allclose(scores, expected.detach().numpy(), rtol=1e-5)


def test_targets_by_index_and_name() -> None:
    names = ["tench", "Egyptian cat", "tabby", "great white shark"]
    network = Net()
    assert only(explained(network, IMAGES[:1], target=2)).target.index == 2
    named = only(explained(network, IMAGES[:1], target="egyptian_cat", class_names=names))
    assert (named.target.index, named.target.name) == (1, "Egyptian cat")
    assert named.top[0].name in names
    assert "Egyptian cat" in refused(network, target="egyptian cot", class_names=names).hint
    assert "4 classes" in refused(network, target=4).message
    assert "4 classes" in refused(network, target="-1").message
    assert "--class-names" in refused(network, target="cat").hint
    assert isinstance(refused(network, class_names=names[:3]), UsageError)
    assert isinstance(refused(network, target="positive"), UsageError)


def test_imagenets_names_are_assumed_for_a_thousand_classes() -> None:
    network = Net(outputs=1000)
    report = netdoctor.gradcam(network, IMAGES[:1], target="Egyptian cat")
    assert only(report.facts).target.index == 285
    assert any("assumed" in note for note in report.notes)


def test_frozen_weights_and_a_forward_without_gradients_in_front() -> None:
    network = Net()
    before = explained(network)
    for each in network.parameters():
        each.requires_grad_(False)

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = network.relu(network.second(network.relu(network.first(x))))
            return network.fc(x.mean((2, 3)))

    for wrapped, layer in ((network, "relu#2"), (Frozen(), "network.relu#2")):
        with torch.inference_mode():
            found = explained(wrapped, layer=layer)
        for one, other in zip(before.images, found.images, strict=True):
            np.testing.assert_array_equal(one.maps[0].values, other.maps[0].values)


def cut_by_no_grad(x: Tensor) -> Tensor:
    with torch.no_grad():
        return x * 2


def cut_by_inference(x: Tensor) -> Tensor:
    with torch.inference_mode():
        return x * 2


@pytest.mark.parametrize(
    ("cut", "name"),
    [(Tensor.detach, "/detach#1"), (cut_by_no_grad, "/mul#1"), (cut_by_inference, "/mul#1")],
)
def test_a_cut_graph_names_the_operation(cut: Callable[[Tensor], Tensor], name: str) -> None:
    network = Net(between=cut)
    error = refused(network)
    assert isinstance(error, ModelError)
    assert name in error.message
    assert "eigencam" in error.hint
    assert not explained(network, method="eigencam").images[0].maps[0].blank


def test_wrapped_models() -> None:
    network = Net()
    expected = explained(network).images[0].maps[0].values
    wrapped = torch.compile(network, backend="eager")
    for each in (nn.DataParallel(network), wrapped):
        np.testing.assert_array_equal(explained(each).images[0].maps[0].values, expected)


def test_layers_that_have_no_map_or_do_not_exist() -> None:
    network = Net()
    assert "fc#1" in refused(network, layer="fc").message
    assert "second" in refused(network, layer="fc").hint
    missing = refused(network, layer="secnd")
    assert isinstance(missing, NothingExaminedError)
    assert "--layer secnd" in missing.message
    assert "second" in missing.hint


def test_several_layers_give_several_maps_in_call_order() -> None:
    facts = explained(Net(), layer=["second", "first"])
    assert [str(each.site) for each in facts.layers] == ["first#1", "second#1"]
    arrays = facts.arrays()
    assert arrays["heatmap"].shape == (3, 4, 6)
    assert arrays["heatmap.first#1"].shape == (3, 8, 12)
    assert arrays["target"].tolist() == [each.target.index for each in facts.images]
    for layer, key in (("first", "heatmap.first#1"), ("second", "heatmap")):
        alone = explained(Net(), layer=layer).arrays()["heatmap"]
        np.testing.assert_allclose(arrays[key], alone, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), torch.randn(2, 6)),
        (nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 2)), torch.randint(9, (2, 7))),
        (models.detection.ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None),
         [[torch.randn(3, 64, 64)]]),
    ],
)  # fmt: skip
def test_what_has_no_class_score_or_no_map_is_refused_in_a_sentence(
    model: nn.Module, data: Any
) -> None:
    error = refused(model, data)
    assert error.hint
    assert "Traceback" not in error.message


def test_a_blank_map_is_found_with_its_reason() -> None:
    network = Net()
    with torch.no_grad():
        network.fc.weight.abs_().neg_()
        network.fc.bias.copy_(torch.tensor([9.0, 0.0, 0.0, 0.0]))
    report = netdoctor.gradcam(network, IMAGES)
    assert [each.code for each in report.findings] == ["CAM001"] * 3
    assert "counts against" in report.findings[0].message
    heat = report.facts.images[0].maps[0]
    assert (heat.blank, heat.highest <= 0) == ("no evidence", True)
    assert not heat.values.any()


@pytest.mark.parametrize("spoil", ["nan", "dead", "flat"])
def test_other_reasons_for_a_blank_map(spoil: str) -> None:
    network = Net()
    with torch.no_grad():
        if spoil == "nan":
            network.second.weight[0, 0, 0, 0] = torch.nan
        if spoil == "dead":
            network.second.bias.fill_(-1e3)
        if spoil == "flat":
            network.fc.weight.zero_()
    report = netdoctor.gradcam(network, IMAGES[:1])
    heat = only(report.facts).maps[0]
    expected = {"nan": "not finite", "dead": "no output", "flat": "no gradient"}
    assert heat.blank == expected[spoil]
    assert heat.reason in report.findings[0].message
    if spoil == "nan":
        assert np.isnan(only(report.facts).top[0].score)


@pytest.mark.parametrize("method", ["gradcam", "scorecam", "ablationcam", "eigencam"])
def test_the_model_is_left_as_found(method: str) -> None:
    network = nn.Sequential(Net(), nn.BatchNorm1d(4)).train()
    network[0].fc.weight.grad = torch.ones(4, 8)
    network[0].first.weight.requires_grad_(False)
    before, images = fingerprint(network), IMAGES.clone()
    netdoctor.gradcam(network, IMAGES, method=method)
    assert fingerprint(network) == before
    assert torch.equal(images, IMAGES)


def test_at_most_so_many_images() -> None:
    assert len(explained(Net(), images=2).images) == 2
    assert len(explained(Net(), [IMAGES, IMAGES], images=4).images) == 4
    assert len(explained(Net(), images=None).images) == 3
    assert isinstance(refused(Net(), images=0), UsageError)


def test_images_of_several_sizes() -> None:
    data = [IMAGES[:1], IMAGES[:1, :, :, :16]]
    facts = explained(Net(), data)
    assert [each.maps[0].values.shape for each in facts.images] == [(4, 6), (4, 4)]
    assert np.isnan(facts.arrays()["heatmap"][1, :, 4:]).all()


def test_checkpointed_blocks_are_read_once() -> None:
    from torch.utils.checkpoint import checkpoint

    network = Net()
    expected = explained(network).images[0].maps[0].values
    inner = copy.deepcopy(network)

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor) -> Any:
            return checkpoint(self.inner, x, use_reentrant=False)

    found = explained(Checkpointed(), layer="inner.relu#2").images[0].maps[0].values
    np.testing.assert_array_equal(found, expected)


def test_the_score_for_faithfulness_is_a_probability_of_the_explained_class() -> None:
    network = Net().eval()
    batch = plain_batch(Batch((IMAGES,), {}, None, 3))
    with tapped(network, []) as passes:
        logits = network(IMAGES)
        head = head_of(logits, 3, "")
        aim, _, _ = aimed(logits[1:2], head, Wish("chosen", 2), ())
        score = scorer(passes, batch, 1, aim)
        others = torch.randn(5, 3, 16, 24)
        found = score(others)
        expected = network(others).softmax(1)[:, 2]
    torch.testing.assert_close(found, expected.detach())
