"""What the weights themselves tell about their history: trained or fresh, pruned, normalised."""

from __future__ import annotations

import math
import re
import statistics

from netdoctor.facts.weights import TensorFacts, WeightFacts

WEIGHTS = ("convolution", "linear", "embedding", "recurrent")
_LARGE, _SMALL = 20.0, 0.01  # scales that other networks' weights have too
_FEWEST_OTHERS = 2
_UNMOVED = 10.0  # times a weight's values that its bias has where only the weight was scaled
_SPARSE = 0.05  # share of exact zeros from which a weight counts as pruned
_GATES = re.compile(
    r"lora_?b|lora_?up|lora_embedding_b|zero_?conv|zero_?module|controlnet_|adaln|ada_ln|adapter|"
    r"vera_lambda|hada_w2|oft_",
    re.I,
)


def judged(facts: WeightFacts) -> list[TensorFacts]:
    """The weights proper: two axes or more, floating-point, at the file's or model's own names."""
    return [
        each
        for each in facts.tensors
        if not each.group and each.role in WEIGHTS and len(each.shape) > 1 and each.values > 1
        and math.isfinite(each.minimum)
    ]  # fmt: skip


def trained(facts: WeightFacts) -> tuple[bool | None, str]:
    """Whether the weights were trained, and what says so; None where nothing does.

    What the weights look like counts before what norm layers remember: one forward pass in
    training mode moves their statistics.
    """
    if facts.fresh is not None:
        said = facts.evidence or (
            "the weights are as drawn" if facts.fresh else "the weights were loaded"
        )
        return not facts.fresh, said
    tested = [each for each in judged(facts) if each.initialisation is not None]
    random = sum(bool(each.initialisation) for each in tested)
    drawn = sum(bool(each.initialisation) and usual_deviation(each) for each in tested)
    if tested and drawn >= 0.8 * len(tested):
        those = f"{drawn} of {len(tested)} weights look"
        said = "the weight looks" if len(tested) == 1 else those
        return False, f"{said} as a usual initialisation draws them"
    moved = [each for each in facts.tensors if not each.group and _has_moved(each)]
    if moved:
        return True, f"{moved[0].name} is not what it starts as"
    if tested and random <= 0.5 * len(tested):
        settled = len(tested) - random
        return True, f"{settled} of {len(tested)} weights follow no distribution of fresh ones"
    return None, "nothing tells whether the weights were trained"


def _has_moved(tensor: TensorFacts) -> bool:
    if tensor.role == "running mean" or tensor.role == "norm bias":
        return not tensor.all_zero and math.isfinite(tensor.minimum)
    if tensor.role == "running variance":
        return not tensor.minimum == tensor.maximum == 1 and math.isfinite(tensor.minimum)
    if tensor.role == "norm weight":
        return not tensor.constant and tensor.values > 1 and math.isfinite(tensor.minimum)
    return tensor.role == "counter" and tensor.maximum > 0


def pruned(facts: WeightFacts) -> str:
    """Why the network counts as pruned; empty where it does not."""
    if any(each.name.endswith("weight_mask") and not each.group for each in facts.tensors):
        return "it has pruning masks"
    weights = [each for each in judged(facts) if not each.all_zero and each.zeros is not None]
    sparse = [each for each in weights if (each.zeros or 0) >= _SPARSE * each.values]
    if len(sparse) >= 2 and len(sparse) >= 0.5 * len(weights):
        return f"{len(sparse)} of {len(weights)} weights hold many exact zeros"
    return ""


def starts_at_zero(tensor: TensorFacts) -> bool:
    """Whether the name is that of a weight that starts at zero by design (LoRA's B, a gate)."""
    return bool(_GATES.search(tensor.name))


def kin(tensor: TensorFacts, weights: list[TensorFacts]) -> list[TensorFacts]:
    """The other weights whose names differ from this one's in their numbers alone."""
    pattern = _numberless(tensor.name)
    return [each for each in weights if each is not tensor and _numberless(each.name) == pattern]


def _numberless(name: str) -> str:
    return re.sub(r"\d+", "#", name)


def before_batch_norm(tensor: TensorFacts, facts: WeightFacts) -> bool:
    """Whether a norm that undoes the scale of a filter may follow; yes where nobody knows."""
    filters = tensor.filters
    if filters is not None and filters.follows_norm is not None:
        return filters.follows_norm
    return any(each.role == "running variance" and not each.group for each in facts.tensors)


def depthwise(tensor: TensorFacts) -> bool:
    """Whether each filter sees a single channel: a depthwise one, or that of a grey picture."""
    return tensor.role == "convolution" and tensor.shape[1] == 1


def gain(tensor: TensorFacts) -> float:
    """The root mean square times the root of the fan-in: about 1 for weights that keep a scale.

    Where only the range is known, the largest value takes the place of the mean: an upper bound.
    """
    fan_in = max(tensor.values // max(tensor.shape[0], 1), 1)
    rms = tensor.norm / math.sqrt(max(tensor.values, 1))
    if not math.isfinite(rms):
        rms = max(-tensor.minimum, tensor.maximum)
    return rms * math.sqrt(fan_in)


def usual_deviation(tensor: TensorFacts) -> bool:
    """Whether its deviation is one that torch's and other common initialisations give its shape."""
    if not tensor.std > 0:
        return False
    fan_in = max(tensor.values // tensor.shape[0], 1)
    fan_out = max(tensor.values // tensor.shape[1], 1)
    known = [1 / (3 * fan_in), 1 / fan_in, 2 / fan_in, 1 / fan_out, 2 / fan_out]
    known += [2 / (fan_in + fan_out), 0.02**2, 0.01**2]
    if tensor.role == "embedding":
        known.append(1.0)
    if tensor.role == "recurrent":
        known += [1 / (3 * hidden) for hidden in (tensor.shape[0] // gates for gates in (1, 3, 4))]
    return _near(tensor, known)


def surely_drawn(tensor: TensorFacts, fewest: int) -> bool:
    """Whether it looks as an initialisation draws it, and more than by coincidence.

    Trained weights tend to look normal and meet some usual deviation by chance where few values
    leave it uncertain: below `fewest` a normal one has to have a deviation of 0.02 or 0.01, that of
    transformers and their heads.
    """
    if not tensor.initialisation or not usual_deviation(tensor):
        return False
    if not tensor.initialisation.startswith("normal") or tensor.values >= fewest:
        return True
    return tensor.role in ("linear", "embedding") and _near(tensor, [0.02**2, 0.01**2])


def _near(tensor: TensorFacts, variances: list[float]) -> bool:
    near = max(0.01, 3 / math.sqrt(2 * tensor.values))
    return any(abs(tensor.std / math.sqrt(each) - 1) < near for each in variances if each > 0)


def bias_of(tensor: TensorFacts, facts: WeightFacts) -> TensorFacts | None:
    """The bias beside a weight; None where there is none."""
    stem, _, last = tensor.name.rpartition(".")
    name = f"{stem}.{last.replace('weight', 'bias')}" if stem else last.replace("weight", "bias")
    return next(
        (each for each in facts.tensors if each.name == name != tensor.name and not each.group),
        None,
    )


def stands_out(
    tensor: TensorFacts, facts: WeightFacts, above: float, below: float
) -> tuple[float, str, float]:
    """Whether a weight's scale is far from that of the network's other weights.

    Args:
        tensor: the weight.
        facts: of the whole network.
        above: times the others' median from which it is too large.
        below: the same from which it is too small; 0 where small ones are not judged.

    Returns:
        The limit that it is beyond, what to say, and its scale over the median; 0 and "" if none.
    """
    scaled = [
        each
        for each in judged(facts)
        if each.role != "embedding" and not each.all_zero and math.isfinite(each.norm)
    ]
    others = [gain(each) for each in scaled if each is not tensor]
    known = len(others) < len(scaled) and len(others) >= _FEWEST_OTHERS
    if not known or tensor.frozen or before_batch_norm(tensor, facts):
        return 0.0, "", 0.0
    scale, median = gain(tensor), statistics.median(others)
    times = scale / median
    told = f"it multiplies the scale of its input by about {scale:.3g}, the others by {median:.3g}"
    if scale >= _LARGE and times >= above:
        return above, told, times
    if scale <= _SMALL and times <= below and tensor is not scaled[-1]:
        bias = bias_of(tensor, facts)
        tops = [max(-each.minimum, each.maximum) for each in (tensor, bias) if each is not None]
        if not starts_at_zero(tensor) and len(tops) > 1 and tops[1] >= _UNMOVED * tops[0]:
            return below, told, times
    return 0.0, "", 0.0
