"""The sample networks by name: healthy ones of five families, and sick siblings.

Every factory builds offline, in evaluation mode, and takes (N, 3, 48, 48) to logits (N, 8). It
loads its trained weights unless `trained=False`, which gives the fresh architecture, for
`--checkpoint sample_models/weights/NAME.safetensors`. What is wrong with the sick ones stands in
`faults.py`, and how they came to be so in `train.py`.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import nn

from sample_models import healthy_nets, sick_nets

WEIGHTS = Path(__file__).parent / "weights"


def healthy(trained: bool = True) -> nn.Module:
    """A small ResNet with batch norm and in-place ReLU modules that run twice."""
    return _built(healthy_nets.ResidualNet(), "healthy", trained)


def healthy_functional(trained: bool = True) -> nn.Module:
    """A plain ConvNet with batch norm and `F.relu`."""
    return _built(healthy_nets.FunctionalNet(), "healthy_functional", trained)


def healthy_convnext(trained: bool = True) -> nn.Module:
    """A small ConvNeXt: layer norm and GELU with channels last."""
    return _built(healthy_nets.ConvNeXtNet(), "healthy_convnext", trained)


def healthy_tanh(trained: bool = True) -> nn.Module:
    """Convolutions and a multilayer perceptron with tanh."""
    return _built(healthy_nets.TanhNet(), "healthy_tanh", trained)


def healthy_dilated(trained: bool = True) -> nn.Module:
    """Dilated convolutions with a fine last map, trained to look at the shape itself."""
    return _built(healthy_nets.DilatedNet(), "healthy_dilated", trained)


def sick_dead_layer(trained: bool = True) -> nn.Module:
    """Trained by Adam at a learning rate a hundred times too high."""
    return _built(sick_nets.PlainNet(), "sick_dead_layer", trained)


def sick_partly_dead(trained: bool = True) -> nn.Module:
    """A learning rate too high for its last convolution killed most of that layer."""
    return _built(sick_nets.PlainNet(last=64), "sick_partly_dead", trained)


def sick_bias(trained: bool = True) -> nn.Module:
    """A detection head's prior bias, set on a hidden convolution with a ReLU module."""
    return _built(sick_nets.PlainNet(), "sick_bias", trained)


def sick_functional(trained: bool = True) -> nn.Module:
    """The same bias before `F.relu`."""
    return _built(sick_nets.PlainParts(), "sick_functional", trained)


def sick_shared_relu(trained: bool = True) -> nn.Module:
    """The same bias before the third call of a shared in-place ReLU."""
    return _built(sick_nets.SharedReluNet(), "sick_shared_relu", trained)


def sick_clamp(trained: bool = True) -> nn.Module:
    """The same bias before `clamp(min=0)`."""
    return _built(sick_nets.ClampNet(), "sick_clamp", trained)


def sick_sigmoids(trained: bool = True) -> nn.Module:
    """Deep sigmoids fed with raw 0 to 255 pixels."""
    return _built(sick_nets.SigmoidNet(), "sick_sigmoids", trained)


def sick_nan(trained: bool = True) -> nn.Module:
    """NaN weights: one blank frame in the training data was divided by its contrast."""
    return _built(sick_nets.ContrastNet(), "sick_nan", trained)


def sick_softmax(trained: bool = True) -> nn.Module:
    """A softmax before the cross-entropy."""
    return _built(sick_nets.SoftmaxNet(), "sick_softmax", trained)


def sick_detached(trained: bool = True) -> nn.Module:
    """A detached first layer and a branch that never runs."""
    return _built(sick_nets.DetachedNet(), "sick_detached", trained)


def sick_exploding(trained: bool = True) -> nn.Module:
    """Deep convolutions whose initial weights ignore their fan-in."""
    return _built(sick_nets.ExplodingNet(), "sick_exploding", trained)


def sick_norm_statistics(trained: bool = True) -> nn.Module:
    """Batch norm statistics estimated again on black frames."""
    return _built(sick_nets.NormNet(), "sick_norm_statistics", trained)


def sick_momentum(trained: bool = True) -> nn.Module:
    """Batch norm with the momentum of Keras, and a last batch of one picture."""
    return _built(sick_nets.NormNet(momentum=0.99), "sick_momentum", trained)


def _built(network: nn.Module, name: str, trained: bool) -> nn.Module:
    if trained:
        network.load_state_dict(load_file(WEIGHTS / f"{name}.safetensors"))
    return network.eval()
