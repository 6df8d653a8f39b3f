"""What a model could take as input, read from its configuration and its first layers."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from torch import nn

TOKENS = 16  # length of a made-up sequence
_IMAGE_SIZES = (224, 64, 32, 28, 128, 256, 96, 48, 16, 8)
_SMALL_IMAGE_SIZES = (32, 28, 64, 224, 128, 256, 96, 48, 16, 8)
_SIGNAL_LENGTHS = (256, 1024, 64, 4000, 16000, 128, 512, 32)
_VOLUMES = ((16, 112, 112), (32, 32, 32), (16, 16, 16), (8, 64, 64), (64, 64, 64))
_FIRST_LAYERS = 4
_AT_MOST = 48  # combinations tried for a model of several inputs


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One input of one sample: its shape without batch axis, and for integers the upper bound."""

    shape: tuple[int, ...]
    vocabulary: int | None = None

    def __str__(self) -> str:
        text = "×".join(map(str, self.shape)) or "scalar"
        return text if self.vocabulary is None else f"{text} integers below {self.vocabulary}"


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """The inputs of one call: positional and by keyword; `source` says where they come from."""

    args: tuple[Sample, ...] = ()
    kwargs: Mapping[str, Sample] = dataclasses.field(default_factory=dict)
    source: str = ""

    def __str__(self) -> str:
        named = [f"{name}: {sample}" for name, sample in self.kwargs.items()]
        return ", ".join([*map(str, self.args), *named])


def configured(module: nn.Module) -> Iterator[Plan]:
    """What the configuration of a timm or Hugging Face model says it takes, the likeliest first."""
    timm = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    size = timm.get("input_size") if isinstance(timm, Mapping) else None
    if isinstance(size, (tuple, list)):
        yield Plan((Sample(tuple(map(int, size))),), source="timm's configuration of the model")
    config = getattr(module, "config", None)
    if config is None:
        return
    known = _known_inputs(module, config)
    main = getattr(module, "main_input_name", "input_ids")
    order = sorted(known, key=lambda name: name != main)
    decoder = _tokens(config) if getattr(config, "is_encoder_decoder", False) else None
    groups = [(name,) for name in order] + ([tuple(order)] if len(order) > 1 else [])
    for names in groups:
        inputs = {name: known[name] for name in names}
        if decoder is not None:
            inputs["decoder_input_ids"] = decoder
        yield Plan(kwargs=inputs, source=f"the model's {type(config).__name__}")


def vocabularies(module: nn.Module) -> list[int]:
    """How many tokens each embedding of the model knows, in the order of the modules."""
    vocabulary = _setting(getattr(module, "config", None), "vocab_size")
    tables = (nn.Embedding, nn.EmbeddingBag)
    sizes = [each.num_embeddings for each in module.modules() if isinstance(each, tables)]
    return [int(vocabulary), *sizes] if isinstance(vocabulary, int) else sizes


def inferred(module: nn.Module) -> Iterator[Plan]:
    """What the model's first layers suggest that it takes, the likeliest first."""
    layers = [each for each in module.modules() if _suggests(each)][:_FIRST_LAYERS]
    source = "the model's first layers" if layers else "a guess"
    by_layer = [list(_of_layer(layer)) for layer in layers]
    by_layer.append(list(_of_parameters(module)))
    if not layers:
        by_layer.append([Sample((3, size, size)) for size in (224, 32)] + [Sample((10,))])
    samples = list(dict.fromkeys(itertools.chain.from_iterable(by_layer)))
    count = len(_required(module))
    if count <= 1:
        yield from (placed((sample,), module, source) for sample in samples)
        return
    same = [(sample,) * count for sample in samples]
    likely = [each[:3] for each in by_layer if each]
    mixed = itertools.chain(
        itertools.product(*(likely * count)[:count]), itertools.product(*[samples[:12]] * count)
    )
    for args in itertools.islice(dict.fromkeys(itertools.chain(same, mixed)), _AT_MOST):
        yield placed(args, module, source)


def placed(samples: Sequence[Sample], module: nn.Module, source: str) -> Plan:
    """The call of `forward` with these inputs, by keyword where it takes them in no other way."""
    required = _required(module)
    names = [each.name for each in required if each.kind is each.KEYWORD_ONLY]
    positional = len(required) - len(names)
    if not names or len(samples) != len(required):
        return Plan(tuple(samples), source=source)
    by_name = dict(zip(names, samples[positional:], strict=True))
    return Plan(tuple(samples[:positional]), by_name, source)


def _known_inputs(module: nn.Module, config: Any) -> dict[str, Sample]:
    try:
        accepted = set(inspect.signature(module.forward).parameters)
    except (TypeError, ValueError):
        accepted = set()
    inputs: dict[str, Sample] = {}
    tokens, image = _tokens(config), _setting(config, "image_size")
    mels = getattr(config, "num_mel_bins", None)
    if "input_ids" in accepted and tokens:
        inputs["input_ids"] = tokens
    if "pixel_values" in accepted:
        size = tuple(image) if isinstance(image, (tuple, list)) else (image or 224,) * 2
        inputs["pixel_values"] = Sample((_setting(config, "num_channels") or 3, *size))
    if "input_values" in accepted:
        inputs["input_values"] = Sample((16000,))
    if "input_features" in accepted and mels:
        inputs["input_features"] = Sample((mels, 2 * getattr(config, "max_source_positions", 1500)))
    return inputs


def _tokens(config: Any) -> Sample | None:
    vocabulary, longest = (
        _setting(config, "vocab_size"),
        _setting(config, "max_position_embeddings"),
    )
    length = min(TOKENS, longest) if isinstance(longest, int) and longest > 2 else TOKENS
    return Sample((length,), int(vocabulary)) if vocabulary else None


def _setting(config: Any, name: str) -> Any:
    places = (config, *(getattr(config, part, None) for part in ("text_config", "vision_config")))
    found = (getattr(place, name, None) for place in places)
    return next((value for value in found if value is not None), None)


def _required(module: nn.Module) -> list[inspect.Parameter]:
    """The arguments that `forward` cannot do without."""
    try:
        parameters = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):
        return []
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each for each in parameters if each.kind not in variable and each.default is each.empty]


_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_SUGGESTIVE = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED, *_NORMS, nn.Linear, nn.Bilinear,
    nn.Embedding, nn.EmbeddingBag, nn.RNNBase, nn.RNNCellBase, nn.LayerNorm, nn.MultiheadAttention,
)  # fmt: skip


def _suggests(layer: nn.Module) -> bool:
    if isinstance(layer, nn.modules.linear.NonDynamicallyQuantizableLinear):
        return False
    return isinstance(layer, _SUGGESTIVE) or bool(_linear_features(layer))


def _linear_features(layer: nn.Module) -> int:
    """The inputs of a linear layer, also of one that quantisation put in; 0 for anything else."""
    sizes = (getattr(layer, "in_features", None), getattr(layer, "out_features", None))
    if any(type(size) is not int for size in sizes):
        return 0
    wraps_another = any(isinstance(child, _SUGGESTIVE) for child in layer.children())
    return 0 if wraps_another else int(sizes[0] or 0)


def _of_layer(layer: nn.Module) -> Iterator[Sample]:
    if isinstance(layer, (nn.Embedding, nn.EmbeddingBag)):
        yield Sample((TOKENS,), layer.num_embeddings)
        yield Sample((), layer.num_embeddings)
    elif _linear_features(layer):
        yield from _features(_linear_features(layer))
    elif isinstance(layer, nn.Bilinear):
        yield Sample((layer.in1_features,))
        yield Sample((layer.in2_features,))
    elif isinstance(layer, (nn.RNNBase, nn.RNNCellBase)):
        yield Sample((TOKENS, int(layer.input_size)))
        yield Sample((int(layer.input_size),))
    elif isinstance(layer, nn.MultiheadAttention):
        yield Sample((TOKENS, layer.embed_dim))
    elif isinstance(layer, nn.LayerNorm):
        yield Sample((TOKENS, *layer.normalized_shape))
        yield Sample(tuple(layer.normalized_shape))
    else:
        yield from (Sample(shape) for shape in _of_convolution(layer))


def _of_convolution(layer: nn.Module) -> Iterable[tuple[int, ...]]:
    if isinstance(layer, _NORMS):
        channels, axes = layer.num_features, int(type(layer).__name__[-2])
    elif isinstance(layer, (nn.Conv1d, nn.Conv2d, nn.Conv3d, *_TRANSPOSED)):
        channels, axes = layer.in_channels, len(layer.kernel_size)
    else:
        return ()
    if isinstance(layer, _TRANSPOSED):
        return [(channels, *(size,) * axes) for size in (1, 4, 8, 16)]
    if axes == 1:
        bare = [(channels,)] if isinstance(layer, nn.BatchNorm1d) else []
        return [*bare, *((channels, length) for length in _SIGNAL_LENGTHS)]
    if axes == 3:
        return [(channels, *volume) for volume in _VOLUMES]
    return [(channels, size, size) for size in _image_sizes(layer)]


def _image_sizes(layer: nn.Module) -> tuple[int, ...]:
    """Small sizes first for a stem that keeps the resolution: 224 pixels would cost 49 times 32."""
    if isinstance(layer, nn.Conv2d) and max(layer.stride) == 1 and max(layer.kernel_size) <= 5:
        return _SMALL_IMAGE_SIZES
    return _IMAGE_SIZES


def _features(count: int) -> Iterator[Sample]:
    yield Sample((count,))
    yield Sample((TOKENS, count))
    for channels in (1, 3):
        side = math.isqrt(count // channels)
        if side > 1 and channels * side * side == count:
            yield Sample((channels, side, side))
            yield Sample((side, side, channels))


def _of_parameters(module: nn.Module) -> Iterator[Sample]:
    """For layers written by hand: both sides of the first matrices."""
    direct = [p for m in module.modules() for p in m.parameters(False) if p.ndim == 2]
    for parameter in direct[:2]:
        for size in (parameter.shape[1], parameter.shape[0]):
            yield Sample((int(size),))
            yield Sample((TOKENS, int(size)))
