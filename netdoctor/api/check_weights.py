"""`netdoctor.check_weights`: read files of weights, judge them, report on them. No torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from netdoctor.errors import CheckpointError, NetDoctorError, UsageError
from netdoctor.facts import weight_tables as tables
from netdoctor.facts.weight_files import FileFacts, RefusedFile, WeightFileFacts
from netdoctor.facts.weights import WeightFacts
from netdoctor.inputs.stored import StoredFile
from netdoctor.inputs.weight_files import expand, open_stored
from netdoctor.probes.weight_changes import compare
from netdoctor.probes.weight_files import measure
from netdoctor.report import Finding, NotExamined, Report, Severity, Skipped
from netdoctor.rules.core import Judgement, Rule, judge
from netdoctor.rules.selection import select_rules

_LISTED = 6
Thresholds = Mapping[str, Mapping[str, Any]]


def check_weights(
    paths: str | Path | Sequence[str | Path],
    *,
    against: str | Path | None = None,
    thorough: bool | None = None,
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    thresholds: Thresholds | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """What is wrong with the weights in checkpoint files; no model and no torch is needed.

    Args:
        paths: files (safetensors, the index of a sharded set, torch.save), or folders of them.
        against: an earlier file; the report then says what became of each tensor.
        thorough: whether to measure filters, zeros and moments of large tensors as well; None for
            files of up to 512 MiB.
        select: only these rules, by code, slug or family.
        ignore: none of these rules.
        thresholds: changed thresholds, by rule code and name.
        progress: told (bytes read, bytes in all).

    Returns:
        A report with the findings of WGT, the tables `files` and `tensors`, with `against` also
        `changes`. With several files, one that cannot be read is in `report.facts.refused`.

    Raises:
        NetDoctorError: the only file, or the earlier one, cannot be read.
    """
    rules = select_rules("check-weights", select, ignore)
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    if not given:
        raise UsageError("no file is named", hint="netdoctor check-weights FILE...")
    files = expand(given)
    earlier = open_stored(Path(against)) if against is not None else None
    opened = [_opened(path) for path in files]
    if len(opened) == 1 and isinstance(opened[0], NetDoctorError):
        raise opened[0]
    told = _Progress(progress, opened, earlier)
    read = [
        _read(path, each, earlier, thorough, told) for path, each in zip(files, opened, strict=True)
    ]
    if len(read) == 1 and isinstance(read[0], RefusedFile):
        raise CheckpointError(read[0].message, hint=read[0].hint)
    return _report(WeightFileFacts(tuple(read)), against, rules, thresholds)


class _Progress:
    """Adds up the bytes that were read of all there are."""

    def __init__(
        self,
        tell: Callable[[int, int], None] | None,
        opened: Iterable[StoredFile | NetDoctorError],
        earlier: StoredFile | None,
    ) -> None:
        sizes = [each.size for each in opened if isinstance(each, StoredFile)]
        self._total = sum(sizes)
        if earlier is not None:
            self._total += sum(sizes) + len(sizes) * earlier.size
        self._tell, self._done = tell, 0

    def __call__(self, count: int) -> None:
        self._done += count
        if self._tell is not None:
            self._tell(min(self._done, self._total), self._total)


def _opened(path: Path) -> StoredFile | NetDoctorError:
    try:
        return open_stored(path)
    except NetDoctorError as error:
        return error


def _read(
    path: Path,
    opened: StoredFile | NetDoctorError,
    earlier: StoredFile | None,
    thorough: bool | None,
    progress: _Progress,
) -> FileFacts | RefusedFile:
    """What a file holds, or why that is not known: one bad file does not end the run."""
    if isinstance(opened, NetDoctorError):
        return RefusedFile(str(path), opened.kind, opened.message, opened.hint)
    try:
        facts = measure(opened, thorough=thorough, progress=progress)
        changes = compare(opened, earlier, progress) if earlier is not None else None
        return dataclasses.replace(facts, changes=changes)
    except NetDoctorError as error:
        return RefusedFile(str(path), error.kind, error.message, error.hint)
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror or error}."
        return RefusedFile(str(path), CheckpointError.kind, said)


def _report(
    facts: WeightFileFacts,
    against: str | Path | None,
    rules: Sequence[Rule],
    thresholds: Thresholds | None,
) -> Report:
    read = [each for each in facts.files if isinstance(each, FileFacts)]
    alone = len(facts.files) == 1
    judged = {id(each): _judge(each, rules, thresholds, alone=alone) for each in read}
    findings = [each for one in judged.values() for each in one.findings]
    findings.sort(key=lambda finding: -finding.severity.rank)
    verdicts = [(each, _verdict(judged.get(id(each)))) for each in facts.files]
    sick = {
        (file.path, name)
        for file in read
        for finding in judged[id(file)].findings
        for name in _subjects(finding, file, alone)
    }
    shown = [tables.files(verdicts), tables.tensors(read, sick)]
    return Report(
        command="check-weights",
        subject=", ".join(each.path for each in facts.files[:3])
        + (f" and {len(facts.files) - 3} more" if len(facts.files) > 3 else ""),
        facts=facts,
        findings=findings,
        ran=list(dict.fromkeys(slug for one in judged.values() for slug in one.ran)),
        skipped=_skipped(judged.values(), rules, against),
        not_examined=_not_examined(facts, alone),
        tables=[*shown, *([tables.changes(read)] if against is not None else [])],
        settings={"files": [each.path for each in facts.files],
                  "against": str(against) if against is not None else None},
        notes=_notes(facts, against),
        verdict=_unread(facts),
        extra=_error(facts),
    )  # fmt: skip


def _judge(
    file: FileFacts, rules: Sequence[Rule], thresholds: Thresholds | None, *, alone: bool
) -> Judgement:
    """The rules on the weights and, but for NaN, which is told of every group, on averages."""
    measured = [each for each in (file.weights, file.changes) if each is not None]
    outcome = judge(measured, rules, thresholds)
    findings = list(outcome.findings)
    average = [each for each in file.weights.tensors if each.group == "ema"]
    if average:
        own = [dataclasses.replace(each, group="") for each in average]
        facts = WeightFacts(f"{file.path} (ema)", tuple(own), file.weights.fresh)
        others = [each for each in rules if each.code != "WGT001"]
        for each in judge(facts, others, thresholds).findings:
            findings.append(dataclasses.replace(each, subject=f"ema: {each.subject}"))
    if not alone:
        findings = [_of_file(each, file.path) for each in findings]
    skipped = outcome.skipped if alone else [_skip_of(each, file.path) for each in outcome.skipped]
    return dataclasses.replace(outcome, findings=tuple(findings), skipped=tuple(skipped))


def _of_file(finding: Finding, path: str) -> Finding:
    subject = path if finding.subject == path else f"{path}: {finding.subject}"
    return dataclasses.replace(
        finding, subject=subject, evidence={**finding.evidence, "file": path}
    )


def _skip_of(skipped: Skipped, path: str) -> Skipped:
    subject = path if skipped.subject is None else f"{path}: {skipped.subject}"
    return dataclasses.replace(skipped, subject=subject)


def _subjects(finding: Finding, file: FileFacts, alone: bool) -> list[str]:
    subject = finding.subject if alone else finding.subject.removeprefix(f"{file.path}: ")
    subject = subject.removeprefix("ema: ")
    return [subject, f"{subject}.running_var"]


def _verdict(judgement: Judgement | None) -> str:
    if judgement is None:
        return "could not be examined"
    worst = max((each.severity.rank for each in judgement.findings), default=-1)
    return {Severity.ERROR.rank: "sick", Severity.WARNING.rank: "ailing"}.get(worst, "healthy")


def _skipped(
    judgements: Iterable[Judgement], rules: Sequence[Rule], against: str | Path | None
) -> list[Skipped]:
    skipped = list(dict.fromkeys(each for one in judgements for each in one.skipped))
    if against is None:
        compared = [each for each in rules if each.code == "WGT009"]
        skipped += [Skipped(each.slug, "no earlier file was given") for each in compared]
    return skipped


def _not_examined(facts: WeightFileFacts, alone: bool) -> list[NotExamined]:
    left: list[NotExamined] = []
    for file in facts.files:
        if isinstance(file, RefusedFile):
            left.append(NotExamined(file.path, file.message))
            continue
        before = "" if alone else f"{file.path}: "
        left += [NotExamined(f"{before}{name}", reason) for name, reason in file.not_examined]
        reason = "an object of a class that is not known; it was not made"
        left += [NotExamined(f"{before}{each}", reason) for each in file.not_read]
    return left


def _notes(facts: WeightFileFacts, against: str | Path | None) -> list[str]:
    notes = [f"held against {against}"] if against is not None else []
    brief = [each.path for each in facts.files if isinstance(each, FileFacts) and not each.thorough]
    if brief:
        more = f" and {len(brief) - _LISTED} more" if len(brief) > _LISTED else ""
        notes.append(
            f"larger than 512 MiB: of {', '.join(brief[:_LISTED])}{more} the filters and moments "
            "were not measured; --thorough does"
        )
    if facts.refused:
        notes.append(_unread(facts))
    return notes


def _unread(facts: WeightFileFacts) -> str:
    if not facts.refused:
        return ""
    return f"{len(facts.refused)} of {len(facts.files)} files could not be examined"


def _error(facts: WeightFileFacts) -> dict[str, Any]:
    """The same key as in the document of a command that failed, beside what was examined."""
    if not facts.refused:
        return {}
    first = facts.refused[0]
    return {"error": {"kind": first.kind, "message": first.message, "hint": first.hint}}
