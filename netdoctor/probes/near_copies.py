"""Pairs of images that look the same: re-encoded, brightened, moved by a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BANDS, _WORD = 8, 16
_MOST_IN_BUCKET = 24
_BITS = 20  # of 128 that near copies may differ in
_DIRECTIONS = 48  # of the pictures' variance that the hash looks along
_FAINTEST = 1e-3  # of the largest variance: directions with less hold noise
_USUAL = 95  # percentile of the pixels' deviations over all pictures by which they are judged
_STILL = 0.1  # of it: pixels with less are the same in all pictures
_LIVELIEST = 0.5  # likewise: those with more show whether there is anything to see
_SHARED = 8  # pictures from which what all have in common is known
_ALIKE = 0.98  # correlation of near copies
_APART = 0.2  # of the typical deviation: how far apart near copies may be
_SHIFT = 0.25  # likewise for their brightness, or
_SHIFT_OF_RANGE = 0.03  # of all brightnesses
_LIVELY = 0.3  # of the typical contrast: pictures with less are all alike, unless they have
_OWN = 0.8  # of the typical deviation from what all share
_RANK = 20  # the neighbour by whose distance others are judged
_NEARER = 0.15  # of that distance: how far apart near copies may be
_REFERENCE, _PRODUCTS = 10_000, 40_000_000

Floats = NDArray[np.float32]
Places = NDArray[np.int64]


def near_copies(
    small: NDArray[np.float16], usable: NDArray[np.bool_]
) -> list[tuple[int, int, float]]:
    """Pairs of places whose small pictures are nearly the same, with their correlation.

    What all pictures share, such as a frame or a background, is taken off first. Candidates share
    an eighth of a 128-bit hash; near copies then correlate, and are much nearer to each other than
    to their 20th neighbour, so that pictures of one kind, which are all alike, are none.

    Args:
        small: (N, P) small pictures.
        usable: (N,) which of them to compare.
    """
    places = np.flatnonzero(usable)
    if len(places) < 2 or not len(small) or not np.ptp(small[places], axis=0).any():
        return []
    span = float(small[places].max()) - float(small[places].min())
    rest, brightness, contrast = _own(small[places].astype(np.float32))
    spread = np.sqrt((rest**2).mean(1))
    typical = float(np.median(spread))
    lively = (contrast > _LIVELY * float(np.median(contrast))) | (spread > _OWN * typical)
    kept = np.flatnonzero(lively & (spread > 0))
    rest, brightness, places = rest[kept], brightness[kept], places[kept]
    lighter = max(_SHIFT * typical, _SHIFT_OF_RANGE * span)
    first, second, alike = _alike(rest, brightness, _APART * typical, lighter)
    good = _much_nearer(rest, first, second)
    found = zip(places[first[good]], places[second[good]], alike[good], strict=True)
    return sorted((int(one), int(other), float(value)) for one, other, value in found)


def _own(pictures: Floats) -> tuple[Floats, Floats, Floats]:
    """What each picture has of its own, the brightness that is taken off, and its contrast.

    Pixels that are the same in all pictures are left out, and so is as much of the mean picture as
    there is in each. The contrast is that where pictures differ most.
    """
    varying = pictures.std(0)
    varying /= np.percentile(varying, _USUAL) or varying.max()
    contrast = pictures[:, varying >= _LIVELIEST].std(1)
    pictures = pictures[:, varying > _STILL]
    brightness = pictures.mean(1)
    rest = pictures - brightness[:, None]
    if len(rest) >= _SHARED:
        shared = rest.mean(0)
        rest -= np.outer(rest @ shared / max(float(shared @ shared), 1e-30), shared)
    return rest, brightness, contrast


def _alike(
    rest: Floats, brightness: Floats, apart: float, lighter: float
) -> tuple[Places, Places, Floats]:
    """Pairs that correlate and lie near each other, with their correlation.

    Args:
        rest: (N, P) what each picture has of its own.
        brightness: (N,) that was taken off.
        apart: how far they may be from each other, as a root mean square.
        lighter: by how much the one may be lighter.
    """
    first, second = _candidates(rest)
    norms = np.sqrt((rest**2).sum(1))
    found = []
    for start in range(0, len(first), 4096):
        one, other = first[start : start + 4096], second[start : start + 4096]
        a, b = rest[one], rest[other]
        distance = np.sqrt(((a - b) ** 2).mean(1))
        alike = (a * b).sum(1) / np.maximum(norms[one] * norms[other], 1e-30)
        shift = np.abs(brightness[one] - brightness[other])
        good = (alike >= _ALIKE) & (distance <= apart) & (shift <= lighter)
        found.append((one[good], other[good], alike[good]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
    one, other, alike = (np.concatenate(each) for each in zip(*found, strict=True))
    return one, other, alike


def _much_nearer(rest: Floats, first: Places, second: Places) -> NDArray[np.bool_]:
    """(M,) which pairs are much nearer to each other than both are to others of their kind."""
    members, where = np.unique(np.concatenate([first, second]), return_inverse=True)
    if len(rest) <= 2 * _RANK or not len(members):
        return np.ones(len(first), bool)
    around = _distances_to_neighbour(rest, members)[where].reshape(2, -1).min(0)
    apart = np.sqrt(((rest[first] - rest[second]) ** 2).sum(1))
    found: NDArray[np.bool_] = apart <= _NEARER * around
    return found


def _distances_to_neighbour(rest: Floats, members: Places) -> Floats:
    """(M,) how far the neighbour of that rank is, among an even choice of all pictures."""
    most = int(np.clip(_PRODUCTS // len(members), 1000, _REFERENCE))
    chosen = np.linspace(0, len(rest) - 1, min(most, len(rest))).astype(np.int64)
    rank = max(3, round(_RANK * len(chosen) / len(rest)))
    others = rest[chosen]
    lengths = (others**2).sum(1)
    found = np.zeros(len(members), np.float32)
    for start in range(0, len(members), 1024):
        part = rest[members[start : start + 1024]]
        squares = (part**2).sum(1)[:, None] + lengths - 2 * part @ others.T
        nearest = np.partition(squares, rank, axis=1)[:, rank]
        found[start : start + 1024] = np.sqrt(np.maximum(nearest, 0))
    return found


def _hashes(rest: Floats) -> NDArray[np.uint16]:
    """(N, 8) words of 16 bits: on which side of random planes each picture lies.

    The planes are random after whitening, which makes the bits tell different things.
    """
    values, vectors = np.linalg.eigh(rest.T @ rest / max(len(rest), 1))
    strong = np.flatnonzero(values > _FAINTEST * values[-1])[-_DIRECTIONS:]
    whitened = vectors[:, strong] / np.sqrt(values[strong])
    random = np.random.default_rng(0).standard_normal((len(strong), _BANDS * _WORD))
    bits = rest @ (whitened @ random).astype(np.float32) > 0
    words = np.packbits(bits, axis=1).reshape(-1, _BANDS, _WORD // 8).view(np.uint16)
    return words[..., 0]


def _candidates(rest: Floats) -> tuple[Places, Places]:
    """Pairs that have one word of their hashes in common and few bits apart.

    In a full bucket only those near each other in it are looked at.
    """
    words = _hashes(rest) if len(rest) else np.zeros((0, _BANDS), np.uint16)
    pairs = []
    for band in range(_BANDS):
        order = np.argsort(words[:, band], kind="stable")
        keys = words[order, band]
        for step in range(1, min(_MOST_IN_BUCKET, len(order) - 1) + 1):
            same = np.flatnonzero(keys[step:] == keys[:-step])
            if not len(same):
                break
            one, other = order[same], order[same + step]
            near = _bit_count(words[one] ^ words[other]) <= _BITS
            one, other = one[near], other[near]
            pairs.append(np.stack([np.minimum(one, other), np.maximum(one, other)], 1))
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    every = np.unique(np.concatenate(pairs), axis=0)
    return every[:, 0], every[:, 1]


_ONES = np.array([each.bit_count() for each in range(2**_WORD)], np.uint8)


def _bit_count(words: NDArray[np.uint16]) -> NDArray[np.int64]:
    found: NDArray[np.int64] = _ONES[words].sum(1, dtype=np.int64)
    return found
