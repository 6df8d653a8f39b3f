"""Findings that are known already: only what is new or worse counts. No torch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from netdoctor.errors import ConfigError, UsageError
from netdoctor.facts.history import KnownFinding
from netdoctor.report import Finding, Report, counted

SCHEMA = 1
TOLERANCE = 0.1
_TOLD = 20  # lines of a kind among the notes
"""By which share a measured value may be worse than in the baseline and still be known."""


class Baseline(msgspec.Struct, frozen=True):
    """What a run of a command found when the baseline was written."""

    schema: int
    command: str
    findings: tuple[KnownFinding, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Compared:
    """Findings beside a baseline.

    Attributes:
        new: those that it does not have, or that are worse than in it.
        known: those that are as bad as in it or less.
        better: one sentence for each that is less bad.
        gone: entries of the baseline that nothing was found for.
    """

    new: tuple[Finding, ...]
    known: tuple[Finding, ...]
    better: tuple[str, ...]
    gone: tuple[KnownFinding, ...]


def read(path: Path, command: str) -> Baseline:
    """The baseline in a file.

    Raises:
        ConfigError: missing, not a baseline, or of another command.
    """
    hint = "write it with --write-baseline FILE"
    try:
        baseline = msgspec.json.decode(path.read_bytes(), type=Baseline)
    except OSError as error:
        message = f"cannot read the baseline {path}: {error.strerror or error}"
        raise ConfigError(message, hint=hint) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not a baseline: {error}", hint=hint) from error
    if baseline.schema != SCHEMA:
        message = f"{path} is a baseline of version {baseline.schema}, not {SCHEMA}"
        raise ConfigError(message, hint=f"{hint} again")
    if baseline.command != command:
        message = f"the baseline {path} was written by {baseline.command}, not {command}"
        raise ConfigError(message, hint=f"keep a baseline for each command; {hint}")
    return baseline


def write(path: Path, report: Report) -> None:
    """Keeps a report's findings, known ones included, whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    findings = tuple(
        KnownFinding(each.code, each.rule, each.subject, each.severity, measured(each))
        for each in report.every_finding()
    )
    content = msgspec.json.format(
        msgspec.json.encode(Baseline(SCHEMA, report.command, findings)), indent=1
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.write_bytes(content + b"\n")
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        message = f"cannot write the baseline {path}: {error.strerror or error}"
        raise UsageError(message, hint="name a file in a folder of your own") from error


def measured(finding: Finding) -> float | None:
    """The value that the rule judged: the first finite number of its evidence."""
    for name, value in finding.evidence.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name != "threshold" and number and abs(value) < float("inf"):
            return float(value)
    return None


def compare(
    findings: Sequence[Finding], baseline: Baseline, tolerances: Mapping[str, float]
) -> Compared:
    """Which findings are new or worse, and what is better or gone.

    Args:
        findings: of this run; what follows from a known one counts by itself.
        baseline: what is known.
        tolerances: by code, where it is not `TOLERANCE`.
    """
    left: dict[tuple[str, str], list[KnownFinding]] = {}
    for entry in baseline.findings:
        left.setdefault((entry.code, entry.subject), []).append(entry)
    new: list[Finding] = []
    known: list[Finding] = []
    better: list[str] = []

    def taken(finding: Finding) -> bool:
        """Whether it is known, and no worse than it was."""
        entries = left.get((finding.code, finding.subject))
        before = entries.pop(0) if entries else None
        if before is None or _worse(finding, before, tolerances.get(finding.code, TOLERANCE)):
            new.append(finding if before is None else _told_worse(finding, before))
            return False
        known.append(dataclasses.replace(finding, consequences=()))
        better.extend(_told_better(finding, before))
        return True

    for finding in findings:
        is_known = taken(finding)
        found = len(new)
        for each in finding.consequences:
            taken(each)
        if not is_known:  # what follows from it stays below it
            del new[found:]
    gone = tuple(entry for entries in left.values() for entry in entries)
    return Compared(tuple(new), tuple(known), tuple(better), gone)


def applied(report: Report, baseline: Baseline, tolerances: Mapping[str, float]) -> Report:
    """The report with only new and worse findings; what is known, better or gone is in its notes.

    Entries of rules that were not applied this time are neither judged nor gone.
    """
    compared = compare(report.findings, baseline, tolerances)
    gone = [each for each in compared.gone if each.rule in report.ran]
    lines = _first([f"baseline: known: {_named(each)}" for each in compared.known])
    lines += _first([f"baseline: better: {each}" for each in compared.better])
    lines += _first(
        [f"baseline: gone: {_named(each)}; --write-baseline forgets it" for each in gone]
    )
    verdict = report.verdict
    if compared.known and not compared.new:
        nothing_new = (
            f"nothing new: {counted(len(compared.known), 'known finding')} of the baseline"
        )
        undecided = verdict.startswith("undecided")
        verdict = f"{verdict} but what is known" if undecided else nothing_new
    return report.replace(
        findings=compared.new,
        notes=(*report.notes, *lines),
        verdict=verdict,
        extra={
            **report.extra,
            "baseline": {
                "known": compared.known,
                "better": compared.better,
                "gone": [msgspec.structs.asdict(each) for each in gone],
            },
        },
    )


def _first(lines: Sequence[str]) -> list[str]:
    """As many as people read; the document holds them all."""
    rest = len(lines) - _TOLD
    return [*lines[:_TOLD], *([f"baseline: and {rest} more"] if rest > 0 else [])]


def _named(each: Finding | KnownFinding) -> str:
    return f"{each.severity.value} {each.code} {each.rule} {each.subject}"


def _worse(finding: Finding, before: KnownFinding, tolerance: float) -> bool:
    if finding.severity.rank != before.severity.rank:
        return finding.severity.rank > before.severity.rank
    value, threshold = measured(finding), finding.evidence.get("threshold")
    if value is None or before.value is None:
        return False
    change = value - before.value
    if isinstance(threshold, (int, float)) and value < threshold:
        change = -change  # a rule that fires below its threshold
    return change > tolerance * abs(before.value)


def _told_worse(finding: Finding, before: KnownFinding) -> Finding:
    was = [f"was {before.severity.value}"] if before.severity is not finding.severity else []
    value = measured(finding)
    if value is not None and before.value is not None and value != before.value:
        was.append(f"{before.value:.4g} became {value:.4g}")
    message = f"worse than in the baseline ({', '.join(was)}): {finding.message}"
    return dataclasses.replace(finding, message=message)


def _told_better(finding: Finding, before: KnownFinding) -> Iterator[str]:
    if finding.severity.rank < before.severity.rank:
        yield f"{_named(finding)}, was {before.severity.value}"
        return
    value = measured(finding)
    if value is None or before.value is None or value == before.value:
        return
    opposite = KnownFinding(before.code, before.rule, before.subject, finding.severity, value)
    turned = dataclasses.replace(
        finding,
        evidence={"value": before.value, "threshold": finding.evidence.get("threshold")},
    )
    if _worse(turned, opposite, 0.0):
        yield f"{_named(finding)}: {before.value:.4g} became {value:.4g}"
