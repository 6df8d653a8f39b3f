"""What is wrong with each sick sample network, why, and which rule must say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from torch import nn

from sample_models import networks


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """One sick network.

    Attributes:
        name: of the factory in `sample_models.networks` and of the weights file.
        factory: builds it, with its trained weights by default.
        cause: what was really done wrong.
        expected_rule: the code of the rule that must find it.
        where: the call or layer at which it must be found; empty for the network as a whole.
    """

    name: str
    factory: Callable[..., nn.Module]
    cause: str
    expected_rule: str
    where: str

    @property
    def spec(self) -> str:
        """What the command line takes as MODEL."""
        return f"sample_models.networks:{self.name}"


def _fault(factory: Callable[..., nn.Module], rule: str, where: str, cause: str) -> Fault:
    return Fault(factory.__name__, factory, cause, rule, where)


PRIOR = "prior bias -log((1 - p) / p) of a focal-loss head, p = 1e-4, set on a hidden layer"

FAULTS: tuple[Fault, ...] = (
    _fault(
        networks.sick_dead_layer,
        "ACT001",
        "features.relu2#1",
        "Adam at a learning rate of 0.1 in the first epoch, a hundred times too high",
    ),
    _fault(
        networks.sick_partly_dead,
        "ACT002",
        "features.relu3#1",
        "a learning rate of 0.2 on the last convolution for some steps; then training went on",
    ),
    _fault(networks.sick_bias, "ACT001", "features.relu2#1", f"{PRIOR} (ReLU module)"),
    _fault(networks.sick_functional, "ACT001", "/relu#2", f"{PRIOR} (F.relu)"),
    _fault(networks.sick_shared_relu, "ACT001", "relu#3", f"{PRIOR} (shared in-place ReLU)"),
    _fault(networks.sick_clamp, "ACT001", "/clamp#2", f"{PRIOR} (clamp(min=0))"),
    _fault(
        networks.sick_sigmoids,
        "ACT003",
        "layers.sigmoid1#1",
        "raw 0 to 255 pixels into sigmoids: the first layer saturates and passes no gradient",
    ),
    _fault(
        networks.sick_nan,
        "NUM001",
        "conv1#1",
        "a blank frame among the training pictures, divided by its standard deviation: 0 / 0",
    ),
    _fault(networks.sick_softmax, "MOD001", "", "softmax in the model, and again in the loss"),
    _fault(
        networks.sick_detached,
        "GRD004",
        "conv1",
        "a detach() left over from debugging; the branch `auxiliary` was never called at all",
    ),
    _fault(
        networks.sick_exploding,
        "NUM003",
        "body",
        "weights drawn from N(0, 1) whatever the fan-in: each layer multiplies the scale by 8",
    ),
    _fault(
        networks.sick_norm_statistics,
        "WGT007",
        "norms.0",
        "running statistics estimated again on black frames: their variance is nothing",
    ),
    _fault(
        networks.sick_momentum,
        "MOD004",
        "",
        "momentum 0.99 as in Keras (0.01 in PyTorch), and a last batch that held one picture",
    ),
)


def fault(name: str) -> Fault:
    """The fault of that name.

    Raises:
        KeyError: there is none.
    """
    return {each.name: each for each in FAULTS}[name]
