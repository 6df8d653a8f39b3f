"""netdoctor finds what is wrong with a PyTorch network.

One function a command, all returning a `netdoctor.report.Report`:

    import netdoctor
    report = netdoctor.deadneurons(model, loader)
    print(report.findings, report.table("layers", "overfit").rows)

Nothing here imports torch before one of the functions is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from netdoctor.version import __version__

if TYPE_CHECKING:
    from netdoctor.api.activations import activations, deadneurons, layers
    from netdoctor.api.check_forward import check_forward
    from netdoctor.api.check_loader import check_loader
    from netdoctor.api.check_weights import check_weights
    from netdoctor.api.diagnose_curves import diagnose_curves
    from netdoctor.api.featuremaps import featuremaps
    from netdoctor.api.gradcam import gradcam
    from netdoctor.api.gradflow import gradflow
    from netdoctor.api.graph import graph
    from netdoctor.api.kernels import kernels
    from netdoctor.api.lrfind import lrfind
    from netdoctor.api.overfit import overfit
    from netdoctor.report import Finding, Report, Severity

# By function the module that holds it: each command imports no more than its own probe.
_API = {
    "activations": "activations",
    "check_forward": "check_forward",
    "check_loader": "check_loader",
    "check_weights": "check_weights",
    "deadneurons": "activations",
    "diagnose_curves": "diagnose_curves",
    "featuremaps": "featuremaps",
    "gradcam": "gradcam",
    "gradflow": "gradflow",
    "graph": "graph",
    "kernels": "kernels",
    "layers": "activations",
    "lrfind": "lrfind",
    "overfit": "overfit",
}
_REPORT = ("Finding", "Report", "Severity")

__all__ = [
    "Finding",
    "Report",
    "Severity",
    "__version__",
    "activations",
    "check_forward",
    "check_loader",
    "check_weights",
    "deadneurons",
    "diagnose_curves",
    "featuremaps",
    "gradcam",
    "gradflow",
    "graph",
    "kernels",
    "layers",
    "lrfind",
    "overfit",
]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module(f"netdoctor.api.{_API[name]}"), name)
    if name in _REPORT:
        from netdoctor import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
