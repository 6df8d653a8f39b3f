"""What a checkpoint gives a model is matched by name, counted, and refused when it does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from netdoctor.errors import CheckpointError
from netdoctor.inputs.loading import load_into
from netdoctor.inputs.state_dicts import State
from netdoctor.inputs.state_names import match_names
from netdoctor.inputs.wrappers import without_wrappers


class Net(nn.Module):
    def __init__(self, classes: int = 4, width: int = 3) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width))
        self.head = nn.Linear(width, classes)
        self.register_buffer("grid", torch.arange(3.0), persistent=False)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 5)
        self.out = nn.Linear(5, 7, bias=False)
        self.out.weight = self.embed.weight


class Lightning(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.model = net


def _state(tensors: dict[str, Tensor]) -> State:
    return State(tensors, Path("best.pt"))


def _equal(one: nn.Module, other: nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def _compiled_child() -> tuple[nn.Module, nn.Module]:
    net = Net()
    wrapped = Net()
    wrapped.load_state_dict(net.state_dict())
    wrapped.body = torch.compile(wrapped.body)
    return net, torch.compile(nn.DataParallel(wrapped))


def test_same_names_load_bit_for_bit() -> None:
    net, other = Net(), Net()
    summary = load_into(other, _state(net.state_dict()))
    assert _equal(net, other)
    assert summary.complete
    assert (summary.loaded, summary.total, summary.parameter_share) == (9, 9, 1.0)
    assert str(summary) == "weights: best.pt, loaded 9/9 tensors (100 % of parameters)"


def test_wrappers_are_taken_off_wherever_they_stand() -> None:
    net, wrapped = _compiled_child()
    names = wrapped.state_dict()
    assert "_orig_mod.module.body._orig_mod.0.weight" in names
    other = Net()
    summary = load_into(other, _state(names))
    assert _equal(net, other)
    assert "stripped 'module.'" in str(summary)
    assert "stripped '_orig_mod.'" in str(summary)


def test_wrappers_in_the_model_are_no_hindrance() -> None:
    net = Net()
    target = Net()
    target.body = torch.compile(target.body)
    assert load_into(target, _state(net.state_dict())).complete
    assert torch.equal(target.head.weight, net.head.weight)


def test_an_attribute_called_module_keeps_its_name() -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = nn.Linear(2, 2)
            self.weight = nn.Parameter(torch.zeros(2, 2))

    one, other = Holder(), Holder()
    summary = load_into(other, _state(one.state_dict()))
    assert _equal(one, other)
    assert summary.changes == ()


@pytest.mark.parametrize("prefix", ["model.", "net.", "model.backbone.", "module.model."])
def test_a_leading_prefix_goes_when_that_matches_more(prefix: str) -> None:
    net, other = Net(), Net()
    named = {f"{prefix}{name}": value for name, value in net.state_dict().items()}
    summary = load_into(other, _state(named))
    assert _equal(net, other)
    assert f"stripped {without_wrappers(prefix)!r}" in str(summary)


def test_a_leading_prefix_is_added_when_that_matches_more() -> None:
    net, outer = Net(), Lightning(Net())
    summary = load_into(outer, _state(net.state_dict()))
    assert _equal(net, outer.model)
    assert summary.changes == ("added 'model.'",)


def test_no_prefix_is_touched_for_nothing() -> None:
    outer = Lightning(Net())
    assert match_names(outer.state_dict(), Lightning(Net()).state_dict()).changes == ()


def test_old_files_without_batch_counters_are_tolerated_and_it_is_said() -> None:
    net, other = Net(), Net()
    names = {k: v for k, v in net.state_dict().items() if "num_batches" not in k}
    summary = load_into(other, _state(names))
    assert summary.complete
    assert summary.loaded == 8
    assert "num_batches_tracked" in str(summary)


def test_a_buffer_that_the_model_computes_is_ignored() -> None:
    net = Net()
    summary = load_into(Net(), _state({**net.state_dict(), "grid": torch.zeros(3)}))
    assert summary.complete
    assert "1 buffers ignored" in str(summary)


def test_tied_weights_need_one_copy() -> None:
    one, other = Tied(), Tied()
    summary = load_into(other, _state({"embed.weight": one.embed.weight.detach()}))
    assert summary.complete
    assert (summary.loaded, summary.total) == (2, 2)
    assert torch.equal(other.out.weight, one.embed.weight)
    assert "1 tied" in str(summary)


def test_a_half_precision_file_is_converted_and_it_is_said() -> None:
    net, other = Net(), Net()
    summary = load_into(other, _state({k: v.half() for k, v in net.state_dict().items()}))
    assert other.head.weight.dtype is torch.float32
    assert "converted from float16 to float32" in str(summary)
    assert torch.allclose(other.head.weight, net.head.weight, atol=1e-2)


def test_another_number_of_classes_is_called_that() -> None:
    with pytest.raises(
        CheckpointError, match=r"head: 10 classes in the file, 4 in the m"
    ) as caught:
        load_into(Net(4), _state(Net(10).state_dict()))
    assert "--model-arg num_classes=10" in caught.value.hint
    assert "--partial" in caught.value.hint


def test_differences_are_listed_each_way() -> None:
    names = Net().state_dict()
    names["extra.weight"] = names.pop("body.0.bias")
    with pytest.raises(CheckpointError) as caught:
        load_into(Net(), _state(names))
    assert "1 missing in the file: body.0.bias" in caught.value.message
    assert "1 unknown to the model: extra.weight" in caught.value.message
    assert "--partial" in caught.value.hint


def test_what_the_file_has_besides_is_no_reason_to_rebuild_the_model() -> None:
    with pytest.raises(CheckpointError, match=r"9 of 9 .*1 unknown to the model: loss") as caught:
        load_into(Net(), _state({**Net().state_dict(), "loss": torch.ones(3)}))
    assert caught.value.hint.startswith("The model got all it has")


def test_another_width_is_a_matter_of_shapes_also_behind_a_prefix() -> None:
    wide = {f"model.{name}": value for name, value in Net(width=9).state_dict().items()}
    with pytest.raises(CheckpointError, match=r"of another shape: body\.0\.weight is 9×3×3×3"):
        load_into(Net(), _state(wide))


def test_partial_loads_what_fits_and_lists_the_rest() -> None:
    file, net = Net(4), Net(5)
    before = net.head.weight.clone()
    summary = load_into(net, _state(file.state_dict()), partial=True)
    assert (summary.loaded, summary.total) == (7, 9)
    assert summary.parameter_share == pytest.approx((84 + 6) / (84 + 6 + 20))
    assert torch.equal(net.head.weight, before)
    assert torch.equal(net.body[0].weight, file.body[0].weight)
    assert any("head.weight is 4×3 in the file and 5×3 in the model" in n for n in summary.notes())


@pytest.mark.parametrize(
    "names",
    [
        {"other.weight": torch.zeros(2)},
        {"body.0.bias": torch.zeros(3)},
    ],
)
def test_partial_refuses_when_little_fits(names: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="too little to examine"):
        load_into(Net(), _state(names), partial=True)


def test_a_model_without_tensors_cannot_be_loaded() -> None:
    with pytest.raises(CheckpointError, match="no parameters or buffers"):
        load_into(nn.ReLU(), _state(Net().state_dict()))


def test_the_version_of_the_writer_reaches_the_module() -> None:
    seen = []

    class Versioned(nn.Linear):
        _version = 2

        def _load_from_state_dict(
            self, state: Any, prefix: str, local: dict[str, Any], *rest: Any
        ) -> None:
            seen.append(local.get("version"))
            super()._load_from_state_dict(state, prefix, local, *rest)

    net = Versioned(2, 2)
    load_into(net, State(net.state_dict(), Path("x"), metadata={"": {"version": 1}}))
    load_into(net, State(dict(net.state_dict()), Path("x")))
    assert seen == [1, 2]


def test_lazy_parameters_take_the_shape_of_the_file() -> None:
    torch_net = nn.Sequential(nn.Linear(3, 2))
    lazy = nn.Sequential(nn.LazyLinear(2))
    assert load_into(lazy, _state(torch_net.state_dict())).complete
    assert torch.equal(lazy[0].weight, torch_net[0].weight)
