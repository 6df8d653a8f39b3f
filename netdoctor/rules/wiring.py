"""How a network is wired: samples kept apart, modes that agree, an output that answers."""

from __future__ import annotations

from collections.abc import Iterator

from netdoctor.facts.wiring import ModeGap, Sensitivity, Unmeasured, WiringFacts
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_MODEL = "(model)"


@rule("MOD003", "batch-crosstalk", Severity.ERROR)
def batch_crosstalk(
    facts: WiringFacts, *, threshold: float = 1e-4, noise_factor: float = 100.0
) -> Iterator[Hit | Skip]:
    """In evaluation mode a sample's output depends on its neighbours in the batch.

    Measures: every second sample of a small batch is replaced by another one, with the batch size,
    the places of the others and the random numbers unchanged. The largest change of an output of
    the samples that stayed, in standard deviations of the output: from `threshold` a finding, if
    it is also `noise_factor` times the change between two runs on the identical batch, and beyond
    the rounding of the output's type. The first call that changed is named.

    Why: predictions depend on what else happens to be in the batch; a single image gets another
    answer than the same image among others, and the validation score is not what users will see.

    False alarm: networks that compare the samples on purpose (in-batch contrast, mixture of
    experts with a capacity, frames of one video along the batch axis). An output that pairs the
    samples, (N, N), inputs that may index or relate them, a second axis that is the one kept apart
    (`batch_first=False`), and quantised networks are skipped with that reason.

    Remedy: look at the named call: a `view` or `reshape` that mixes the axes, a softmax or mean
    over dim 0, batch norm that uses batch statistics in evaluation mode, a transformer or LSTM
    without `batch_first=True`.

    Source: Karpathy 2019, "A recipe for training neural networks" (dependencies of the batch
    dimension); thresholds: house heuristic.
    """
    measured = facts.crosstalk
    if isinstance(measured, Unmeasured):
        yield Skip(measured.reason)
        return
    noise = noise_factor * measured.noise
    if measured.difference < threshold:
        return
    if measured.difference <= noise:
        yield Skip(
            f"the output is random: two runs on the identical batch differ by {measured.noise:.2g} "
            "standard deviations"
        )
    elif measured.difference <= 4 * measured.rounding:
        yield Skip("the change is within the rounding of the output's type")
    else:
        yield Hit(
            measured.first or _MODEL,
            f"outputs of the {measured.samples - measured.replaced} samples that stayed move by "
            f"{measured.difference:.2g} standard deviations when the other {measured.replaced} of "
            f"the batch are replaced{_begins(measured.first, measured.kind)}",
            {
                "difference": measured.difference,
                "threshold": threshold,
                "noise": measured.noise,
                "samples": measured.samples,
                "replaced": measured.replaced,
            },
            _unmix(measured.kind),
        )


@rule("MOD004", "train-eval-gap", Severity.WARNING)
def train_eval_gap(
    facts: WiringFacts,
    *,
    threshold: float = 0.5,
    similarity: float = 0.75,
    mismatch: float = 0.7,
    blind_similarity: float = 0.5,
    blind_mismatch: float = 2.0,
    min_samples: int = 16,
    min_values: int = 32,
    min_updates: int = 20,
) -> Iterator[Hit | Skip]:
    """Evaluation mode is much worse than training mode, for the same samples and without dropout.

    Measures: the loss of the same samples in evaluation mode and in training mode, with dropout
    and other random masks switched off, so that batch norm's running statistics against those of
    the batch are what is left. From `threshold` (the increase of the loss over training mode's) a
    finding, if also the outputs are unlike (cosine of the centred outputs below `similarity`) or
    the statistics are (a norm layer whose channels differ on average by `mismatch`: the shift of
    the mean in standard deviations plus the |log| of the ratio of the deviations). Without a
    target, both must hold, and more strictly: `blind_similarity` and `blind_mismatch`.

    Why: the network has learnt, but what is deployed is not what was trained.

    False alarm: data from elsewhere than the training data also have other statistics: then the
    finding says that the network does not fit these data. Fresh weights, fresh statistics of a
    network whose outputs fit their own targets no better than each other's, random
    input, networks without running statistics, fewer than `min_samples` samples, `min_values`
    values a channel or `min_updates` updates of the statistics, and a training mode that is random
    in itself are not judged.

    Remedy: estimate the running statistics again (`torch.optim.swa_utils.update_bn`), set the
    momentum to 0.1 or less (Keras' 0.99 is PyTorch's 0.01), drop a last batch of a few samples, or
    use group norm where batches are small.

    Source: TheDeepChecker (Ben Braiek and Khomh 2022) for 0.5 and 0.75; the rest: measured on
    healthy networks, house heuristic.
    """
    gap = facts.mode_gap
    if isinstance(gap, Unmeasured):
        yield Skip(gap.reason)
        return
    reason = _no_comparison(gap, min_samples, min_values, min_updates)
    if reason:
        yield Skip(reason)
        return
    if gap.eval_loss is None or gap.train_loss is None:
        unlike = gap.cosine < blind_similarity and gap.worst.mismatch >= blind_mismatch
        if unlike and not _is_random(gap):
            yield _gap_hit(gap, blind_similarity, f"{_alike(gap)} (no target, no loss)")
        return
    increase = _increase(gap.eval_loss, gap.train_loss)
    unlike = gap.cosine < similarity or gap.worst.mismatch >= mismatch
    if increase < threshold or not unlike:
        return
    if _is_random(gap):
        yield Skip("training mode is random even without dropout: two runs differ as much")
        return
    yield _gap_hit(
        gap,
        threshold,
        f"the loss is {gap.eval_loss:.3g} in evaluation and {gap.train_loss:.3g} in training mode, "
        f"{_alike(gap)}",
        increase,
    )


@rule("ACT004", "input-insensitive", Severity.ERROR)
def input_insensitive(
    facts: WiringFacts, *, threshold: float = 1e-6, min_samples: int = 4, min_units: int = 8
) -> Iterator[Hit | Skip]:
    """The output is the same whatever the input.

    Measures: the range of each output value over some samples, divided by its magnitude; a finding
    if the largest is at most `threshold`, which is rounding, and stays so when the same samples
    are shown with all their values shuffled. The first call on the way to the output that is
    constant while its input varies is named.

    Why: the network answers without looking; everything behind the named call can learn a constant
    at best.

    False alarm: fresh weights, and a layer or gate whose weights are all zero (many networks start
    so) are not judged, nor fewer than `min_samples` different samples, nor a layer of fewer than
    `min_units` units of an activation function, which may be silent by chance, where the input is
    random or it is unknown whether the weights are trained. An output that is the same for these
    samples only, as a saturated probability, is skipped with that reason.

    Remedy: look at the named call: a dead ReLU or saturated sigmoid (see dead-layer), a
    multiplication by zero, a constant that took the place of a signal.

    Source: Karpathy 2019, "A recipe for training neural networks" (input-independent baseline);
    threshold: house heuristic.
    """
    measured = facts.sensitivity
    if isinstance(measured, Unmeasured):
        yield Skip(measured.reason)
        return
    if measured.variation > threshold:
        return
    shuffled = measured.shuffled_variation
    if measured.samples < min_samples:
        yield Skip(f"{measured.samples} different samples, {min_samples} are needed")
    elif measured.zero_weights:
        yield Skip(f"the weights of {measured.cause} are exactly zero: it has not been trained yet")
    elif shuffled is not None and shuffled > threshold:
        yield Skip("the output is the same for these samples, but not for shuffled ones")
    elif measured.activation and measured.units < min_units and _by_chance(facts):
        yield Skip(f"the {measured.units} units of {measured.cause} may be silent by chance")
    else:
        yield _constant_hit(measured, threshold)


def _by_chance(facts: WiringFacts) -> bool:
    return facts.synthetic or facts.fresh is not False


def _constant_hit(measured: Sensitivity, threshold: float) -> Hit:
    where = (
        f"; {measured.cause} ({measured.kind}) is the first call that is constant while its input "
        "varies"
        if measured.cause
        else "; no call on the way to it has an input that varies"
    )
    return Hit(
        measured.cause or _MODEL,
        f"the output is the same for {measured.samples} different samples{where}",
        {"variation": measured.variation, "threshold": threshold, "samples": measured.samples},
        f"Look at what {measured.cause} is given and what it makes of it: a dead or saturated "
        "activation, a product with zero, or a constant in place of the signal."
        if measured.cause
        else "Check that forward uses its input: what it returns was made from something else.",
    )


def _begins(first: str, kind: str) -> str:
    return f"; {first} ({kind}) is the first call that mixes them" if first else ""


def _unmix(kind: str) -> str:
    if "Norm" in kind or kind == "batch_norm":
        return (
            "Let it use running statistics in evaluation mode: `track_running_stats=True`, and no "
            "`train()` after `eval()`; or use group or layer norm."
        )
    if kind in ("view", "reshape", "flatten", "permute", "transpose"):
        return "Keep the batch axis first and whole: use `permute` to move axes, then `reshape`."
    return "Check over which axis it works: the first counts the samples (`batch_first=True`)."


def _no_comparison(gap: ModeGap, min_samples: int, min_values: int, min_updates: int) -> str:
    """Why the two modes cannot be compared; empty when they can."""
    values = min(norm.values for norm in gap.norms)
    if gap.untouched and not gap.has_learnt:
        return "the running statistics are as they were made: no batch has updated them"
    if gap.samples < min_samples:
        return f"{gap.samples} samples, {min_samples} are needed"
    if values < min_values:
        return f"{values} values a channel make no statistics, {min_values} are needed"
    if gap.updates is not None and gap.updates < min_updates and not gap.untouched:
        return f"the running statistics were updated {gap.updates} times only"
    return ""


def _increase(later: float, earlier: float) -> float:
    """How much larger a loss is than another, as a share of that."""
    return (later - earlier) / max(abs(earlier), 1e-12)


def _is_random(gap: ModeGap) -> bool:
    """Whether two runs in training mode differ about as much as the two modes."""
    if 1 - gap.cosine < 2 * (1 - gap.repeat_cosine):
        return True
    if gap.repeat_loss is None or gap.train_loss is None or gap.eval_loss is None:
        return False
    return gap.eval_loss - gap.train_loss < 2 * abs(gap.repeat_loss - gap.train_loss)


def _alike(gap: ModeGap) -> str:
    return f"the cosine of the two outputs is {gap.cosine:.2f}"


def _gap_hit(gap: ModeGap, threshold: float, what: str, increase: float | None = None) -> Hit:
    worst = gap.worst
    return Hit(
        worst.path,
        f"{what}; its running statistics fit the {gap.samples} samples least: the mean is off by "
        f"{worst.shift:.2g} standard deviations, the standard deviation by a factor of "
        f"{worst.stretch:.2g} (medians over the channels)",
        {
            **({} if increase is None else {"loss_increase": increase}),
            "cosine": gap.cosine,
            "threshold": threshold,
            "mismatch": worst.mismatch,
            "eval_loss": gap.eval_loss,
            "train_loss": gap.train_loss,
            "samples": gap.samples,
        },
        "Estimate the running statistics again with `torch.optim.swa_utils.update_bn` on training "
        "data; check the norm's momentum (0.1 or less) and drop a last batch of few samples.",
    )
