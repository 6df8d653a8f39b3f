"""`netdoctor.assert_healthy`: a checkup as an assertion, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import netdoctor
from netdoctor.errors import UsageError
from netdoctor.render.values import printable
from netdoctor.report import Finding, Report, Severity

if TYPE_CHECKING:
    from torch import nn

    from netdoctor.inputs.model import LoadedModel


def assert_healthy(
    model: nn.Module | LoadedModel,
    data: Any = None,
    *,
    fail_on: Severity | str = Severity.ERROR,
    **options: Any,
) -> Report:
    """The report of a checkup that found nothing this bad.

    Args:
        model: the network; it is left bit for bit as it was found.
        data: what `netdoctor.checkup` takes; None for random input.
        fail_on: the severity from which a finding counts: error, warning or info.
        options: the further arguments of `netdoctor.checkup`: `select`, `ignore`, `thresholds`,
            `loss`, `log`, `only`, `skip`, `batches`, `batch_size`, `device`, `seed`.

    Returns:
        The report, for further questions.

    Raises:
        AssertionError: there are such findings, each with its evidence and what to do; or no rule
            could be applied, for what was not examined is not healthy.
        NetDoctorError: the model or data cannot be used.
    """
    __tracebackhide__ = True  # pytest shows the line of the test
    least = _severity(fail_on)
    report: Report = netdoctor.checkup(model, data, **options)
    sick = [each for each in report.findings if each.severity.rank >= least.rank]
    if sick:
        raise AssertionError("\n".join([report.conclusion(), *map(printable, _lines(sick))]))
    if not report.ran:
        reasons = [f"  {each.rule}: {each.reason}" for each in report.skipped]
        raise AssertionError("\n".join(["no rule could be applied, so nothing is known", *reasons]))
    return report


def _severity(name: Severity | str) -> Severity:
    try:
        return Severity(name)
    except ValueError:
        known = ", ".join(each.value for each in reversed(Severity))
        message = f"fail_on is {name!r}, which is no severity"
        raise UsageError(message, hint=f"give {known}") from None


def _lines(findings: list[Finding]) -> Iterator[str]:
    for each in findings:
        evidence = ", ".join(f"{name} {_brief(value)}" for name, value in each.evidence.items())
        yield ""
        yield f"{each.severity.value} {each.code} {each.rule}: {each.subject}"
        yield f"  {each.message}"
        yield f"  evidence: {evidence}"
        yield f"  what to do: {each.remedy}"
        for other in each.consequences:
            yield f"  explains {other.code} {other.rule}: {other.subject}"


def _brief(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
