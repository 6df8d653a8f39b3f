"""Streaming statistics of tensors: update with a batch, merge two, read the result.

All are exact: sums are taken in float32 over short runs and combined in float64, deviations are
taken about the batch's own mean before they are squared, and two accumulators merge into the one
of all data. NaN and infinities are counted and left out.
"""

from netdoctor.stats.moments import MomentAccumulator
from netdoctor.stats.ranges import RangeAccumulator
from netdoctor.stats.units import UnitAccumulator
from netdoctor.stats.view import UnitView, unit_view, values_of

__all__ = [
    "MomentAccumulator",
    "RangeAccumulator",
    "UnitAccumulator",
    "UnitView",
    "unit_view",
    "values_of",
]
