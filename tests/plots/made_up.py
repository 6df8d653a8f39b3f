"""Made-up facts to draw: what a probe would give, without a network."""

from __future__ import annotations

from typing import Any

import numpy as np

from netdoctor.facts.activations import ActivationFacts, CallFacts, Moments, Units
from netdoctor.facts.site import Site


def units(
    fired: list[int],
    samples: int = 200,
    *,
    dead: list[bool] | None = None,
    constant: list[bool] | None = None,
    saturated: list[float] | None = None,
) -> Units:
    """Units that fired in so many samples; those that never did are dead unless said otherwise."""
    count = len(fired)
    return Units(
        samples=samples,
        fired=np.array(fired, dtype=np.int64),
        dead=np.array([each == 0 for each in fired] if dead is None else dead, dtype=bool),
        constant=np.array([False] * count if constant is None else constant, dtype=bool),
        saturated=None if saturated is None else np.array(saturated),
        varies=True,
        positions=1,
        dead_positions=None,
    )


def moments_of(values: np.ndarray[Any, Any]) -> Moments:
    """The moments of these values, as a probe defines them."""
    finite = values[np.isfinite(values)]
    some = len(finite) > 0
    return Moments(
        count=len(values),
        mean=float(finite.mean()) if some else float("nan"),
        std=float(finite.std()) if some else float("nan"),
        minimum=float(finite.min()) if some else float("nan"),
        maximum=float(finite.max()) if some else float("nan"),
        zeros=int((finite == 0).sum()),
        small=int((np.abs(finite) < 0.01).sum()),
        nan=int(np.isnan(values).sum()),
        inf=int(np.isinf(values).sum()),
        negative_inf=int(np.isneginf(values).sum()),
    )


def call(
    name: str,
    number: int = 1,
    *,
    values: np.ndarray[Any, Any] | None = None,
    kind: str = "relu",
    bins: int = 64,
    **fields: Any,
) -> CallFacts:
    """One call with these values, their moments and their histogram."""
    given = np.random.default_rng(number).normal(size=2000).clip(0) if values is None else values
    finite = given[np.isfinite(given)]
    histogram, edges = np.histogram(finite, bins) if len(finite) else (None, None)
    return CallFacts(
        site=Site(name, "", number),
        kind=kind,
        shape=(200, 4),
        dtype="float32",
        moments=moments_of(given),
        histogram=histogram,
        edges=edges,
        **{"units": units([0, 1, 100, 200]), **fields},
    )


def facts(*calls: CallFacts, samples: int = 200, synthetic: bool = False) -> ActivationFacts:
    """Facts of these calls."""
    return ActivationFacts(calls, samples, synthetic, fresh=None, device="cpu", seed=0)


def many(count: int) -> ActivationFacts:
    """Facts of so many calls in blocks of six."""
    return facts(*(call(f"block{i // 6}.{i % 6}.act", 1) for i in range(count)))
