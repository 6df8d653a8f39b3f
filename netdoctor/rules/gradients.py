"""GRD: gradients that vanish or explode, what the loss starts from, and how far a step goes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator

from netdoctor.facts.gradflow import GradientFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule
from netdoctor.rules.gradient_chain import Chain, chain

_LISTED = 20


@rule("GRD001", "vanishing-gradient", Severity.WARNING)
def vanishing_gradient(
    facts: GradientFacts, *, threshold: float = 1e-6, min_links: int = 3
) -> Iterator[Hit | Skip]:
    """The gradient fades on its way from the loss to the first layers.

    Measures: the L2 norm of the loss's gradient at the first activation call over that at the
    last, along the chain of calls that nothing bypasses; at or below `threshold` it is a finding.
    A gradient that shrinks until float32 has no number for it counts too. Chains of fewer than
    `min_links` layers are not judged.

    Why: the first layers get steps that are so much smaller than the last ones' that they stay as
    they were drawn. Plain gradient descent does not train them at all; Adam, which divides the
    scale out, does not below about one millionth.

    False alarm: it is a ratio, so converged models, sums against means and scaled losses make no
    difference. What residual connections bypass, layer scales and gates are no part of the chain.
    Fresh networks without norm layers lose a factor of up to three a layer and still train down to
    the threshold.

    Remedy: ReLU or GELU for sigmoid and tanh, He or Xavier initialisation for the function at
    hand, a norm layer behind each weighted one, residual connections, fewer layers.

    Source: Glorot and Bengio 2010; He et al. 2015; threshold: where plain networks of 4 to 30
    layers ceased to train, house heuristic.
    """
    found = chain(facts)
    if problem := _no_chain(facts, found, min_links):
        yield Skip(problem)
    elif found.ratio <= threshold or found.underflows:
        first, last = found.first, found.links[-1]
        before, after, step = found.steepest()
        local = step < 1e-3 and step <= found.ratio**0.5
        where = f"most of it between {after.name} and {before.name}" if local else (
            f"about ×{found.per_layer:.2g} a layer"
        )  # fmt: skip
        gone = ", and is zero before that" if found.underflows else ""
        yield Hit(
            found.links[0].name,
            f"the gradient falls to {found.ratio:.2g} of itself from {last.name} to {first.name}, "
            f"{found.layers} layers before, {where}{gone}",
            _evidence(found, threshold),
            f"Look at what lies between {after.name} and {before.name}: its input's scale, its "
            "weights, a saturated activation."
            if local
            else "Use ReLU or GELU with He initialisation, put a norm layer behind each weighted "
            "layer, or add residual connections.",
        )


@rule("GRD002", "exploding-gradient", Severity.WARNING)
def exploding_gradient(
    facts: GradientFacts,
    *,
    threshold: float = 1.5,
    without_norms: float = 1.3,
    total: float = 30.0,
    min_links: int = 4,
) -> Iterator[Hit | Skip]:
    """The gradient grows on its way from the loss to the first layers.

    Measures: the factor by which the L2 norm of the loss's gradient at the activation calls grows
    from a layer to the one before it, along the chain of calls that nothing bypasses. From
    `threshold` it is a finding, in networks without any norm layer already from `without_norms`;
    and over the whole chain it must come to `total`. Chains of fewer than `min_links` layers are
    not judged.

    Why: the first steps throw the first layers far away, and the loss becomes NaN or stays high.
    A learning rate small enough for them is too small for the rest.

    False alarm: batch norm by itself multiplies gradients by 1.2 a layer when fresh (1.35 for
    batches of 8), and healthy networks reach a factor of 200 in all over dozens of layers. It is a
    ratio, so the scale of the loss makes no difference.

    Remedy: He initialisation (a gain of √2 for ReLU, 5/3 for tanh), norm layers, residual
    connections; clipping the gradient's norm treats the symptom.

    Source: Yang et al. 2019, "A mean field theory of batch normalization"; thresholds: measured on
    healthy networks, house heuristic.
    """
    found = chain(facts)
    normed = any("Norm" in each.kind for each in facts.parameters)
    limit = threshold if normed else min(threshold, without_norms)
    if problem := _no_chain(facts, found, min_links):
        yield Skip(problem)
    elif found.per_layer >= limit and found.ratio >= total:
        first, last = found.first, found.links[-1]
        yield Hit(
            first.name,
            f"the gradient grows ×{found.ratio:.2g} from {last.name} to {first.name}, "
            f"{found.layers} layers before: ×{found.per_layer:.2g} a layer",
            {**_evidence(found, threshold), "growth": found.per_layer, "limit": limit},
            "Initialise for the activation at hand (He for ReLU: a gain of √2), put a norm layer "
            "behind each weighted layer, or add residual connections.",
        )


def _no_chain(facts: GradientFacts, found: Chain, min_links: int) -> str:
    if any(not math.isfinite(loss) for loss in facts.losses):
        return "the loss is not finite"
    if facts.of_state("non-finite"):
        return "gradients are not finite"
    if len(found.links) < min_links:
        return f"fewer than {min_links} activation calls follow one another without a bypass"
    return ""


def _evidence(found: Chain, threshold: float) -> dict[str, object]:
    return {
        "ratio": found.ratio,
        "threshold": threshold,
        "per_layer": found.per_layer,
        "layers": found.layers,
        "first_norm": found.first.norm,
        "last_norm": found.links[-1].norm,
        "norms": {link.name: link.norm for link in found.links[:_LISTED]},
    }


@rule("GRD006", "initial-loss", Severity.WARNING)
def initial_loss(facts: GradientFacts, *, threshold: float = 8.0) -> Iterator[Hit | Skip]:
    """A model's loss is far above that of knowing nothing.

    Measures: the mean loss over that of a model that knows nothing: ln C for cross-entropy over C
    classes, ln 2 for binary cross-entropy, the targets' variance for the squared error. From
    `threshold` it is a finding.

    Why: the first steps only undo what the last layer was drawn as, often at the price of dead
    units; a wrong reduction, label range or target scale shows here first.

    False alarm: only netdoctor's own mean losses are judged, no made-up targets and no weights
    that are known to be trained; where that is unknown, a trained model's loss would be below the
    expectation, not far above it. Healthy networks start between 1 and 7 times the expectation in
    training mode. A low loss is not judged: a head that starts from the classes' shares is meant.

    Remedy: draw the last layer's weights smaller; give its bias the targets' mean or the classes'
    log shares; scale the targets; divide logits by a temperature.

    Source: Karpathy 2019, "A recipe for training neural networks"; threshold: house heuristic.
    """
    if facts.random_targets:
        yield Skip("the targets are random")
    elif facts.fresh is False:
        yield Skip("weights are not fresh")
    elif facts.expected_loss is None:
        yield Skip(f"what to expect of this loss ({facts.loss}) is not known")
    elif not all(math.isfinite(loss) for loss in facts.losses):
        yield Skip("the loss is not finite")
    else:
        loss = statistics.fmean(facts.losses)
        if loss / facts.expected_loss >= threshold:
            yield Hit(
                "loss",
                f"the {'untrained ' * bool(facts.fresh)}model's loss is {loss:.3g}, "
                f"{loss / facts.expected_loss:.3g} times that of knowing nothing "
                f"({facts.expectation} = {facts.expected_loss:.3g})",
                {
                    "ratio": loss / facts.expected_loss,
                    "threshold": threshold,
                    "loss": loss,
                    "expected": facts.expected_loss,
                },
                "Centre and scale the targets, or give the last layer's bias their mean."
                if facts.loss == "mse"
                else "Draw the last layer's weights smaller, and check that nothing multiplies the "
                "logits.",
            )


@rule("GRD007", "frozen-parameters", Severity.INFO)
def frozen_parameters(facts: GradientFacts, *, threshold: int = 1) -> Iterator[Hit]:
    """Parameters that do not require a gradient.

    Measures: the number of parameters with requires_grad=False, from `threshold`; a warning when
    that is all of them.

    Why: no optimiser changes them. That is meant for a pretrained backbone, and an accident where
    a flag was left behind.

    False alarm: it is only for information while something is left to train.

    Remedy: requires_grad_(True) for what should learn, before the optimiser is made.

    Source: house heuristic.
    """
    frozen = facts.of_state("frozen")
    if len(frozen) < threshold or not frozen:
        return
    everything = len(frozen) == len(facts.parameters)
    elements = sum(each.count for each in frozen)
    total = sum(each.count for each in facts.parameters)
    yield Hit(
        "(model)" if everything else frozen[0].module or frozen[0].name,
        f"{len(frozen)} of {len(facts.parameters)} parameters are frozen "
        f"({elements} of {total} elements)" + (": nothing is left to train" if everything else ""),
        {
            "frozen": len(frozen),
            "threshold": threshold,
            "parameters": len(facts.parameters),
            "frozen_elements": elements,
            "elements": total,
            "names": [each.name for each in frozen[:_LISTED]],
        },
        "Set requires_grad to True for what should learn.",
        Severity.WARNING if everything else None,
    )


@rule("GRD008", "update-ratio", Severity.WARNING)
def update_ratio(
    facts: GradientFacts, *, threshold: float = 0.1, least: float = 1e-6
) -> Iterator[Hit | Skip]:
    """With this learning rate, a step changes the weights far too much or not at all.

    Measures: the L2 norm of the optimiser's first step over that of the weights, for each weight
    of two axes or more; the median over them at or above `threshold`, or at or below `least`.

    Why: about one thousandth a step is what networks that train well show. A tenth forgets within
    a few steps what the weights were; a millionth takes a million steps to change them.

    False alarm: only judged with --lr. A warm-up starts low and a decay ends low: give the rate
    of the phase that is meant. Adam's first step is its largest. A converged model's steps are
    small, so only fresh weights are judged for steps that are too small.

    Remedy: multiply the learning rate by 0.001 over the median.

    Source: Karpathy, CS231n; thresholds: house heuristic.
    """
    if facts.rate is None:
        yield Skip("no learning rate was given (--lr)")
        return
    ratios = [
        each.update_ratio
        for each in facts.of_state("value")
        if each.is_matrix and each.update_ratio is not None
    ]
    if not ratios:
        yield Skip("no weight has a gradient and values other than zero")
        return
    median = statistics.median(ratios)
    small = median <= least and bool(facts.fresh)
    if median >= threshold or small:
        yield Hit(
            f"lr {facts.rate:g}",
            f"a step of {facts.optimizer} at {facts.rate:g} changes the median weight by "
            f"{median:.2g} of its norm, where about 0.001 is usual",
            {
                "median_ratio": median,
                "threshold": threshold,
                "least": least,
                "weights": len(ratios),
                "rate": facts.rate,
                "optimizer": facts.optimizer,
            },
            f"Try a learning rate near {facts.rate * 1e-3 / median:.1g}; `netdoctor lrfind` "
            "measures one."
            if median > 0
            else "The gradients are zero: see GRD005.",
        )
