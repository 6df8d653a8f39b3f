"""MOD001, MOD002: what the model gives to the loss is not what the loss takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netdoctor.facts.head import HeadFacts, OutputValues
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_RECTIFIERS = frozenset(
    {"relu", "relu6", "clamp", "clamp_min", "threshold", "maximum", "max", "fmax"}
)
_REASONS = {
    "cross-entropy": "cross-entropy takes logits and has a softmax of its own",
    "bce": "binary cross-entropy with logits has a sigmoid of its own",
}


@rule("MOD001", "head-loss-mismatch", Severity.ERROR)
def head_loss_mismatch(
    facts: HeadFacts, *, threshold: float = 1.0, min_rows: int = 4
) -> Iterator[Hit | Skip]:
    """The model ends in a function that its loss has already, or that cuts its logits off.

    Measures: the share of the main output's rows (samples, pixels, tokens) that are probability
    distributions (no value below 0, sum 1 within 0.001) or their logarithms before cross-entropy,
    and of its values that lie within [0, 1] before binary cross-entropy with logits; `threshold`
    is that share. It has to hold in evaluation mode, in training mode, and with random weights in
    the last layer, which only a softmax or sigmoid behind that layer survives. A ReLU is found
    where the output is a copy of its result. Fewer than `min_rows` rows prove nothing.

    Why: a second softmax leaves logits between 0 and 1: for C classes the loss cannot fall below
    ln(1 + (C - 1) / e), the gradients are small and the model learns slowly or not at all. A ReLU
    cuts off every negative logit and its gradient. Log-softmax before cross-entropy only costs
    time: a warning.

    False alarm: models that apply softmax only in evaluation mode are left alone. Where the loss
    was chosen by netdoctor and another one would be right (log-softmax for NLLLoss, sigmoid for
    BCELoss), the rule is skipped: say which with --loss.

    Remedy: return the logits of the last layer, and apply softmax or sigmoid only to predict; or
    use the loss for what the model gives (NLLLoss, BCELoss).

    Source: PyTorch's documentation of CrossEntropyLoss and BCEWithLogitsLoss; Humbatova et al.
    2020, "Taxonomy of real faults in deep learning systems"; thresholds: house heuristic.
    """
    reason = _not_judged(facts)
    if reason:
        yield Skip(reason)
    elif min(each.rows for each in facts.seen()) < min_rows:
        yield Skip(f"fewer than {min_rows} finite rows of the output: give more with --batches")
    elif facts.takes_logits == "cross-entropy":
        yield from _before_cross_entropy(facts, threshold)
    else:
        yield from _before_bce(facts, threshold)


def _not_judged(facts: HeadFacts) -> str:
    if facts.problem:
        return facts.problem
    if facts.random_targets:
        return "the targets are random: it is not known which loss trains the model"
    if facts.loss == "own":
        return "the model computes its own loss"
    if not facts.takes_logits:
        return f"the loss ({facts.loss}) takes no logits"
    if facts.training is None:
        return "the model raises in training mode for this batch: give a larger one"
    return ""


def _before_cross_entropy(facts: HeadFacts, threshold: float) -> Iterator[Hit | Skip]:
    plain = _least(facts, lambda seen: seen.distributions / seen.rows)
    logarithms = _least(facts, lambda seen: seen.log_distributions / seen.rows)
    if plain >= threshold:
        yield _hit(
            facts, "distribution_fraction", plain, threshold,
            f"every row of the {facts.output} is a probability distribution over "
            f"{facts.classes} classes: the model applies a softmax",
            "Remove the softmax and return the logits; apply it only to predict.",
        )  # fmt: skip
    elif logarithms >= threshold and facts.chosen:
        yield Skip(
            "the model ends in log_softmax, which is right for NLLLoss, and the loss was chosen by "
            "netdoctor: name the one that trains it with --loss"
        )
    elif logarithms >= threshold:
        yield _hit(
            facts, "log_distribution_fraction", logarithms, threshold,
            f"every row of the {facts.output} is the logarithm of a distribution: the model "
            "applies a log_softmax, which a second one leaves as it is, so the loss is right",
            "Train with NLLLoss, or return the logits; either saves one log_softmax.",
            Severity.WARNING,
        )  # fmt: skip
    else:
        yield from _rectified(facts, threshold)


def _before_bce(facts: HeadFacts, threshold: float) -> Iterator[Hit | Skip]:
    share = _least(facts, lambda seen: seen.in_unit / seen.values)
    known = facts.ends_in == "sigmoid" or facts.shaken is not None
    if share < threshold or not known:
        yield from _rectified(facts, threshold)
    elif facts.chosen:
        yield Skip(
            "the model's output is bounded in [0, 1], which is right for BCELoss, and the loss was "
            "chosen by netdoctor: name the one that trains it with --loss"
        )
    else:
        yield _hit(
            facts, "bounded_fraction", share, threshold,
            f"every value of the {facts.output} lies within [0, 1], whatever the last layer's "
            f"weights: the model applies a {facts.ends_in or 'sigmoid'}",
            "Remove the sigmoid and return the logits, or train with BCELoss.",
        )  # fmt: skip


def _rectified(facts: HeadFacts, threshold: float) -> Iterator[Hit]:
    share = _least(facts, lambda seen: 1 - seen.negative / seen.values)
    if facts.ends_in in _RECTIFIERS and share >= threshold and facts.evaluation.values:
        yield _hit(
            facts, "non_negative_fraction", share, threshold,
            f"the {facts.output} is what {facts.ends_at} gives, a {facts.ends_in} form: no logit "
            "is below 0",
            "Remove the activation behind the last layer.",
        )  # fmt: skip


def _least(facts: HeadFacts, share: Callable[[OutputValues], float]) -> float:
    """The smallest share among the forms in which the output was seen."""
    return min(share(each) for each in facts.seen())


def _hit(
    facts: HeadFacts, key: str, share: float, threshold: float, what: str, remedy: str,
    severity: Severity | None = None,
) -> Hit:  # fmt: skip
    loss = facts.takes_logits
    named = facts.loss if ":" in facts.loss else loss
    return Hit(
        facts.ends_at or facts.output,
        f"{what}; {_REASONS[loss]}" if severity is None else what,
        {
            key: share,
            "threshold": threshold,
            "rows": facts.evaluation.rows,
            "classes": facts.classes,
            "loss": named,
            "loss_chosen": facts.chosen,
            "last_layer": facts.last_layer,
        },
        remedy,
        severity,
    )


@rule("MOD002", "target-broadcast", Severity.ERROR)
def target_broadcast(facts: HeadFacts, *, threshold: int = 1) -> Iterator[Hit | Skip]:
    """The loss compares every output with every target, for their shapes do not match.

    Measures: operations in the loss on one tensor that comes from the output and one that comes
    from the target, with the same number of values on different numbers of axes, of which
    broadcasting makes more: (N, 1) and (N,) become (N, N). `threshold` of them is a finding.

    Why: the loss is minimal when the model gives the mean of the targets for every input. It goes
    down at first and then stays; nothing raises.

    False alarm: losses that compare all pairs on purpose do so after giving both the same number
    of axes; a loss that relies on broadcasting for it should say so with an `unsqueeze`.

    Remedy: give the target the output's shape: `target.view_as(output)`, or squeeze the output.

    Source: PyTorch's warning "Using a target size that is different to the input size".
    """
    if facts.problem:
        yield Skip(facts.problem)
    elif facts.loss == "own":
        yield Skip("the model computes its own loss")
    elif len(facts.broadcasts) >= threshold:
        first = facts.broadcasts[0]
        yield Hit(
            facts.loss,
            f"{first.operation} of an output {_shape(first.output)} and a target "
            f"{_shape(first.target)} works on {_shape(first.result)}: every output is compared "
            "with every target",
            {
                "operations": [each.operation for each in facts.broadcasts],
                "count": len(facts.broadcasts),
                "threshold": threshold,
                "output_shape": list(first.output),
                "target_shape": list(first.target),
                "result_shape": list(first.result),
            },
            "Give the target the output's shape before the loss: target.view_as(output).",
        )


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "scalar"
