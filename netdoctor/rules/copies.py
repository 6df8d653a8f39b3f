"""DAT007 and DAT014: the same sample twice, within a split or in two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netdoctor.facts.loader import LoaderFacts, Pair
from netdoctor.report import Severity
from netdoctor.rules.core import Hit, Skip, rule

_NAMED = 4


@rule("DAT007", "duplicate-samples", Severity.WARNING)
def duplicate_samples(
    facts: LoaderFacts,
    *,
    threshold: float = 0.002,
    tabular: float = 0.02,
    near: float = 0.01,
    conflicting: float = 0.01,
) -> Iterator[Hit | Skip]:
    """The same input stands at several places of the data set.

    Measures: the share of samples whose input is bit for bit that of another one, `threshold` or
    more being a finding (`tabular` for rows of numbers), or of images that are nearly that of
    another, `near` or more. From a share of `conflicting` whose targets differ it is an error.

    Why: what is there twice counts twice, may end up in two splits, and with two labels cannot be
    learnt.

    False alarm: samples that an index names twice on purpose. A sample that a sampler draws twice
    is not one, nor what random augmentation made equal once; several captions or questions of one
    image, several views in a batch, blank images, masks, short sequences and rows of few whole
    numbers are not judged.

    Remedy: remove the copies before the data are split.

    Source: exact: hash of all bytes; near: hash by random planes, then correlation of
    pictures of 16×16 without what all share, and a distance far below that of the 20th neighbour
    (house heuristic).
    """
    copies = facts.copies
    if copies.reason or copies.natural or not copies.compared:
        yield Skip(copies.reason or "equal inputs are to be expected of such data"
                   if copies.reason or copies.natural else "no sample was compared")  # fmt: skip
        return
    tables = all(each.kind in ("tabular", "integers") for each in facts.inputs)
    exact, alike = copies.exact / copies.compared, copies.near / copies.compared
    limit = max(tabular, threshold) if tables else threshold
    if copies.exact and exact >= limit:
        yield _same(copies.exact, exact, limit, facts, conflicting)
    if copies.near and alike >= near and near >= threshold:
        yield Hit(
            "input",
            f"{copies.near} of {copies.compared} images are nearly the same as another one: "
            f"{_pairs([each for each in copies.pairs if each.similarity < 1])}",
            {"share": alike, "threshold": threshold, "near": near, "samples": copies.near},
            "Look at the pairs; leave copies out before the data are split.",
        )


def _same(count: int, share: float, limit: float, facts: LoaderFacts, conflicting: float) -> Hit:
    copies = facts.copies
    at_odds = copies.conflicting / copies.compared
    pairs = [each for each in copies.pairs if each.similarity == 1]
    told = f", {copies.conflicting} of them with another target" if copies.conflicting else ""
    return Hit(
        "input",
        f"{count} of {copies.compared} samples are copies of another one{told}: {_pairs(pairs)}",
        {"share": share, "threshold": limit, "samples": count,
         "conflicting": copies.conflicting},
        "Find out which label is right, and remove the copies before the data are split."
        if copies.conflicting else "Remove the copies before the data are split.",
        Severity.ERROR if at_odds >= conflicting else None,
    )  # fmt: skip


@rule("DAT014", "split-leakage", Severity.ERROR)
def split_leakage(
    facts: LoaderFacts, *, threshold: int = 1, tabular: float = 0.01, near: float = 0.01
) -> Iterator[Hit | Skip]:
    """Samples of one split occur in the other too.

    Measures: the number of samples whose input is bit for bit one of the other split;
    `threshold` or more are a finding (for rows of numbers a share of `tabular` or more). From a
    share of `near` of images that are nearly the same as one of the other split, a warning.

    Why: the network is tested on what it was trained on, and the score is too good.

    False alarm: blank images, masks, short sequences and rows of few whole numbers, which are not
    judged; tables in which equal rows come by nature.

    Remedy: remove copies first and split afterwards; keep what belongs together (frames of a
    film, pictures of a patient) in one split.

    Source: Barz and Denzler 2020, Do we train on test data?: 3.3 % of the test images of CIFAR-10
    and 10 % of CIFAR-100.
    """
    overlap = facts.overlap
    if overlap is None:
        yield Skip("no other split to compare with: --against")
        return
    if overlap.reason or overlap.natural or not overlap.compared:
        yield Skip(overlap.reason or "equal inputs are to be expected of such data")
        return
    tables = all(each.kind in ("tabular", "integers") for each in facts.inputs)
    exact, alike = overlap.exact / overlap.compared, overlap.near / overlap.compared
    if overlap.exact >= threshold and (not tables or exact >= tabular):
        pairs = [each for each in overlap.pairs if each.similarity == 1]
        yield Hit(
            "input",
            f"{overlap.exact} of {overlap.compared} samples occur in {overlap.other_name} too: "
            f"{_pairs(pairs)}",
            {"samples": overlap.exact, "threshold": threshold, "share": exact,
             "near": overlap.near, "other": overlap.other},
            "Remove copies first and split afterwards.",
        )  # fmt: skip
    elif overlap.near and alike >= near and overlap.near >= threshold:
        yield Hit(
            "input",
            f"{overlap.near} of {overlap.compared} images are nearly the same as one of "
            f"{overlap.other_name}: {_pairs(overlap.pairs)}",
            {"samples": overlap.near, "threshold": threshold, "share": alike,
             "other": overlap.other},
            "Look at the pairs; keep what belongs together in one split.",
            Severity.WARNING,
        )  # fmt: skip


def _pairs(pairs: Sequence[Pair]) -> str:
    told = [f"{each.first} = {each.second}{_labels(each)}" for each in pairs[:_NAMED]]
    return ", ".join(told) + (", …" if len(pairs) > _NAMED else "")


def _labels(pair: Pair) -> str:
    one, other = pair.labels
    return f" (labels {one} and {other})" if one is not None and one != other else ""
