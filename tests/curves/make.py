"""Makes the labelled training logs again: `python -m tests.curves.make [NAME ...]`."""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml

from tests.curves import diverging, fresh, healthy, sick, unseen, unsteady, wider, wider_sick
from tests.curves import studies as study_loop
from tests.curves.fresh_layouts import FRESH
from tests.curves.layouts import LAYOUTS
from tests.curves.loggers import WRITERS
from tests.curves.studies import Study
from tests.curves.training import Recipe, train
from tests.curves.unseen_loop import Trial

HERE = Path(__file__).parent
HALVES = {
    "tuning": HERE / "tuning", "held-out": HERE / "held_out", "held-out-2": HERE / "held_out_2",
    "held-out-3": HERE / "held_out_3", "tuning-3": HERE / "tuning_3",
}  # fmt: skip
HEALTHY = (
    "healthy", "validation below training", "still improving", "miscalibration", "weak signal",
    "slow start",
)  # fmt: skip


def recipes() -> list[Recipe]:
    """The runs of which halves were drawn."""
    return [*sick.runs(), *unsteady.runs(), *healthy.runs()]


def studies() -> list[Study | Trial]:
    """The runs made for one half."""
    return [
        *wider.runs(), *wider_sick.runs(), *diverging.runs(), *fresh.runs(), *unseen.runs()
    ]  # fmt: skip


def halves(runs: Sequence[Recipe]) -> dict[str, str]:
    """The half of each run by name: every other one of a condition, in the order of its hash."""
    half = {}
    for condition in dict.fromkeys(run.condition for run in runs):
        names = [run.name for run in runs if run.condition == condition]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).digest())
        for index, name in enumerate(names):
            half[name] = ("tuning", "held-out")[index % 2]
    return half


def label(recipe: Recipe | Study | Trial, file: Path, half: str) -> dict[str, object]:
    """What is known of that log."""
    how = f": {recipe.net} on {recipe.data}" if isinstance(recipe, Recipe) else ""
    how += "" if isinstance(recipe, Trial) else f", {recipe.optimiser}"
    return {
        "file": file.relative_to(HERE).as_posix(),
        "condition": recipe.condition,
        "cause": f"{recipe.cause}{how}",
        "healthy": recipe.condition in HEALTHY,
        "must": list(recipe.expected),
        "may": list(recipe.allowed),
        "half": half,
    }


def written(recipe: Recipe | Study | Trial, folder: Path) -> Path:
    """Trains it and writes its log."""
    if isinstance(recipe, Trial):
        return recipe.layout(folder, recipe.name, recipe.curves())
    if isinstance(recipe, Recipe):
        return WRITERS[recipe.writer](folder, recipe, train(recipe))
    return {**LAYOUTS, **FRESH}[recipe.layout](folder, recipe, *study_loop.run(recipe))


def main(wanted: Sequence[str]) -> None:
    """Trains the named runs, or all, and writes their logs and all labels."""
    torch.set_num_threads(1)
    drawn, made_for = recipes(), studies()
    half = halves(drawn) | {study.name: study.half for study in made_for}
    runs: list[Recipe | Study | Trial] = [*drawn, *made_for]
    path = HERE / "labels.yaml"
    known = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []
    labels = {Path(entry["file"]).parts[1].split(".")[0]: entry for entry in known}
    for recipe in runs:
        if wanted and recipe.name not in wanted:
            continue
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory() as scratch:
            made = written(recipe, Path(scratch))
            relative = made.relative_to(scratch)
            folder = HALVES[half[recipe.name]]
            folder.mkdir(exist_ok=True)
            target = folder / relative.parts[0]
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            shutil.move(Path(scratch) / relative.parts[0], target)
        labels[recipe.name] = label(recipe, folder / relative, half[recipe.name])
        print(f"{time.perf_counter() - begun:5.1f} s  {recipe.condition:<26} {relative}")
    ordered = [labels[recipe.name] for recipe in runs if recipe.name in labels]
    text = yaml.safe_dump(ordered, sort_keys=False, width=100, allow_unicode=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
