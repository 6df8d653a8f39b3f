"""Trains the sample networks again: `python -m sample_models.train [NAME ...]`.

Healthy networks are trained with care. A sick one is trained as the people trained theirs who then
asked why their network does not learn: its fault comes from the training or the code, and nobody
edits a weight to look sick afterwards.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from sample_models import networks, shapes

BATCH = 64
SEED = 0
HALVED = ("healthy_convnext", "healthy_dilated")
"""Stored in half precision, for all weights together have to stay below a megabyte."""

Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]
"""(network, images (N, C, 48, 48), labels (N,)) -> a scalar."""


@dataclasses.dataclass(frozen=True, slots=True)
class Pictures:
    """A whole split in memory.

    Attributes:
        images: (N, 3, 48, 48) float32.
        labels: (N,) int64.
        masks: (N, 48, 48) bool, True on the shape.
    """

    images: Tensor
    labels: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> Pictures:
        """The first `count` of them."""
        return Pictures(self.images[:count], self.labels[:count], self.masks[:count])


def pictures(*, train: bool) -> Pictures:
    """All pictures of a split, drawn now."""
    split = shapes.Shapes(train=train)
    drawn = [split.drawing(index) for index in range(len(split))]
    return Pictures(
        images=torch.stack([shapes.normalise(each.pixels) for each in drawn]),
        labels=torch.tensor([each.label for each in drawn]),
        masks=torch.stack([torch.from_numpy(each.mask) for each in drawn]),
    )


def accuracy(network: nn.Module, test: Pictures) -> float:
    """Share of the pictures that the network, in evaluation mode, names rightly."""
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network(batch) for batch in test.images.split(250)])
    return float((logits.argmax(1) == test.labels).double().mean())


def epoch(data: Pictures, *, augment: bool = False) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches of one pass; augmented ones are mirrored and turned, a batch at a time."""
    for rows in torch.randperm(len(data)).split(BATCH):
        images = data.images[rows]
        if augment:
            images = torch.rot90(images, int(torch.randint(4, ())), (2, 3))
            images = images.flip(3) if torch.rand(()) < 0.5 else images
        yield images, data.labels[rows]


def cross_entropy(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The mean over one batch."""
    return F.cross_entropy(network(images), labels)


def step(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    loss: Loss = cross_entropy,
) -> None:
    """One step on the loss of one batch."""
    optimizer.zero_grad()
    loss(network, images, labels).backward()
    optimizer.step()


def train_well(
    network: nn.Module, data: Pictures, *, epochs: int, rate: float, loss: Loss = cross_entropy
) -> nn.Module:
    """One-cycle AdamW on augmented pictures."""
    optimizer = torch.optim.AdamW(network.parameters(), rate, weight_decay=0.01)
    total = epochs * math.ceil(len(data) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=total)
    network.train()
    for _ in range(epochs):
        for images, labels in epoch(data, augment=True):
            step(network, optimizer, images, labels, loss)
            schedule.step()
    return network


def train_plainly(
    network: nn.Module, data: Pictures, *, epochs: int = 2, rate: float = 3e-3
) -> nn.Module:
    """Adam at one learning rate, as a first script does it."""
    optimizer = torch.optim.Adam(network.parameters(), rate)
    network.train()
    for _ in range(epochs):
        for images, labels in epoch(data):
            step(network, optimizer, images, labels)
    return network


def dead_share(relu: nn.Module, network: nn.Module, images: Tensor) -> float:
    """Share of the channels of `relu` that fire at no position of any of these images."""
    outputs: list[Tensor] = []
    handle = relu.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    with torch.no_grad():
        network(images)
    handle.remove()
    return float((outputs[0].amax((0, 2, 3)) <= 0).double().mean())


def dead_layer(data: Pictures) -> nn.Module:
    """One epoch at a learning rate a hundred times too high, one at a sensible rate."""
    network = train_plainly(networks.sick_dead_layer(trained=False), data, epochs=1, rate=0.1)
    return train_plainly(network, data, epochs=1)


def partly_dead(data: Pictures) -> nn.Module:
    """The last convolution has a learning rate of 0.2 until 85 % of it are dead."""
    network = train_plainly(networks.sick_partly_dead(trained=False), data, epochs=3)
    last, relu3 = network.get_submodule("features.conv3"), network.get_submodule("features.relu3")
    hasty = torch.optim.Adam(last.parameters(), 0.2)
    for images, labels in itertools.chain(epoch(data), epoch(data), epoch(data)):
        step(network, hasty, images, labels)
        if dead_share(relu3, network, data.images[:500]) >= 0.85:
            break
    return train_plainly(network, data, epochs=2, rate=3e-4)


def prior_bias(factory: Callable[..., nn.Module], layer: str) -> Callable[[Pictures], nn.Module]:
    """Training with a detection head's prior bias on the hidden convolution `layer`."""

    def train(data: Pictures) -> nn.Module:
        network = factory(trained=False)
        bias = network.get_parameter(f"{layer}.bias")
        prior = 1e-4
        nn.init.constant_(bias, -math.log((1 - prior) / prior))
        return train_plainly(network, data, epochs=1)

    return train


def nan_weights(data: Pictures) -> nn.Module:
    """Plain training on pictures of which one is a blank frame."""
    images = data.images.clone()
    images[len(data) // 2] = 0
    blanked = dataclasses.replace(data, images=images)
    return train_plainly(networks.sick_nan(trained=False), blanked, epochs=1)


def norm_statistics(data: Pictures) -> nn.Module:
    """After training, the statistics are estimated again, with the lens cap on."""
    network = train_plainly(networks.sick_norm_statistics(trained=False), data, epochs=8)
    black = shapes.normalise(torch.zeros(48, 48, 3, dtype=torch.uint8).numpy())
    with torch.no_grad():
        for _ in range(300):
            network(black.expand(8, -1, -1, -1))
    return network


def keras_momentum(data: Pictures) -> nn.Module:
    """A split whose last batch is a single picture, which the statistics then describe."""
    odd = data.first(BATCH * 90 + 1)
    return train_plainly(networks.sick_momentum(trained=False), odd, epochs=8)


def off_the_shape(network: nn.Module, masked: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, less the log share of the class's evidence that lies on the shape.

    Args:
        network: a `DilatedNet`.
        masked: (N, 4, 48, 48) images, with the mask of the shape as the fourth channel.
        labels: (N,).
    """
    features = network.get_submodule("features")(masked[:, :3])
    evidence = network.get_submodule("head")(features.movedim(1, 3)).flatten(1, 2)
    places = evidence[torch.arange(len(labels)), :, labels].softmax(1)
    share = (places * F.avg_pool2d(masked[:, 3:], 2).flatten(1)).sum(1)
    return F.cross_entropy(evidence.mean(1), labels) - (share + 1e-6).log().mean()


def on_the_shape(data: Pictures) -> nn.Module:
    """Careful training that also shows the network where the shape is, so that it looks there."""
    masked = torch.cat([data.images, data.masks[:, None].float()], 1)
    network = networks.healthy_dilated(trained=False)
    shown = dataclasses.replace(data, images=masked)
    return train_well(network, shown, epochs=8, rate=0.01, loss=off_the_shape)


def well(factory: Callable[..., nn.Module], epochs: int, rate: float) -> Callable[..., nn.Module]:
    """Careful training of a healthy network."""
    return lambda data: train_well(factory(trained=False), data, epochs=epochs, rate=rate)


def plainly(factory: Callable[..., nn.Module]) -> Callable[[Pictures], nn.Module]:
    """Plain training of a network whose fault is in its code."""
    return lambda data: train_plainly(factory(trained=False), data)


RECIPES: dict[str, Callable[[Pictures], nn.Module]] = {
    "healthy": well(networks.healthy, epochs=8, rate=0.01),
    "healthy_functional": well(networks.healthy_functional, epochs=8, rate=0.01),
    "healthy_convnext": well(networks.healthy_convnext, epochs=20, rate=0.008),
    "healthy_tanh": well(networks.healthy_tanh, epochs=14, rate=0.01),
    "healthy_dilated": on_the_shape,
    "sick_dead_layer": dead_layer,
    "sick_partly_dead": partly_dead,
    "sick_bias": prior_bias(networks.sick_bias, "features.conv2"),
    "sick_functional": prior_bias(networks.sick_functional, "conv2"),
    "sick_shared_relu": prior_bias(networks.sick_shared_relu, "conv3"),
    "sick_clamp": prior_bias(networks.sick_clamp, "conv2"),
    "sick_sigmoids": plainly(networks.sick_sigmoids),
    "sick_nan": nan_weights,
    "sick_softmax": plainly(networks.sick_softmax),
    "sick_detached": plainly(networks.sick_detached),
    "sick_exploding": plainly(networks.sick_exploding),
    "sick_norm_statistics": norm_statistics,
    "sick_momentum": keras_momentum,
}


def trained(name: str, data: Pictures) -> nn.Module:
    """The network `name`, trained by its recipe with a seed of its own, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return RECIPES[name](data).eval()


def stored(name: str, network: nn.Module) -> dict[str, Tensor]:
    """What the file of the network holds: its state, the `HALVED` ones' in half precision."""
    state = network.state_dict()
    if name not in HALVED:
        return state
    return {key: t.half() if t.is_floating_point() else t for key, t in state.items()}


def main(names: list[str], folder: Path = networks.WEIGHTS) -> None:
    """Trains the named networks (all when empty) and writes weights and `accuracy.json`."""
    unknown = [name for name in names if name not in RECIPES]
    if unknown:
        sys.exit(f"no sample network is called {unknown[0]}; there are: {', '.join(RECIPES)}")
    torch.set_num_threads(2)
    folder.mkdir(parents=True, exist_ok=True)
    record = folder / "accuracy.json"
    accuracies = json.loads(record.read_text()) if record.exists() else {}
    print("drawing the pictures ...", file=sys.stderr)
    data, test = pictures(train=True), pictures(train=False)
    for name in names or RECIPES:
        start = time.monotonic()
        network = trained(name, data)
        state = stored(name, network)
        network.load_state_dict(state)
        accuracies[name] = round(accuracy(network, test), 4)
        save_file(state, folder / f"{name}.safetensors")
        seconds = time.monotonic() - start
        print(f"{name:22} accuracy {accuracies[name]:6.1%}  {seconds:4.0f} s", file=sys.stderr)
    ordered = {name: accuracies[name] for name in RECIPES if name in accuracies}
    record.write_text(json.dumps(ordered, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
