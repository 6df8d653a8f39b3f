"""The sample networks are what they claim: healthy ones are accurate, sick ones really sick."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sample_models import demo, loaders, networks, shapes, train
from sample_models.faults import FAULTS, fault
from tests.healthy import HEALTHY, Healthy

HEALTHY_FACTORIES = (
    networks.healthy,
    networks.healthy_functional,
    networks.healthy_convnext,
    networks.healthy_tanh,
    networks.healthy_dilated,
)
RECORDED = json.loads((networks.WEIGHTS / "accuracy.json").read_text())
RECTIFIERS = {"relu", "relu_", "clamp"}


@pytest.fixture(scope="module")
def test_pictures() -> train.Pictures:
    return train.pictures(train=False)


class Recorder(TorchFunctionMode):
    """Keeps a copy of what each outermost rectifier or sigmoid was given and gave."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, Tensor, Tensor]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = getattr(func, "__name__", "")
        if name not in RECTIFIERS | {"sigmoid", "tanh"}:
            return func(*args, **(kwargs or {}))
        given = args[0].clone()
        result = func(*args, **(kwargs or {}))
        self.calls.append((name, given, result.clone()))
        return result


def recorded(network: nn.Module, images: Tensor) -> list[tuple[str, Tensor, Tensor]]:
    recorder = Recorder()
    with torch.no_grad(), recorder:
        network(images)
    return recorder.calls


def dead_shares(network: nn.Module, images: Tensor) -> list[float]:
    """Share of channels that never fire, for each rectifier call in order."""
    calls = [output for name, _, output in recorded(network, images) if name in RECTIFIERS]
    return [float((output.amax((0, 2, 3)) <= 0).double().mean()) for output in calls]


def test_a_picture_depends_on_seed_split_and_index_alone() -> None:
    few, many = shapes.Shapes(size=5), shapes.Shapes(size=50)
    assert np.array_equal(few.drawing(4).pixels, many.drawing(4).pixels)
    others = (shapes.Shapes(train=True), shapes.Shapes(seed=1))
    assert all(not np.array_equal(few.drawing(4).pixels, o.drawing(4).pixels) for o in others)
    with pytest.raises(IndexError, match="5 is not within"):
        few[5]


def test_the_mask_and_box_are_where_the_shape_is() -> None:
    for index in range(40):
        drawing = shapes.Shapes().drawing(index)
        left, top, right, bottom = drawing.box
        assert drawing.mask[top:bottom, left:right].sum() == drawing.mask.sum() > 30
        pixels = drawing.pixels / 255
        inside, outside = pixels[drawing.mask].mean(0), pixels[~drawing.mask].mean(0)
        assert np.linalg.norm(inside - outside) > 0.25


def test_the_classes_are_balanced_and_the_pictures_normalised(
    test_pictures: train.Pictures,
) -> None:
    counts = torch.bincount(test_pictures.labels, minlength=len(shapes.CLASSES))
    assert counts.min() > 0.7 * len(test_pictures) / len(shapes.CLASSES)
    assert test_pictures.images.shape == (1000, 3, 48, 48)
    assert abs(float(test_pictures.images.mean())) < 0.1
    assert 0.9 < float(test_pictures.images.std()) < 1.1


def test_the_loaders_give_batches_and_only_training_is_shuffled() -> None:
    images, labels = next(iter(shapes.test_loader()))
    assert images.shape == (64, 3, 48, 48)
    assert labels.tolist() == [shapes.test_set()[i][1] for i in range(64)]
    first = next(iter(shapes.loader(train=True, size=200)))[1]
    assert first.tolist() != [shapes.Shapes(train=True)[i][1] for i in range(64)]
    assert first.tolist() == next(iter(shapes.loader(train=True, size=200)))[1].tolist()


def test_all_weights_together_stay_below_a_megabyte() -> None:
    files = list(networks.WEIGHTS.glob("*.safetensors"))
    assert {file.stem for file in files} == set(train.RECIPES) == set(RECORDED)
    assert sum(file.stat().st_size for file in files) < 1_000_000


@pytest.mark.parametrize("name", train.RECIPES)
def test_weights_load_as_a_plain_checkpoint_too(name: str) -> None:
    factory: Callable[..., nn.Module] = getattr(networks, name)
    plain = factory(trained=False)
    plain.load_state_dict(load_file(networks.WEIGHTS / f"{name}.safetensors"))
    for mine, loaded in zip(
        factory().state_dict().values(), plain.state_dict().values(), strict=True
    ):
        assert torch.equal(mine.nan_to_num(7e7), loaded.nan_to_num(7e7))


@pytest.mark.parametrize("name", train.RECIPES)
def test_the_halved_weights_and_only_these_are_in_half_precision(name: str) -> None:
    weights = load_file(networks.WEIGHTS / f"{name}.safetensors")
    kinds = {each.dtype for each in weights.values() if each.is_floating_point()}
    assert kinds == {torch.float16 if name in train.HALVED else torch.float32}


@pytest.mark.parametrize("factory", HEALTHY_FACTORIES)
def test_healthy_networks_are_accurate(
    factory: Callable[..., nn.Module], test_pictures: train.Pictures
) -> None:
    measured = train.accuracy(factory(), test_pictures)
    assert measured >= 0.97
    assert measured == pytest.approx(RECORDED[factory.__name__], abs=0.003)


@pytest.mark.parametrize("factory", HEALTHY_FACTORIES)
def test_healthy_networks_have_neither_dead_nor_saturated_layers(
    factory: Callable[..., nn.Module], test_pictures: train.Pictures
) -> None:
    network = factory()
    assert all(share < 0.4 for share in dead_shares(network, test_pictures.images))
    for name, given, _ in recorded(network, test_pictures.images):
        assert name != "tanh" or float((given.abs() > 3).double().mean()) < 0.2


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("sick_dead_layer", 2),
        ("sick_bias", 2),
        ("sick_functional", 2),
        ("sick_shared_relu", 3),
        ("sick_clamp", 2),
    ],
)
def test_the_named_call_is_the_first_dead_one(
    name: str, call: int, test_pictures: train.Pictures
) -> None:
    shares = dead_shares(fault(name).factory(), test_pictures.images)
    assert shares[call - 1] == 1
    assert all(share < 0.4 for share in shares[: call - 1])
    assert fault(name).expected_rule == "ACT001"


def test_the_partly_dead_layer_lies_between_warning_and_error(
    test_pictures: train.Pictures,
) -> None:
    *before, last = dead_shares(networks.sick_partly_dead(), test_pictures.images)
    assert 0.75 <= last < 0.9
    assert max(before) < 0.4


def test_the_first_sigmoids_are_saturated(test_pictures: train.Pictures) -> None:
    calls = recorded(networks.sick_sigmoids(), test_pictures.images)
    saturated = [float((given.abs() > 5).double().mean()) for _, given, _ in calls]
    assert saturated[0] > 0.9
    assert max(saturated[1:]) < 0.5


def test_the_nan_network_has_nan_weights_and_gives_nan(test_pictures: train.Pictures) -> None:
    network = networks.sick_nan()
    assert network.get_parameter("conv1.weight").isnan().any()
    with torch.no_grad():
        assert network(test_pictures.images[:4]).isnan().all()


def test_the_softmax_network_gives_probabilities(test_pictures: train.Pictures) -> None:
    with torch.no_grad():
        output = networks.sick_softmax()(test_pictures.images[:50])
    assert torch.allclose(output.sum(1), torch.ones(50))
    assert output.min() >= 0


def test_the_detached_layer_gets_no_gradient(test_pictures: train.Pictures) -> None:
    network = networks.sick_detached()
    output = network(test_pictures.images[:8])
    F.cross_entropy(output, test_pictures.labels[:8]).backward()
    without = {n.split(".")[0] for n, p in network.named_parameters() if p.grad is None}
    assert without == {"conv1", "auxiliary"}


def test_the_exploding_network_explodes(test_pictures: train.Pictures) -> None:
    outputs = [result for _, _, result in recorded(networks.sick_exploding(), test_pictures.images)]
    assert float(outputs[-1].std() / outputs[0].std()) > 1e4


def test_black_frames_took_the_variance_away() -> None:
    network = networks.sick_norm_statistics()
    assert network.get_buffer("norms.0.running_var").max() < 1e-8


@pytest.mark.parametrize("name", ["sick_momentum", "sick_norm_statistics"])
def test_batch_norm_faults_show_only_in_evaluation(
    name: str, test_pictures: train.Pictures
) -> None:
    network = fault(name).factory()
    evaluated = train.accuracy(network, test_pictures)
    network.train()
    with torch.no_grad():
        training = (network(test_pictures.images).argmax(1) == test_pictures.labels).double()
    assert float(training.mean()) > evaluated + 0.15


def test_the_loss_on_the_shape_is_larger_for_evidence_off_it() -> None:
    network = networks.healthy_dilated()
    drawings = [shapes.test_set().drawing(place) for place in range(16)]
    images = torch.stack([shapes.normalise(each.pixels) for each in drawings])
    labels = torch.tensor([each.label for each in drawings])
    masks = torch.stack([torch.from_numpy(each.mask) for each in drawings])[:, None].float()
    with torch.no_grad():
        on, off = (
            float(train.off_the_shape(network, torch.cat([images, each], 1), labels))
            for each in (masks, 1 - masks)
        )
        plain = float(F.cross_entropy(network(images), labels))
    assert plain <= on < plain + 0.2
    assert off > plain + 2


def test_every_sick_recipe_is_in_the_table() -> None:
    assert {each.name for each in FAULTS} == {n for n in train.RECIPES if n.startswith("sick_")}


@pytest.mark.parametrize("each", HEALTHY, ids=lambda each: each.name)
def test_the_small_healthy_networks_learn_their_task(each: Healthy) -> None:
    held_out = each.batches(4, 64, 0)
    again = each.batches(4, 64, 0)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(held_out, again, strict=True))
    before = each.mean_loss(each.fresh(), held_out)
    assert each.mean_loss(each.trained(), held_out) < 0.75 * before


def test_the_demo_succeeds_only_when_both_answers_are_right(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert demo.summary(sick=1, healthy=0) == 0
    assert [demo.summary(0, 0), demo.summary(1, 1), demo.summary(2, 0)] == [1, 1, 1]
    assert "could not be examined (exit code 2)" in capsys.readouterr().out


def test_sick_data_has_the_fault_it_names() -> None:
    first = {name: next(iter(make())) for name, make in loaders.FAULTY.items()}
    assert first["blank_frames"][0].isnan().any()
    assert first["raw_pixels"][0].max() > 100
    assert first["labels_from_one"][1].max() == len(shapes.CLASSES)
    assert len(first["one_class"][1].unique()) == 1
    assert first["sorted_labels"][1].diff().min() >= 0
    assert first["float_targets"][1].is_floating_point()
    assert first["channels_last"][0].shape[-1] == 3
    assert first["normalised_twice"][0].mean() < -1
    counts = torch.cat([y for _, y in loaders.FAULTY["imbalanced"]()]).bincount().float()
    assert counts.max() > 0.8 * counts.sum()
    images = torch.cat([x for x, _ in loaders.FAULTY["duplicates"]()]).flatten(1)
    assert len(images.unique(dim=0)) < 0.5 * len(images)
    assert [len(y) for _, y in loaders.FAULTY["one_left_over"]()][-1] == 1
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        list(loaders.ragged())


@pytest.mark.slow
def test_training_again_lands_at_the_same_accuracy(test_pictures: train.Pictures) -> None:
    network = train.trained("healthy", train.pictures(train=True))
    measured = train.accuracy(network, test_pictures)
    assert measured >= 0.97
    assert measured == pytest.approx(RECORDED["healthy"], abs=0.015)
