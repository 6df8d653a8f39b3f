"""For each rule, facts on which it fires, facts that leave it quiet, and facts on its boundary."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments, Units
from netdoctor.facts.faithfulness import Sanity, SanityFacts
from netdoctor.facts.forward import ForwardCall, ForwardFacts, NormFault, StateFault
from netdoctor.facts.gradflow import CallGradient, Cause, GradientFacts, ParameterGradient, State
from netdoctor.facts.head import Broadcast, HeadFacts, OutputValues
from netdoctor.facts.loader_fields import Channels
from netdoctor.facts.overfit import Attempt, End, GradientStates, OverfitFacts
from netdoctor.facts.site import Site
from netdoctor.facts.target import TargetFacts
from netdoctor.facts.wiring import Crosstalk, ModeGap, NormGap, Sensitivity, Unmeasured, WiringFacts
from netdoctor.facts.workers import RepeatedDraws, ThroughputFacts, Unpicklable, WorkerFacts
from tests.rules import loader_cases as loader
from tests.rules.curve_cases import CURVES
from tests.rules.gradcam_cases import heat_maps
from tests.rules.lrfind_cases import range_test
from tests.rules.weight_cases import (
    constant,
    copies,
    dead,
    scaled,
    since,
    trained_weights,
    untrained,
    zeros,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Cases:
    """Facts for one rule; on `boundary` it fires, and no longer with a threshold a hair beyond."""

    fires: Any
    quiet: Any
    boundary: Any


def units(*, dead: int = 0, saturated: int | None = None, of: int = 16) -> Units:
    """Units of which the first so many are dead, or saturated, in 512 samples."""
    silent = np.arange(of) < dead
    flat = None if saturated is None else np.where(np.arange(of) < saturated, 1.0, 0.0)
    return Units(
        samples=512,
        fired=np.where(silent, 0, 256),
        dead=silent,
        constant=np.zeros(of, bool),
        saturated=flat,
        varies=dead < of,
        positions=1,
        dead_positions=None,
    )


def moments(*, nan: int = 0, inf: int = 0) -> Moments:
    """Of 1000 values, so many not finite."""
    return Moments(
        count=1000, mean=0.0, std=1.0, minimum=-3.0, maximum=3.0, zeros=0, small=8, nan=nan, inf=inf
    )


def facts(units: Units | None = None, moments: Moments | None = None) -> ActivationFacts:
    """One activation call of a trained network on real data."""
    call = CallFacts(
        Site("fc.act"), "relu", (32, 16), "float32", after="fc", moments=moments, units=units
    )
    return ActivationFacts((call,), 512, synthetic=False, fresh=False, device="cpu", seed=0)


def forward(**changes: Any) -> ForwardFacts:
    """Forward passes of a trained network over 160 real samples, in ten batches."""
    nothing = ForwardFacts(
        calls=(), origins=(), state=(), norms=(), backward=None, losses=(), refused=(),
        judged_as="", fresh_norms=False, samples=160, batches=10, synthetic=False, fresh=False,
        device="cpu", seed=0,
    )  # fmt: skip
    return dataclasses.replace(nothing, **changes)


def signals(*spreads: float) -> ForwardFacts:
    """Weighted layers between whose samples the outputs lie so far apart."""
    return forward(
        calls=tuple(
            ForwardCall(
                Site(f"fc{place}"), "Linear", (16, 8), "float32", moments(), "ok", True, False, each
            )
            for place, each in enumerate(spreads)
        )
    )


def half(largest: float) -> ForwardFacts:
    """A call in float16 with values up to this."""
    values = dataclasses.replace(moments(), maximum=largest)
    return forward(calls=(ForwardCall(Site("fc"), "Linear", (16, 8), "float16", values, "ok"),))


def sick_weight(*, nan: int = 0, inf: int = 0) -> ForwardFacts:
    """A weight with so many NaN and infinities, which a call reads."""
    fault = StateFault("fc.weight", "parameter", nan, inf, 64, True, "fc#1", "net.py:12", 3)
    return forward(state=(fault,) if nan + inf else ())


def norm(off: int) -> ForwardFacts:
    """A batch norm of 20 channels, so many of which have statistics that do not fit."""
    return forward(norms=(NormFault("bn", "BatchNorm2d", 0, off, 20, 1e-12, 1.0, 300.0),))


def head(distributions: int = 0, broadcasts: int = 0) -> HeadFacts:
    """The head of a classifier of which so many of 64 rows are distributions."""
    values = OutputValues(rows=64, distributions=distributions, values=256, in_unit=256)
    blown_up = tuple(Broadcast(f"sub{n}", (64, 1), (64,), (64, 64)) for n in range(broadcasts))
    return HeadFacts(
        "cross-entropy", chosen=True, classes=4, evaluation=values, training=values,
        broadcasts=blown_up,
    )  # fmt: skip


def wiring(**measured: Any) -> WiringFacts:
    """A trained network on real data, of which some checks were done."""
    nothing = Unmeasured("not asked for")
    checks = {"crosstalk": nothing, "mode_gap": nothing, "sensitivity": nothing, **measured}
    return WiringFacts(**checks, synthetic=False, fresh=False, device="cpu")


def crosstalk(difference: float, noise: float = 0.0, rounding: float = 1e-7) -> WiringFacts:
    """Kept samples that moved by so many standard deviations."""
    return wiring(crosstalk=Crosstalk(13, 6, difference, noise, rounding, "bn#1", "BatchNorm1d"))


def mode_gap(eval_loss: float | None, *, cosine: float = 0.3, **changes: Any) -> WiringFacts:
    """A loss of 0.5 in training mode, so much in evaluation mode, and a norm far off."""
    losses = (eval_loss, *(2 * (None if eval_loss is None else 0.5,)))
    norms = (NormGap("bn", 1.6, 1.5, 2.3, 800),)
    gap = ModeGap(32, cosine, 1.0, *losses, norms, 700, False)
    return wiring(mode_gap=dataclasses.replace(gap, **changes))


def sensitivity(variation: float, **more: Any) -> WiringFacts:
    """An output that varies so much, and if not, for a ReLU."""
    cause = {"cause": "relu2#1", "kind": "relu", "units": 20, "activation": True}
    return wiring(
        sensitivity=Sensitivity(13, variation, **{"shuffled_variation": 0.0, **cause, **more})
    )


def labels(low: int, high: int, dtype: str = "int64") -> TargetFacts:
    """Class indices in this range for ten classes, which the loss refused."""
    return TargetFacts("cross-entropy", (8, 10), (8,), dtype, 10, low, high, "refused")


def parameter(state: State = "value", name: str = "fc.weight", **fields: Any) -> ParameterGradient:
    """A weight (16, 16) in that state."""
    usual: dict[str, Any] = {
        "module": name.rpartition(".")[0], "kind": "Linear", "shape": (16, 16), "norm": 0.1,
        "weight_norm": 2.0, "batches": 4,
    }  # fmt: skip
    return ParameterGradient(name=name, state=state, **{**usual, **fields})


def gradients(
    *parameters: ParameterGradient,
    norms: tuple[float, ...] = (),
    losses: float = 1.0,
    **fields: Any,
) -> GradientFacts:
    """Parameters, and a chain of activation calls whose gradients have these norms."""
    calls = tuple(
        CallGradient(
            Site(f"{place}.act"), "relu", (32, 16), after=f"{place}.fc", norm=norm,
            upstream=(f"{place - 1}.act#1",) if place else ("",), state="value", batches=4,
        )
        for place, norm in enumerate(norms)
    )  # fmt: skip
    return GradientFacts(
        parameters or (parameter(),), calls, (losses,) * 4, "cross-entropy", samples=128, **fields
    )


NORMED = parameter(name="norm.weight", kind="BatchNorm1d", shape=(16,))
CUT = Cause("cut", "detach", "body", "net.py:12")
STOPPED = Cause("stopped", "relu", "body.relu2")


def overfitted(
    *losses: float, end: End = "stalled", floor: float | None = 0.0, **changes: Any
) -> OverfitFacts:
    """Eight samples learnt by a network of 100 parameters, in these steps at one rate."""
    facts = OverfitFacts(
        attempts=(Attempt(0.01, np.array(losses), end),), loss="cross-entropy", floor=floor,
        ignorant=None if floor is None else 1.0, fit=0.5, samples=8, target_values=8,
        conflicting=0, one_target=False, output_varies=True, parameters=100, trainable=100,
        gradients=(GradientStates("fc.weight", "value", "value"),),
    )  # fmt: skip
    return dataclasses.replace(facts, **changes)


def randomisation_test(
    final: float, *, error: float = 0.0, centre: float = 0.3, cells: int = 49, images: int = 8
) -> SanityFacts:
    """A trained network whose maps still have this correlation when all weights are random."""
    test = Sanity(
        ("fc", "conv1"),
        (0.9, final),
        error=error,
        centre=centre,
        cells=cells,
        images=images,
        draws=3,
    )
    return SanityFacts("eigencam", "layer4", test, fresh=False)


def drawn(*repeated: RepeatedDraws, unpicklable: int = 0) -> WorkerFacts:
    """What two workers of a data set with random augmentation drew."""
    parts = tuple(Unpicklable(f"dataset.f{n}", "lambda", "no") for n in range(unpicklable))
    return WorkerFacts(2, 2, random=True, draws=32, repeated=repeated, unpicklable=parts)


def loading(batch: float, step: float) -> ThroughputFacts:
    """A loader that takes so many milliseconds for a batch of 10."""
    rate = 10 * 1000 / batch
    return ThroughputFacts(0, 10.0, rate, 1.0, 2.0, 0.1, ((0, rate), (2, 2 * rate)), step, 2)


SAME_MEANS = Channels(np.zeros(3), np.ones(3), np.full(3, -6.0), np.full(3, 7.0))

CASES = {
    "ACT001": Cases(
        fires=facts(units(dead=16)), quiet=facts(units(dead=15)), boundary=facts(units(dead=16))
    ),
    "ACT002": Cases(
        fires=facts(units(dead=12)), quiet=facts(units(dead=7)), boundary=facts(units(dead=8))
    ),
    "ACT003": Cases(
        fires=facts(units(saturated=12)),
        quiet=facts(units(saturated=7)),
        boundary=facts(units(saturated=8)),
    ),
    "ACT004": Cases(fires=sensitivity(0.0), quiet=sensitivity(0.02), boundary=sensitivity(1e-6)),
    "CAM002": Cases(
        fires=randomisation_test(0.98),
        quiet=randomisation_test(0.2),
        boundary=randomisation_test(0.7),
    ),
    "DAT004": Cases(fires=labels(0, 40), quiet=labels(0, 9), boundary=labels(1, 10)),
    "DAT010": Cases(
        fires=labels(0, 9, "int32"), quiet=labels(-1, 9), boundary=labels(0, 1, "float32")
    ),
    "MOD003": Cases(fires=crosstalk(0.3), quiet=crosstalk(1e-6), boundary=crosstalk(1e-4)),
    "MOD004": Cases(fires=mode_gap(2.2), quiet=mode_gap(0.52), boundary=mode_gap(0.75)),
    "CAM001": Cases(fires=heat_maps(1.0, 0.0), quiet=heat_maps(1.0, 0.5), boundary=heat_maps(0.0)),
    "LRF001": Cases(
        fires=range_test(descent=1.0, start=9.0),
        quiet=range_test(descent=1.0, start=2.3),
        boundary=range_test(descent=4.5, start=9.0),
    ),
    "LRF002": Cases(
        fires=range_test(descent=0.0, points=0, stop="non-finite"),
        quiet=range_test(points=80, stop="diverged"),
        boundary=range_test(descent=0.0, points=25, stop="diverged"),
    ),
    "DAT013": Cases(
        fires=drawn(RepeatedDraws("a generator", True, True)),
        quiet=drawn(),
        boundary=drawn(RepeatedDraws("a generator", True, False)),
    ),
    "DAT015": Cases(fires=loading(40, 10), quiet=loading(8, 10), boundary=loading(11, 10)),
    "DAT018": Cases(fires=drawn(unpicklable=2), quiet=drawn(), boundary=drawn(unpicklable=1)),
    "MOD005": Cases(
        fires=overfitted(1.2, 0.6, 0.6),
        quiet=overfitted(1.2, 0.4, 0.01, end="reached"),
        boundary=overfitted(1.2, 0.4, 0.1),
    ),
    "NUM001": Cases(
        fires=facts(moments=moments(nan=3)),
        quiet=facts(moments=moments()),
        boundary=facts(moments=moments(nan=1)),
    ),
    "NUM002": Cases(
        fires=facts(moments=moments(inf=3)),
        quiet=facts(moments=moments()),
        boundary=facts(moments=moments(inf=1)),
    ),
    "NUM003": Cases(
        fires=signals(1, 40, 1600, 64000, 3e6),
        quiet=signals(1, 2, 50, 100, 300),
        boundary=signals(1, 10, 100, 1000, 10000),
    ),
    "NUM004": Cases(
        fires=signals(1, 1e-2, 1e-4, 1e-6, 1e-8),
        quiet=signals(1, 0.5, 0.2, 0.1, 1e-3),
        boundary=signals(1, 0.1, 1e-2, 1e-3, 1e-5),
    ),
    "NUM005": Cases(fires=half(60000), quiet=half(200), boundary=half(32752)),
    "WGT001": Cases(
        fires=sick_weight(nan=4, inf=1), quiet=sick_weight(), boundary=sick_weight(inf=1)
    ),
    "WGT002": Cases(fires=zeros(), quiet=trained_weights(), boundary=zeros()),
    "WGT003": Cases(fires=constant(), quiet=trained_weights(), boundary=constant()),
    "WGT004": Cases(fires=dead(5), quiet=dead(1), boundary=dead(2)),
    "WGT005": Cases(fires=copies(5), quiet=copies(1), boundary=copies(2)),
    "WGT006": Cases(fires=scaled(1e4), quiet=scaled(3.0), boundary=scaled(100.0)),
    "WGT008": Cases(fires=untrained(5000), quiet=untrained(999), boundary=untrained(1000)),
    "WGT009": Cases(fires=since(moved=9), quiet=since(moved=1), boundary=since(moved=5)),
    "WGT007": Cases(fires=norm(20), quiet=norm(1), boundary=norm(2)),
    "MOD001": Cases(fires=head(64), quiet=head(63), boundary=head(64)),
    "MOD002": Cases(
        fires=head(broadcasts=2), quiet=head(broadcasts=0), boundary=head(broadcasts=1)
    ),
    "GRD001": Cases(
        fires=gradients(norms=(1e-12, 1e-6, 1.0)),
        quiet=gradients(norms=(1e-4, 1e-2, 1.0)),
        boundary=gradients(norms=(1e-6, 1e-3, 1.0)),
    ),
    "GRD002": Cases(
        fires=gradients(norms=(1e6, 1e4, 1e2, 1.0)),
        quiet=gradients(norms=(8.0, 4.0, 2.0, 1.0)),
        boundary=gradients(NORMED, norms=tuple(1.5**power for power in range(10, -1, -1))),
    ),
    "GRD003": Cases(
        fires=gradients(parameter("non-finite", nan=3, cause=Cause("backward", "sqrt"))),
        quiet=gradients(),
        boundary=gradients(parameter("non-finite", infinite=1)),
    ),
    "GRD004": Cases(
        fires=gradients(parameter("missing", cause=CUT)),
        quiet=gradients(parameter("missing", cause=Cause("unused-output"))),
        boundary=gradients(parameter("missing", cause=CUT)),
    ),
    "GRD005": Cases(
        fires=gradients(parameter("zero", cause=STOPPED)),
        quiet=gradients(parameter("zero", cause=Cause("zero-gate"))),
        boundary=gradients(parameter("zero", cause=STOPPED)),
    ),
    "GRD006": Cases(
        fires=gradients(losses=50.0, fresh=True, expected_loss=2.0, expectation="ln 8"),
        quiet=gradients(losses=14.0, fresh=True, expected_loss=2.0, expectation="ln 8"),
        boundary=gradients(losses=16.0, fresh=True, expected_loss=2.0, expectation="ln 8"),
    ),
    "GRD007": Cases(
        fires=gradients(parameter(), parameter("frozen"), parameter("frozen")),
        quiet=gradients(),
        boundary=gradients(parameter(), parameter("frozen")),
    ),
    "GRD008": Cases(
        fires=gradients(parameter(update_ratio=1.0), rate=1.0),
        quiet=gradients(parameter(update_ratio=1e-3), rate=1e-3),
        boundary=gradients(parameter(update_ratio=0.1), rate=1.0),
    ),
    "DAT001": Cases(
        fires=loader.scan(loader.field(nan=9, nan_samples=3, nan_at=("4", "5", "9"))),
        quiet=loader.scan(),
        boundary=loader.scan(loader.field(nan=1, nan_samples=1, nan_at=("4",))),
    ),
    "DAT002": Cases(
        fires=loader.scan(loader.field(inf=9, inf_samples=3, inf_at=("4", "5", "9"))),
        quiet=loader.scan(loader.field(inf=9, inf_samples=3, inf_at=("4",), mask=True)),
        boundary=loader.scan(loader.field(inf=1, inf_samples=1, inf_at=("4",))),
    ),
    "DAT003": Cases(
        fires=loader.scan(loader.field(channels=loader.values(0, 255, 64.0), whole=1.0)),
        quiet=loader.scan(),
        boundary=loader.scan(
            loader.field(channels=dataclasses.replace(SAME_MEANS, std=np.full(3, 3.0)))
        ),
    ),
    "DAT005": Cases(
        fires=loader.labelled(0, 0, 1000),
        quiet=loader.labelled(500, 500),
        boundary=loader.labelled(1000),
    ),
    "DAT006": Cases(
        fires=loader.labelled(980, 20),
        quiet=loader.labelled(850, 150),
        boundary=loader.labelled(1000, 100),
    ),
    "DAT007": Cases(
        fires=loader.copied(40),
        quiet=loader.copied(0),
        boundary=loader.copied(2),
    ),
    "DAT008": Cases(
        fires=loader.scan(loader.field(constant=40, constant_at=("3", "4"))),
        quiet=loader.scan(loader.field(constant=1, constant_at=("3",))),
        boundary=loader.scan(loader.field(constant=5, constant_at=("3", "4"))),
    ),
    "DAT009": Cases(
        fires=loader.ordered(2), quiet=loader.ordered(490, 0.6), boundary=loader.ordered(250)
    ),
    "DAT011": Cases(fires=loader.ragged(), quiet=loader.scan(), boundary=loader.ragged()),
    "DAT012": Cases(
        fires=loader.scan(loader.field(layout="channels-last", shape=(32, 32, 3))),
        quiet=loader.scan(),
        boundary=loader.scan(loader.field(layout="channels-last", shape=(32, 32, 3))),
    ),
    "DAT014": Cases(fires=loader.shared(30), quiet=loader.shared(0), boundary=loader.shared(1)),
    "DAT016": Cases(
        fires=loader.scan(last_batch=1),
        quiet=loader.scan(last_batch=8),
        boundary=loader.scan(last_batch=1),
    ),
    "DAT017": Cases(
        fires=loader.scan(loader.field(channels=loader.values(-3.0, 1.0, 1.2))),
        quiet=loader.scan(),
        boundary=loader.scan(loader.field(channels=loader.values(0.0, 1 / 255, 0.001))),
    ),
    **{code: Cases(*three) for code, three in CURVES.items()},
}
