"""Healthy subjects: networks of all families, trained to convergence on small data, and fresh."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

from tests.zoo import data, losses, nets
from tests.zoo.data import Split
from tests.zoo.training import Loss, train

_NAMED: dict[Loss, str] = {
    F.cross_entropy: "cross-entropy",
    F.binary_cross_entropy_with_logits: "bce",
    F.mse_loss: "mse",
}


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network is trained for.

    Attributes:
        make: a fresh network.
        split: its data.
        loss: as training calls it; `checkup` gets its name.
        size: of a batch.
        options: of the training.
    """

    make: Callable[[], nn.Module]
    split: Callable[[], Split]
    loss: Loss = F.cross_entropy
    size: int = 32
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    loader: Callable[[], Any] | None = None

    def fresh(self) -> nn.Module:
        torch.manual_seed(0)
        return self.make()

    def train_loader(self) -> Any:
        torch.manual_seed(1)
        return self.loader() if self.loader is not None else self.split().train(self.size)

    def val_loader(self) -> Any:
        return self.split().val(self.size)

    def trained(self, log: Path | None = None) -> nn.Module:
        model = self.fresh()
        return train(
            model, self.train_loader(), self.val_loader(), self.loss, log=log, **self.options
        )

    @property
    def named(self) -> str:
        return _NAMED.get(self.loss) or f"tests.zoo.losses:{self.loss.__name__}"


@dataclasses.dataclass(frozen=True)
class Subject:
    """What `checkup` gets."""

    label: str
    model: Any
    data: Any
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def _with(
    split: Callable[[], Split], change: Callable[[Tensor, Tensor], Tensor]
) -> Callable[[], Split]:
    def changed() -> Split:
        each = split()
        return each.with_targets(change(each.x, each.y), change(each.val_x, each.val_y))

    return changed


def _binary(x: Tensor, y: Tensor) -> Tensor:
    return y.float()[:, None]


def _itself(x: Tensor, y: Tensor) -> Tensor:
    return x


def _multi_label(x: Tensor, y: Tensor) -> Tensor:
    return torch.stack([y % 2, y > 4, y % 3 == 0, (y == 0) | (y == 6) | (y == 8)], 1).float()


def _ordered(x: Tensor, y: Tensor) -> Tensor:
    return (y[:, None] > torch.arange(2)).float()


def _pairs() -> Split:
    each = data.flat_digits()

    def paired(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        source = torch.Generator().manual_seed(4)
        order = torch.randperm(len(x), generator=source)
        for row in range(0, len(x), 2):
            same = torch.nonzero(y == y[row])[:, 0]
            order[row] = same[torch.randint(len(same), (1,), generator=source)]
        return torch.stack([x, x[order]], 1), (y == y[order]).float()

    x, y = paired(each.x, each.y)
    val_x, val_y = paired(each.val_x, each.val_y)
    return Split(x, y, val_x, val_y)


def _pruned() -> nn.Module:
    return nets.mlp(64, 10, nn.ReLU)


def _spectral(inputs: int, out: int) -> nn.Module:
    net = nets.mlp(inputs, out, nn.ReLU)
    for index in (0, 2):
        net[index] = nn.utils.parametrizations.spectral_norm(net[index])
    return net


def _weight_norm() -> nn.Module:
    net = nets.cnn(nets.no_norm)
    for index in (0, 3, 7):
        net[index] = nn.utils.parametrizations.weight_norm(net[index])
    return net


class _Mixed:
    """Batches mixed with themselves, targets as probabilities (N, 10)."""

    def __init__(self, loader: Any) -> None:
        self.loader = loader

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in self.loader:
            share = float(torch.distributions.Beta(0.4, 0.4).sample())
            order, y = torch.randperm(len(x)), F.one_hot(y, 10).float()
            yield share * x + (1 - share) * x[order], share * y + (1 - share) * y[order]


def _weighted() -> DataLoader[Any]:
    """Twos and sevens are rare, and drawn as often as the others."""
    each = data.digits()
    keep = torch.tensor(
        [label not in (2, 7) or index % 4 == 0 for index, label in enumerate(each.y)]
    )
    rare = Split(each.x[keep], each.y[keep], each.val_x, each.val_y)
    weights = 1 / torch.bincount(rare.y)[rare.y].double()
    return rare.train(sampler=WeightedRandomSampler(weights.tolist(), len(rare.y)))


def _imbalanced() -> DataLoader[Any]:
    """Three of four are of class 0."""
    each = data.cancer()
    keep = (each.y == 0) | (torch.arange(len(each.y)) % 4 == 0)
    return Split(each.x[keep], each.y[keep], each.val_x, each.val_y).train()


class Rows(Dataset[Any]):
    """Digits with some noise from torch, row by row."""

    def __len__(self) -> int:
        return len(data.digits().x)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        each = data.digits()
        return each.x[index] + 0.1 * torch.randn(1, 8, 8), each.y[index]


def _workers() -> DataLoader[Any]:
    return DataLoader(Rows(), 32, shuffle=True, num_workers=2, drop_last=True)


_bce = F.binary_cross_entropy_with_logits
TASKS: dict[str, Task] = {
    **{
        f"mlp-{kind.__name__}": Task(lambda kind=kind: nets.mlp(64, 10, kind), data.flat_digits)
        for kind in (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.PReLU, nn.LeakyReLU, nn.ELU,
                     nn.Hardswish, nn.Mish, nn.Softplus)
    },
    "mlp-SELU": Task(lambda: nets.selu_mlp(64, 10), data.flat_digits),
    "mlp-wine": Task(lambda: nets.mlp(13, 3, nn.ReLU), data.wine, size=16),
    "mlp-wine-Tanh": Task(lambda: nets.mlp(13, 3, nn.Tanh), data.wine, size=16),
    "mlp-cancer": Task(lambda: nets.mlp(30, 2, nn.ReLU), data.cancer),
    "mlp-cancer-bce": Task(lambda: nets.mlp(30, 1, nn.ReLU), _with(data.cancer, _binary), _bce),
    "mlp-deep": Task(lambda: nets.mlp(64, 10, nn.ReLU, 48, 5), data.flat_digits),
    "logistic": Task(lambda: nn.Linear(30, 2), data.cancer),
    "linear-regression": Task(lambda: nn.Linear(10, 1), data.diabetes, F.mse_loss),
    "dropout": Task(lambda: nets.dropout_mlp(64, 10), data.flat_digits),
    "cnn": Task(lambda: nets.cnn(nets.no_norm), data.digits),
    "cnn-batch-norm": Task(lambda: nets.cnn(nn.BatchNorm2d), data.digits),
    "cnn-group-norm": Task(lambda: nets.cnn(nets.group_norm), data.digits),
    "cnn-layer-norm": Task(lambda: nets.cnn(nets.layer_norm), data.digits),
    "cnn-instance-norm": Task(lambda: nets.cnn(nn.InstanceNorm2d), data.digits),
    "cnn-coloured": Task(lambda: nets.cnn(nn.BatchNorm2d, 3), data.large_digits,
                         options={"epochs": 8}),
    "resnet": Task(nets.resnet, data.digits),
    "resnet-zero": Task(lambda: nets.resnet(True), data.digits),
    "densenet": Task(nets.densenet, data.digits),
    "mobilenet": Task(nets.mobilenet, data.digits),
    "unet": Task(nets.UNet, data.masks, _bce, options={"epochs": 10}),
    "vit": Task(nets.ViT, data.digits, options={"epochs": 15}),
    "vit-zero-head": Task(lambda: nets.ViT(zero_head=True), data.digits, options={"epochs": 15}),
    "encoder": Task(nets.Encoder, data.tokens, options={"epochs": 8, "lr": 1e-3}),
    "lstm": Task(nets.Recurrent, data.waves, options={"lr": 1e-2}),
    "gru": Task(lambda: nets.Recurrent(nn.GRU), data.waves, options={"lr": 1e-2}),
    "rnn": Task(lambda: nets.Recurrent(nn.RNN), data.waves),
    "word-lstm": Task(nets.WordLSTM, data.tokens, options={"epochs": 8}),
    "bag": Task(nets.Bag, data.tokens),
    "autoencoder": Task(nets.autoencoder, _with(data.flat_digits, _itself), F.mse_loss),
    "vae": Task(nets.VAE, _with(data.flat_digits, _itself), losses.elbo),
    "siamese": Task(nets.Siamese, _pairs, _bce),
    "multi-label": Task(lambda: nets.mlp(64, 4, nn.ReLU), _with(data.flat_digits, _multi_label),
                        _bce),
    "regression-mse": Task(lambda: nets.mlp(10, 1, nn.ReLU), data.friedman, F.mse_loss),
    "regression-l1": Task(lambda: nets.mlp(10, 1, nn.GELU), data.friedman, losses.l1),
    "regression-huber": Task(lambda: nets.mlp(10, 1, nn.Tanh), data.friedman, losses.huber),
    "regression-diabetes": Task(lambda: nets.mlp(10, 1, nn.ReLU, 16), data.diabetes, F.mse_loss),
    "ordinal": Task(nets.Ordinal, _with(data.wine, _ordered), _bce, size=16),
    "experts": Task(lambda: nets.Experts(64, 10), data.flat_digits),
    "experts-top2": Task(lambda: nets.Experts(64, 10, 2), data.flat_digits),
    "squeeze": Task(nets.squeeze_net, data.digits),
    "gated": Task(lambda: nets.Gated(64, 10), data.flat_digits),
    "weight-norm": Task(_weight_norm, data.digits),
    "spectral-norm": Task(lambda: _spectral(64, 10), data.flat_digits),
    "weight-decay": Task(lambda: nets.mlp(64, 10, nn.ReLU), data.flat_digits,
                         options={"weight_decay": 0.5}),
    "weight-decay-cnn": Task(lambda: nets.cnn(nn.BatchNorm2d), data.digits,
                             options={"weight_decay": 0.5}),
    "label-smoothing": Task(lambda: nets.cnn(nn.BatchNorm2d), data.digits, losses.smoothed),
    "rezero": Task(lambda: nets.ReZero(64, 10), data.flat_digits),
    "layer-scale": Task(lambda: nets.ReZero(64, 10, 1e-5), data.flat_digits),
    "log-softmax-nll": Task(lambda: nn.Sequential(*nets.mlp(64, 10, nn.ReLU), nn.LogSoftmax(1)),
                            data.flat_digits, losses.nll),
    "sigmoid-bce": Task(lambda: nn.Sequential(*nets.mlp(30, 1, nn.ReLU), nn.Sigmoid()),
                        _with(data.cancer, _binary), losses.bce_probabilities),
    "weighted-sampler": Task(lambda: nets.cnn(nn.BatchNorm2d), data.digits, loader=_weighted),
    "imbalanced": Task(lambda: nets.mlp(30, 2, nn.ReLU), data.cancer, loader=_imbalanced),
    "workers": Task(lambda: nets.cnn(nets.no_norm), data.digits, loader=_workers,
                    options={"epochs": 5}),
    "tiny-set": Task(lambda: nets.mlp(13, 3, nn.ReLU, 16, 1), lambda: _tiny(), size=8),
}  # fmt: skip


def _tiny() -> Split:
    each = data.wine()
    return Split(each.x[:60], each.y[:60], each.val_x, each.val_y)


def subjects(name: str, folder: Path) -> Iterator[Subject]:
    """The fresh network, the trained one with its log, and that one on validation data."""
    task = TASKS[name]
    loss = {"loss": task.named}
    yield Subject("fresh", task.fresh(), task.train_loader(), loss)
    if task.loss in _NAMED:
        yield Subject("fresh, loss chosen", task.fresh(), task.train_loader())
    log = folder / "log.csv"
    model = task.trained(log)
    yield Subject("trained", model, task.train_loader(), loss | {"log": str(log)})
    yield Subject("validation", model, task.val_loader(), loss)


def _mixup(folder: Path) -> Iterator[Subject]:
    each = data.digits()
    val = [(x, F.one_hot(y, 10).float()) for x, y in each.val()]
    torch.manual_seed(0)
    log = folder / "log.csv"
    loader = _Mixed(each.train())
    net = train(nets.cnn(nn.BatchNorm2d), loader, val, losses.soft_cross_entropy, log=log)
    loss = "tests.zoo.losses:soft_cross_entropy"
    yield Subject("mixed batches", net, loader, {"loss": loss, "log": str(log)})
    yield Subject("plain batches", net, each.train(), {"loss": "cross-entropy"})


def _prune(folder: Path) -> Iterator[Subject]:
    for name in ("mlp-ReLU", "cnn", "cnn-batch-norm", "mlp-GELU"):
        task = TASKS[name]
        net = task.trained()
        for each in net.modules():
            if isinstance(each, nn.Linear | nn.Conv2d) and each.weight.numel() > 500:
                prune.l1_unstructured(each, "weight", 0.8)
        train(net, task.train_loader(), task.val_loader(), task.loss, epochs=4)
        yield Subject(name, net, task.val_loader())
        for each in net.modules():
            if prune.is_pruned(each) and hasattr(each, "weight_mask"):
                prune.remove(each, "weight")
        yield Subject(f"{name}, for good", net, task.train_loader())


def _quantised(folder: Path) -> Iterator[Subject]:
    import warnings

    for name in ("mlp-ReLU", "lstm"):
        net = TASKS[name].trained()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = torch.ao.quantization.quantize_dynamic(net, {nn.Linear, nn.LSTM}, torch.qint8)
        yield Subject(name, net, TASKS[name].val_loader())


def _halves(folder: Path) -> Iterator[Subject]:
    for name in ("mlp-ReLU", "cnn-batch-norm", "vit", "gated", "resnet"):
        task = TASKS[name]
        net = task.trained()
        for dtype in (torch.float16, torch.bfloat16):
            batches = [(x.to(dtype), y) for x, y in task.val_loader()]
            yield Subject(f"{name} {dtype}", copy.deepcopy(net).to(dtype), batches)


def _averaged(folder: Path) -> Iterator[Subject]:
    for name in ("cnn-batch-norm", "mlp-Tanh"):
        task = TASKS[name]
        net = task.fresh()
        mean = torch.optim.swa_utils.AveragedModel(
            net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.98), use_buffers=True
        )
        train(net, task.train_loader(), task.val_loader(), task.loss, patience=99,
              after_step=mean.update_parameters)  # fmt: skip
        yield Subject(f"{name}, wrapped", mean, task.val_loader())
        yield Subject(name, mean.module, task.train_loader())


def _adapters(folder: Path) -> Iterator[Subject]:
    task = TASKS["mlp-ReLU"]
    net = nets.adapted(task.trained())  # type: ignore[arg-type]
    yield Subject("fresh adapters", net, task.train_loader())
    train(net, task.train_loader(), task.val_loader(), task.loss, epochs=3)
    yield Subject("trained adapters", net, task.train_loader())


def _frozen(folder: Path) -> Iterator[Subject]:
    for name, head in (("cnn-batch-norm", -1), ("resnet", -1), ("mlp-ReLU", -1)):
        task = TASKS[name]
        net = task.trained()
        assert isinstance(net, nn.Sequential)
        net.requires_grad_(False)
        net[head] = nn.Linear(net[head].in_features, 10)
        yield Subject(f"{name}, new head", net, task.train_loader())
        train(net, task.train_loader(), task.val_loader(), task.loss, epochs=5)
        yield Subject(f"{name}, trained head", net, task.train_loader())


FURTHER: dict[str, Callable[[Path], Iterator[Subject]]] = {
    "mixup": _mixup,
    "pruned": _prune,
    "quantised": _quantised,
    "halves": _halves,
    "averaged": _averaged,
    "adapters": _adapters,
    "frozen": _frozen,
}


def everything(name: str, folder: Path) -> Iterator[Subject]:
    yield from FURTHER[name](folder) if name in FURTHER else subjects(name, folder)
