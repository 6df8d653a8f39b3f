"""Samples with the same input: within a split, and in another one too."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from netdoctor.facts.loader import CopyFacts, Pair
from netdoctor.probes.near_copies import near_copies
from netdoctor.probes.prints import Prints, exact_copies
from netdoctor.probes.rereading import Again, lasting, stays_equal

_PAIRS = 50
Picture = Callable[[int], "NDArray[np.float32] | None"]
"""The place of a sample in the scan -> what it looks like."""


@dataclasses.dataclass(frozen=True, slots=True)
class Printed:
    """One split's samples in the order of the scan.

    Attributes:
        prints: their fingerprints.
        identities: what tells them apart; None where nobody knows.
        names: as reports call them.
        keys: (N,) equal for equal targets; empty without targets.
        labels: (N,) class indices; empty where there are none.
    """

    prints: Prints
    identities: Sequence[Hashable] | None
    names: Sequence[str]
    keys: NDArray[np.uint64]
    labels: NDArray[np.int64]

    def usable(self) -> NDArray[np.bool_]:
        """(N,) each sample at its first occurrence, those of one value only left out."""
        found = ~self.prints.blank
        seen: set[Hashable] = set()
        for place, identity in enumerate(self.identities or ()):
            found[place] &= identity not in seen
            seen.add(identity)
        return found

    def label(self, place: int) -> int | None:
        """Its class index."""
        return int(self.labels[place]) if place < len(self.labels) else None


def copies_within(
    printed: Printed, picture: Picture, *, natural: bool, near: bool, paired: bool = False,
    again: Again | None = None,
) -> CopyFacts:  # fmt: skip
    """Samples of one split whose input is that of another sample.

    Args:
        printed: the split's samples.
        picture: shows one of them.
        natural: whether equal inputs are to be expected.
        near: whether images are looked at for nearly equal ones.
        paired: whether input and target together are a sample, as several captions of an image.
        again: reads a sample once more, which tells copies from what chance made equal.
    """
    usable = printed.usable()
    prints = printed.prints
    pairs, conflicting = [], 0
    equal = [
        (int(group[0]), place)
        for group in exact_copies(prints.content, usable)
        for place in group[1:].tolist()
    ]
    for first, place in equal if again is None else lasting(equal, stays_equal(again)):
        same = _same_target(printed, first, printed, place)
        if not (paired and same is False):
            conflicting += same is False
            pairs.append(_pair(printed, first, printed, place, 1.0, same))
    extra = len(pairs)
    close: set[int] = set()
    for first, second, alike in near_copies(prints.small, usable) if near else ():
        other = prints.content[first] != prints.content[second]
        if other and prints.beside[first] == prints.beside[second]:
            close.add(second)
            same = _same_target(printed, first, printed, second)
            pairs.append(_pair(printed, first, printed, second, alike, same))
    chosen = sorted(
        pairs, key=lambda each: (each[0].similarity < 1, each[0].same_label is not False)
    )
    return CopyFacts(
        compared=int(usable.sum()), exact=extra, near=len(close), conflicting=conflicting,
        pairs=_with_pictures(chosen, picture, picture), natural=natural, images=near,
    )  # fmt: skip


def copies_between(
    ours: Printed, theirs: Printed, pictures: tuple[Picture, Picture], *, natural: bool, near: bool,
    other_name: str, paired: bool = False,
) -> CopyFacts:  # fmt: skip
    """Samples of one split whose input occurs in the other too.

    Args:
        ours: the split that is judged.
        theirs: the other one.
        pictures: show a sample of each.
        natural: whether equal inputs are to be expected.
        near: whether images are looked at for nearly equal ones.
        other_name: what the other split is.
        paired: whether input and target together are a sample, as several captions of an image.
    """
    mine, other = ours.usable(), theirs.usable()
    place_of = {int(theirs.prints.content[at]): at for at in np.flatnonzero(other)[::-1].tolist()}
    pairs, exact = [], set()
    for place in np.flatnonzero(mine).tolist():
        at = place_of.get(int(ours.prints.content[place]))
        if at is not None:
            exact.add(place)
            same = _same_target(ours, place, theirs, at)
            pairs.append(_pair(ours, place, theirs, at, 1.0, same))
    again: set[int] = set()
    if near and len(ours.prints.small) and len(theirs.prints.small):
        for first, second, alike in _near_between(ours, theirs, mine, other):
            if first not in exact and ours.prints.beside[first] == theirs.prints.beside[second]:
                again.add(first)
                same = _same_target(ours, first, theirs, second)
                pairs.append(_pair(ours, first, theirs, second, alike, same))
    conflicting = sum(each.same_label is False and each.similarity == 1 for each, *_ in pairs)
    return CopyFacts(
        compared=int(mine.sum()), exact=len(exact), near=len(again), conflicting=conflicting,
        pairs=_with_pictures(pairs, *pictures), natural=natural, images=near,
        other=int(other.sum()), other_name=other_name,
    )  # fmt: skip


def _near_between(
    ours: Printed, theirs: Printed, mine: NDArray[np.bool_], other: NDArray[np.bool_]
) -> list[tuple[int, int, float]]:
    count = len(ours.prints.small)
    together = np.concatenate([ours.prints.small, theirs.prints.small])
    found = near_copies(together, np.concatenate([mine, other]))
    return [(a, b - count, alike) for a, b, alike in found if a < count <= b]


_Placed = tuple[Pair, int, int]


def _pair(
    ours: Printed, first: int, theirs: Printed, second: int, alike: float, same: bool | None
) -> _Placed:
    labels = (ours.label(first), theirs.label(second))
    pair = Pair(ours.names[first], theirs.names[second], alike, labels, same)
    return pair, first, second


def _same_target(ours: Printed, first: int, theirs: Printed, second: int) -> bool | None:
    if first >= len(ours.keys) or second >= len(theirs.keys):
        return None
    return bool(ours.keys[first] == theirs.keys[second])


def _with_pictures(
    pairs: Sequence[_Placed], ours: Picture, theirs: Picture, most: int = 8
) -> tuple[Pair, ...]:
    shown = []
    left = {True: most, False: most}  # of exact copies and of near ones
    for pair, first, second in pairs[:_PAIRS]:
        if left[pair.similarity == 1] > 0:
            left[pair.similarity == 1] -= 1
            one, other = ours(first), theirs(second)
            if one is not None and other is not None:
                pair = dataclasses.replace(pair, pictures=(one, other))
        shown.append(pair)
    return tuple(shown)
