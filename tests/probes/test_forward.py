"""The first operation whose input is finite and whose output is not: its name, line and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import netdoctor
from netdoctor.errors import ModelError, NothingExaminedError
from netdoctor.facts.forward import ForwardCall, ForwardFacts
from netdoctor.inputs.batches import as_batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.forward import measure
from netdoctor.report import Report
from netdoctor.rules import rules_of
from sample_models import healthy_nets
from tests.observe.state import fingerprint
from tests.observe.watching import Net
from tests.probes.sick_backward import marked_line, network
from tests.probes.sick_forward import BATCH, SAMPLE, SICK, batches, sick_network


def checked(model: nn.Module, data: list[Any], **options: Any) -> Report:
    return netdoctor.check_forward(model, data, batches=len(data), select=["NUM", "WGT"], **options)


def facts_of(model: nn.Module, data: list[Any], **options: Any) -> ForwardFacts:
    return measure(model, [as_batch(each) for each in data], **options)


def row(facts: ForwardFacts, name: str) -> ForwardCall:
    (found,) = (each for each in facts.calls if str(each.site) == name)
    return found


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", SICK)
def test_the_first_sick_operation_is_named_with_its_line_and_samples(name: str) -> None:
    sick = SICK[name]
    report = checked(sick_network(name), batches(sick.change))
    (finding,) = report.findings
    assert (finding.code, finding.subject) == (sick.code, sick.subject)
    assert sick.reason in finding.message
    line = marked_line(sick.forward)
    assert finding.evidence["source"] == line
    assert line in finding.message
    assert "# here" in finding.message
    if sick.change is not None:
        assert (finding.evidence["batch"], finding.evidence["samples"]) == (BATCH, [SAMPLE])
        assert f"batch {BATCH}, sample {SAMPLE} (counted from 0)" in finding.message


@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@pytest.mark.parametrize("name", SICK)
def test_the_sick_call_is_the_first_in_the_table_that_is_not_finite(name: str) -> None:
    rows = checked(sick_network(name), batches(SICK[name].change)).table("layers").rows
    bad = [each for each in rows if each["nan"] + each["inf"] and each["status"] != "-Inf mask"]
    assert bad[0]["layer"] == SICK[name].subject
    assert bad[0]["status"] in ("first NaN", "first Inf")
    assert all(not each["status"].startswith("first") for each in bad[1:])


def test_the_input_range_is_that_of_the_samples_before_they_were_overwritten() -> None:
    data = batches(-1)
    (finding,) = checked(sick_network("in place"), [each.clone() for each in data]).findings
    low, high = float(data[BATCH].min()), float(data[BATCH].max())
    (told,) = finding.evidence["inputs"]
    assert f"from {low:.6g} to {high:.6g} (before it was overwritten)" in told


def test_nan_of_the_input_are_the_inputs_and_not_the_networks() -> None:
    data = batches()
    data[2][4, 1], data[2][7, 0] = float("nan"), float("inf")
    (finding,) = checked(network(lambda net, x: net.fc(x).exp()), data).findings
    assert (finding.code, finding.subject) == ("NUM001", "input")
    assert (finding.evidence["batch"], finding.evidence["samples"]) == (2, [4, 7])
    assert finding.evidence["consequences"] == ["fc#1", "/exp#1"]


def test_the_names_of_image_files_are_told(tmp_path: Path) -> None:
    for number in range(6):
        np.save(tmp_path / f"{number}.npy", np.zeros(3))
    data = batches(-1)
    facts = facts_of(sick_network("root"), data, samples=[f"{n}.jpg" for n in range(40)])
    assert facts.origins[0].names == (f"{BATCH * 8 + SAMPLE}.jpg",)


def test_a_nan_weight_is_named_and_what_follows_is_put_down_to_it() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        h = net.fc(x)  # here
        return net.head(h.relu())

    model = network(forward, head=nn.Linear(3, 2))
    with torch.no_grad():
        model.fc.weight[0, 1] = float("nan")
        model.head.bias[0] = float("inf")
    report = checked(model, batches())
    assert [(each.code, each.subject) for each in report.findings] == [
        ("WGT001", "fc.weight"), ("WGT001", "head.bias"),
    ]  # fmt: skip
    assert report.findings[0].evidence["source"] == marked_line(forward)
    assert report.findings[0].evidence["call"] == "fc#1"
    assert "nan-activation" in {each.rule for each in report.skipped}


def test_an_infinite_running_variance_is_found_although_the_output_is_finite() -> None:
    model = network(lambda net, x: net.norm(net.fc(x)), norm=nn.BatchNorm1d(3))
    model.norm.running_mean[:] = 0.1
    model.norm.running_var[2] = float("inf")
    (finding,) = checked(model, batches()).findings
    assert (finding.code, finding.subject) == ("WGT001", "norm.running_var")
    assert finding.evidence["call"] == "norm#1"


@pytest.mark.parametrize(
    "read",
    [
        lambda gain: gain.view(1, -1), lambda gain: gain[None], lambda gain: gain.expand(8, 3).T.T,
        lambda gain: gain.data, lambda gain: torch.cat([gain[:1], gain[1:]]),
        lambda gain: gain[1].item(),
    ],
)  # fmt: skip
def test_a_nan_weight_is_blamed_for_what_its_views_do(read: Callable[[Tensor], Any]) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.fc(x) * read(net.gain)  # here

    model = network(forward)
    model.gain = nn.Parameter(torch.tensor([1.0, float("nan"), 1.0]))
    (finding,) = checked(model, batches()).findings
    assert (finding.code, finding.subject) == ("WGT001", "gain")
    assert finding.evidence["consequences"] >= 1
    assert finding.evidence["call"].startswith("/")


def test_a_sick_weight_that_nothing_reads_is_not_judged() -> None:
    model = network(lambda net, x: net.fc(x), spare=nn.Linear(3, 3))
    with torch.no_grad():
        model.spare.weight.fill_(float("nan"))
    report = checked(model, batches())
    assert report.findings == ()
    assert [each.subject for each in report.skipped if each.rule == "nan-weight"] == [
        "spare.weight"
    ]


def mask_by_buffer(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    scores = h[:, :, None] * h[:, None] + net.causal
    return scores.softmax(-1).flatten(1)


def mask_by_where(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    kept = torch.where(h > h.mean(), h, torch.tensor(-torch.inf))
    return kept.softmax(1) + kept.amax(1, keepdim=True)


def mask_by_log(net: Net, x: Tensor) -> Tensor:
    allowed = torch.tensor([1.0, 0.0, 1.0])
    return (net.fc(x) + allowed.log()).logsumexp(1)


def nearest_other(net: Net, x: Tensor) -> Tensor:
    apart = torch.cdist(net.fc(x), net.fc(x))
    apart.fill_diagonal_(torch.inf)
    return apart.amin(1)


def attention_with_mask(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)[:, None]
    mask = torch.full((1, 2), -torch.inf).triu(1)
    return F.scaled_dot_product_attention(h, h.repeat(1, 2, 1), h.repeat(1, 2, 1), mask)


def log_of_softmax_with_floor(net: Net, x: Tensor) -> Tensor:
    return torch.log(net.fc(x).softmax(1) + 1e-20)


def uninitialised(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    out = torch.full_like(h, float("nan"))
    torch.mul(h, 2, out=out)
    return out


def written_row_by_row(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    out = torch.full_like(h, float("nan"))
    for row, each in enumerate(h):
        out[row] = each
    return out


def written_by_views(net: Net, x: Tensor) -> Tensor:
    h = net.fc(x)
    out = torch.empty_like(h).fill_(float("nan"))
    for column in range(3):
        out[:, column].copy_(h[:, column])
    return out


def put_right(net: Net, x: Tensor) -> Tensor:
    return torch.nan_to_num((net.fc(x) - 100).log())


def masked_logits_returned(net: Net, x: Tensor) -> Tensor:
    return net.fc(x).masked_fill(torch.tensor([True, False, False]), -torch.inf)


@pytest.mark.parametrize(
    "forward",
    [
        mask_by_buffer, mask_by_where, mask_by_log, nearest_other, attention_with_mask,
        log_of_softmax_with_floor, uninitialised, masked_logits_returned, written_row_by_row,
        written_by_views, put_right,
    ],
)  # fmt: skip
def test_infinities_that_mask_something_are_no_fault(forward: Callable[..., Any]) -> None:
    model = network(forward)
    model.register_buffer("causal", torch.full((3, 3), -torch.inf).triu(1))
    report = checked(model, batches())
    assert [(each.code, each.subject) for each in report.findings] == []


@pytest.fixture
def memory_full_of_nan() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)  # they fill new memory with NaN
    yield
    torch.use_deterministic_algorithms(before)


@pytest.mark.usefixtures("memory_full_of_nan")
@pytest.mark.parametrize("rows", [4, 8])
def test_memory_that_is_read_before_it_is_written_is_a_fault(rows: int) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        h = net.fc(x)
        memory = torch.empty(8, 3)  # here
        memory[:rows] = h[:rows]
        return h + memory

    found = checked(network(forward), batches(count=1)).findings
    assert [each.subject for each in found] == ([] if rows == 8 else ["/empty#1"])
    assert all(each.evidence["source"] == marked_line(forward) for each in found)


@pytest.mark.parametrize(
    ("fill", "found"),
    [
        (lambda x: torch.nan_to_num(x), []),
        (lambda x: torch.where(x.isnan(), 0, x), []),
        (lambda x: x.masked_fill(x.isnan(), 0), []),
        (lambda x: x, ["input"]),
        (lambda x: torch.nan_to_num(x) + 0 * x, ["input"]),
    ],
)
def test_missing_values_are_no_fault_where_the_model_fills_them(
    fill: Callable[[Tensor], Tensor], found: list[str]
) -> None:
    data = batches()
    data[2][4, 1] = float("nan")
    report = checked(network(lambda net, x: net.fc(fill(x))), data)
    assert [each.subject for each in report.findings] == found


def test_a_loss_that_is_not_finite_is_traced_into_the_loss() -> None:
    model = network(lambda net, x: net.fc(x))
    ignored = [(x, torch.full((8,), -100)) for x in batches(count=2)]
    (finding,) = checked(model, ignored).findings
    assert finding.subject == "loss/cross_entropy#1"
    assert "every target is ignored (-100)" in finding.message


def users_loss() -> Callable[[Tensor, Tensor], Tensor]:
    return in_the_loss


def in_the_loss(output: Tensor, target: Tensor) -> Tensor:
    chosen = output.gather(1, target[:, None])
    return -(chosen - 100).log().mean()  # here


def test_the_line_in_the_users_own_loss_is_named() -> None:
    model = network(lambda net, x: net.fc(x))
    data = [(x, torch.zeros(8, dtype=torch.long)) for x in batches(count=2)]
    (finding,) = checked(model, data, loss="tests.probes.test_forward:users_loss").findings
    assert finding.subject == "loss/log#1"
    assert finding.evidence["source"] == marked_line(in_the_loss)


def test_backward_names_the_operation_whose_gradient_has_no_limit() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        squares = net.fc(x).square().sum(1, keepdim=True)
        return squares.sqrt() + net.fc(x)  # here

    data = [(x, torch.zeros(8, dtype=torch.long)) for x in batches(0)]
    assert checked(network(forward), data).findings == ()
    report = checked(network(forward), data, backward=True)
    (finding,) = report.findings
    assert (finding.code, finding.subject) == ("NUM001", "/sqrt#1")
    assert finding.evidence["source"] == marked_line(forward)
    assert (finding.evidence["batch"], finding.evidence["samples"]) == (BATCH, [SAMPLE])
    assert "SqrtBackward0" in finding.message


def test_every_call_has_the_statistics_of_a_slow_version() -> None:
    torch.manual_seed(0)
    model = healthy_nets.FunctionalNet().eval()
    data = [torch.randn(4, 3, 48, 48) for _ in range(3)]
    facts = facts_of(model, data)
    with torch.no_grad():
        outputs = [model.convs[0](each) for each in data] if hasattr(model, "convs") else []
        outputs = outputs or [next(iter(model.children()))(each) for each in data]
    conv = facts.calls[0].moments
    first, everything = outputs[0].double(), torch.stack(outputs)
    assert conv.mean == pytest.approx(float(first.mean()), rel=1e-5, abs=1e-7)
    assert conv.std == pytest.approx(float(first.std(correction=0)), rel=1e-4)
    assert conv.minimum == float(everything.min())
    assert conv.maximum == float(everything.max())
    assert conv.count == everything.numel()
    assert (conv.nan, conv.inf) == (0, 0)


def test_the_range_of_a_relu_is_exact_although_it_is_not_read_again() -> None:
    model = network(lambda net, x: F.relu(net.act(net.fc(x)).flip(0) - 0.3), act=nn.ReLU(True))
    data = [torch.randn(8, 4, generator=torch.Generator().manual_seed(n)) for n in range(4)]
    facts = facts_of(model, data)
    with torch.no_grad():
        inner = torch.stack([model.fc(each).relu() for each in data])
    outer = F.relu(inner - 0.3)
    for name, values in (("act#1", inner), ("/relu#1", outer)):
        moments = row(facts, name).moments
        assert (moments.minimum, moments.maximum) == (float(values.min()), float(values.max()))
        assert moments.count == values.numel()


def test_branches_reuse_and_functions_are_rows_in_call_order() -> None:
    def forward(net: Net, x: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        first = net.act(net.fc(x))
        second = net.act(first.flip(0))
        both = torch.cat([first, second], 1)
        return both.view(-1, 2, 3), {"sum": first + second}

    facts = facts_of(network(forward, act=nn.ReLU(inplace=True)), batches())
    names = [str(each.site) for each in facts.calls if each.listed]
    assert names == ["fc#1", "act#1", "act#2", "/cat#1", "/add#1"]
    assert row(facts, "act#1").moments.minimum == 0


def test_depth_lists_containers_in_the_place_of_what_runs_inside() -> None:
    block = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Sequential(nn.Linear(3, 2)))
    model = nn.Sequential(nn.Linear(4, 3), block)
    data = batches(count=2)

    def names(depth: int | None) -> list[str]:
        calls = facts_of(model, data, depth=depth).calls
        return [str(each.site) for each in calls if each.listed]

    assert names(None) == ["0#1", "1.0#1", "1.1#1", "1.2.0#1"]
    assert names(1) == ["0#1", "1#1"]
    assert names(2) == ["0#1", "1.0#1", "1.1#1", "1.2#1"]
    with torch.no_grad():
        expected = float(torch.stack([model(each) for each in data]).max())
    facts = facts_of(model, data, depth=1)
    assert row(facts, "1#1").moments.maximum == expected


@pytest.mark.parametrize(
    ("forward", "layers", "told"),
    [
        (lambda net, x: net.fc(x), ["nothing*"], "lists them all"),
        (lambda net, x: x.argmax(1), [], "only pass indices on"),
    ],
)
def test_nothing_to_list_is_told_without_a_word_of_activations(
    forward: Callable[..., Any], layers: list[str], told: str
) -> None:
    with pytest.raises(NothingExaminedError) as caught:
        checked(network(forward), batches(count=1), layers=layers)
    assert told in str(caught.value.hint)
    assert "activation" not in f"{caught.value.message} {caught.value.hint}"


def test_layers_chooses_rows_and_never_what_is_watched() -> None:
    report = checked(sick_network("root"), batches(-1), layers=["fc"])
    assert [each["layer"] for each in report.table("layers").rows] == ["fc#1"]
    assert [each.subject for each in report.findings] == ["/sqrt#1"]


class Doubling(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.from_numpy(x.numpy() * np.float32("inf"))


def test_what_torch_cannot_see_is_found_at_the_module_around_it() -> None:
    class Opaque(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return Doubling.apply(x)

    report = checked(network(lambda net, x: net.fc(net.opaque(x)), opaque=Opaque()), batches())
    assert [each.subject for each in report.findings] == ["opaque#1"]


class Logarithm(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.log()


@pytest.mark.filterwarnings("ignore:.*torch.jit")
def test_a_scripted_module_is_named_with_the_line_that_calls_it() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.scripted(net.fc(x) - 100)  # here

    model = network(forward, scripted=torch.jit.script(Logarithm()))
    (finding,) = checked(model, batches()).findings
    assert (finding.subject, finding.evidence["operation"]) == ("scripted#1", "Logarithm")
    assert finding.evidence["source"] == marked_line(forward)
    assert not nn.modules.module._global_forward_hooks


def test_weights_too_large_for_their_type_are_told() -> None:
    model = network(lambda net, x: net.fc(x)).half()
    with torch.no_grad():
        model.fc.weight.fill_(6e4)
    (finding,) = checked(model, [each.half() + 2 for each in batches()]).findings
    assert "its weight reaches 6e+04" in finding.message


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_overflow_is_named_in_float16_only(dtype: torch.dtype) -> None:
    model = network(lambda net, x: net.out(net.fc(x)), out=nn.Linear(3, 2))
    with torch.no_grad():
        model.fc.weight.fill_(200.0)
        model.out.weight.fill_(200.0)
    data = [each.to(dtype) for each in batches()]
    found = [(each.code, each.subject) for each in checked(model.to(dtype), data).findings]
    assert found == ([("NUM002", "out#1")] if dtype is torch.float16 else [])


def test_a_float32_network_can_be_judged_for_float16() -> None:
    model = network(lambda net, x: (net.fc(x).abs() + 1) * 5e4)
    data = batches()
    assert checked(model, data).findings == ()
    (finding,) = checked(model, data, judge_as="float16").findings
    assert (finding.code, finding.severity.value) == ("NUM005", "error")
    assert finding.subject == "/mul#1"
    rows = {each["layer"]: each for each in checked(model, data, judge_as="float16").table(
        "layers").rows}  # fmt: skip
    with torch.no_grad():
        largest = float(torch.stack([model(each) for each in data]).max())
    assert rows["/mul#1"]["headroom"] == pytest.approx(largest / 65504)
    assert checked(model, data, judge_as="bfloat16").findings == ()


@pytest.mark.parametrize("fill", [torch.finfo(torch.float32).min, float("-inf")])
def test_stand_ins_for_minus_infinity_do_not_overflow_float16(fill: float) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return net.fc(x).masked_fill(x[:, :3] > 0.5, fill).softmax(1).nan_to_num()

    open_rows = [each * torch.tensor([0.1, 1.0, 1.0, 1.0]) for each in batches()]
    assert checked(network(forward), open_rows, judge_as="float16").findings == ()


def deep(gain: float, layers: int = 8, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    model = nn.Sequential()
    for number in range(layers):
        linear = nn.Linear(4 if number == 0 else 32, 32)
        nn.init.normal_(linear.weight, std=gain * (2 / linear.in_features) ** 0.5)
        model.extend([linear, act()])
    return model.append(nn.Linear(32, 2))


def test_a_signal_that_grows_or_shrinks_with_depth_is_told_with_its_factor() -> None:
    data = [torch.randn(16, 4) for _ in range(2)]
    (finding,) = checked(deep(5.0), data).findings
    assert (finding.code, finding.subject) == ("NUM003", "14#1")
    assert finding.evidence["growth"] ** (1 / 7) == pytest.approx(5, rel=0.3)
    (finding,) = checked(deep(0.05), data).findings
    assert finding.code == "NUM004"
    (finding,) = checked(deep(0.05, act=nn.Tanh), data).findings
    assert finding.code == "NUM004"
    (finding,) = checked(deep(1.0, 20, nn.Sigmoid), data).findings
    assert finding.code == "NUM004"
    assert checked(deep(1.0), data).findings == ()


def test_the_model_is_as_before_also_after_an_exception() -> None:
    model = network(lambda net, x: net.norm(net.fc(x)), norm=nn.BatchNorm1d(3)).train()
    before = fingerprint(model)
    checked(model, batches(), backward=True)
    assert fingerprint(model) == before
    with pytest.raises(ModelError, match=r"in fc \(Linear\), linear of float32 \(8, 9\)"):
        checked(model, [torch.zeros(8, 9)])
    assert fingerprint(model) == before


def test_objective_and_model_run_once_a_batch() -> None:
    seen = []
    model = network(lambda net, x: seen.append(len(x)) or net.fc(x))
    facts = facts_of(model, [(x, torch.zeros(8).long()) for x in batches()], objective=Objective())
    assert seen == [8] * 5
    assert len(facts.losses) == 5


@pytest.mark.parametrize(
    ("target", "code", "told"),
    [
        (torch.arange(8) % 4, "DAT004", "from 0 to 3, and the model gives 3 outputs"),
        (torch.arange(8) % 3 + 1, "DAT004", "they seem to be counted from 1"),
        (torch.arange(8) % 3 - 1, "DAT004", "from -1 to 1"),
        (torch.rand(8), "DAT010", r"no loss fits a target of float32 (8,)"),
    ],
)
def test_a_target_that_the_loss_refuses_is_a_finding(target: Tensor, code: str, told: str) -> None:
    model = network(lambda net, x: net.fc(x))
    report = netdoctor.check_forward(model, [(each, target) for each in batches(count=2)])
    (finding,) = report.findings
    assert (finding.code, finding.severity.value) == (code, "error")
    assert told in finding.message


def test_every_rule_is_told_as_applied_or_skipped() -> None:
    rules = {each.slug for each in rules_of("check-forward")}
    for data in (batches(count=2), [(x, torch.arange(8) % 3) for x in batches(count=2)]):
        report = netdoctor.check_forward(network(lambda net, x: net.fc(x)), data)
        assert {*report.ran, *(each.rule for each in report.skipped)} == rules


class NormWithActivation(nn.BatchNorm2d):
    """A batch norm that has its activation inside, as timm builds them."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(super().forward(x))


class NormOfBuffers(nn.Module):
    """Frozen statistics, as torchvision's detectors have them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        shift, scale = self.running_mean[:, None, None], self.running_var.rsqrt()[:, None, None]
        return (x - shift) * scale


@pytest.mark.parametrize("norm", [NormWithActivation, NormOfBuffers, nn.BatchNorm2d])
def test_norms_of_any_make_tell_that_they_are_fresh(norm: Any) -> None:
    model, data = nn.Sequential(nn.Conv2d(3, 4, 1), norm(4)).eval(), [torch.randn(4, 3, 5, 5)]
    assert facts_of(model, data).fresh_norms
    model[1].running_mean += 0.1
    facts = facts_of(model, data)
    assert (facts.fresh_norms, facts.norms) == (False, ())


def test_statistics_that_were_updated_and_are_as_they_were_made_are_broken() -> None:
    model, data = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)), [torch.randn(4, 3, 5, 5)]
    assert facts_of(model.eval(), data).norms == ()
    model[1].num_batches_tracked += 7
    (fault,) = facts_of(model, data).norms
    assert (fault.path, fault.updates, fault.off) == ("1", 7, 4)
    (found,) = checked(model, data).findings
    assert (found.code, found.evidence["updates"]) == ("WGT007", 7)


def test_variances_that_are_all_far_too_large_are_broken_and_a_few_are_not() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 20, 1), nn.BatchNorm2d(20)).eval()
    nn.init.constant_(model[0].weight, 0.3)
    data = [torch.randn(4, 3, 5, 5)]
    model[1].running_mean += 0.1
    model[1].running_var[:6] *= 2e4  # channels that these data hardly reach
    assert facts_of(model, data).norms == ()
    model[1].running_var[6:] *= 2e4
    (fault,) = facts_of(model, data).norms
    assert fault.off == 20


def test_a_norm_with_its_activation_inside_has_broken_statistics_too() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), NormWithActivation(4)).eval()
    nn.init.constant_(model[0].weight, 0.5)
    model[1].running_var.fill_(1e-12)
    (fault,) = facts_of(model, [torch.randn(4, 3, 5, 5)]).norms
    assert (fault.path, fault.off, fault.kind) == ("1", 4, "NormWithActivation")


@pytest.mark.parametrize("form", ["first", "second", "in place", "view"])
def test_the_smallest_scale_of_a_branch_is_noted(form: str) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        branch, scale = net.fc(x), net.scale.weight[0] if form == "view" else net.scale.bias
        if form == "second":
            return x.sum() + branch * scale
        return x.sum() + (branch.mul_(scale) if form == "in place" else scale * branch)

    model = network(forward, scale=nn.Linear(1, 3))
    width = model.fc.out_features
    model.scale = nn.Linear(width, width)
    for parameter in model.scale.parameters():
        nn.init.constant_(parameter, -1e-5)
    assert facts_of(model, batches()).gate == pytest.approx(1e-5)
    for parameter in model.scale.parameters():
        nn.init.zeros_(parameter)
    assert facts_of(model, batches()).gate == 1.0


def test_the_norm_of_a_zero_vector_in_half_precision() -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        return torch.nn.functional.normalize(x * 0, dim=-1)

    (finding,) = checked(network(forward), [each.half() for each in batches()]).findings
    assert (finding.code, finding.subject) == ("NUM001", "/normalize#1")
    assert "the norm of 8 vectors is zero, and eps 1e-12 is zero in float16" in finding.message
    assert checked(network(forward), batches()).findings == ()


def test_what_is_judged_does_not_depend_on_what_is_listed() -> None:
    data = [torch.randn(16, 4) for _ in range(2)]
    model = nn.Sequential(deep(5.0))
    for listing in ({}, {"depth": 1}, {"layers": ["0.0"]}):
        assert [each.code for each in checked(model, data, **listing).findings] == ["NUM003"]


def test_what_the_forward_pass_showed_is_told_even_if_there_is_no_gradient_to_look_at() -> None:
    model = network(lambda net, x: {"a": net.fc(x).log(), "b": net.fc(x)})
    report = checked(model, batches(), backward=True)
    assert [each.subject for each in report.findings] == ["/log#1"]
    assert "gradients" in {each.subject for each in report.not_examined}
    sound = network(lambda net, x: {"a": net.fc(x), "b": net.fc(x)})
    with pytest.raises(ModelError, match="2 float tensors"):
        checked(sound, batches(), backward=True)


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: Tensor, padding: Tensor) -> Tensor:
        return self.encoder(x, src_key_padding_mask=padding).mean(1)  # here


@pytest.mark.parametrize("closed", [True, False])
def test_what_a_fused_layer_makes_when_nobody_watches_is_found_too(closed: bool) -> None:
    torch.manual_seed(0)
    model, data = Encoder(), []
    for number in range(4):
        padding = torch.zeros(6, 5, dtype=torch.bool)
        padding[:, 3:] = True
        if closed and number == 2:
            padding[4] = True
        data.append({"x": torch.randn(6, 5, 8), "padding": padding})
    with torch.no_grad():
        healthy = [bool(model.eval()(**each).isfinite().all()) for each in data]
    assert healthy == [True, True, not closed, True]
    findings = checked(model, data).findings
    assert [each.code for each in findings] == (["NUM001"] if closed else [])
    for finding in findings:
        assert finding.subject == "encoder.layers.0#1"
        assert (finding.evidence["batch"], finding.evidence["samples"]) == (2, [4])
        assert finding.evidence["source"] == marked_line(Encoder.forward)
