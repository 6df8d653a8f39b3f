"""Which series is the training loss, which the validation metric: read off their names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches

import numpy as np

from netdoctor.errors import UsageError
from netdoctor.facts.curves import CurveRole
from netdoctor.inputs.training_logs.names import Meaning, Split, meaning
from netdoctor.inputs.training_logs.sheet import Cells

_BEST_KNOWN = (
    "accuracy", "f1", "auc", "auroc", "map50_95_b", "map50_95", "map_0_5_0_95", "iou", "miou",
    "dice", "map", "ap", "top1", "accuracy_1", "accuracy_top1", "r2",
)  # fmt: skip
_ADVERSARIES = frozenset({
    "d", "g", "disc", "gen", "discriminator", "generator", "adv", "critic", "actor", "policy",
    "value", "entropy",
})  # fmt: skip
_LOSSES: dict[Split, CurveRole] = {"train": "train loss", "validation": "validation loss"}
_METRICS: dict[Split, CurveRole] = {"train": "train metric", "validation": "validation metric"}
_LISTED = 8


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """A column with its role.

    Attributes:
        name: as the log has it.
        cells: its numbers.
        said: what its name says.
        role: what it is in this run.
    """

    name: str
    cells: Cells
    said: Meaning
    role: CurveRole = "other"


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """The columns that the user named; None to choose."""

    train: str | None = None
    val: str | None = None
    metric: str | None = None


def assign(columns: Mapping[str, Cells], wanted: Wanted) -> tuple[list[Series], list[str]]:
    """Every series with its role, the chosen one of each role first; and what there is to say.

    Raises:
        UsageError: a wanted column is not in the log, or is wanted twice.
    """
    series = [
        Series(name, cells, said) for name, cells in columns.items()
        if (said := meaning(name)).kind not in ("epoch", "step") and len(cells.rows)
    ]  # fmt: skip
    notes: list[str] = []
    series = _numbered(series, notes)
    series += _sums(series, notes)
    given = {name: _find(series, name, option) for option, name in _options(wanted)}
    _refuse_twice(wanted, given)
    series = _stand_in(series, given.values())
    splits = _splits(series)
    known = [dataclasses.replace(each, role=_role(each.said, splits[each.name])) for each in series]
    known = [_forced(each, wanted, given) for each in known]
    return _ordered(known, wanted, given, notes), notes


def _numbered(series: list[Series], notes: list[str]) -> list[Series]:
    """XGBoost's sets without names: of two, the first is by custom the training data."""
    sets = {each.name: each.name.partition("-") for each in series}
    numbers = {number for number, dash, _ in sets.values() if dash}
    if numbers != {"validation_0", "validation_1"} or not all(dash for _, dash, _ in sets.values()):
        return series
    notes.append("validation_0 is taken for the training data; --train and --val choose others")
    splits: dict[str, Split] = {"validation_0": "train", "validation_1": "validation"}
    return [
        dataclasses.replace(
            each, said=dataclasses.replace(meaning(measure), split=splits[number])
        )
        for each in series
        for number, _, measure in (sets[each.name],)
    ]  # fmt: skip


def _options(wanted: Wanted) -> list[tuple[str, str]]:
    pairs = (("--train", wanted.train), ("--val", wanted.val), ("--metric", wanted.metric))
    return [(option, name) for option, name in pairs if name is not None]


def _refuse_twice(wanted: Wanted, given: Mapping[str, str]) -> None:
    options: dict[str, str] = {}
    for option, name in _options(wanted):
        first = options.setdefault(given[name], option)
        if first != option:
            raise UsageError(
                f"{first} and {option} name the same series, {given[name]}",
                hint="name two, or leave one out; --list shows what there is",
            )


def _find(series: Iterable[Series], name: str, option: str) -> str:
    names = [each.name for each in series]
    for same in (str, str.strip, str.lower):
        close = [each for each in names if same(each) == same(name)]
        if len(close) == 1:
            return close[0]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    listed = ", ".join(names[:_LISTED]) + (" …" if len(names) > _LISTED else "")
    raise UsageError(
        f"{option} {name}: there is no such series in the log.",
        hint=f"Did you mean {' or '.join(near)}?"
        if near
        else f"There is {listed}; --list shows all.",
    )


def _sums(series: list[Series], notes: list[str]) -> list[Series]:
    """The total loss of each split whose log has only its parts."""
    losses = [each for each in series if each.said.kind == "loss"]
    if any(each.said.measure == "loss" for each in losses):
        return []
    by_split: dict[Split, list[Series]] = {}
    for each in losses:
        by_split.setdefault(each.said.split, []).append(each)
    parts = by_split.get("train", []) or by_split.get("", [])
    held = by_split.get("validation", [])
    shared = {each.said.measure for each in parts} & {each.said.measure for each in held}
    words = {word for measure in shared for word in measure.split("_")}
    if len(shared) < 2 or words & _ADVERSARIES:
        return []
    sums = []
    for group in (parts, held):
        group = [each for each in group if each.said.measure in shared]
        rows = group[0].cells.rows
        for each in group[1:]:
            rows = np.intersect1d(rows, each.cells.rows)
        if not len(rows):
            return []
        total = np.sum([each.cells.at(rows) for each in group], axis=0)
        name = " + ".join(each.name for each in group)
        said = dataclasses.replace(group[0].said, measure="loss")
        sums.append(Series(name, Cells(rows, total), said))
        notes.append(f"{said.split or 'train'} loss: the sum of {name}")
    return sums


def _stand_in(series: list[Series], given: Iterable[str]) -> list[Series]:
    """Makes an error measure the loss of a log that has no other."""
    chosen = set(given)
    if any(each.said.kind == "loss" and each.name not in chosen for each in series):
        return series
    ranked = [each.said.as_loss for each in series if each.said.as_loss]
    best = min(ranked, default=0)
    if not best:
        return series
    return [
        dataclasses.replace(each, said=dataclasses.replace(each.said, kind="loss"))
        if each.said.as_loss == best else each
        for each in series
    ]  # fmt: skip


def _splits(series: list[Series]) -> dict[str, Split]:
    """The split of every series; what has none in its name gets it from its neighbours."""
    held = {each.said.measure for each in series if each.said.split in ("validation", "test")}
    trained = {each.said.measure for each in series if each.said.split == "train"}
    marked = any(each.said.split == "train" and each.said.kind == "loss" for each in series)
    main = next((each for each in series if each.said.kind == "loss"
                 and each.said.split in ("train", "")), None)  # fmt: skip
    result: dict[str, Split] = {}
    for each in series:
        split, measure = each.said.split, each.said.measure
        if not split and each.said.kind in ("loss", "metric"):
            apart = main is not None and not np.isin(each.cells.rows, main.cells.rows).any()
            if measure in held:
                split = "train"
            elif measure in trained or (each.said.kind == "metric" and (marked or apart)):
                split = "validation"
            else:
                split = "train"
        result[each.name] = split
    validated = {s.said.kind for s in series if result[s.name] == "validation"}
    for each in series:
        if (
            result[each.name] == "test"
            and each.said.kind not in validated
            and len(each.cells.rows) > 1
        ):
            result[each.name] = "validation"
    return result


def _role(said: Meaning, split: Split) -> CurveRole:
    if said.kind == "learning rate":
        return "learning rate"
    if said.kind == "gradient norm":
        return "gradient norm"
    if said.kind == "loss":
        return _LOSSES.get(split, "other")
    if said.kind == "metric":
        return _METRICS.get(split, "other")
    return "other"


def _forced(each: Series, wanted: Wanted, given: Mapping[str, str]) -> Series:
    """The role that the user gave a series."""
    roles: tuple[tuple[str | None, CurveRole], ...] = (
        (wanted.train, "train loss"), (wanted.val, "validation loss"),
    )  # fmt: skip
    for name, role in roles:
        if name is not None and given[name] == each.name:
            measure, better = ("loss", -1)
            said = dataclasses.replace(each.said, kind="loss", measure=measure, better=better)
            return dataclasses.replace(each, role=role, said=said)
    if wanted.metric is not None and given[wanted.metric] == each.name:
        role = (
            "train metric" if each.role in ("train metric", "train loss") else "validation metric"
        )
        return dataclasses.replace(each, role=role)
    return each


def _ordered(
    known: list[Series], wanted: Wanted, given: Mapping[str, str], notes: list[str]
) -> list[Series]:
    chosen: list[Series] = []
    first_loss = _first(known, "train loss", wanted.train, given, None)
    val_loss = _first(known, "validation loss", wanted.val, given, first_loss)
    if (
        val_loss
        and first_loss
        and not wanted.train
        and val_loss.said.measure != first_loss.said.measure
    ):
        pair = [
            s for s in known if s.role == "train loss" and s.said.measure == val_loss.said.measure
        ]
        first_loss = max(pair, key=_points, default=first_loss)
    metric = _first(known, "validation metric", wanted.metric, given, None, _metric_rank(known))
    pair = [s for s in known if s.role == "train metric" and metric
            and s.said.measure == metric.said.measure]  # fmt: skip
    trained = max(pair, key=_points, default=None)
    if trained is None and not wanted.metric:
        trained = _first(known, "train metric", None, given, None)
    for each in (first_loss, val_loss, trained, metric):
        if each is not None:
            chosen.append(each)
    for each, option in ((first_loss, "--train"), (val_loss, "--val"), (metric, "--metric")):
        _tell_choice(each, option, known, wanted, notes)
    rest = [each for each in known if not any(each is one for one in chosen)]
    return [*chosen, *rest]


def _tell_choice(
    each: Series | None, option: str, known: list[Series], wanted: Wanted, notes: list[str]
) -> None:
    if each is None or any(option == given for given, _ in _options(wanted)):
        return
    others = [
        s.name for s in known if s.role == each.role and s is not each and s.name not in each.name
    ]
    if others:
        listed = ", ".join(others[:4]) + (f" and {len(others) - 4} more" if len(others) > 4 else "")
        notes.append(f"{each.role}: {each.name}, not {listed}; {option} chooses another")


def _points(each: Series) -> tuple[bool, int]:
    return each.said.fork != "step", len(each.cells.rows)


def _first(
    known: list[Series], role: CurveRole, asked: str | None, given: Mapping[str, str],
    partner: Series | None, rank: Callable[[Series], float] = lambda each: 0.0,
) -> Series | None:  # fmt: skip
    if asked is not None:
        return next((s for s in known if s.name == given[asked] and s.role == role), None)
    pairs = {s.said.measure for s in known if s.role != role and s.said.kind in ("loss", "metric")}

    def order(each: Series) -> tuple[bool, bool, bool, float, bool, bool, bool, int]:
        said = each.said
        return (
            len(each.cells.rows) > 1,
            partner is not None and said.measure == partner.said.measure,
            said.measure == "loss",
            rank(each),
            said.measure in pairs,
            said.fork != "step",
            said.split == "train",
            len(each.cells.rows),
        )

    candidates = [each for each in known if each.role == role]
    return max(candidates, key=order, default=None)


def _metric_rank(known: list[Series]) -> Callable[[Series], float]:
    trained = {each.said.measure for each in known if each.role == "train metric"}

    def rank(each: Series) -> float:
        measure = each.said.measure
        place = _BEST_KNOWN.index(measure) if measure in _BEST_KNOWN else len(_BEST_KNOWN)
        return (measure in trained) * 100 - place - (each.said.better == 0) * 50

    return rank
