"""Small healthy networks of every family, with a task each can learn: none may raise an alarm."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sample_models import shapes
from tests import healthy_nets as nets

Batch = tuple[Tensor, Any]
CLASSES = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Healthy:
    """One architecture, and batches `(inputs, target)` of a task that it can learn.

    Attributes:
        name: short and unique.
        factory: the fresh network, drawn from torch's global seed.
        batches: (count, batch size, seed) to that many batches, always the same ones.
        loss: of the output and the target.
    """

    name: str
    factory: Callable[[], nn.Module]
    batches: Callable[[int, int, int], list[Batch]]
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy

    def fresh(self, seed: int = 0) -> nn.Module:
        """The untrained network in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.factory().eval()

    def trained(self, steps: int = 150, rate: float = 5e-3, seed: int = 0) -> nn.Module:
        """The network after `steps` steps of Adam, in evaluation mode."""
        network = self.fresh(seed).train()
        optimizer = torch.optim.Adam(network.parameters(), rate)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for inputs, target in self.batches(steps, 32, seed + 1):
                optimizer.zero_grad()
                self.loss(network(inputs), target).backward()
                optimizer.step()
        return network.eval()

    def mean_loss(self, network: nn.Module, batches: list[Batch]) -> float:
        """The mean of the batches' losses."""
        with torch.no_grad():
            losses = [self.loss(network(inputs), target) for inputs, target in batches]
        return float(torch.stack(losses).mean())


def _seeded(make: Callable[[int, torch.Generator], Batch]) -> Callable[..., list[Batch]]:
    def batches(count: int = 10, size: int = 64, seed: int = 0) -> list[Batch]:
        source = torch.Generator().manual_seed(seed)
        return [make(size, source) for _ in range(count)]

    return batches


def _labels(size: int, source: torch.Generator) -> Tensor:
    return torch.randint(CLASSES, (size,), generator=source)


@_seeded
def vectors(size: int, source: torch.Generator) -> Batch:
    """(N, 16) normal features around one corner a class."""
    labels = _labels(size, source)
    corners = 1.5 * F.one_hot(labels, 16).float()
    return corners + torch.randn(size, 16, generator=source), labels


@functools.cache
def _drawn() -> tuple[Tensor, Tensor, Tensor]:
    """600 pictures at half size (N, 3, 24, 24), their masks (N, 1, 24, 24) and labels (N,)."""
    drawings = [shapes.Shapes(size=600, seed=7).drawing(index) for index in range(600)]
    images = torch.stack([shapes.normalise(drawing.pixels) for drawing in drawings])
    masks = torch.stack([torch.from_numpy(drawing.mask) for drawing in drawings])
    labels = torch.tensor([drawing.label for drawing in drawings])
    return F.avg_pool2d(images, 2), F.avg_pool2d(masks[:, None].float(), 2).round(), labels


def _rows(size: int, source: torch.Generator) -> Tensor:
    return torch.randint(len(_drawn()[2]), (size,), generator=source)


@_seeded
def pictures(size: int, source: torch.Generator) -> Batch:
    """(N, 3, 24, 24) shapes on textured ground; the class is the ground's tint."""
    images = _drawn()[0]
    rows = _rows(size, source)
    return images[rows], _tint(images[rows])


def _tint(images: Tensor) -> Tensor:
    """(N,) classes: more red than green or not, more blue than green or not."""
    red, green, blue = images.mean((2, 3)).unbind(1)
    return 2 * (red > green).long() + (blue > green).long()


@_seeded
def masks(size: int, source: torch.Generator) -> Batch:
    """(N, 3, 24, 24) pictures with the masks (N, 1, 24, 24) of their shapes."""
    images, shape_masks, _ = _drawn()
    rows = _rows(size, source)
    return images[rows], shape_masks[rows]


@_seeded
def copies(size: int, source: torch.Generator) -> Batch:
    """(N, 3, 24, 24) pictures with themselves as target."""
    images = _drawn()[0][_rows(size, source)]
    return images, images


@_seeded
def boxes(size: int, source: torch.Generator) -> Batch:
    """(N, 3, 24, 24) pictures with `labels` (N,) and `boxes` (N, 4), x y x y within [0, 1]."""
    images, shape_masks, _ = _drawn()
    rows = _rows(size, source)
    corners = []
    for mask in shape_masks[rows, 0]:
        y, x = mask.nonzero(as_tuple=True)
        corners.append(torch.stack([x.min(), y.min(), x.max() + 1, y.max() + 1]) / 24)
    return images[rows], {"labels": _tint(images[rows]), "boxes": torch.stack(corners)}


@_seeded
def waves(size: int, source: torch.Generator) -> Batch:
    """(N, 2, 48) noisy waves in channels first; the class is the frequency."""
    labels = _labels(size, source)
    phase = 6.28 * torch.rand(size, 1, generator=source)
    time = torch.linspace(0, 6.28, 48) * (2 * labels[:, None] + 1) + phase
    signal = torch.stack([time.sin(), time.cos()], 1)
    return signal + 0.3 * torch.randn(size, 2, 48, generator=source), labels


def steps(count: int = 10, size: int = 64, seed: int = 0) -> list[Batch]:
    """(N, 48, 2): the same waves, channels last."""
    return [(signal.transpose(1, 2), labels) for signal, labels in waves(count, size, seed)]


@_seeded
def words(size: int, source: torch.Generator) -> Batch:
    """(N, 20) token numbers below 80; each class prefers 20 of them."""
    labels = _labels(size, source)
    common = torch.randint(80, (size, 20), generator=source)
    own = labels[:, None] * 20 + torch.randint(20, (size, 20), generator=source)
    return torch.where(torch.rand(size, 20, generator=source) < 0.4, own, common), labels


@_seeded
def codes(size: int, source: torch.Generator) -> Batch:
    """(N, 8) codes with pictures (N, 1, 16, 16) of a blob at the place that the code names."""
    code = torch.randn(size, 8, generator=source)
    place = torch.linspace(-2, 2, 16)
    across = (place - code[:, :1, None]).square()
    down = (place - code[:, 1:2, None]).square().transpose(1, 2)
    return code, 2 * torch.exp(-2 * (across + down))[:, None] - 1


def detection_loss(output: dict[str, Tensor], target: dict[str, Tensor]) -> Tensor:
    """Cross-entropy of the class plus the mean absolute error of the box."""
    classes = F.cross_entropy(output["logits"], target["labels"])
    return classes + F.l1_loss(output["boxes"], target["boxes"])


HEALTHY: tuple[Healthy, ...] = (
    Healthy("mlp-relu", functools.partial(nets.mlp, nn.ReLU), vectors),
    Healthy("mlp-tanh", functools.partial(nets.mlp, nn.Tanh), vectors),
    Healthy("mlp-sigmoid", functools.partial(nets.mlp, nn.Sigmoid), vectors),
    Healthy("unet", nets.UNet, masks, F.binary_cross_entropy_with_logits),
    Healthy("autoencoder", nets.autoencoder, copies, F.mse_loss),
    Healthy("squeeze-excitation", nets.SqueezeExcitationNet, pictures),
    Healthy("depthwise-relu6", nets.depthwise_relu6, pictures),
    Healthy("zero-init-residual", nets.ZeroInitResidualNet, pictures),
    Healthy("convnext-nhwc", nets.ChannelsLastNet, pictures),
    Healthy("mixer", nets.MixerNet, pictures),
    Healthy("detector", nets.Detector, boxes, detection_loss),
    Healthy("generator", nets.generator, codes, F.mse_loss),
    Healthy("conv1d", nets.conv1d, waves),
    Healthy("lstm-gates", nets.HandWrittenLSTM, steps),
    Healthy("gru", nets.GRUNet, steps),
    Healthy("tokens", nets.TokenNet, steps),
    Healthy("transformer", nets.TransformerNet, words),
    Healthy("embedding-bag", nets.BagOfWords, words),
)


def healthy(name: str) -> Healthy:
    """The entry of that name; KeyError when there is none."""
    return {each.name: each for each in HEALTHY}[name]


def all_fresh_and_trained() -> Iterator[tuple[str, nn.Module, list[Batch]]]:
    """Every network twice, `unet-fresh` and `unet-trained`, with 10 batches of 64 samples."""
    for each in HEALTHY:
        data = each.batches(10, 64, 0)
        yield f"{each.name}-fresh", each.fresh(), data
        yield f"{each.name}-trained", each.trained(), data
