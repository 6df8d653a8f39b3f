"""The common complaints about a training, each with its likely causes in order of evidence."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from netdoctor.report import Column, Finding, Severity, Table
from netdoctor.rules import catalogue


@dataclasses.dataclass(frozen=True, slots=True)
class Complaint:
    """What people see, the rules that see it, and the rules that see what may be behind it.

    Attributes:
        name: as people say it.
        signs: codes of rules that say that it is so.
        causes: codes of rules, the commonest cause first.
        otherwise: what netdoctor cannot rule out by itself, and how to find out.
    """

    name: str
    signs: tuple[str, ...]
    causes: tuple[str, ...]
    otherwise: str


COMPLAINTS = (
    Complaint(
        "the loss does not fall",
        ("CRV010", "CRV007", "MOD005", "LRF001"),
        (
            "GRD004", "GRD005", "ACT001", "ACT004", "MOD001", "MOD002", "WGT002", "DAT005",
            "DAT010", "DAT004", "DAT008", "DAT012", "DAT003", "GRD001", "GRD007", "GRD008",
        ),
        "learning rate (--with lrfind), labels that do not belong to their inputs (--with overfit)",
    ),
    Complaint(
        "the loss is NaN or explodes",
        ("CRV005", "CRV006", "NUM001", "NUM002", "GRD003", "LRF002"),
        (
            "DAT001", "DAT002", "WGT001", "WGT007", "NUM002", "NUM001", "NUM003", "NUM005",
            "GRD002", "WGT006", "DAT003",
        ),
        "too high a learning rate (--with lrfind), no gradient clipping",
    ),
    Complaint(
        "validation oscillates",
        ("CRV008", "CRV003", "CRV009"),
        ("DAT016", "MOD003", "MOD004", "WGT007", "DAT009", "DAT006", "DAT013", "GRD002"),
        "too high a learning rate (--with lrfind), too small a validation set",
    ),
    Complaint(
        "overfitting",
        ("CRV001", "CRV004"),
        ("DAT014", "DAT007", "DAT013", "DAT006", "MOD004"),
        "too few samples for the network, too little augmentation or weight decay",
    ),
    Complaint(
        "underfitting",
        ("CRV002",),
        ("GRD004", "GRD007", "ACT001", "ACT002", "GRD001", "ACT003", "DAT003", "DAT017", "MOD002"),
        "too small a network, too short a training, too much regularisation, too low a rate",
    ),
)  # fmt: skip

_COLUMNS = (
    Column("complaint", "Complaint", "name"),
    Column("state", "Seen"),
    Column("causes", "Likely causes", hidden=True),
    Column("ruled_out", "Ruled out", hidden=True),
    Column("not_judged", "Not judged", hidden=True),
)


def checklist(findings: Sequence[Finding], ran: Sequence[str]) -> Table:
    """A row for each complaint: whether it is seen, and what is found that may be behind it.

    The page shows it where one is seen or to be expected.

    Args:
        findings: of all checks, those that others explain below these.
        ran: slugs of the rules that were applied.
    """
    rows = [_row(each, findings, set(ran)) for each in COMPLAINTS]
    told = [each for each in rows if each["state"] in ("yes", "to be expected")]
    legend = [f"{each['complaint']}: {'; '.join(each['causes'])}" for each in told]
    shown = None if told else 0
    return Table(
        "checklist", "Common complaints", _COLUMNS, rows, shown=shown, legend=legend, closing=True
    )


def _row(complaint: Complaint, findings: Sequence[Finding], ran: set[str]) -> dict[str, Any]:
    slugs = {code: rule.slug for code, rule in catalogue().items()}
    signs = [each for each in findings if _codes(each) & set(complaint.signs)]
    causes = sorted(
        (each for each in findings if _rank(each, complaint) is not None),
        key=lambda each: (_rank(each, complaint), -each.severity.rank),
    )
    judged = any(slugs[code] in ran for code in complaint.signs)
    state = "yes" if signs else "to be expected" if causes else "no" if judged else "not examined"
    told = [f"{each.rule} ({each.code} {each.subject})" for each in causes]
    if signs:
        told.append(f"not ruled out: {complaint.otherwise}")
    found = {code for each in findings for code in _codes(each)}
    return {
        "complaint": complaint.name,
        "state": state,
        "causes": list(dict.fromkeys(told)),
        "ruled_out": [
            code for code in complaint.causes if slugs[code] in ran and code not in found
        ],
        "not_judged": [code for code in complaint.causes if slugs[code] not in ran],
    }


def _rank(finding: Finding, complaint: Complaint) -> int | None:
    """Its place among the complaint's causes, by itself or by what it explains; None if none."""
    if finding.severity is Severity.INFO:
        return None
    places = [place for place, code in enumerate(complaint.causes) if code in _codes(finding)]
    return min(places, default=None)


def _codes(finding: Finding) -> set[str]:
    return {finding.code, *(each.code for each in finding.consequences)}
