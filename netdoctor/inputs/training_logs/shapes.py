"""What a printed line says, and at which places: the same for every line of its shape."""

from __future__ import annotations

import dataclasses
import re
from functools import lru_cache

from netdoctor.inputs.training_logs.bare import bare_splits
from netdoctor.inputs.training_logs.headings import cells_of
from netdoctor.inputs.training_logs.names import Meaning, Split, meaning, split_of

Span = tuple[int, int]
_STAMP = re.compile(
    r"^\s*[\[(]?(?:\d{2,4}[-/]\d\d(?:[-/]\d\d(?:\d\d)?)?[T ,]+)?\d\d:\d\d:\d\d(?:[.,]\d+)?Z?[\])]?"
)
_NUMBER = (
    r"[-+]?(?:\d+,\d+(?=\s|$|;|\|)|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|nan|inf(?:inity)?)"
    r"(?![A-Za-z0-9_]|\.\d|%\||% ?[━╸╺])"
)
_WORD = r"[A-Za-z][\w@/.\-]{0,80}"
_PAIR = re.compile(
    rf"(?<![A-Za-z])(?P<name>{_WORD}(?: {_WORD}){{0,3}}(?: ?\([A-Za-z][\w %-]*\))?)[\"']?"
    rf"(?:\s*(?P<sep>[:=])(?!\.\d+: )\s*|\s+)[\"']?(?P<number>{_NUMBER})[\"']?"
    r"(?P<of>/\d+(?![\d.]))?(?P<percent>\s?%)?(?: *\( *(?P<average>[-+]?[\d.]+(?:e[-+]?\d+)?)\))?",
    re.IGNORECASE,
)
_CATBOOST = r"^\s*(?P<epoch>\d+):\s+(?:learn|test):"
# Each with a text without which it need not be tried.
_EPOCHS = tuple((mark, re.compile(pattern, re.IGNORECASE)) for mark, pattern in (
    ("epoch",
     r"\bepoch\b[\"']?\s*(?:\((?:train|val|test)\))?\s*[:#=]?\s*[\"'\[]?\s*"
     r"(?P<epoch>\d+(?:\.\d+)?)(?:\s*/\s*\d+)?\]?(?:\s*\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+))?"),
    ("ep", r"^\W*ep\b\W*(?P<epoch>\d+)"),
    ("train:", r"\btrain:\s*(?P<epoch>\d+)\s*\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+)"),
    ("[", r"^\s*\[\s*(?P<epoch>\d+)\s*,\s*(?P<at>\d+)\s*\]"),
    ("[", r"^\s*\[\s*(?P<epoch>\d+)\s*/\s*\d+\s*\]\s*"
          r"\[\s*(?P<at>\d+)\s*/\s*(?P<all>\d+)\s*\]"),
    ("learn:", _CATBOOST), ("test:", _CATBOOST),
    ("[", r"^\s*\[(?P<epoch>\d+)\](?!\[)"),
))  # fmt: skip
_STEP = re.compile(
    r"(?<![/\w])(?:global_?step|steps?|iter|iters|iterations?|updates?|num_updates|batch|it)\b[\"']?"
    r"\s*[:#=]?\s*[\"'\[]?\s*(?P<at>\d+)(?:\s*/\s*(?P<all>\d+))?",
    re.IGNORECASE,
)
_PROGRESS = re.compile(
    r"\d{1,3}%\|.{0,500}?(?P<at>\d+)/(?P<all>\d+)|^\s*(?P<kat>\d+)/(?P<kall>\d+)\s*[-\[━ ]"
)
_PLACE = re.compile(
    r"(?:\[\s*|\b(?=\d+\s*/\s*\d+ batches))(?P<at>\d+)\s*/\s*(?P<all>\d+)(?:\s*[\](]| batches)"
)
_SCOPE = re.compile(
    r"(?<![\w/])(train|training|val|valid|validation|validating|eval|evaluation|evaluating|dev|test"
    r"|testing)(?![\w/])",
    re.IGNORECASE,
)
_TORCH_EXAMPLE = re.compile(r"^\s*\*\s+\w")
_QUALIFIERS = frozenset({
    "cross", "learning", "grad", "gradient", "total", "top", "box", "class", "cls", "obj", "dfl",
    "balanced", "macro", "micro", "lm", "exact", "kl", "reconstruction", "recon", "mask", "seg",
    "generator", "discriminator", "aux", "weighted", "contrastive", "best", "min", "max", "ema",
    "time",
})  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """A number of the line.

    Attributes:
        name: of the series.
        number: where it stands.
        of: where its whole stands, of which it is a count; None where it is none.
        percent: whether it is in percent.
        plain: whether it is a number as it stands.
    """

    name: str
    number: Span
    of: Span | None = None
    percent: bool = False
    plain: bool = False

    def value(self, line: str) -> float:
        """The number in a line of that shape."""
        start, end = self.number
        value = float(line[start:end].replace(",", "."))
        whole = float(line[self.of[0] : self.of[1]]) if self.of else 0.0
        return value / whole if whole else value / 100 if self.percent else value


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What lines say that differ in their digits alone.

    Attributes:
        epoch, at, whole: where the epoch, the step and the number of steps stand.
        names: where the names stand that hold digits, and so may differ.
        progress: whether it is a progress bar.
        said: the split that the line announces, when it names no number.
        cells: where its cells stand, for a line of a table.
    """

    epoch: Span | None
    at: Span | None
    whole: Span | None
    names: tuple[Span, ...]
    progress: bool
    said: Split
    cells: tuple[Span, ...]


def shape_of(raw: str) -> Shape:
    """Where a line says what, the series aside."""
    line, shift = _without_stamp(raw)
    match = _epoch(line)
    epoch = at = whole = None
    if match is not None:
        epoch, at, whole = (_span(match, group, shift) for group in ("epoch", "at", "all"))
    bar = "%|" in line or "/" in line[:12]
    progress = _PROGRESS.search(line) if bar else None
    step = _STEP.search(line) or _PLACE.search(line)
    if progress is not None:
        at = _span(progress, "at", shift) or _span(progress, "kat", shift)
        whole = _span(progress, "all", shift) or _span(progress, "kall", shift)
    elif at is None and step is not None:
        at, whole = _span(step, "at", shift), _span(step, "all", shift)
    names = tuple(
        (pair.start("name") + shift, pair.end("name") + shift)
        for pair in _PAIR.finditer(line)
        if any(each.isdigit() for each in pair["name"])
    )
    cells = tuple((a + shift, b + shift) for a, b in cells_of(line))
    return Shape(epoch, at, whole, names, progress is not None, _announced(line), cells)


def fields_of(raw: str, scope: Split, *, placed: bool) -> tuple[tuple[Field, ...], bool]:
    """The numbers that a line names, and whether they come from batches of held-out data.

    Args:
        raw: the line.
        scope: the split that the lines before it spoke of.
        placed: whether the line says at which batch it stands.
    """
    line, shift = _without_stamp(raw)
    scopes = [(m.start(), split_of(m[1])) for m in _SCOPE.finditer(line)]
    scope = "test" if _TORCH_EXAMPLE.match(line) else scope
    fields: dict[str, Field] = {}
    held_out, stem = False, ""
    pairs = list(_PAIR.finditer(line))
    for pair in pairs:
        name = _name(pair["name"])
        if " " in name and split_of(name.split()[-1]):
            stem = name.rpartition(" ")[0]
        elif stem and split_of(name):
            name = f"{stem} {name}"  # LOSS train 0.5 valid 0.6
        said = meaning(name)
        if not _matters(said, explicit=pair["sep"] is not None):
            continue
        before = [split for start, split in scopes if start < pair.start("number")]
        split = said.split or (before[-1] if before else scope)
        bare = said.split or not split or said.kind == "learning rate"
        label = name if bare else f"{split} {name}"
        if said.kind != "learning rate" and label in fields:
            continue
        if split in ("validation", "test") and placed and pair["average"]:
            held_out = True
            fields[label] = Field(label, _must(pair, "average", shift))
            continue
        of = _span(pair, "of", shift) if said.bounded else None
        of = (of[0] + 1, of[1]) if of else None
        percent = bool(pair["percent"])
        plain = not percent and of is None and "," not in pair["number"]
        fields[label] = Field(label, _must(pair, "number", shift), of, percent, plain)
    for label, pair in bare_splits(line, pairs):
        fields[label] = Field(label, _must(pair, "number", shift), plain="," not in pair["number"])
    if "train_runtime" in line and "train_loss" in line:
        return (), False
    return tuple(fields.values()), held_out


def _without_stamp(raw: str) -> tuple[str, int]:
    """The line without the time before it, and how many characters that took."""
    stamp = _STAMP.match(raw)
    shift = stamp.end() if stamp else 0
    return raw[shift:], shift


def _must(match: re.Match[str], group: str, shift: int) -> Span:
    return match.start(group) + shift, match.end(group) + shift


def _span(match: re.Match[str], group: str, shift: int) -> Span | None:
    return _must(match, group, shift) if match.groupdict().get(group) else None


def _epoch(line: str) -> re.Match[str] | None:
    low = line.lower()
    matches = (pattern.search(line) if mark in low else None for mark, pattern in _EPOCHS)
    return next((match for match in matches if match is not None), None)


def _announced(line: str) -> Split:
    """The split in a line such as `Validation:`, whose numbers follow."""
    words = re.findall(r"[A-Za-z]+", line)
    return next((s for s in map(split_of, words) if s), "") if len(words) <= 3 else ""


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
