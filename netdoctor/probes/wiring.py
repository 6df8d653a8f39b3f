"""Tries out how a network is wired: neighbours, modes and the input itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

from torch import nn

from netdoctor.errors import NetDoctorError
from netdoctor.facts.wiring import Unmeasured, WiringFacts
from netdoctor.inputs.batches import Batch
from netdoctor.inputs.objective import Objective
from netdoctor.probes.crosstalk import measure_crosstalk
from netdoctor.probes.mode_gap import measure_mode_gap, norms_are_untouched
from netdoctor.probes.samples import UnsuitableError
from netdoctor.probes.sensitivity import measure_sensitivity

Check = Literal["crosstalk", "mode-gap", "sensitivity"]
ALL: tuple[Check, ...] = ("crosstalk", "mode-gap", "sensitivity")
Measured = TypeVar("Measured")


def measure(
    model: nn.Module,
    batches: Iterable[Batch],
    *,
    objective: Objective | None = None,
    fresh: bool | None = None,
    synthetic: bool = False,
    checks: Sequence[Check] = ALL,
) -> WiringFacts:
    """What happens to the output when batch, mode or input change.

    A few extra forward passes of at most 32 samples each, without gradients. A check that cannot
    be done, also because the model raises in such a pass, has its reason in its place.

    Args:
        model: the unwrapped model, which takes these batches; left as it was found.
        batches: a few, on the model's device.
        objective: the loss; None to compare the modes without one.
        fresh: whether the weights are known to be untrained; if that is unknown, norm layers whose
            running statistics nobody has updated tell it.
        synthetic: whether the batches are random.
        checks: which of the three to do.
    """
    given = list(batches)
    told = fresh
    fresh = True if fresh is None and norms_are_untouched(model) else fresh

    def tried(check: Check, run: Callable[[], Measured]) -> Measured | Unmeasured:
        known = told if check == "mode-gap" else fresh  # which sees what the network has learnt
        reason = "not asked for" if check not in checks else _needless(check, known, synthetic)
        if reason:
            return Unmeasured(reason)
        try:
            return run()
        except UnsuitableError as unsuitable:
            return Unmeasured(str(unsuitable))
        except NetDoctorError as error:
            return Unmeasured(f"an extra run failed: {error.message}")

    parameter = next(model.parameters(), None)
    return WiringFacts(
        crosstalk=tried("crosstalk", lambda: measure_crosstalk(model, given)),
        mode_gap=tried("mode-gap", lambda: measure_mode_gap(model, given, objective)),
        sensitivity=tried("sensitivity", lambda: measure_sensitivity(model, given)),
        synthetic=synthetic,
        fresh=fresh,
        device=str(parameter.device) if parameter is not None else "cpu",
    )


def _needless(check: Check, fresh: bool | None, synthetic: bool) -> str:
    """Why nothing could be concluded from a check; empty when something could."""
    if fresh and check != "crosstalk":
        return "the weights are fresh"
    if synthetic and check == "mode-gap":
        return "the input is random: norm statistics are those of real data"
    return ""
