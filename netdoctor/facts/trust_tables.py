"""How far heat maps can be trusted, as tables and as sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from netdoctor.facts.faithfulness import Faithfulness, Sanity, SanityFacts, mean_faithfulness
from netdoctor.report import Column, Table

_LEGEND = (
    "gap: insertion less deletion of the explained score, hottest cells first (Petsiuk et al. "
    "2018); random: the same in random orders of the cells, and how far these scatter; ROAD: above "
    "0 is better than random (Rong et al. 2022)",
)


def faithfulness(of_images: Sequence[tuple[str, Faithfulness | None]], skipped: str) -> Table:
    """One row an image that was to be measured.

    Args:
        of_images: name and result of each image.
        skipped: the reason that marks an image which nobody asked for.
    """
    columns = [
        Column("input", "image", "name"),
        Column("insertion", "insertion", "number", priority=2),
        Column("deletion", "deletion", "number", priority=2),
        Column("gap", "gap", "number"),
        Column("random_gap", "random", "number", priority=1),
        Column("random_error", "±", "number", priority=1),
        Column("road", "ROAD", "number"),
        Column("reason", "not measured", "text", priority=1),
    ]
    rows = [_row(name, each) for name, each in of_images if each and each.reason != skipped]
    return Table("faithfulness", "", columns, rows, shown=40, legend=_LEGEND)


def sanity(test: Sanity) -> Table:
    """One row a step of the randomisation."""
    columns = [
        Column("layer", "random from the output down to", "name"),
        Column("correlation", "rank correlation", "number"),
    ]
    rows: list[dict[str, Any]] = [
        {"layer": step, "correlation": correlation}
        for step, correlation in zip(test.steps, test.correlations, strict=True)
    ]
    legend = (
        "rank correlation: Spearman's, absolute, of the maps with those of the model as it is",
    )
    return Table("sanity", "", columns, rows, legend=legend)


def told(of_images: Sequence[Faithfulness | None], skipped: str) -> list[str]:
    """What the scores say of all images together, in a line; and how many have none."""
    asked = [each for each in of_images if each and each.reason != skipped]
    if not asked:
        return []
    measured = sum(not each.reason for each in asked)
    left = len(of_images) - len(asked)
    which = f"the first {len(asked)} of {len(of_images)}" if left else f"all {len(asked)}"
    done = "scored" if measured == len(asked) else "tried"
    rest = f"; {done}: {which} image(s) (--scores all or none)"
    mean = mean_faithfulness(asked)
    if mean.reason:
        return [f"faithfulness: not measured: {mean.reason}{rest}"]
    if measured < len(asked):
        rest = f"; {len(asked) - measured} could not be measured{rest}"
    verdict = "better" if mean.better_than_random else "no better"
    return [
        f"faithfulness: {verdict} than random order over {measured} image(s): insertion less "
        f"deletion {mean.gap:.2f}, at random {mean.random_gap:.2f} ± {mean.random_error:.2f}; ROAD "
        f"{mean.road:.2f}{rest}"
    ]


def sanity_told(tested: SanityFacts) -> list[str]:
    """What came of the randomisation test, in a line; nothing where nobody asked for it."""
    test = tested.sanity
    if not test.steps:
        return []
    return [
        f"sanity: with all weights random, the maps of {test.images} image(s) have a rank "
        f"correlation of {test.final:.2f} ± {test.error:.2f} with those of the model as it is"
    ]


def _row(name: str, each: Faithfulness) -> dict[str, Any]:
    return {
        "input": name,
        "insertion": each.insertion,
        "deletion": each.deletion,
        "gap": each.gap,
        "random_gap": each.random_gap,
        "random_error": each.random_error,
        "road": each.road,
        "orders": each.orders,
        "better_than_random": each.better_than_random,
        "reason": each.reason,
    }
