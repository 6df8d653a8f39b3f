"""What a trainer printed: losses and metrics picked out of lines of text."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from netdoctor.inputs.training_logs.names import Meaning, Split, meaning, split_of
from netdoctor.inputs.training_logs.numbers import number, unwrapped
from netdoctor.inputs.training_logs.sheet import Builder, Sheet

_LONGEST = 20_000
_SEVERAL = 3
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08+")
_STAMP = re.compile(
    r"^\s*[\[(]?\d{2,4}[-/]\d\d(?:[-/]\d\d(?:\d\d)?)?[T ,]+\d\d:\d\d:\d\d(?:[.,]\d+)?Z?[\])]?"
)
_NUMBER = (
    r"[-+]?(?:\d+,\d+(?=\s|$|;|\|)|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
    r"(?![A-Za-z0-9_])"
)
_WORD = r"[A-Za-z][\w@/.\-]*"
_PAIR = re.compile(
    rf"(?P<name>{_WORD}(?: {_WORD}){{0,3}}(?: ?\([A-Za-z][\w %-]*\))?)[\"']?"
    rf"(?:\s*(?P<sep>[:=])\s*|\s+)[\"']?(?P<number>{_NUMBER})[\"']?"
    r"(?P<of>/\d+(?![\d.]))?(?P<percent>\s?%)?(?: *\((?P<average>[-+]?[\d.]+(?:e[-+]?\d+)?)\))?",
    re.IGNORECASE,
)
# Each with a text without which it need not be tried.
_EPOCHS = tuple((mark, re.compile(pattern, re.IGNORECASE)) for mark, pattern in (
    ("epoch",
     r"\bepoch\b[\"']?\s*(?:\((?:train|val|test)\))?\s*[:#=]?\s*[\"'\[]?\s*"
     r"(?P<epoch>\d+(?:\.\d+)?)(?:\s*/\s*\d+)?\]?(?:\s*\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+))?"),
    ("ep", r"^\W*ep\b\W*(?P<epoch>\d+)"),
    ("train:", r"\btrain:\s*(?P<epoch>\d+)\s*\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+)"),
    ("[", r"^\s*\[\s*(?P<epoch>\d+)\s*,\s*(?P<at>\d+)\s*\]"),
    ("[", r"^\s*\[(?P<epoch>\d+)\](?!\[)"),
))  # fmt: skip
_STEP = re.compile(
    r"\b(?:global_?step|steps?|iter|iters|iterations?|updates?|num_updates|batch|it)\b[\"']?"
    r"\s*[:#=]?\s*[\"'\[]?\s*(?P<at>\d+)(?:\s*/\s*(?P<all>\d+))?",
    re.IGNORECASE,
)
_PROGRESS = re.compile(
    r"\d+%\|.*?(?P<at>\d+)/(?P<all>\d+)|^\s*(?P<kat>\d+)/(?P<kall>\d+)\s*[-\[━ ]"
)
_PLACE = re.compile(r"\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+)\s*[\](]")
_SCOPE = re.compile(
    r"(?<![\w/])(train|training|val|valid|validation|eval|evaluation|dev|test|testing)(?![\w/])",
    re.IGNORECASE,
)
_TORCH_EXAMPLE = re.compile(r"^\s*\*\s+\w")
_QUALIFIERS = frozenset({
    "cross", "learning", "grad", "gradient", "total", "top", "box", "class", "cls", "obj", "dfl",
    "balanced", "macro", "micro", "lm", "exact", "kl", "reconstruction", "recon", "mask", "seg",
    "generator", "discriminator", "aux", "weighted", "contrastive", "best", "min", "max", "ema",
})  # fmt: skip


@dataclasses.dataclass(slots=True)
class _Context:
    """What the lines so far say about the next one."""

    epoch: float | None = None
    scope: Split = ""


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """What one line says."""

    values: dict[str, float]
    epoch: float | None
    at: int | None
    whole: int | None
    progress: bool
    held_out: bool


def sheet_of_text(text: str) -> Sheet | None:
    """The losses and metrics that a text speaks of; None when it speaks of none."""
    context = _Context()
    found = [line for raw in _lines(text) if (line := _read(raw, context)) is not None]
    if not found:
        return None
    builder = Builder()
    kept = _thinned(found)
    for line in kept:
        record = dict(line.values)
        if line.epoch is not None:
            record["epoch"] = line.epoch
        if line.at is not None:
            record["step"] = float(line.at)
        builder.add(record)
    note = f"{len(found) - len(kept)} lines of progress bars are superseded by later ones"
    return builder.sheet("printed text", *([note] if len(kept) < len(found) else []))


def _lines(text: str) -> Iterator[str]:
    for line in re.split(r"[\n\r]+", _ESCAPES.sub("", text)):
        if line and len(line) <= _LONGEST and not line.isspace():
            yield line


def _read(raw: str, context: _Context) -> _Line | None:
    line = _STAMP.sub("", unwrapped(raw)).replace("'s ", " ")
    epoch, at, whole = _epoch(line)
    if epoch is not None:
        context.scope = "" if epoch != context.epoch else context.scope
        context.epoch = epoch
    bar = "%|" in line or "/" in line[:12]
    progress = _PROGRESS.search(line) if bar else None
    step = _STEP.search(line) or ("[" in line and _PLACE.search(line)) or None
    if progress is not None:
        at = int(progress["at"] or progress["kat"])
        whole = int(progress["all"] or progress["kall"])
    elif at is None and step is not None:
        at, whole = int(step["at"]), int(step["all"]) if step["all"] else None
    values, held_out = _values(line, context, at is not None)
    if not values:
        _note_scope(line, context)
        return None
    if "train_runtime" in line and "train_loss" in line:
        return None
    return _Line(values, context.epoch, at, whole, progress is not None, held_out)


def _epoch(line: str) -> tuple[float | None, int | None, int | None]:
    low = line.lower()
    for mark, pattern in _EPOCHS:
        match = pattern.search(line) if mark in low else None
        if match is not None:
            groups = match.groupdict()
            at, whole = groups.get("at"), groups.get("all")
            return float(match["epoch"]), int(at) if at else None, int(whole) if whole else None
    return None, None, None


def _note_scope(line: str, context: _Context) -> None:
    """A line such as `Validation:` tells whose numbers follow."""
    words = re.findall(r"[A-Za-z]+", line)
    if 0 < len(words) <= 3:
        context.scope = next((s for s in map(split_of, words) if s), context.scope)


def _values(line: str, context: _Context, placed: bool) -> tuple[dict[str, float], bool]:
    """The numbers that the line names, and whether they come from batches of held-out data."""
    scopes = [(m.start(), split_of(m[1])) for m in _SCOPE.finditer(line)]
    scope: Split = "test" if _TORCH_EXAMPLE.match(line) else context.scope
    values: dict[str, float] = {}
    held_out = False
    for pair in _PAIR.finditer(line):
        name = _name(pair["name"])
        said = meaning(name)
        if not _matters(said, explicit=pair["sep"] is not None):
            continue
        before = [split for start, split in scopes if start < pair.start("number")]
        split = said.split or (before[-1] if before else scope)
        value = number(pair["number"], decimal_comma=True)
        if value is None or (said.kind != "learning rate" and name in values):
            continue
        if pair["of"] and said.bounded and float(pair["of"][1:]):
            value /= float(pair["of"][1:])
        elif pair["percent"]:
            value /= 100
        if split in ("validation", "test") and placed and pair["average"]:
            value, held_out = float(pair["average"]), True
        values[name if said.split or not split else f"{split} {name}"] = value
    return values, held_out


def _matters(said: Meaning, *, explicit: bool) -> bool:
    if said.kind in ("loss", "learning rate", "gradient norm"):
        return True
    return said.kind == "metric" and (explicit or said.better != 0)


@lru_cache(maxsize=1024)
def _name(text: str) -> str:
    """The words of a name, without what only happens to stand before it."""
    words = text.split()
    if len(words) == 1:
        return text
    kept = [words[-1]]
    if meaning(words[-1].strip("()")).kind == "other" and len(words) > 1:
        kept = words[-2:]
    for word in reversed(words[: -len(kept)]):
        low = word.lower()
        if low not in _QUALIFIERS and not split_of(low):
            break
        kept.insert(0, word)
    return " ".join(kept)


def _thinned(found: Sequence[_Line]) -> list[_Line]:
    """Of the bars that redraw themselves, and of held-out batches, the last of each epoch."""
    epochs = {line.epoch for line in found}
    bars = sum(line.progress for line in found)
    thin = len(epochs - {None}) >= _SEVERAL or bars == 0
    last: dict[tuple[float | None, frozenset[str]], int] = {}
    for place, line in enumerate(found):
        for name in line.values:
            last[line.epoch, frozenset({name})] = place
    finished = sum(line.progress and line.at == line.whole for line in found) >= _SEVERAL
    kept = []
    for place, line in enumerate(found):
        if line.held_out or (line.progress and thin):
            values = {
                name: value for name, value in line.values.items()
                if last[line.epoch, frozenset({name})] == place
            }  # fmt: skip
            if values:
                kept.append(dataclasses.replace(line, values=values, at=None, whole=None))
        elif finished and line.progress and line.epoch is None:
            if line.at == line.whole:
                kept.append(dataclasses.replace(line, at=None))
        else:
            kept.append(line)
    return kept
