"""netdoctor finds what is wrong with a PyTorch network.

One function a command, all returning a `netdoctor.report.Report`:

    import netdoctor
    report = netdoctor.deadneurons(model, loader)
    print(report)                        # what the command line shows
    report.findings                      # the same as objects
    report.table("layers").rows          # and as rows: pandas.DataFrame(...) takes them
    report.raise_for("error")            # FindingsError where something is broken

Each leaves the model as it found it. What keeps an examination from being done is a
`NetDoctorError`.

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
    from netdoctor.api.checkup import checkup
    from netdoctor.api.diagnose_curves import diagnose_curves
    from netdoctor.api.featuremaps import featuremaps
    from netdoctor.api.gradcam import gradcam
    from netdoctor.api.gradflow import gradflow
    from netdoctor.api.graph import graph
    from netdoctor.api.kernels import kernels
    from netdoctor.api.lrfind import lrfind
    from netdoctor.api.overfit import overfit
    from netdoctor.errors import NetDoctorError
    from netdoctor.report import Finding, FindingsError, Report, Severity
    from netdoctor.testing import assert_healthy

# By function the module that holds it: each command imports no more than its own probe.
_API = {
    "activations": "activations",
    "check_forward": "check_forward",
    "check_loader": "check_loader",
    "check_weights": "check_weights",
    "checkup": "checkup",
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
_ELSEWHERE = {
    "Finding": "report",
    "FindingsError": "report",
    "NetDoctorError": "errors",
    "Report": "report",
    "Severity": "report",
    "assert_healthy": "testing",
}

__all__ = [
    "Finding",
    "FindingsError",
    "NetDoctorError",
    "Report",
    "Severity",
    "__version__",
    "activations",
    "assert_healthy",
    "check_forward",
    "check_loader",
    "check_weights",
    "checkup",
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


if not TYPE_CHECKING:  # so that type checkers know which names there are

    def __getattr__(name: str) -> Any:
        if name in _API:
            return getattr(import_module(f"netdoctor.api.{_API[name]}"), name)
        if name in _ELSEWHERE:
            return getattr(import_module(f"netdoctor.{_ELSEWHERE[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
