"""Sick subjects: one planted fault each, in several architectures, fresh or trained."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tests.zoo.healthy import TASKS, Subject
from tests.zoo.training import train


@dataclasses.dataclass(frozen=True)
class Sick:
    """A fault: its name, the codes of which any names it rightly, and how to plant it."""

    name: str
    codes: frozenset[str]
    make: Callable[[], Subject]


SICK: list[Sick] = []


def add(name: str, codes: str, make: Callable[[], Subject]) -> None:
    SICK.append(Sick(name, frozenset(codes.split()), make))


@functools.cache
def _trained(task: str) -> nn.Module:
    return TASKS[task].trained()


def trained(task: str) -> Any:
    """A trained network of that task, to be made sick."""
    return copy.deepcopy(_trained(task))


def subject(task: str, net: Any, loader: Any = None, **options: Any) -> Subject:
    each = TASKS[task]
    loader = each.train_loader() if loader is None else loader
    return Subject(task, net, loader, {"loss": each.named} | options)


def changed(task: str, change: Callable[[Any], Any]) -> Subject:
    """The trained network of a task with a change to its values."""
    net = trained(task)
    with torch.no_grad():
        change(net)
    return subject(task, net)


def rebuilt(task: str, build: Callable[[Any], nn.Module], fresh: bool = False) -> Subject:
    """The network of a task within one that has a fault."""
    torch.manual_seed(0)
    net = TASKS[task].fresh() if fresh else trained(task)
    return subject(task, build(net))


def retrained(task: str, build: Callable[[Any], nn.Module], **options: Any) -> Subject:
    """A network with a fault, trained with it."""
    each = TASKS[task]
    net = build(each.fresh())
    train(net, each.train_loader(), each.val_loader(), each.loss, **{"epochs": 6} | options)
    return subject(task, net)


# Where the weights are that are hurt.
WEIGHTS: dict[str, Callable[[Any], nn.Parameter]] = {
    "mlp-GELU": lambda net: net[2].weight,
    "mlp-ReLU": lambda net: net[2].weight,
    "cnn": lambda net: net[3].weight,
    "cnn-batch-norm": lambda net: net[3].weight,
    "resnet": lambda net: net[3].conv2.weight,
    "vit": lambda net: net.encoder.layers[1].linear1.weight,
    "lstm": lambda net: net.rnn.weight_ih_l0,
    "encoder": lambda net: net.encoder.layers[0].linear2.weight,
    "unet": lambda net: net.down2[0].weight,
    "autoencoder": lambda net: net[2].weight,
    "mobilenet": lambda net: net[3].body[0].weight,
    "regression-mse": lambda net: net[2].weight,
}


def _hurt(codes: str, name: str, tasks: str, change: Callable[[Tensor], Any]) -> None:
    for task in tasks.split():
        add(f"{name}, {task}", codes,
            lambda task=task: changed(task, lambda net: change(WEIGHTS[task](net))))  # fmt: skip


def _one(value: float) -> Callable[[Tensor], Any]:
    return lambda weight: weight.view(-1)[7:8].fill_(value)


def _rows(count: int) -> Callable[[Tensor], Any]:
    return lambda weight: weight[:count].zero_()


def _copied(weight: Tensor) -> None:
    weight[5 : 5 + len(weight) // 4] = weight[4]


_hurt("WGT001", "nan weight", "mlp-GELU resnet vit lstm", _one(float("nan")))
_hurt("WGT001", "inf weight", "cnn encoder unet", _one(float("inf")))
_hurt("WGT002", "zero layer", "mlp-GELU cnn vit lstm mobilenet", lambda weight: weight.zero_())
_hurt(
    "WGT003", "constant layer", "mlp-ReLU cnn-batch-norm encoder", lambda weight: weight.fill_(0.02)
)
_hurt("WGT004", "dead filters", "cnn resnet unet", _rows(5))
_hurt("WGT005", "duplicate filters", "cnn cnn-batch-norm unet mlp-ReLU", _copied)
_hurt("WGT006 NUM003", "weight x100", "mlp-GELU cnn regression-mse vit autoencoder",
      lambda weight: weight.mul_(100))  # fmt: skip
_hurt("WGT006 NUM004 ACT004", "weight /1000", "mlp-GELU cnn regression-mse vit autoencoder",
      lambda weight: weight.div_(1000))  # fmt: skip

NORMS: dict[str, Callable[[Any], Any]] = {
    "cnn-batch-norm": lambda net: net[4],
    "resnet": lambda net: net[3].bn1,
    "unet": lambda net: net.down2[1],
    "mobilenet": lambda net: net[3].body[1],
    "densenet": lambda net: net[2].norm,
}


def _norm(codes: str, name: str, tasks: str, change: Callable[[Any], Any]) -> None:
    for task in tasks.split():
        add(f"{name}, {task}", codes,
            lambda task=task: changed(task, lambda net: change(NORMS[task](net))))  # fmt: skip


_norm(
    "WGT001",
    "nan running mean",
    "cnn-batch-norm densenet",
    lambda n: n.running_mean[1].fill_(float("nan")),
)
_norm("WGT007", "running var 0", "cnn-batch-norm resnet mobilenet", lambda n: n.running_var.zero_())
_norm("WGT007 WGT001", "running var negative", "unet", lambda n: n.running_var[2].fill_(-0.5))
_norm(
    "WGT007 MOD004",
    "running var x1e4",
    "cnn-batch-norm resnet unet",
    lambda n: n.running_var.mul_(1e4),
)
_norm("WGT007 MOD004", "running mean off", "cnn-batch-norm resnet mobilenet",
      lambda n: n.running_mean.add_(20 * n.running_var.sqrt()))  # fmt: skip


def _all_norms(net: Any, change: Callable[[Any], Any]) -> Any:
    for each in net.modules():
        if isinstance(each, nn.BatchNorm2d):
            change(each)
    return net


def _reset(norm: Any) -> None:
    norm.running_mean.zero_()
    norm.running_var.fill_(1)


for _task in ("cnn-batch-norm", "resnet", "unet"):
    add(f"running statistics never loaded, {_task}", "WGT007 MOD004",
        lambda task=_task: changed(task, lambda net: _all_norms(net, _reset)))  # fmt: skip
    add(f"running statistics reset, {_task}", "WGT007 MOD004", lambda task=_task: changed(
        task, lambda net: _all_norms(net, lambda norm: norm.reset_running_stats())))  # fmt: skip
for _task in ("cnn-batch-norm", "resnet", "mobilenet"):
    add(f"momentum 0.0005, {_task}", "WGT007 MOD004", lambda task=_task: retrained(
        task, lambda net: _all_norms(net, lambda n: setattr(n, "momentum", 0.0005))))  # fmt: skip


# Activations.
def _push(at: int, by: float, share: float = 1.0) -> Callable[[Any], Any]:
    def change(net: Any) -> None:
        bias = net[at].bias
        bias[: round(share * len(bias))] += by

    return change


for _task, _at in (("mlp-ReLU", 2), ("cnn", 3), ("cnn-batch-norm", 4), ("mlp-cancer", 0)):
    add(f"dead by bias, {_task}", "ACT001", lambda t=_task, at=_at: changed(t, _push(at, -200)))
    add(f"60 % dead, {_task}", "ACT002", lambda t=_task, at=_at: changed(t, _push(at, -200, 0.6)))
for _task, _at in (("mlp-ReLU", 2), ("cnn", 3)):
    add(f"95 % dead, {_task}", "ACT002 ACT001",
        lambda t=_task, at=_at: changed(t, _push(at, -200, 0.95)))  # fmt: skip


def _killed(task: str, rate: float) -> Subject:
    """Trained with a rate that is far too high until nothing fires."""
    each = TASKS[task]
    net = each.fresh()
    optimizer = torch.optim.SGD(net.parameters(), rate)
    for _ in range(3):
        for x, y in each.train_loader():
            optimizer.zero_grad()
            each.loss(net(x), y).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 10.0)
            optimizer.step()
    return subject(task, net.eval())


for _task in ("mlp-ReLU", "cnn", "mlp-deep"):
    add(
        f"dead by learning rate, {_task}",
        "ACT001 ACT002 ACT004 WGT006",
        lambda t=_task: _killed(t, 20.0),
    )

for _task in ("mlp-Sigmoid", "mlp-Tanh", "mlp-wine-Tanh"):
    add(f"saturated by weights, {_task}", "ACT003 WGT006",
        lambda t=_task: changed(t, lambda net: net[0].weight.mul_(60)))  # fmt: skip
    add(f"saturated by bias, {_task}", "ACT003", lambda t=_task: changed(t, _push(2, 40, 0.8)))
