"""What WGT001 and WGT007 say of weights that nothing was run with."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.weights import TensorFacts, WeightFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip
from netdoctor.rules.weight_evidence import gain, trained

_NAMED = 3  # sick tensors that have a finding each
_TINY = 1e-10
_FEWEST = 4  # channels
_SMALL_GAIN = 1e-3  # of a weight that lets nothing through, so that the variances behind it vanish
_AGAIN = (
    "Estimate the running statistics again: forward passes in training mode over real data, "
    "without an optimiser step; or load a checkpoint before they broke."
)


def sick_tensors(facts: WeightFacts, threshold: int) -> Iterator[Hit]:
    """Findings of tensors with NaN or infinities, by the group of a file that they are in."""
    sick: dict[str, list[TensorFacts]] = {}
    for each in facts.tensors:
        if each.nan + each.inf >= threshold and not _is_mask(each):
            sick.setdefault(each.group, []).append(each)
    for group, tensors in sick.items():
        shown = tensors if len(tensors) <= _NAMED else tensors[:1]
        others = [each.name for each in tensors[1:]] if len(tensors) > _NAMED else []
        for each in shown:
            where = f", in the {group} part" if group else ""
            more = f"; {len(others)} more tensors are not finite" if others else ""
            yield Hit(
                each.name,
                f"{not_finite(each.nan, each.inf)} among {each.values} values of the "
                f"{_called(each)}{where}{more}",
                {"nan": each.nan, "inf": each.inf, "threshold": threshold, "values": each.values,
                 "group": group, **({"others": others} if others else {})},
                "Load the last checkpoint before the loss was NaN; then find what made it so: a "
                "learning rate too high, a NaN in a batch, an overflow in half precision.",
            )  # fmt: skip


def not_finite(nan: int, inf: int) -> str:
    """`1 NaN`, `3 infinities`, `1 NaN and 1 infinity`."""
    infinite = f"{inf} infinit{'y' if inf == 1 else 'ies'}" if inf else ""
    return " and ".join(each for each in (f"{nan} NaN" if nan else "", infinite) if each)


def _called(tensor: TensorFacts) -> str:
    return "tensor" if tensor.role == "other" else tensor.role


def _is_mask(tensor: TensorFacts) -> bool:
    alone = tensor.nan == 0 and tensor.inf == tensor.negative_inf > 0
    return alone and tensor.role == "other" and not tensor.group


def impossible_variances(facts: WeightFacts, vanished: float) -> Iterator[Hit | Skip]:
    """Findings of running variances that are negative, nothing, or were never estimated."""
    is_trained, why = trained(facts)
    before: TensorFacts | None = None
    variances = [each for each in facts.tensors if each.role == "running variance"]
    if not variances:
        yield Skip("no layer has running statistics")
        return
    untouched: list[TensorFacts] = []
    for each in facts.tensors:
        if each.group:
            continue
        if each.role in ("convolution", "linear"):
            before = each
        if each.role != "running variance" or not each.values:
            continue
        if each.minimum < 0:
            yield _negative(each)
        elif is_trained is not True:
            yield Skip(f"only a negative variance is judged: {why}", each.name)
        elif _tiny(each) >= vanished * each.values and each.values >= _FEWEST:
            yield from _vanished(each, before, vanished)
        elif each.minimum == each.maximum == 1:
            untouched.append(each)
    if untouched and len(untouched) < len(variances):
        yield _never_estimated(untouched, len(variances))


def _tiny(variance: TensorFacts) -> int:
    if variance.tiny is not None:
        return variance.tiny
    return variance.values if variance.maximum < _TINY else 0


def _negative(variance: TensorFacts) -> Hit:
    return Hit(
        _layer(variance),
        f"running variances are negative, down to {variance.minimum:.4g}",
        {"smallest": variance.minimum, "threshold": 0, "channels": variance.values},
        _AGAIN,
    )


def _vanished(
    variance: TensorFacts, before: TensorFacts | None, vanished: float
) -> Iterator[Hit | Skip]:
    tiny = _tiny(variance)
    if before is not None and gain(before) < _SMALL_GAIN:
        yield Skip(f"{before.name} before it lets next to nothing through", variance.name)
        return
    yield Hit(
        _layer(variance),
        f"{tiny} of {variance.values} running variances are below 1e-10 (from "
        f"{variance.minimum:.3g} to {variance.maximum:.3g}), and the weights before them are not "
        "small: in evaluation mode the layer blows its input up",
        {"share": tiny / variance.values, "threshold": vanished, "smallest": variance.minimum,
         "channels": variance.values},
        _AGAIN,
    )  # fmt: skip


def _never_estimated(untouched: list[TensorFacts], of: int) -> Hit:
    names = [_layer(each) for each in untouched]
    return Hit(
        names[0],
        f"the running variances of {len(names)} of {of} norm layers are all 1, as a layer starts: "
        "their statistics were never estimated",
        {"untouched": len(names), "threshold": 1, "norms": of, "others": names[1:]},
        "Nothing to do for a layer that is never called or keeps no statistics; else run the "
        "network over real data in training mode.",
        Severity.INFO,
    )


def _layer(tensor: TensorFacts) -> str:
    return tensor.name.rpartition(".")[0] or tensor.name
