"""A run as a history keeps it, and a finding as histories and baselines do."""

from __future__ import annotations

import msgspec

from netdoctor.report import Severity


class KnownFinding(msgspec.Struct, frozen=True):
    """A finding as the baseline keeps it; `value` is what its rule measured, None for no number."""

    code: str
    rule: str
    subject: str
    severity: Severity
    value: float | None = None


class Run(msgspec.Struct, frozen=True):
    """A line of a history: what one run of a command found.

    `time` is in UTC, to the second; `findings` are those of the whole run, known ones left out
    where there was a baseline.
    """

    time: str
    version: str
    command: str
    subject: str
    findings: tuple[KnownFinding, ...]
    skipped: int = 0
    not_examined: int = 0

    def count(self, severity: Severity) -> int:
        """Number of findings of exactly this severity."""
        return sum(each.severity is severity for each in self.findings)
