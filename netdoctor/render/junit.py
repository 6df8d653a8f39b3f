"""JUnit XML: a test case for each rule, as Jenkins, GitLab and others read it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from netdoctor.errors import NetDoctorError
from netdoctor.render.values import brief
from netdoctor.report import Finding, Report, Severity

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report, fail_on: Severity | None = Severity.ERROR) -> str:
    """One suite, in which each rule passed, failed or was skipped.

    Args:
        report: what was found.
        fail_on: findings from this severity on fail their rule's case, others are its output.
    """
    cases = [_case(report, slug, fail_on) for slug in _rules(report)]
    failed = sum(case.find("failure") is not None for case in cases)
    skipped = sum(case.find("skipped") is not None for case in cases)
    name = " ".join(part for part in ("netdoctor", report.command, report.subject) if part)
    return _document(name, cases, failures=failed, skipped=skipped)


def render_error(command: str, error: NetDoctorError) -> str:
    """A suite of one case that could not be run."""
    case = ElementTree.Element("testcase", classname=f"netdoctor.{command}", name="examination")
    problem = ElementTree.SubElement(case, "error", type=error.kind, message=_legal(error.message))
    problem.text = _legal(error.hint)
    return _document(f"netdoctor {command}", [case], errors=1)


def _rules(report: Report) -> list[str]:
    """Slugs of all rules that were selected: those with findings first, worst first."""
    found = [finding.rule for finding in report.every_finding()]
    return list(dict.fromkeys([*found, *report.ran, *(each.rule for each in report.skipped)]))


def _case(report: Report, slug: str, fail_on: Severity | None) -> ElementTree.Element:
    findings = [each for each in report.every_finding() if each.rule == slug]
    place = f"netdoctor.{report.command}.{report.subject}".rstrip(".")
    case = ElementTree.Element("testcase", classname=_legal(place), name=slug)
    grave = [each for each in findings if fail_on and each.severity.rank >= fail_on.rank]
    if grave:
        first = grave[0]
        more = f" and {len(grave) - 1} more" if len(grave) > 1 else ""
        message = _legal(f"{first.code} {first.subject}: {first.message}{more}")
        failure = ElementTree.SubElement(
            case, "failure", type=first.severity.value, message=message
        )
        failure.text = _legal("\n\n".join(map(_told, grave)))
    reasons = [each for each in report.skipped if each.rule == slug]
    if reasons and slug not in report.ran and not findings:
        ElementTree.SubElement(case, "skipped", message=_legal(reasons[0].reason))
    told = [_told(each) for each in findings if each not in grave]
    told += [f"not judged: {each.subject}: {each.reason}" for each in reasons if each.subject]
    if told:
        ElementTree.SubElement(case, "system-out").text = _legal("\n\n".join(told))
    return case


def _told(finding: Finding) -> str:
    evidence = ", ".join(f"{key} {brief(value)}" for key, value in finding.evidence.items())
    return f"{finding.subject}: {finding.message}\n{evidence}\n{finding.remedy}"


def _document(
    name: str,
    cases: list[ElementTree.Element],
    *,
    failures: int = 0,
    errors: int = 0,
    skipped: int = 0,
) -> str:
    counts = {
        "tests": str(len(cases)), "failures": str(failures), "errors": str(errors),
        "skipped": str(skipped),
    }  # fmt: skip
    root = ElementTree.Element("testsuites", {"name": "netdoctor", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": _legal(name), **counts})
    suite.extend(cases)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _legal(text: str) -> str:
    """The text without what XML cannot hold, which is written as an escape."""
    return _NOT_XML.sub(lambda found: ascii(found.group())[1:-1], text)
