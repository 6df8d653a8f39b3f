"""Numbers that a printed line names by their split alone: `train=0.5 val=0.6`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from netdoctor.inputs.training_logs.names import Kind, Split, meaning, split_of
from netdoctor.inputs.training_logs.sheet import Cells

MARK = "\0"  # before the names of such series, until it is known whether the log has a loss
_BEST = f"{MARK}best"
_CATBOOST: dict[str, Split] = {"learn": "train", "test": "validation"}
_TOLD: frozenset[Kind] = frozenset({"loss", "metric"})


def bare_splits(line: str, pairs: Sequence[re.Match[str]]) -> list[tuple[str, re.Match[str]]]:
    """The label of each such number of a line; none where the line says what they measure.

    A whole number counts samples or batches, and is none of them.
    """
    learns = any(pair["name"] == "learn" for pair in pairs)
    found: list[tuple[str, re.Match[str]]] = []
    for pair in pairs:
        split = _CATBOOST.get(pair["name"], "") or split_of(pair["name"])
        whole = pair["number"].lstrip("+-").isdigit() or pair["of"] or pair["percent"]
        if split and not whole:
            found.append((f"{MARK}{split}", pair))
        elif meaning(pair["name"]).kind in _TOLD:
            if meaning(pair["name"]).kind == "loss":
                return []
        elif pair["name"] == "best" and (learns or found):
            found.append((_BEST, pair))
    sure = all(pair["sep"] for _, pair in found) or len({label for label, _ in found}) > 1
    if not found or not sure or _measured(line, pairs):
        return []
    first = dict(reversed(found))
    return [(label, pair) for label, pair in found if first[label] is pair]


def _measured(line: str, pairs: Iterable[re.Match[str]]) -> bool:
    """Whether a word beside the pairs names a metric."""
    for pair in pairs:
        line = line.replace(pair[0], " ")
    return any(meaning(word).kind == "metric" for word in re.findall(r"[A-Za-z][\w@]*", line))


def as_losses(columns: Mapping[str, Cells]) -> dict[str, Cells]:
    """The columns, those by split alone as losses, unless the log names a loss besides.

    As scores, the higher the better, where the best so far rises.
    """
    known = {name: cells for name, cells in columns.items() if not name.startswith(MARK)}
    bare = {name: cells for name, cells in columns.items() if name not in known and name != _BEST}
    if any(meaning(name).kind == "loss" for name in known):
        return known
    best = columns.get(_BEST)
    rising = best is not None and len(best.values) > 1 and bool(np.diff(best.values).max() > 0)
    word = "score" if rising else "loss"
    return known | {
        f"{name.removeprefix(MARK)} {word}": cells for name, cells in bare.items()
        if len(cells.rows) > 1
    }  # fmt: skip
