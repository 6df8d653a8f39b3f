"""Tables within printed text: a line of names, and below it lines of numbers in its columns."""

from __future__ import annotations

import re
from functools import lru_cache

from netdoctor.inputs.training_logs.names import Kind, meaning
from netdoctor.inputs.training_logs.numbers import number

_FEWEST = 3
_BAR = re.compile(r"(?::\s*|(?<!\d))\d{1,3}%(?:\||\s?[━╸╺]).*$")
_WIDE = re.compile(r"\S+(?: \S+)*")
_NARROW = re.compile(r"\S+")
_TOLD: frozenset[Kind] = frozenset({"loss", "metric", "learning rate"})


def cells_of(line: str) -> tuple[tuple[int, int], ...]:
    """Where the cells of a line stand that two blanks part, or one; without a bar behind them."""
    line = _BAR.sub("", line)
    wide = [each.span() for each in _WIDE.finditer(line)]
    if len(wide) < _FEWEST:
        wide = [each.span() for each in _NARROW.finditer(line)]
    return tuple(wide) if len(wide) >= _FEWEST else ()


@lru_cache(maxsize=256)
def heading(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the columns; empty for a line that names none."""
    names = tuple(text.strip("()") for text in texts)
    if not all(name[:1].isalpha() or name == "#" for name in names):
        return ()
    kinds = [meaning(name).kind for name in names]
    told = sum(kind in _TOLD for kind in kinds)
    labelled = any(kind in ("epoch", "step") for kind in kinds)
    return names if told + labelled > 1 and told else ()


def numbers_below(names: tuple[str, ...], texts: tuple[str, ...]) -> dict[str, float]:
    """The numbers below those names, `epoch` and `step` among them; empty when they do not fit."""
    values: dict[str, float] = {}
    for name, text in zip(names, texts, strict=True):
        kind = meaning(name).kind
        label = kind in ("epoch", "step")
        if not label and kind not in _TOLD:
            continue
        value = number(text.partition("/")[0] if label else text)
        if value is None:
            return {}
        values[kind if label else name] = value
    return values
