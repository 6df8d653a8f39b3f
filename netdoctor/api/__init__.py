"""One function a command: measure, judge, report."""

from __future__ import annotations

from netdoctor.api.activations import activations, deadneurons, layers
from netdoctor.api.check_forward import check_forward
from netdoctor.api.featuremaps import featuremaps
from netdoctor.api.gradflow import gradflow
from netdoctor.api.lrfind import lrfind
from netdoctor.api.overfit import overfit

__all__ = [
    "activations",
    "check_forward",
    "deadneurons",
    "featuremaps",
    "gradflow",
    "layers",
    "lrfind",
    "overfit",
]
