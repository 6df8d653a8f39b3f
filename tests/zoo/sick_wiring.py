"""Networks that are written wrongly: what they compute, what can learn in them, how they end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo import faulty_nets as faulty
from tests.zoo.healthy import TASKS, Subject
from tests.zoo.sick import add, rebuilt, retrained, subject, trained
from tests.zoo.training import train

# NaN and infinities in the forward pass, and their gradients.
_CUT = {"mlp-GELU": 2, "mlp-ReLU": 2, "cnn": 10, "mlp-wine": 2, "mlp-cancer": 2,
        "cnn-batch-norm": 10, "regression-mse": 2, "mlp-Tanh": 2, "mlp-SELU": 2}  # fmt: skip


def _between(
    codes: str, function: Callable[[Tensor], Tensor], tasks: str, fresh: bool = True
) -> None:
    for task in tasks.split():
        add(f"{function.__name__}, {task}", codes, lambda task=task: rebuilt(
            task, lambda net: faulty.cut(net, _CUT[task], between=function), fresh))  # fmt: skip


_between("NUM001 NUM002", faulty.log_of, "mlp-GELU mlp-wine mlp-ReLU")
_between("NUM001 NUM002", faulty.divided_by_spread, "mlp-ReLU mlp-GELU")
_between("NUM001 NUM002", faulty.exponential, "mlp-GELU cnn", False)
_between("NUM001", faulty.root, "mlp-GELU mlp-Tanh")
_between("NUM001", faulty.inverse_norm, "mlp-GELU cnn")
_between("GRD004", faulty.detached, "mlp-GELU cnn cnn-batch-norm")
_between("GRD004", faulty.as_data, "mlp-ReLU regression-mse")
_between("GRD004", faulty.hardened, "mlp-GELU cnn")
_between("GRD004", faulty.stepped, "mlp-Tanh mlp-cancer")
_between("GRD004", faulty.through_numpy, "mlp-wine cnn")
_between("GRD005", faulty.rounded, "mlp-GELU mlp-wine")
_between("GRD005", faulty.times_zero, "mlp-GELU cnn regression-mse")
_between("GRD005", faulty.clamped, "mlp-GELU mlp-Tanh")
_between("GRD003", faulty.root_of_gated, "mlp-GELU mlp-ReLU cnn")
_between("GRD003", faulty.distance_to_itself, "mlp-GELU regression-mse cnn", False)
_between("GRD003", faulty.where_power, "mlp-ReLU cnn")
_between("MOD003", faulty.mean_over_batch, "mlp-GELU cnn regression-mse")
_between("MOD003", faulty.scaled_by_batch, "mlp-ReLU cnn-batch-norm", False)
_between("MOD003", faulty.batch_statistics, "mlp-GELU cnn mlp-wine")
_between("MOD003", faulty.softmax_over_batch, "mlp-GELU cnn", False)
_between("MOD003", faulty.mixed_axes, "mlp-GELU mlp-wine", False)
for _task in ("cnn-batch-norm", "resnet"):
    add(
        f"norms always training, {_task}",
        "MOD003",
        lambda t=_task: rebuilt(t, faulty.AlwaysTraining),
    )


def _attention(trained_too: bool) -> Subject:
    net = faulty.WrongAttention(2, 3)
    if trained_too:
        task = TASKS["lstm"]
        train(net, task.train_loader(), task.val_loader(), task.loss, epochs=4)
    return subject("lstm", net)


add("attention over the batch, fresh", "MOD003", lambda: _attention(False))
add("attention over the batch, trained", "MOD003", lambda: _attention(True))


# Half precision.
def _half(task: str, scale: float) -> Subject:
    net = trained(task)
    with torch.no_grad():
        net[0].weight.mul_(scale)
    batches = [(x.half(), y) for x, y in TASKS[task].train_loader()]
    return subject(task, net.half(), batches)


for _task in ("mlp-ReLU", "mlp-GELU", "cnn"):
    add(f"overflow in float16, {_task}", "NUM001 NUM002 NUM005", lambda t=_task: _half(t, 6e4))


# Depth without norms.
def _deep(make: Callable[[], nn.Module], task: str = "mlp-ReLU") -> Subject:
    torch.manual_seed(0)
    return subject(task, make())


for _kind in (nn.ReLU, nn.GELU):
    add(f"exploding init, {_kind.__name__}", "NUM003 GRD002 WGT006",
        lambda k=_kind: _deep(lambda: faulty.deep(64, 10, 10, k, 1.0)))  # fmt: skip
    add(f"vanishing init, {_kind.__name__}", "NUM004 GRD001 WGT006",
        lambda k=_kind: _deep(lambda: faulty.deep(64, 10, 8, k, 0.01)))  # fmt: skip
add(
    "exploding init, cnn",
    "NUM003 GRD002 WGT006",
    lambda: _deep(lambda: faulty.deep_cnn(8, 0.6), "cnn"),
)
add(
    "vanishing init, cnn",
    "NUM004 GRD001 WGT006",
    lambda: _deep(lambda: faulty.deep_cnn(8, 0.01), "cnn"),
)
add(
    "vanishing, deep sigmoid",
    "GRD001 NUM004",
    lambda: _deep(lambda: faulty.deep(64, 10, 10, nn.Sigmoid, None)),
)
add("vanishing, deep tanh", "GRD001 NUM004 WGT006",
    lambda: _deep(lambda: faulty.deep(64, 10, 12, nn.Tanh, 0.02)))  # fmt: skip
add("saturated init, deep tanh", "ACT003 WGT006 GRD002",
    lambda: _deep(lambda: faulty.deep(64, 10, 5, nn.Tanh, 2.0)))  # fmt: skip

# Parameters out of reach.
for _task in ("mlp-GELU", "mlp-wine", "vit"):
    _size = {"mlp-GELU": 64, "mlp-wine": 13, "vit": 8}[_task]
    add(
        f"never called, {_task}",
        "GRD004",
        lambda t=_task, s=_size: rebuilt(t, lambda n: faulty.Unused(n, s)),
    )
    add(
        f"result thrown away, {_task}",
        "GRD004",
        lambda t=_task, s=_size: rebuilt(t, lambda n: faulty.Forgotten(n, s)),
    )
for _task in ("cnn", "mlp-GELU", "cnn-batch-norm"):

    def _without(net: Any, at: int = _CUT[_task]) -> nn.Module:
        return faulty.NoGrad(net[:at], net[at:])

    add(f"no_grad, {_task}", "GRD004", lambda t=_task, build=_without: rebuilt(t, build, True))


def _froze(net: Any) -> Any:
    next(itertools.islice(net.parameters(), 2, None)).requires_grad_(False)
    return net


for _task in ("cnn", "vit", "mlp-wine"):
    add(f"frozen by mistake, {_task}", "GRD007", lambda t=_task: rebuilt(t, _froze, True))

# Head and loss.
for _task in ("mlp-ReLU", "cnn-batch-norm", "vit", "bag", "mlp-wine"):

    def _softmaxed(net: Any) -> nn.Module:
        return faulty.Parts(net, nn.Softmax(-1))

    add(
        f"softmax before cross-entropy, fresh, {_task}",
        "MOD001",
        lambda t=_task: rebuilt(t, _softmaxed, True),
    )
    if _task != "vit":
        add(
            f"softmax before cross-entropy, trained, {_task}",
            "MOD001",
            lambda t=_task: retrained(t, _softmaxed),
        )
for _task in ("mlp-cancer-bce", "multi-label", "unet"):

    def _sigmoided(net: Any) -> nn.Module:
        return faulty.Parts(net, nn.Sigmoid())

    add(
        f"sigmoid before BCE, fresh, {_task}",
        "MOD001",
        lambda t=_task: rebuilt(t, _sigmoided, True),
    )
    add(f"sigmoid before BCE, trained, {_task}", "MOD001", lambda t=_task: retrained(t, _sigmoided))
for _task in ("mlp-GELU", "cnn-batch-norm", "mlp-wine", "multi-label"):

    def _rectified(net: Any) -> nn.Module:
        return faulty.Parts(net, nn.ReLU())

    add(f"ReLU on logits, fresh, {_task}", "MOD001", lambda t=_task: rebuilt(t, _rectified, True))
    add(f"ReLU on logits, trained, {_task}", "MOD001", lambda t=_task: retrained(t, _rectified))


def _flat(task: str) -> Subject:
    each = TASKS[task].split()
    return subject(task, trained(task), each.with_targets(each.y[:, 0], each.val_y[:, 0]).train())


for _task in ("regression-mse", "regression-l1", "regression-diabetes"):
    add(f"target (N,) for (N, 1), {_task}", "MOD002", lambda t=_task: _flat(t))
    add(f"output (N,) for (N, 1), {_task}", "MOD002",
        lambda t=_task: rebuilt(t, lambda n: faulty.Parts(n, nn.Flatten(0))))  # fmt: skip

# The input, and the two modes.
for _task in ("mlp-GELU", "cnn", "regression-mse"):
    add(f"input times zero, {_task}", "ACT004", lambda t=_task: rebuilt(t, faulty.Blind))
for _task in ("mlp-GELU", "cnn-batch-norm"):
    add(
        f"answers the prior, {_task}",
        "ACT004",
        lambda t=_task: rebuilt(t, lambda n: faulty.Learned(n, 10)),
    )
    add(f"evaluates the negative, {_task}", "MOD004", lambda t=_task: rebuilt(t, faulty.EvalScaled))
