"""netdoctor finds what is wrong with a PyTorch network.

One function a command, all returning a `netdoctor.report.Report`:

    import netdoctor
    report = netdoctor.deadneurons(model, loader)
    print(report.findings, report.table("layers", "overfit").rows)

Nothing here imports torch before one of the functions is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netdoctor.version import __version__

if TYPE_CHECKING:
    from netdoctor.api import (
        activations,
        check_forward,
        deadneurons,
        featuremaps,
        gradflow,
        layers,
        lrfind,
        overfit,
    )
    from netdoctor.report import Finding, Report, Severity

_API = (
    "activations",
    "check_forward",
    "deadneurons",
    "featuremaps",
    "gradflow",
    "layers",
    "lrfind",
    "overfit",
)
_REPORT = ("Finding", "Report", "Severity")

__all__ = [
    "Finding",
    "Report",
    "Severity",
    "__version__",
    "activations",
    "check_forward",
    "deadneurons",
    "featuremaps",
    "gradflow",
    "layers",
    "lrfind",
    "overfit",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        from netdoctor import api

        return getattr(api, name)
    if name in _REPORT:
        from netdoctor import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
