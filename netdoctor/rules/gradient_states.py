"""GRD: parameters without a gradient, with a zero one, with one that is not a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from netdoctor.facts.gradflow import Cause, GradientFacts, ParameterGradient
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.gradient_chain import chain

_LISTED = 20
_UNKNOWN = Cause("unknown")
_HOW = {
    "detach": "detach() cuts the graph",
    "data": ".data cuts the graph",
    "no_grad": "it runs under no_grad",
    "inference_mode": "it runs under inference_mode",
    "tensor": "torch.tensor() makes a new tensor without the graph",
    "as_tensor": "torch.as_tensor() makes a new tensor without the graph",
    "numpy": "numpy() leaves the graph",
    "item": "item() leaves the graph",
    "tolist": "tolist() leaves the graph",
}


@rule("GRD003", "nan-gradient", Severity.ERROR)
def nan_gradient(facts: GradientFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """NaN or infinity in the gradient of a parameter.

    Measures: parameters of which some element of the gradient is NaN or infinite in some batch,
    from `threshold`; after the scale of mixed precision was lowered as often as a scaler would.
    Where the loss itself is finite, the operation is named whose gradient is the first that is
    not. A loss that is finite in no batch is a finding even where its gradient is zero.

    Why: one step with it makes the weights NaN, and no later step brings them back.

    False alarm: none is known.

    Remedy: sqrt, norm and division at zero, log of zero, a power below 1, and `where` around them
    (its unused side still gets a NaN) need an epsilon inside: sqrt(x + eps), x.clamp_min(eps).

    Source: house heuristic.
    """
    sick = facts.of_state("non-finite")
    if facts.losses and not sick and not any(math.isfinite(loss) for loss in facts.losses):
        yield _no_loss(facts, threshold)
    if len(sick) < threshold or not sick:
        return
    cause = next((each.cause for each in sick if each.cause is not None), _UNKNOWN)
    finite = cause.kind != "loss"
    begins = f"{_place(cause)} is the first whose gradient is not finite" if cause.operation else (
        "the loss is finite" if finite else "the loss is not finite: it begins in the forward pass"
    )  # fmt: skip
    yield Hit(
        _subject(cause, sick),
        f"the gradients of {len(sick)} of {len(facts.parameters)} parameters are NaN or infinite; "
        f"{begins}",
        {
            "parameters": len(sick),
            "threshold": threshold,
            "nan": sum(each.nan for each in sick),
            "infinite": sum(each.infinite for each in sick),
            **_evidence(cause, sick),
        },
        f"Keep the argument of {cause.operation or 'sqrt, norm, log and division'} away from where "
        "its derivative is infinite: add an epsilon inside."
        if finite
        else "`netdoctor check-forward` names the first operation that makes NaN or infinity.",
    )


def _no_loss(facts: GradientFacts, threshold: int) -> Hit:
    return Hit(
        "loss",
        "the loss is NaN or infinite in every batch, and no gradient comes from it",
        {"parameters": 0, "threshold": threshold, "batches": len(facts.losses)},
        "A mean over no element is NaN: look for targets that are all ignored (ignore_index, -100) "
        "or a mask that leaves nothing. `netdoctor check-loader` looks at the targets.",
    )


@rule("GRD004", "missing-gradient", Severity.ERROR)
def missing_gradient(facts: GradientFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """A parameter is not in the graph of the loss: it is never trained.

    Measures: parameters that require a gradient and get none in any batch, from `threshold`
    together: those behind one operation that cuts the graph (detach, no_grad, argmax, item, a
    tensor made anew), which is named with its source line; those of a module that is built but
    never called; those whose result nobody uses.

    Why: the optimiser leaves them as they were drawn.

    False alarm: left alone are heads whose output the loss does not take, modules that run in
    evaluation mode only, experts that other samples go to, and frozen parameters.

    Remedy: take the detach or no_grad away, or replace the step without a derivative; call the
    module or delete it; freeze on purpose what shall not learn.

    Source: PyTorch RFC 57776; house heuristic.
    """
    groups: dict[Cause, list[ParameterGradient]] = {}
    for each in facts.of_state("missing"):
        cause = each.cause or _UNKNOWN
        if cause.meant:
            yield Skip(cause.meant, each.name)
        else:
            groups.setdefault(_together(cause, each, facts), []).append(each)
    for cause, sick in groups.items():
        if len(sick) >= threshold:
            yield Hit(
                (cause.kind != "cut" and cause.where) or sick[0].module or sick[0].name,
                f"{_names(sick)} {'get' if len(sick) > 1 else 'gets'} no gradient: {_why(cause)}",
                {"parameters": len(sick), "threshold": threshold, **_evidence(cause, sick)},
                _cure(cause),
            )


def _together(cause: Cause, parameter: ParameterGradient, facts: GradientFacts) -> Cause:
    """What parameters must have in common to be one finding."""
    if cause.kind == "cut":
        where = "" if cause.source else cause.where
        return Cause("cut", cause.operation, where, cause.source)
    if cause.kind in ("never-called", "unused-result"):
        return Cause(cause.kind, where=_idle_part(parameter.module, cause, facts))
    return Cause(cause.kind, where=parameter.module)


def _idle_part(module: str, cause: Cause, facts: GradientFacts) -> str:
    """The largest part of the model around the module of which no parameter has a gradient."""
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        path = ".".join(parts[:depth])
        inside = [each for each in facts.parameters if f"{each.module}.".startswith(f"{path}.")]
        if all(each.cause is not None and each.cause.kind == cause.kind for each in inside):
            return path
    return module


def _why(cause: Cause) -> str:
    if cause.kind == "cut":
        return f"{_HOW.get(cause.operation, f'{cause.operation} has no derivative')}{_at(cause)}"
    return {
        "never-called": f"{cause.where or 'the module'} is built and never called",
        "never-used": "it is never used in the forward pass",
        "unused-result": f"what {cause.where or 'the model'} computes with it reaches neither the "
        "output nor the loss",
    }.get(cause.kind, "it is not in the graph of the loss")


def _cure(cause: Cause) -> str:
    if cause.kind == "cut":
        return (
            f"Take {cause.operation} away where the gradient has to pass, or set requires_grad to "
            "False for what shall not learn."
        )
    return "Use it in forward, or delete it; freeze it if it is kept on purpose."


@rule("GRD005", "zero-gradient", Severity.ERROR)
def zero_gradient(
    facts: GradientFacts, *, threshold: int = 1, min_samples: int = 8
) -> Iterator[Hit | Skip]:
    """The gradient of a weight is exactly zero in every batch: it never moves.

    Measures: weights of two axes or more whose gradient is exactly zero for every element in every
    batch, from `threshold`; and the operation that gives zero for a gradient that was none.

    Why: such a weight is in the graph and the optimiser steps over it. Hidden layers drawn as
    zeros, a dead layer, or a factor that is always zero keep it there for ever.

    False alarm: biases and norm layers' weights are not judged (a bias before a norm layer has a
    zero gradient by algebra). What waits for a zero-initialised gate, norm or head that itself
    gets a gradient is left alone, as are experts without samples, a softmax over one element, a
    loss at its minimum, and gradients too small for float32 (vanishing-gradient). Fewer than
    `min_samples` samples prove nothing.

    Remedy: draw the weights at random; look at the named activation with `netdoctor deadneurons`.

    Source: house heuristic.
    """
    groups: dict[str, list[ParameterGradient]] = {}
    faded = chain(facts).underflows
    for each in facts.of_state("zero"):
        cause = each.cause or _UNKNOWN
        if not each.is_matrix:
            continue
        if faded:
            yield Skip("the gradient fades before it (vanishing-gradient)", each.name)
        elif cause.meant:
            yield Skip(cause.meant, each.name)
        elif facts.samples < min_samples:
            yield Skip(f"{facts.samples} samples, {min_samples} are needed", each.name)
        else:
            key = "" if cause.kind == "zero-input" else f"{cause.where}/{cause.operation}"
            groups.setdefault(key, []).append(each)
    starved = groups.pop("", []) if len(groups) > 1 else []
    for number, sick in enumerate(groups.values()):
        cause = sick[0].cause or _UNKNOWN
        behind = starved if number == 0 else []
        if len(sick) >= threshold:
            yield _never_moves(cause, sick, behind, threshold, facts)


def _never_moves(
    cause: Cause,
    sick: Sequence[ParameterGradient],
    behind: Sequence[ParameterGradient],
    threshold: int,
    facts: GradientFacts,
) -> Hit:
    blank = [each.name for each in (*sick, *behind) if not each.weight_norm]
    if cause.kind == "zero-input":
        why = f"its input in {_place(cause)} is always zero"
    else:
        why = f"{_place(cause)} lets none through" if cause.operation else "none comes to it"
    follows = f"; {_names(behind)} behind it get only zeros as input" if behind else ""
    return Hit(
        _subject(cause, sick),
        f"the gradient of {_names(sick)} is exactly zero for all {facts.samples} samples: {why}"
        f"{follows}" + (f"; {len(blank)} of these weights are all zero" if blank else ""),
        {
            "weights": len(sick),
            "threshold": threshold,
            "samples": facts.samples,
            "all_zero": blank[:_LISTED],
            "consequences": [each.name for each in behind][:_LISTED],
            **_evidence(cause, sick),
        },
        "Draw the weights at random: zeros stay zeros."
        if blank
        else "Look at that operation with `netdoctor deadneurons`: a dead layer, or a factor that "
        "is always zero.",
    )


def _evidence(cause: Cause, sick: Sequence[ParameterGradient]) -> dict[str, object]:
    known = {"operation": cause.operation, "where": cause.where, "source": cause.source}
    return {
        "names": [each.name for each in sick[:_LISTED]],
        "cause": cause.kind,
        **{key: text for key, text in known.items() if text},
    }


def _subject(cause: Cause, sick: Sequence[ParameterGradient]) -> str:
    return cause.where or sick[0].module or sick[0].name


def _names(sick: Sequence[ParameterGradient]) -> str:
    names = [each.name for each in sick]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _place(cause: Cause) -> str:
    inside = f" in {cause.where}" if cause.where else ""
    return f"{cause.operation}{inside}{_at(cause)}"


def _at(cause: Cause) -> str:
    return f" ({cause.source})" if cause.source else ""
