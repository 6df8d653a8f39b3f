"""A loaded model as the tests of data need it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from netdoctor.inputs.model import LoadedModel


def loaded(module: nn.Module | None = None, **fields: Any) -> LoadedModel:
    device = torch.device("cpu")
    return LoadedModel(module or nn.Conv2d(3, 4, 3), name="net", device=device, **fields)
