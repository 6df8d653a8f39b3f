"""A folder that holds a log: which of its files that is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from netdoctor.errors import LogError, NoCurveYetError
from netdoctor.inputs.training_logs.source import ACCEPTED

_KNOWN = (
    "trainer_state.json", "metrics.csv", "results.csv", "history.csv", "summary.csv", "log.csv",
    "training.log", "training_log.csv", "train_log.csv", "metrics.json", "scalars.json",
    "history.json", "metrics.jsonl", "log.txt", "progress.csv", "log.json", "logs.csv",
)  # fmt: skip
_ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".log", ".txt", ".json", ".csv.gz", ".log.gz",
            ".jsonl.gz", ".out")  # fmt: skip
_NO_LOG = frozenset({
    "config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "vocab.json", "generation_config.json", "preprocessor_config.json", "vocab.txt", "merges.txt",
    "requirements.txt", "added_tokens.json", "model.safetensors.index.json", "hparams.json",
    "readme.txt", "all_results.json", "train_results.json", "eval_results.json", "args.json",
    "wandb-summary.json", "wandb-metadata.json", "license.txt", "training_args.json",
})  # fmt: skip
_MOST = 20_000
_DEEPEST = 6


def files_in(folder: Path) -> list[Path]:
    """The log files of a folder, several when they are versions of one another; none for events.

    Raises:
        LogError: there is no log, or several of which only the user can choose.
    """
    inside = list(_walk(folder))
    for known in _KNOWN:
        found = [path for path in inside if path.name in (known, f"{known}.gz")]
        if found:
            return _of_one_kind(folder, found)
    logs = [path for path in inside if _may_be_log(path)]
    near = min((len(path.parts) for path in logs), default=0)
    logs = [path for path in logs if len(path.parts) == near]
    if len(logs) > 1:
        by_ending = [[p for p in logs if p.name.endswith(e)] for e in _ENDINGS]
        logs = next((group for group in by_ending if group), logs)
    if len(logs) > 1:
        listed = ", ".join(path.name for path in logs[:6])
        more = f" and {len(logs) - 6} more" if len(logs) > 6 else ""
        raise LogError(
            f"{folder} holds {len(logs)} files that may be the log: {listed}{more}.",
            hint="Give one of them.",
        )
    return logs


def event_files(folder: Path) -> dict[Path, list[Path]]:
    """The TensorBoard event files below a folder, by the folder that they are in."""
    found: dict[Path, list[Path]] = {}
    for path in _walk(folder):
        if ".tfevents." in path.name:
            found.setdefault(path.parent, []).append(path)
    return {each: sorted(found[each]) for each in sorted(found)}


def mlflow_runs(folder: Path) -> list[Path]:
    """The `metrics` folders of MLflow runs in or below a folder."""
    if folder.name == "metrics" and (folder.parent / "meta.yaml").is_file():
        return [folder]
    parents = {path.parent for path in _walk(folder) if path.name == "meta.yaml"}
    return sorted(p / "metrics" for p in parents if (p / "metrics").is_dir())


def nothing_in(folder: Path) -> NoCurveYetError:
    """The error that says there is no log in a folder."""
    inside = sorted(path.name for path in folder.iterdir())
    listed = f"it holds {', '.join(inside[:6])}" if inside else "it is empty"
    return NoCurveYetError(f"{folder} holds no training log: {listed}.", hint=ACCEPTED)


def _of_one_kind(folder: Path, found: list[Path]) -> list[Path]:
    """The nearest of them; of checkpoints the last, of versions every one."""
    if found[0].name.startswith("trainer_state"):
        at_top = [path for path in found if path.parent == folder]
        return at_top or [max(found, key=lambda path: (_numbers(path.parent), path))]
    near = min(len(path.parts) for path in found)
    return sorted((path for path in found if len(path.parts) == near), key=_numbers)


def _numbers(path: Path) -> tuple[tuple[int, str], ...]:
    """A key that puts version_10 behind version_9."""
    parts = re.split(r"(\d+)", str(path))
    return tuple((int(part) if part.isdigit() else -1, part) for part in parts)


def _may_be_log(path: Path) -> bool:
    name = path.name.lower()
    return name.endswith(_ENDINGS) and name not in _NO_LOG


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder, nearest first; hidden folders and links to folders are left out."""
    level, seen = [folder], 0
    for _ in range(_DEEPEST):
        deeper = []
        for each in level:
            try:
                entries = sorted(each.iterdir())
            except OSError:
                continue
            for entry in entries:
                seen += 1
                if seen > _MOST:
                    return
                if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."):
                    deeper.append(entry)
                elif entry.is_file():
                    yield entry
        level = deeper
